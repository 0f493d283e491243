"""Between runs: each method's own signal against the distance, at the same steps, cell by cell."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from benchmark.evaluation.settings import distance_title
from benchmark.report.figures.canvas import grid, is_log, png, styles
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import title
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Tables

# Fewer runs of a cell show nothing between runs.
LEAST_RUNS = 3
STEPS_SHOWN = 4


def matched(results: Tables, cell: Cell) -> pd.DataFrame:
    """(run_id, step, signal, distance) of a cell's runs at every step that they were judged at.

    The signal is the training row's at the evaluation's step, or the last one before it.
    """
    signal, judged = cell.record.signal, results.judged
    if DISTANCE not in judged:
        return pd.DataFrame(columns=["run_id", "step", "signal", DISTANCE])
    judged = judged.loc[judged["run_id"].isin(cell.run_ids), ["run_id", "step", DISTANCE]]
    mine = results.train["run_id"].isin(cell.run_ids)
    trained = results.train.loc[mine, ["run_id", "step", signal]].dropna().sort_values("step")
    both = pd.merge_asof(judged, trained, on="step", by="run_id")
    return both.rename(columns={signal: "signal"}).dropna().reset_index(drop=True)


def scatter(results: Tables) -> bytes | None:
    """One panel a cell of three or more runs, one style a step, one point a run."""
    found = [(cell, matched(results, cell)) for cell in shown(results.cells)]
    found = [(cell, points) for cell, points in found if points["run_id"].nunique() >= LEAST_RUNS]
    if not found:
        return None
    steps = _steps(pd.concat([points["step"] for _, points in found]))
    looks = [{**style, "linestyle": ""} for style in styles(len(steps))]
    columns = min(3, max(2, len(found)))
    figure, axes = grid(len(found), 2.5 + 0.6 / -(-len(found) // columns), columns)
    for at, (panel, (cell, points)) in enumerate(zip(axes, found, strict=True)):
        for step, look in zip(steps, looks, strict=True):
            rows = points[points["step"] == step]
            panel.plot(rows["signal"], rows[DISTANCE], markersize=6, alpha=0.85, **look)
        drawn = points[points["step"].isin(steps)]
        if is_log(drawn["signal"]):
            panel.set_xscale("log")
        if is_log(drawn[DISTANCE]):
            panel.set_yscale("log")
        panel.set_title(f"{cell.title}, {points['run_id'].nunique()} runs", fontsize=9)
        panel.set_xlabel(title(cell.record.signal), fontsize=9)
        if at % columns == 0:
            panel.set_ylabel(distance_title(results.entry.features), fontsize=9)
        panel.tick_params(labelsize=7, which="both")
        panel.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)
    handles = [
        Line2D([], [], label=f"step {step:.0f}", **look)
        for step, look in zip(steps, looks, strict=True)
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(steps), fontsize=9, frameon=False
    )
    return png(figure)


def _steps(judged: pd.Series) -> list[float]:
    """At most STEPS_SHOWN of the judged steps, evenly spread, the last one among them."""
    steps = sorted(set(judged))
    if len(steps) <= STEPS_SHOWN:
        return steps
    at = np.linspace(0, len(steps) - 1, STEPS_SHOWN + 1)[1:].round().astype(int)
    return [steps[each] for each in at]
