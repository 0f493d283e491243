"""What evaluations say about a run's end: last, best, collapsed and the spread over draws."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.results.schema import BEST, DISTANCE, REQUIRED, VALIDATION


def ends(
    evaluations: pd.DataFrame, judge: str, collapse_below: float, last_steps: Mapping[str, float]
) -> pd.DataFrame:
    """`judged_columns` by run: the columns of runs.csv from one judge's evaluations.

    `last_steps` are those of finished runs: one that was not judged at its own has no end yet.

    `collapsed` is from the last evaluation, `collapsed_at` the step since which it has held without
    a break; the best is where the distance to validation images is least; noise is the standard
    deviation (ddof 1) over all draws from the last weights.
    """
    metrics = metric_names(evaluations)
    mine = evaluations[evaluations["judge"] == judge].sort_values("step", kind="stable")
    reached = mine.groupby("run_id")["step"].transform("max")
    mine = mine[~(reached < mine["run_id"].map(last_steps).astype(float))]
    first, more = mine[mine["draw"] == 0], mine[mine["draw"] > 0]
    first = first.assign(collapsed=collapsed(first, collapse_below))
    found = first.drop_duplicates("run_id", keep="last").set_index("run_id")
    alive = first[first["collapsed"] != 1].groupby("run_id")["step"].max()
    after = first[first["step"] > first["run_id"].map(alive).astype(float).fillna(-1)]
    found["collapsed_at"] = after.groupby("run_id")["step"].min()
    found["best_step"], found[BEST] = np.nan, np.nan
    if {VALIDATION, DISTANCE} <= {*first}:
        chosen = first.dropna(subset=[VALIDATION])
        best = chosen.loc[chosen.groupby("run_id")[VALIDATION].idxmin()].set_index("run_id")
        found["best_step"], found[BEST] = best["step"], best[DISTANCE]
    last = mine["run_id"].map(more.groupby("run_id")["step"].max()).astype(float)
    same = mine[mine["step"] == last]
    noise = same.groupby("run_id")[metrics].std(ddof=1).add_prefix("noise_")
    return found.join(noise)[judged_columns(metrics)]


def metric_names(evaluations: pd.DataFrame) -> list[str]:
    """The metrics among the columns of evaluations.csv."""
    return [str(name) for name in evaluations if name not in REQUIRED["evaluations"]]


def judged_columns(metrics: Sequence[str]) -> list[str]:
    """The columns of runs.csv that come from evaluations."""
    noise = [f"noise_{name}" for name in metrics]
    return ["collapsed", "collapsed_at", *metrics, "best_step", BEST, *noise]


def collapsed(rows: pd.DataFrame, below: float) -> "pd.Series[float]":
    """1 if the samples' spread is below the threshold, NaN if it was not measured."""
    spread = rows["spread"] if "spread" in rows else pd.Series(np.nan, rows.index)
    return (spread < below).astype(float).where(spread.notna())
