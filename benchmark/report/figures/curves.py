"""The distance, and each method's own signal, against the training step."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmark.evaluation.settings import distance_title
from benchmark.report.figures.canvas import Style, defaults, grid, is_log, label, png, styles
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
# More lines than these nobody can follow: then a cell is its mean and its range.
MOST_LINES = 10
# Opacity of a band; where there are many of them the fainter one.
BAND, FAINT_BAND, MANY_BANDS = 0.15, 0.07, 6
RING: Style = {
    **{"color": "black", "marker": "o", "linestyle": "", "markersize": 10},
    **{"markerfacecolor": "none", "markeredgewidth": 1.2},
}


@defaults()
def curves(results: Tables) -> bytes | None:
    """One panel for the distance and one a signal, where any run has them, on the same steps.

    One line a run; of more than MOST_LINES runs one line and a band a cell.
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
    panels = has_distance + len(signals)
    rows = -(-panels // 2)
    figure, axes = grid(panels, 3.4 + 1.0 / rows)
    for panel in axes[1:]:
        panel.sharex(axes[0])
    many = is_banded(results)
    for panel in axes[:has_distance]:
        _floors(panel, cells)
        name = distance_title(results.entry.features)
        _panel(panel, cells, judged, DISTANCE, f"{name}: lower is better", None, many)
        _collapses(panel, cells, judged)
    for panel, signal in zip(axes[has_distance:], signals, strict=True):
        mine = [each for each in cells if each[0].record.signal == signal]
        methods = dict.fromkeys(cell.record.method for cell, _ in mine)
        name = f"{title(signal)}, own signal of {', '.join(methods)}"
        _panel(panel, mine, results.train, signal, name, 6, many)
    handles = _legend(few)
    columns = 4 if max(len(str(each.get_label())) for each in handles) <= SHORT else 3
    columns = min(columns, len(handles))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False
    )
    return png(figure)


def is_banded(results: Tables) -> bool:
    """Whether the runs are too many for a line each."""
    return sum(len(cell.rows) for cell in shown(results.cells)) > MOST_LINES


def _panel(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
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
                # Each cell's markers stand at other steps, so that they do not hide one another.
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


def _lines(
    table: pd.DataFrame, cells: list[tuple[Cell, Style]], column: str
) -> dict[str, pd.DataFrame]:
    """By run, the rows that have a value, in order of step; runs without any are not there."""
    rows = table[table["run_id"].isin(_run_ids(cells)) & table[column].notna()]
    return {str(run): own for run, own in rows.sort_values("step", kind="stable").groupby("run_id")}


def _run_ids(cells: list[tuple[Cell, Style]]) -> list[str]:
    return [run_id for cell, _ in cells for run_id in cell.run_ids]


def _collapses(axes: Axes, cells: list[tuple[Cell, Style]], judged: pd.DataFrame) -> None:
    """A ring where a run collapsed for good."""
    lines = _lines(judged, cells, DISTANCE)
    for run in (run for cell, _ in cells for run in cell.rows):
        rows, since = lines.get(run["run_id"]), run.get("collapsed_at", np.nan)
        if rows is not None and len(at := rows[rows["step"] == since]):
            axes.plot(since, at[DISTANCE].iloc[0], **RING)


def _floors(axes: Axes, cells: list[tuple[Cell, Style]]) -> None:
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
