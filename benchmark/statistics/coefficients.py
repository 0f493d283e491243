"""Correlation coefficients of many cells at once: C cells with equally many runs, on the same S
steps."""

from typing import Literal

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from benchmark.statistics.intervals import Floats

Level = Literal["raw", "differences", "partial", "between"]
Measure = Literal["pearson", "spearman", "kendall"]


def cross(x: Floats, y: Floats, steps: Floats, level: Level, measure: Measure) -> Floats:
    """(C, runs, runs): the correlation of run i's signal x (C, runs, S) with run j's outcome y.

    Between runs, the diagonal holds each run's contribution to the cell's rho, which is their mean;
    steps at which all ranks of a column are tied have no rho and do not count.
    """
    n = x.shape[1]
    if level == "between":
        a, b = (_standard(stats.rankdata(v, axis=1), axis=1) for v in (x, y))
        defined = (a.any(axis=1) & b.any(axis=1)).sum(axis=-1)
        with np.errstate(invalid="ignore"):
            return np.asarray(a @ b.swapaxes(1, 2) / defined[:, None, None])
    if measure == "kendall":
        a, b = (_pair_signs(v) for v in (x, y))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([1 - cdist(*both, "cosine") for both in zip(a, b, strict=True)])
    if measure == "spearman":
        x, y = stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1)
    if level == "partial":
        trend = np.stack([np.ones(len(steps)), stats.rankdata(steps)])
        x, y = (_rounded(v - v @ np.linalg.pinv(trend) @ trend) for v in (x, y))
    return _pearson(np.concatenate([x, y], axis=1))[:, :n, n:]


def _pearson(series: Floats) -> Floats:
    """What np.corrcoef gives for each of the stacked series (C, n, S), to the bit."""
    centred = series - series.mean(axis=-1, keepdims=True)
    cov = centred @ centred.swapaxes(-1, -2) * (1 / (series.shape[-1] - 1))
    deviation = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        cov = cov / deviation[:, :, None] / deviation[:, None, :]
    return np.asarray(np.clip(cov, -1, 1))


def _rounded(residuals: Floats) -> Floats:
    """The residual of a series that equals its trend is exactly zero, not rounding error."""
    return np.where(np.abs(residuals) < 1e-9, 0.0, residuals)


def _standard(ranks: Floats, axis: int) -> Floats:
    """Mean 0 and variance 1 along an axis; all 0 if all ranks are tied."""
    centred = ranks - ranks.mean(axis=axis, keepdims=True)
    spread = centred.std(axis=axis, keepdims=True)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def _pair_signs(series: Floats) -> Floats:
    """(C, runs, S (S - 1) / 2): the signs of all differences, whose cosine is Kendall's tau-b."""
    later, earlier = np.tril_indices(series.shape[-1], -1)
    return np.sign(series[..., later] - series[..., earlier])
