"""The distance, and each method's own signal, against the training step."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from benchmark.evaluation.settings import distance_title
from benchmark.report.figures.canvas import (
    BOX,
    COLOURS,
    DPI,
    WIDTH,
    Style,
    any_flat,
    defaults,
    grid,
    is_log,
    label,
    legend,
    png,
    split,
    styles,
)
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import title
from benchmark.results.schema import DISTANCE, REAL
from benchmark.results.tables import Cell, Tables

SHORT = 18  # most characters of legend entries of which four fit side by side
ENDED_EARLY = {"failed", "stopped"}
FLOOR: Style = {"color": "0.35", "linestyle": ":", "linewidth": 1.5}
CROSS: Style = {
    **{"color": "black", "marker": "x", "linestyle": "", "markersize": 8},
    **{"markeredgewidth": 2},
}
# Above this many lines, each cell is shown by its mean and range.
MOST_LINES = 10
MARKS = 6  # on a signal's line, which has many steps; the distance has a mark at every step
# Opacity of a band; fainter if there are many.
BAND, FAINT_BAND, MANY_BANDS = 0.15, 0.07, 6
# Above so many cells, each gets a panel of its own; at most so many of them are side by side.
MOST_TOGETHER, MOST_ACROSS = 6, 5
ROW, HEADING = 1.5, 0.45  # inches of a row of panels, and of the text above and below a block
OWN: Style = {"color": COLOURS[0], "linestyle": "-", "marker": ""}
GREY: Style = {"color": "0.6", "linestyle": "--", "linewidth": 1.2, "zorder": 1}
CORNER: Style = {"ha": "right", "va": "top", "fontsize": 7, "bbox": {**BOX, "pad": 1.0}}
NOTHING: Style = {"ha": "center", "va": "center", "fontsize": 8, "color": "0.4"}
_Cells: TypeAlias = list[tuple[Cell, Style]]
RING: Style = {
    **{"color": "black", "marker": "o", "linestyle": "", "markersize": 10},
    **{"markerfacecolor": "none", "markeredgewidth": 1.2},
}


@defaults()
def curves(results: Tables) -> bytes | None:
    """One panel for the distance and one per signal, if any run has them, on the same steps.

    There is one line per run; for more than MOST_LINES runs, one line and band per cell; for more
    than MOST_TOGETHER cells, separate panels for each.
    """
    chosen = shown(results.cells)
    cells = list(zip(chosen, styles(len(chosen)), strict=True))
    columns = [DISTANCE, *(name for name in results.record.signals if _having(cells, name))]
    columns = [name for name in columns if len(results.curves(name))]
    if not columns:
        return None
    if is_apart(results):
        return _apart(results, cells, columns)
    figure, axes = grid(len(columns), 3.4 + 1.0 / -(-len(columns) // 2))
    for panel in axes[1:]:
        panel.sharex(axes[0])
    for panel, column in zip(axes, columns, strict=True):
        _panel(panel, results, _having(cells, column), column, is_banded(results))
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=label(cell.title), **style)
        for cell, style in cells
    ]
    handles += _signs(chosen)
    longest = max(len(str(each.get_label())) for each in handles)
    legend(figure, handles, 4 if longest <= SHORT else 3)
    return png(figure)


def is_banded(results: Tables) -> bool:
    """Whether there are too many runs for one line each."""
    return sum(cell.planned for cell in shown(results.cells)) > MOST_LINES


def is_apart(results: Tables) -> bool:
    """Whether there are too many cells for one panel."""
    return len(shown(results.cells)) > MOST_TOGETHER


def _having(cells: _Cells, column: str) -> _Cells:
    """The cells that have the column: those whose method has the signal; all have a distance."""
    return [each for each in cells if column in (DISTANCE, each[0].record.signal)]


def _heading(results: Tables, cells: _Cells, column: str) -> str:
    if column == DISTANCE:
        return f"{distance_title(results.entry.features)}: lower is better"
    methods = dict.fromkeys(cell.record.method for cell, _ in cells)
    return f"{title(column)}, own signal of {', '.join(methods)}"


def _apart(results: Tables, cells: _Cells, columns: Sequence[str]) -> bytes:
    """A block of panels for the distance and one for the signals, each with one panel per cell.

    All have the same steps, and those of one column the same scale unless that flattens one.
    """
    across = -(-len(cells) // -(-len(cells) // MOST_ACROSS))
    signals = [name for name in columns if name != DISTANCE]
    blocks = [
        [(cell, name) for name in names for cell, _ in _having(cells, name)]
        for names in ([DISTANCE] * (DISTANCE in columns), signals)
        if names
    ]
    rows = [-(-len(block) // across) for block in blocks]
    size = (WIDTH, ROW * sum(rows) + HEADING * (len(rows) + 1))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=rows).flat
    used: list[Axes] = []
    for part, block in zip(parts, blocks, strict=True):
        panels = split(part, len(block), across)
        used += panels
        scale: dict[str, list[Axes]] = {}
        for at, (panel, (cell, column)) in enumerate(zip(panels, block, strict=True)):
            own = column != DISTANCE and _flattens(results, _having(cells, column), column)
            scale.setdefault(f"{column} {at}" if own else column, []).append(panel)
            _alone(panel, results, cell, _having(cells, cell.record.signal)[0][0], column)
            panel.set_title(label(cell.title, 24), fontsize=8, loc="left")
            corner = title(column) if len(signals) > 1 and column != DISTANCE else ""
            corner += " (own scale)" if own else ""
            panel.text(0.97, 0.95, corner.strip(), transform=panel.transAxes, **CORNER)
            left = block[at - 1][1] if at % across else None  # column of the panel to the left
            panel.tick_params(labelleft=own or left != column)
            panel.tick_params(labelbottom=at + across >= len(block))
        for together in scale.values():
            _on_one_scale(together)
        several = len({column for _, column in block}) > 1
        heading = _heading(results, _having(cells, column), column)
        part.suptitle("Each method's own signal" if several else label(heading, 100), fontsize=9)
    _align(used, "x")
    part.supxlabel("training step (updates)", fontsize=8)
    handles = [Line2D([], [], label="mean of the cell", **OWN)]
    handles.append(Line2D([], [], label="mean of the first cell with the same signal", **GREY))
    legend(figure, handles + _signs([cell for cell, _ in cells]), 3, fontsize=8)
    return png(figure)


def _alone(panel: Axes, results: Tables, cell: Cell, first: Cell, column: str) -> None:
    """Draw a cell on its own panel, in front of the mean of `first`."""
    if not _lines(results, [cell], column):
        panel.text(0.5, 0.5, "no values yet", transform=panel.transAxes, **NOTHING)
    elif first is not cell:
        mean = _rows(results, [first], column).groupby("step")["value"].mean()
        panel.plot(mean.index.to_numpy(), mean.to_numpy(), **GREY)
    _panel(panel, results, [(cell, OWN)], column, many=True)
    panel.set_xlabel("")
    panel.tick_params(labelsize=7, which="both")
    panel.xaxis.set_major_locator(MaxNLocator(3))


def _on_one_scale(panels: Sequence[Axes]) -> None:
    """Give panels the same scale, logarithmic if any of them is."""
    if any(panel.get_yscale() == "log" for panel in panels):
        for panel in panels:
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
    _align(panels, "y")


def _align(panels: Sequence[Axes], axis: Literal["x", "y"]) -> None:
    """Give all panels the common limits of those with data, as `sharex` and `sharey` would.

    With those, drawing takes quadratic time in the number of panels.
    """
    limits = [getattr(panel, f"get_{axis}lim")() for panel in panels if panel.has_data()]
    for panel in panels if limits else ():
        panel.set(**{f"{axis}lim": (min(low for low, _ in limits), max(up for _, up in limits))})


def _flattens(results: Tables, cells: _Cells, column: str) -> bool:
    """Whether a cell's curve would be a mere line on an axis shared by all."""
    return any_flat([_rows(results, [cell], column)["value"] for cell, _ in cells])


def _panel(axes: Axes, results: Tables, cells: _Cells, column: str, many: bool) -> None:
    """Draw the curves of one column; if `many`, as means and bands."""
    of_panel = [cell for cell, _ in cells]
    lines = _lines(results, of_panel, column)
    if column == DISTANCE:
        floors = {cell.floors.get(REAL, {}).get(DISTANCE) for cell in of_panel}
        for floor in sorted(value for value in floors if value is not None):
            axes.axhline(floor, **FLOOR)
    for at, (cell, style) in enumerate(cells):
        drawn = [lines[run_id] for run_id in cell.run_ids if run_id in lines]
        if many and len(drawn) > 1:
            by_step = pd.concat(drawn).groupby("step")["value"].agg(["mean", "min", "max"])
            band = by_step.rename(columns={"mean": "value"}).reset_index()
            axes.fill_between(
                band["step"],
                band["min"],
                band["max"],
                color=style["color"],
                alpha=BAND if len(cells) <= MANY_BANDS else FAINT_BAND,
                linewidth=0,
            )
            drawn = [band]
        for rows in drawn:
            every = 1 if column == DISTANCE else max(1, len(rows) // MARKS)
            axes.plot(
                rows["step"],
                rows["value"],
                linewidth=1.4 if many else 0.9,
                markersize=4,
                # Cells have their markers at different steps, so as not to hide one another.
                markevery=(at * every // len(cells), every),
                **style,
            )
        for run in cell.rows:
            if run["state"] in ENDED_EARLY and run["run_id"] in lines:
                last = lines[run["run_id"]].iloc[-1]
                axes.plot(last["step"], last["value"], **CROSS)
    log = is_log(_rows(results, of_panel, column)["value"])
    if log:
        axes.set_yscale("log")
    words = _heading(results, cells, column)
    axes.set_title(label(f"{words}{' (log scale)' if log else ''}", 80), fontsize=9, loc="left")
    axes.set_xlabel("training step (updates)", fontsize=9)
    axes.tick_params(labelsize=8, which="both")
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)
    for run in (run for cell in of_panel if column == DISTANCE for run in cell.rows):
        line, since = lines.get(run["run_id"]), run.get("collapsed_at", np.nan)
        if line is not None and len(onset := line[line["step"] == since]):
            axes.plot(since, onset["value"].iloc[0], **RING)


def _rows(results: Tables, cells: Sequence[Cell], column: str) -> pd.DataFrame:
    """Rows (run_id, step, value) for the runs of these cells."""
    rows = results.curves(column)
    return rows[rows["run_id"].isin([run_id for cell in cells for run_id in cell.run_ids])]


def _lines(results: Tables, cells: Sequence[Cell], column: str) -> dict[str, pd.DataFrame]:
    """Rows keyed by run, in order of step; runs without values are absent."""
    rows = _rows(results, cells, column).sort_values("step", kind="stable")
    return {str(run): own for run, own in rows.groupby("run_id")}


def _signs(cells: Sequence[Cell]) -> list[Line2D]:
    """Legend entries for the signs that are in use."""
    runs = [run for cell in cells for run in cell.rows]
    signs = (
        ("real against real", FLOOR, any(cell.floors for cell in cells)),
        ("run ended early", CROSS, any(run["state"] in ENDED_EARLY for run in runs)),
        (
            "collapsed from here to the end",
            RING,
            any(np.isfinite(run.get("collapsed_at", np.nan)) for run in runs),
        ),
    )
    return [Line2D([], [], label=words, **look) for words, look, is_there in signs if is_there]
