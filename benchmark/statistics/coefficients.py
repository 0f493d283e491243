"""Correlation coefficients of two columns of a cell's runs, on the same S steps."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from benchmark.statistics.intervals import Floats

Level = Literal["raw", "differences", "partial", "between"]
Measure = Literal["pearson", "spearman", "kendall"]


def cross(x: Floats, y: Floats, steps: Floats, level: Level, measure: Measure) -> Floats:
    """(runs, runs): the correlation of run i's signal x (runs, S) with run j's outcome y.

    Between runs, the diagonal holds each run's contribution to the cell's rho, which is their mean;
    steps at which all ranks of a column are tied have no rho and do not count.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if level == "between":
            a, b = (_standard(stats.rankdata(v, axis=0)) for v in (x, y))
            return np.asarray(a @ b.T / (a.any(axis=0) & b.any(axis=0)).sum())
        if measure == "kendall":
            return np.asarray(1 - cdist(_pair_signs(x), _pair_signs(y), "cosine"))
        if measure == "spearman":
            x, y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
        if level == "partial":
            trend = np.stack([np.ones(len(steps)), stats.rankdata(steps)])
            x, y = (_rounded(v - v @ np.linalg.pinv(trend) @ trend) for v in (x, y))
        return np.asarray(np.corrcoef(x, y)[: len(x), len(x) :])


def pair_spread(tables: Sequence[Floats]) -> float:
    """The standard deviation of mismatched pairs' correlations around what each signal and each
    outcome has with all others, pooled over tables (n, n); NaN if none has three runs.

    Row and column effects cancel in every pairing's sum; this is the noise left in `pairing_p`.
    """
    squares, free = 0.0, 0
    for table in tables:
        n = len(table)
        if n < 3:
            continue
        row, column = np.nonzero(~np.eye(n, dtype=bool))
        design = np.hstack([np.eye(n)[row], np.eye(n)[column]])
        there = table[row, column]
        fitted = design @ np.linalg.lstsq(design, there, rcond=None)[0]
        squares += float(np.square(there - fitted).sum())
        free += n * n - 3 * n + 1
    return math.sqrt(squares / free) if free else math.nan


def _rounded(residuals: Floats) -> Floats:
    """The residual of a series that equals its trend is exactly zero, not rounding error."""
    return np.where(np.abs(residuals) < 1e-9, 0.0, residuals)


def _standard(ranks: Floats) -> Floats:
    """Mean 0 and variance 1 over runs; all 0 if all ranks are tied."""
    centred = ranks - ranks.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def _pair_signs(series: Floats) -> Floats:
    """(runs, S (S - 1) / 2): the signs of all differences, whose cosine is Kendall's tau-b."""
    later, earlier = np.tril_indices(series.shape[1], -1)
    return np.sign(series[:, later] - series[:, earlier])
