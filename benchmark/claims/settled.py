"""Whether a run had stopped moving when it ended; one that had not might end elsewhere.

A series has settled if its mean over the last sixth of the run's steps differs from its mean over
the sixth before by no more than its tolerance: RELATIVE of its mean, and K of BEGAN's k, which lies
in [0, 1]. A run that was judged too seldom to tell has not been shown to settle.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

PARTS = 6  # of a run's steps; the last two are compared
RELATIVE = 0.05
K = 0.01
WATCHED = ("signal", "k", DISTANCE)


def moving(results: Tables) -> Mapping[str, list[str]]:
    """The columns that had not settled, by finished run; of a run that had, an empty list."""
    done = results.done
    total = {cell.cell: cell.steps for cell in results.record.cells}
    steps = pd.Series(done["cell"].map(total).to_numpy(np.float64), done["run_id"])
    found: dict[str, list[str]] = {run_id: [] for run_id in done["run_id"]}
    for column in WATCHED:
        settled = _settled(results.curves(column), steps, K if column == "k" else None)
        asked = settled if column == "k" else found  # only BEGAN and its kin have a k
        for run_id in asked:
            if not settled.get(run_id, False):
                found[run_id].append(column)
    return found


def _settled(
    curves: pd.DataFrame, steps: "pd.Series[float]", tolerance: float | None
) -> dict[str, bool]:
    """By run, of (run_id, step, value); without a `tolerance` it is RELATIVE."""
    curves = curves[curves["run_id"].isin(steps.index)]
    if curves.empty:
        return {}
    part = np.ceil(curves["step"] / curves["run_id"].map(steps) * PARTS)
    means: Any = curves.groupby(["run_id", part])["value"].mean().unstack()
    means = means.reindex(columns=[PARTS - 1, PARTS])
    before, last = means[PARTS - 1], means[PARTS]
    allowed = RELATIVE * before.abs() if tolerance is None else tolerance
    return dict((last - before).abs() <= allowed)
