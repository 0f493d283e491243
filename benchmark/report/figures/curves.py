"""Each method's own signal, and the distance, against the training step."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmark.report.figures.canvas import Style, grid, is_log, png, styles
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
    signals = [name for name in results.record.signals if results.train[name].notna().any()]
    distances = [name for name in results.record.distances if _judged(results, name)]
    cells = list(zip(results.cells, styles(len(results.cells)), strict=True))
    panels = len(signals) + len(distances)
    rows = -(-panels // 2)
    figure, axes = grid(panels, 3.4 + 1.0 / rows)
    for panel, signal in zip(axes, signals, strict=False):
        shown = [each for each in cells if each[0].record.signal == signal]
        _panel(panel, shown, results.train, signal, 6)
        if len(signals) > 1:
            methods = dict.fromkeys(cell.record.method for cell, _ in shown)
            panel.set_title(f"own signal of {', '.join(methods)}", fontsize=9)
    for panel, distance in zip(axes[len(signals) :], distances, strict=True):
        shown = [each for each in cells if each[0].setup.distance == distance]
        _floors(panel, shown, distance)
        _panel(panel, shown, results.evaluations, distance, None, " (lower is better)")
        _collapses(panel, shown, results.evaluations, distance)
    figure.legend(
        handles=_legend(results), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    return png(figure)


def _judged(results: Results, distance: str) -> bool:
    return bool(results.evaluations[distance].notna().any())


def _panel(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
    table: pd.DataFrame,
    column: str,
    marks: int | None,
    note: str = "",
) -> None:
    """One line per run; a cross where a run ended early. `marks`: markers a line, None: all."""
    for at, (cell, style) in enumerate(cells):
        for run_id, state in zip(cell.runs["run_id"], cell.runs["state"], strict=True):
            rows = _rows(table, run_id, column)
            if rows.empty:
                continue
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


def _rows(table: pd.DataFrame, run_id: str, column: str) -> pd.DataFrame:
    rows = table[(table["run_id"] == run_id) & table[column].notna()]
    return rows.sort_values("step", kind="stable")


def _collapses(
    axes: Axes,
    cells: list[tuple[Cell, Style]],
    table: pd.DataFrame,
    column: str,
) -> None:
    """A ring where a run collapsed for good."""
    for cell, _ in cells:
        for run_id, since in zip(cell.runs["run_id"], cell.runs["collapsed_at"], strict=True):
            rows = _rows(table, run_id, column)
            at = rows[rows["step"] == since]
            if len(at):
                axes.plot(since, at[column].iloc[0], **RING)


def _floors(axes: Axes, cells: list[tuple[Cell, Style]], distance: str) -> None:
    floors = {(cell.setup.floor or {}).get(distance) for cell, _ in cells}
    for floor in sorted(value for value in floors if value is not None):
        axes.axhline(floor, **FLOOR)


def _legend(results: Results) -> list[Line2D]:
    cells = results.cells
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=cell.title, **style)
        for cell, style in zip(cells, styles(len(cells)), strict=True)
    ]
    if any(cell.setup.floor for cell in cells):
        handles.append(Line2D([], [], label="real against real", **FLOOR))
    if results.runs["state"].isin(ENDED_EARLY).any():
        handles.append(Line2D([], [], label="run ended early", **CROSS))
    if results.runs["collapsed_at"].notna().any():
        handles.append(Line2D([], [], label="collapsed from here to the end", **RING))
    return handles
