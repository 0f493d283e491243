"""Each method's own signal against the distance: between runs, or within them if runs are few.

Between runs, at the same steps, there is one point per run; within a run, one per evaluation. Only
finished runs are shown; a signal is its mean since the previous evaluation.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmark.evaluation.settings import distance_title
from benchmark.report.evidence import Evidence
from benchmark.report.figures.canvas import (
    BOX,
    Style,
    any_flat,
    defaults,
    grid,
    is_log,
    label,
    legend,
    styles,
    untangled,
)
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import title
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Tables
from benchmark.text import counted

# With fewer runs per cell, or fewer evaluations per run, there is nothing to see.
LEAST_RUNS = LEAST_EVALUATIONS = 3
STEPS_SHOWN = 4
LINK: Style = {"color": "0.6", "linewidth": 0.6, "zorder": 1}
# A run's first evaluation, which shows where its line begins.
OPEN: Style = {"markerfacecolor": "white", "markersize": 6}
FIRST: Style = {**OPEN, "marker": "o", "linestyle": "", "color": "0.35"}
_Points = list[tuple[Cell, pd.DataFrame]]


def is_between(results: Tables) -> bool:
    """Whether a cell has enough runs for a picture between runs."""
    return bool(_with_enough_runs(_cell_points(results)))


@defaults()
def scatter(results: Tables) -> bytes | None:
    """One panel per cell; None if no cell has three runs and no run three evaluations."""
    cells = _cell_points(results)
    if between := _with_enough_runs(cells):
        return _between(results, between)
    most = [points["run_id"].value_counts().max() for _, points in cells]
    enough = [each for each, count in zip(cells, most, strict=True) if count >= LEAST_EVALUATIONS]
    return _within(results, enough) if enough else None


def _cell_points(results: Tables) -> _Points:
    """The points of each cell's finished runs, from which its rho is computed."""
    points = results.points
    if DISTANCE not in points:
        return []
    points = points[points["state"] == "done"].dropna(subset=["signal", DISTANCE])
    return [(cell, points[points["cell"] == cell.title]) for cell in shown(results.cells)]


def _with_enough_runs(cells: _Points) -> _Points:
    return [each for each in cells if each[1]["run_id"].nunique() >= LEAST_RUNS]


def _between(results: Tables, cells: _Points) -> bytes:
    steps = _steps(pd.concat([points["step"] for _, points in cells]))
    looks = {
        step: {**style, "linestyle": ""}
        for step, style in zip(steps, styles(len(steps)), strict=True)
    }

    def draw(panel: Axes, points: pd.DataFrame) -> pd.DataFrame:
        drawn = points[points["step"].isin(steps)]
        for _, rows in drawn.groupby("run_id", sort=False):
            panel.plot(rows["signal"], rows[DISTANCE], **LINK)
        for step, look in looks.items():
            rows = drawn[drawn["step"] == step]
            panel.plot(rows["signal"], rows[DISTANCE], markersize=5, alpha=0.85, **look)
        return drawn

    return _figure(results, cells, draw, {f"step {at:.0f}": look for at, look in looks.items()})


def _within(results: Tables, cells: _Points) -> bytes:
    seed_of = results.runs.set_index("run_id")["seed"]
    seeds = sorted({seed_of[run] for _, points in cells for run in points["run_id"]})
    looks = dict(zip(seeds, styles(len(seeds)), strict=True))

    def draw(panel: Axes, points: pd.DataFrame) -> pd.DataFrame:
        for run_id, rows in points.groupby("run_id", sort=False):
            x, y, look = rows["signal"], rows[DISTANCE], looks[seed_of[run_id]]
            panel.plot(x, y, markersize=4, linewidth=0.7, **look)
            panel.plot(x.iloc[0], y.iloc[0], **look, **OPEN)
        return points

    signs = {f"seed {seed:.0f}": look for seed, look in looks.items()}
    return _figure(results, cells, draw, {**signs, "first evaluation": FIRST})


def _figure(
    results: Tables,
    cells: _Points,
    draw: Callable[[Axes, pd.DataFrame], pd.DataFrame],
    signs: Mapping[str, Style],
) -> bytes:
    """One panel per cell, filled by `draw`, which returns what it has drawn, and a legend."""
    columns = min(3, len(cells))
    height = (2.5 if columns > 1 else 3.5) + 0.6 / -(-len(cells) // columns)
    figure, axes = grid(len(cells), height, columns)
    groups = _on_one_scale(cells)
    for panel in axes[1:]:
        panel.sharey(axes[0])
    for first, *others in groups:
        for at in others:
            axes[at].sharex(axes[first])
    drawn = [draw(panel, points) for panel, (_, points) in zip(axes, cells, strict=True)]
    if is_log(pd.concat(drawn)[DISTANCE]):
        axes[0].set_yscale("log")
    for group in groups:
        if is_log(pd.concat([drawn[at] for at in group])["signal"]):
            axes[group[0]].set_xscale("log")
    rhos = _rhos(results)
    for at, (panel, (cell, points)) in enumerate(zip(axes, cells, strict=True)):
        runs = points["run_id"].nunique()
        panel.set_title(f"{label(cell.title)}, {counted(runs, 'run')}", fontsize=9)
        signal = cell.record.signal
        alone = [at] in groups and sum(each.record.signal == signal for each, _ in cells) > 1
        panel.set_xlabel(f"{title(signal)}{' (own scale)' * alone}", fontsize=9)
        panel.tick_params(labelsize=7, which="both")
        panel.tick_params(labelleft=at % columns == 0, which="both")
        if at % columns == 0:
            panel.set_ylabel(distance_title(results.entry.features), fontsize=8)
        if cell.title in rhos:
            where: Style = {"transform": panel.transAxes, "va": "top", "bbox": BOX}
            panel.text(0.03, 0.96, rhos[cell.title], fontsize=8, **where)
        panel.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)
    handles = [Line2D([], [], label=name, **look) for name, look in signs.items()]
    legend(figure, handles, len(handles))
    return untangled(figure, axes)


def _on_one_scale(cells: _Points) -> list[list[int]]:
    """Groups of panels that share an axis: all of a signal, or each alone if that flattens one."""
    groups = []
    for signal in dict.fromkeys(cell.record.signal for cell, _ in cells):
        at = [i for i, (cell, _) in enumerate(cells) if cell.record.signal == signal]
        groups += [[i] for i in at] if any_flat(cells[i][1]["signal"] for i in at) else [at]
    return groups


def _rhos(results: Tables) -> dict[str, str]:
    """Spearman's rho between the runs of a cell, keyed by cell, if the analysis has it."""
    table = Evidence(results.folder).table("correlations")
    rows = table[(table["level"] == "between") & (table["measure"] == "spearman")]
    rows = rows[(rows["role"] == "signal") & (rows["outcome"] == DISTANCE)]
    rhos = {}
    for cell in results.cells:
        method, signal = cell.record.method, cell.record.signal
        # If a method has only one cell, the cell's rho is the pooled one.
        alone = sum(each.record.method == method for each in results.cells) == 1
        own = rows[(rows["method"] == method) & (rows["signal"] == signal)]
        own = own[own["cell"].isin([cell.title, *[""] * alone])]
        if len(own) and own["value"].iloc[0]:  # else it is undefined
            rhos[cell.title] = f"rho {float(own['value'].iloc[0]):.2f}"
    return rhos


def _steps(judged: pd.Series) -> list[float]:
    """At most STEPS_SHOWN of the judged steps, evenly spaced, including the last."""
    steps = sorted(set(judged))
    if len(steps) <= STEPS_SHOWN:
        return steps
    at = np.linspace(0, len(steps) - 1, STEPS_SHOWN + 1)[1:].round().astype(int)
    return [steps[each] for each in at]
