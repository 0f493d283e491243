"""The distance, and each method's own signal, against the training step."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

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
    png,
    styles,
)
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import title
from benchmark.results.schema import DISTANCE, REAL
from benchmark.results.tables import Cell, Tables

SHORT = 18  # characters of a legend's entry, of which four fit side by side
ENDED_EARLY = {"failed", "stopped"}
FLOOR: Style = {"color": "0.35", "linestyle": ":", "linewidth": 1.5}
CROSS: Style = {
    **{"color": "black", "marker": "x", "linestyle": "", "markersize": 8},
    **{"markeredgewidth": 2},
}
# Above this many lines, each cell is shown by its mean and range.
MOST_LINES = 10
# Opacity of a band; fainter if there are many.
BAND, FAINT_BAND, MANY_BANDS = 0.15, 0.07, 6
# Above this many cells, each gets a panel of its own, this many side by side.
MOST_TOGETHER, MOST_ACROSS = 6, 5
ROW, HEADING = 1.5, 0.45  # inches of such a row, and of what is written above and below a block
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
    """One panel for the distance and one a signal, where any run has them, on the same steps.

    One line a run; of more than MOST_LINES runs one line and a band a cell. Of more than
    MOST_TOGETHER cells each has panels of its own.
    """
    judged = results.judged
    if results.train.empty and judged.empty:
        return None
    few = shown(results.cells)
    cells = list(zip(few, styles(len(few)), strict=True))
    own = {cell.record.signal for cell in few}
    signals = [name for name in results.record.signals if name in own]
    signals = [name for name in signals if results.train[name].notna().any()]
    has_distance = DISTANCE in judged and bool(judged[DISTANCE].notna().any())
    if is_apart(results):
        return _apart(results, cells, [DISTANCE] * has_distance + signals)
    panels = has_distance + len(signals)
    rows = -(-panels // 2)
    figure, axes = grid(panels, 3.4 + 1.0 / rows)
    for panel in axes[1:]:
        panel.sharex(axes[0])
    many = is_banded(results)
    for panel in axes[:has_distance]:
        _floors(panel, cells)
        _panel(panel, cells, judged, DISTANCE, _heading(results, cells, DISTANCE), None, many)
        _collapses(panel, cells, judged)
    for panel, signal in zip(axes[has_distance:], signals, strict=True):
        mine = _with_signal(cells, signal)
        name = _heading(results, mine, signal)
        _panel(panel, mine, results.train, signal, name, 6, many)
    handles = _legend(few)
    columns = 4 if max(len(str(each.get_label())) for each in handles) <= SHORT else 3
    columns = min(columns, len(handles))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False
    )
    return png(figure)


def is_banded(results: Tables) -> bool:
    """Whether there are too many runs for a line each."""
    return sum(cell.planned for cell in shown(results.cells)) > MOST_LINES


def is_apart(results: Tables) -> bool:
    """Whether there are too many cells for one panel."""
    return len(shown(results.cells)) > MOST_TOGETHER


def _heading(results: Tables, cells: _Cells, column: str) -> str:
    if column == DISTANCE:
        return f"{distance_title(results.entry.features)}: lower is better"
    methods = dict.fromkeys(cell.record.method for cell, _ in cells)
    return f"{title(column)}, own signal of {', '.join(methods)}"


def _with_signal(cells: _Cells, signal: str) -> _Cells:
    return [each for each in cells if each[0].record.signal == signal]


def _apart(results: Tables, cells: _Cells, columns: Sequence[str]) -> bytes:
    """A block of panels for the distance and one for the signals, in each a panel a cell.

    All have the same steps, and those of one column the same scale, if that flattens none.
    """
    across = -(-len(cells) // -(-len(cells) // MOST_ACROSS))
    signals = [name for name in columns if name != DISTANCE]
    of_signals = [(each, name) for name in signals for each in _with_signal(cells, name)]
    blocks = [[(each, DISTANCE) for each in cells]] if DISTANCE in columns else []
    blocks += [of_signals] if of_signals else []
    rows = [-(-len(block) // across) for block in blocks]
    size = (WIDTH, ROW * sum(rows) + HEADING * (len(rows) + 1))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=rows).flat
    used: list[Axes] = []
    for part, block, down in zip(parts, blocks, rows, strict=True):
        panels = list(part.subplots(down, across, squeeze=False).flat)
        for empty in panels[len(block) :]:
            empty.set_axis_off()
        used += panels[: len(block)]
        scale: dict[str, list[Axes]] = {}
        for at, (panel, (each, column)) in enumerate(zip(panels, block, strict=False)):
            table = results.judged if column == DISTANCE else results.train
            own = column != DISTANCE and _flattens(table, _with_signal(cells, column), column)
            scale.setdefault(f"{column} {at}" if own else column, []).append(panel)
            _alone(panel, each[0], _with_signal(cells, each[0].record.signal)[0][0], table, column)
            panel.set_title(label(each[0].title, 24), fontsize=8, loc="left")
            said = title(column) if len(signals) > 1 and column != DISTANCE else ""
            said += " (own scale)" if own else ""
            panel.text(0.97, 0.95, said.strip(), transform=panel.transAxes, **CORNER)
            beside = block[at - 1][1] if at % across else None
            panel.tick_params(labelleft=own or beside != column)
            panel.tick_params(labelbottom=at + across >= len(block))
        for together in scale.values():
            _on_one_scale(together)
        part.suptitle(_headings(results, cells, block), fontsize=9)
    _align(used, "x")
    part.supxlabel("training step (updates)", fontsize=8)
    handles = [Line2D([], [], label="mean of the cell", **OWN)]
    handles.append(Line2D([], [], label="mean of the first cell with the same signal", **GREY))
    handles += _legend([cell for cell, _ in cells])[len(cells) :]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return png(figure)


def _headings(results: Tables, cells: _Cells, block: Sequence[tuple[Any, str]]) -> str:
    columns = list(dict.fromkeys(column for _, column in block))
    if len(columns) == 1:
        return label(_heading(results, _with_signal(cells, columns[0]), columns[0]), 100)
    return "Each method's own signal"


def _alone(panel: Axes, cell: Cell, first: Cell, table: pd.DataFrame, column: str) -> None:
    """A cell on its own panel, before the mean of another."""
    one: _Cells = [(cell, OWN)]
    if not _lines(table, one, column):
        panel.text(0.5, 0.5, "no values yet", transform=panel.transAxes, **NOTHING)
    elif first is not cell:
        rows = table[table["run_id"].isin(first.run_ids) & table[column].notna()]
        mean = rows.groupby("step")[column].mean()
        panel.plot(mean.index.to_numpy(), mean.to_numpy(), **GREY)
    if column == DISTANCE:
        _floors(panel, one)
    _panel(panel, one, table, column, "", None, many=True)
    if column == DISTANCE:
        _collapses(panel, one, table)
    panel.set_xlabel("")
    panel.tick_params(labelsize=7, which="both")
    panel.xaxis.set_major_locator(MaxNLocator(3))


def _on_one_scale(panels: Sequence[Axes]) -> None:
    """Logarithmic if any of them is."""
    if any(panel.get_yscale() == "log" for panel in panels):
        for panel in panels:
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
    _align(panels, "y")


def _align(panels: Sequence[Axes], axis: Literal["x", "y"]) -> None:
    """Give all the limits of those that have data, as `sharex` and `sharey` do; with these, to draw
    takes quadratic time in the number of panels."""
    limits = [getattr(panel, f"get_{axis}lim")() for panel in panels if panel.has_data()]
    for panel in panels if limits else ():
        panel.set(**{f"{axis}lim": (min(low for low, _ in limits), max(up for _, up in limits))})


def _flattens(table: pd.DataFrame, cells: _Cells, column: str) -> bool:
    """Whether a cell's curve would be a mere line on an axis for all of them."""
    found = [table.loc[table["run_id"].isin(cell.run_ids), column] for cell, _ in cells]
    low, high = np.array([values.agg(["min", "max"]) for values in found]).T
    return any_flat(low, high)


def _panel(
    axes: Axes,
    cells: _Cells,
    table: pd.DataFrame,
    column: str,
    name: str,
    marks: int | None,
    many: bool,
) -> None:
    """A cross where a run ended early. `marks`: markers a line, None: all; `many`: bands."""
    lines = _lines(table, cells, column)
    for at, (cell, style) in enumerate(cells):
        own = [lines[run["run_id"]] for run in cell.rows if run["run_id"] in lines]
        if many and len(own) > 1:
            by_step = pd.concat(own).groupby("step")[column].agg(["mean", "min", "max"])
            axes.fill_between(
                by_step.index.to_numpy(),
                by_step["min"].to_numpy(),
                by_step["max"].to_numpy(),
                color=style["color"],
                alpha=BAND if len(cells) <= MANY_BANDS else FAINT_BAND,
                linewidth=0,
            )
            drawn = [(by_step.index.to_series(), by_step["mean"])]
        else:
            drawn = [(rows["step"], rows[column]) for rows in own]
        for steps, values in drawn:
            every = max(1, len(steps) // marks) if marks else 1
            axes.plot(
                steps,
                values,
                linewidth=1.4 if many else 0.9,
                markersize=4,
                # Cells' markers are at different steps, so that they do not hide one another.
                markevery=(at * every // len(cells), every),
                **style,
            )
        for run in cell.rows:
            if run["state"] in ENDED_EARLY and run["run_id"] in lines:
                last = lines[run["run_id"]].iloc[-1]
                axes.plot(last["step"], last[column], **CROSS)
    log = is_log(table.loc[table["run_id"].isin(_run_ids(cells)), column])
    if log:
        axes.set_yscale("log")
    axes.set_title(label(f"{name}{' (log scale)' if log else ''}", 80), fontsize=9, loc="left")
    axes.set_xlabel("training step (updates)", fontsize=9)
    axes.tick_params(labelsize=8, which="both")
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)


def _lines(table: pd.DataFrame, cells: _Cells, column: str) -> dict[str, pd.DataFrame]:
    """By run, the rows that have a value, in order of step; runs without any are not there."""
    rows = table[table["run_id"].isin(_run_ids(cells)) & table[column].notna()]
    return {str(run): own for run, own in rows.sort_values("step", kind="stable").groupby("run_id")}


def _run_ids(cells: _Cells) -> list[str]:
    return [run_id for cell, _ in cells for run_id in cell.run_ids]


def _collapses(axes: Axes, cells: _Cells, judged: pd.DataFrame) -> None:
    """A ring where a run collapsed for good."""
    lines = _lines(judged, cells, DISTANCE)
    for run in (run for cell, _ in cells for run in cell.rows):
        rows, since = lines.get(run["run_id"]), run.get("collapsed_at", np.nan)
        if rows is not None and len(at := rows[rows["step"] == since]):
            axes.plot(since, at[DISTANCE].iloc[0], **RING)


def _floors(axes: Axes, cells: _Cells) -> None:
    floors = {cell.floors.get(REAL, {}).get(DISTANCE) for cell, _ in cells}
    for floor in sorted(value for value in floors if value is not None):
        axes.axhline(floor, **FLOOR)


def _legend(cells: Sequence[Cell]) -> list[Line2D]:
    runs = [run for cell in cells for run in cell.rows]
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=label(cell.title), **style)
        for cell, style in zip(cells, styles(len(cells)), strict=True)
    ]
    if any(cell.floors for cell in cells):
        handles.append(Line2D([], [], label="real against real", **FLOOR))
    if any(run["state"] in ENDED_EARLY for run in runs):
        handles.append(Line2D([], [], label="run ended early", **CROSS))
    if any(np.isfinite(run.get("collapsed_at", np.nan)) for run in runs):
        handles.append(Line2D([], [], label="collapsed from here to the end", **RING))
    return handles
