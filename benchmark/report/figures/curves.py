"""Each method's own signal, and the distance, against the training step."""

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

ENDED_EARLY = {"failed", "stopped"}
FLOOR: Style = {"color": "0.35", "linestyle": ":", "linewidth": 1.5}
CROSS: Style = {
    **{"color": "black", "marker": "x", "linestyle": "", "markersize": 8},
    **{"markeredgewidth": 2},
}
RING: Style = {
    **{"color": "black", "marker": "o", "linestyle": "", "markersize": 10},
    **{"markerfacecolor": "none", "markeredgewidth": 1.2},
}


@defaults()
def curves(results: Tables) -> bytes | None:
    """One panel a signal and one for the distance, where any run has them; one line a seed."""
    judged = results.judged
    if results.train.empty and judged.empty:
        return None
    few = shown(results.cells)
    cells = list(zip(few, styles(len(few)), strict=True))
    own = {cell.record.signal for cell in few}
    signals = [name for name in results.record.signals if name in own]
    signals = [name for name in signals if results.train[name].notna().any()]
    has_distance = DISTANCE in judged and bool(judged[DISTANCE].notna().any())
    panels = len(signals) + has_distance
    rows = -(-panels // 2)
    figure, axes = grid(panels, 3.4 + 1.0 / rows)
    for panel, signal in zip(axes, signals, strict=False):
        mine = [each for each in cells if each[0].record.signal == signal]
        _panel(panel, mine, results.train, signal, title(signal), 6)
        if len(signals) > 1:
            methods = dict.fromkeys(cell.record.method for cell, _ in mine)
            panel.set_title(label(f"own signal of {', '.join(methods)}"), fontsize=9)
    for panel in axes[len(signals) :]:
        _floors(panel, cells)
        name = distance_title(results.entry.features)
        _panel(panel, cells, judged, DISTANCE, name, None, " (lower is better)")
        _collapses(panel, cells, judged)
    figure.legend(
        handles=_legend(few), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    return png(figure)


def _panel(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
    table: pd.DataFrame,
    column: str,
    name: str,
    marks: int | None,
    note: str = "",
) -> None:
    """One line per run; a cross where a run ended early. `marks`: markers a line, None: all."""
    lines = _lines(table, cells, column)
    for at, (cell, style) in enumerate(cells):
        for run in cell.rows:
            if run["run_id"] not in lines:
                continue
            rows = lines[run["run_id"]]
            every = max(1, len(rows) // marks) if marks else 1
            axes.plot(
                rows["step"],
                rows[column],
                linewidth=0.9,
                markersize=4,
                # Each cell's markers stand at other steps, so that they do not hide one another.
                markevery=(at * every // len(cells), every),
                **style,
            )
            if run["state"] in ENDED_EARLY:
                last = rows.iloc[-1]
                axes.plot(last["step"], last[column], **CROSS)
    log = is_log(table.loc[table["run_id"].isin(_run_ids(cells)), column])
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("training step (updates)")
    axes.set_ylabel(f"{name}{', log scale' if log else ''}{note}")
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
