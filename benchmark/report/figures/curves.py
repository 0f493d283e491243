"""Each method's own signal, and the distance, against the training step."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmark.report.figures.canvas import Style, grid, is_log, png, styles
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import title
from benchmark.report.results import Cell, Results

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


def curves(results: Results) -> bytes | None:
    """One panel a signal and one a distance, of those that any run has; one line a seed."""
    if results.train.empty and results.evaluations.empty:
        return None
    few = shown(results.cells)
    cells = list(zip(few, styles(len(few)), strict=True))
    own = {cell.record.signal for cell in few}
    signals = [name for name in results.record.signals if name in own]
    signals = [name for name in signals if results.train[name].notna().any()]
    judged = {cell.setup.distance for cell in few}
    distances = [name for name in results.record.distances if name in judged]
    distances = [name for name in distances if results.evaluations[name].notna().any()]
    panels = len(signals) + len(distances)
    rows = -(-panels // 2)
    figure, axes = grid(panels, 3.4 + 1.0 / rows)
    for panel, signal in zip(axes, signals, strict=False):
        mine = [each for each in cells if each[0].record.signal == signal]
        _panel(panel, mine, results.train, signal, 6)
        if len(signals) > 1:
            methods = dict.fromkeys(cell.record.method for cell, _ in mine)
            panel.set_title(f"own signal of {', '.join(methods)}", fontsize=9)
    for panel, distance in zip(axes[len(signals) :], distances, strict=True):
        mine = [each for each in cells if each[0].setup.distance == distance]
        _floors(panel, mine, distance)
        _panel(panel, mine, results.evaluations, distance, None, " (lower is better)")
        _collapses(panel, mine, results.evaluations, distance)
    figure.legend(
        handles=_legend(few), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    return png(figure)


def _panel(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
    table: pd.DataFrame,
    column: str,
    marks: int | None,
    note: str = "",
) -> None:
    """One line per run; a cross where a run ended early. `marks`: markers a line, None: all."""
    lines = _lines(table, cells, column)
    for at, (cell, style) in enumerate(cells):
        for run_id, state in zip(cell.runs["run_id"], cell.runs["state"], strict=True):
            if run_id not in lines:
                continue
            rows = lines[run_id]
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
            if state in ENDED_EARLY:
                last = rows.iloc[-1]
                axes.plot(last["step"], last[column], **CROSS)
    runs = pd.concat([cell.runs["run_id"] for cell, _ in cells])
    log = is_log(table.loc[table["run_id"].isin(runs), column])
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("training step (updates)")
    axes.set_ylabel(f"{title(column)}{', log scale' if log else ''}{note}")
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)


def _lines(
    table: pd.DataFrame, cells: list[tuple[Cell, Style]], column: str
) -> dict[str, pd.DataFrame]:
    """By run, the rows that have a value, in order of step; runs without any are not there."""
    runs = pd.concat([cell.runs["run_id"] for cell, _ in cells])
    rows = table[table["run_id"].isin(runs) & table[column].notna()]
    return {str(run): own for run, own in rows.sort_values("step", kind="stable").groupby("run_id")}


def _collapses(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
    table: pd.DataFrame,
    column: str,
) -> None:
    """A ring where a run collapsed for good."""
    lines = _lines(table, cells, column)
    for cell, _ in cells:
        for run_id, since in zip(cell.runs["run_id"], cell.runs["collapsed_at"], strict=True):
            rows = lines.get(run_id)
            if rows is not None and len(at := rows[rows["step"] == since]):
                axes.plot(since, at[column].iloc[0], **RING)


def _floors(axes: Axes, cells: list[tuple[Cell, Style]], distance: str) -> None:
    floors = {(cell.setup.floor or {}).get(distance) for cell, _ in cells}
    for floor in sorted(value for value in floors if value is not None):
        axes.axhline(floor, **FLOOR)


def _legend(cells: Sequence[Cell]) -> list[Line2D]:
    runs = pd.concat([cell.runs for cell in cells])
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=cell.title, **style)
        for cell, style in zip(cells, styles(len(cells)), strict=True)
    ]
    if any(cell.setup.floor for cell in cells):
        handles.append(Line2D([], [], label="real against real", **FLOOR))
    if runs["state"].isin(ENDED_EARLY).any():
        handles.append(Line2D([], [], label="run ended early", **CROSS))
    if runs["collapsed_at"].notna().any():
        handles.append(Line2D([], [], label="collapsed from here to the end", **RING))
    return handles
