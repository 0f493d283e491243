"""Permutation tests and bootstrap intervals over training seeds, by SciPy.

Runs are numbered; a statistic takes index arrays (..., n) that say whose values stand in each
place, and gives (...). A stratum holds runs that may change places with each other, in groups
among which they change (the levels that are compared); runs never leave their stratum.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Statistic = Callable[[Indices], Floats]
Stratum = Sequence[int]  # sizes of its groups; all ones where runs change places singly
Alternative = Literal["two-sided", "greater"]

RESAMPLES = 9_999
BOOTSTRAPS = 1_000
LEVEL = 0.95
NONE = (math.nan, math.nan)


def arrangements(strata: Sequence[Stratum]) -> int:
    """In how many distinct ways runs can be dealt to the groups within their strata."""
    return math.prod(
        math.factorial(sum(sizes)) // math.prod(map(math.factorial, sizes)) for sizes in strata
    )


def least_p(strata: Sequence[Stratum]) -> float:
    """The least two-sided p that this design can reach, whatever the values: 0.1 for 3 and 3."""
    return min(1.0, 2 / min(arrangements(strata), RESAMPLES + 1))


def permutation_p(
    statistic: Statistic,
    strata: Sequence[Stratum],
    alternative: Alternative = "two-sided",
    least: float | None = None,
) -> float:
    """p of `statistic` when runs change places within their strata.

    Runs are numbered in the order of strata and groups. Exact where one stratum has few enough
    arrangements; otherwise from 9,999 random ones, and never below `least` (by default `least_p`).
    """
    n = sum(map(sum, strata))
    least = least_p(strata) if least is None else least
    if n == 0 or least == 1.0:
        return 1.0
    if len(strata) == 1 and arrangements(strata) <= RESAMPLES + 1:
        p = _exact(statistic, strata[0], alternative)
    else:

        def draw(size: Any) -> Indices:
            return _shuffles(tuple(map(sum, strata)))[: size[0]]

        test: Any = stats.monte_carlo_test  # its stubs do not know integer samples
        p = test(
            np.arange(n),
            draw,
            lambda index, axis=-1: statistic(index),
            vectorized=True,
            n_resamples=RESAMPLES,
            alternative=alternative,
        ).pvalue
    return max(float(p), least)


def _exact(statistic: Statistic, sizes: Stratum, alternative: Alternative) -> float:
    starts = np.cumsum([0, *sizes])
    if all(size == 1 for size in sizes):
        data: tuple[Indices, ...] = (np.arange(starts[-1]),)
        kind: Any = "pairings"
    elif all(size > 1 for size in sizes):
        data = tuple(np.arange(a, b) for a, b in itertools.pairwise(starts))
        kind = "independent"
    else:  # SciPy wants two or more in every group; all orders of the runs give the same p.
        data, kind = (np.arange(starts[-1]),), "pairings"
    result = stats.permutation_test(
        data,
        lambda *groups, axis=-1: statistic(np.concatenate(groups, axis=-1)),
        permutation_type=kind,
        vectorized=True,
        n_resamples=RESAMPLES + 1,
        alternative=alternative,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


@cache
def _shuffles(sizes: tuple[int, ...]) -> Indices:
    """(9999, n) random orders that keep every run in its stratum; the same at every call."""
    rng = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes])
    parts = [
        rng.permuted(np.tile(np.arange(a, b), (RESAMPLES, 1)), axis=1)
        for a, b in itertools.pairwise(starts)
    ]
    return np.concatenate(parts, axis=1)


def bootstrap_interval(statistic: Statistic, cells: Sequence[int]) -> tuple[float, float]:
    """A 95 % percentile interval of `statistic` when runs are drawn anew within their cells.

    `cells` are the numbers of runs of each cell, in order. NaN where a cell has one run alone.
    With fewer than about eight runs such an interval is too narrow: no verdict rests on it alone.
    """
    if not cells or min(cells) < 2:
        return NONE
    starts = np.cumsum([0, *cells])
    result = stats.bootstrap(
        tuple(np.arange(a, b) for a, b in itertools.pairwise(starts)),
        lambda *groups, axis=-1: statistic(np.concatenate(groups, axis=-1)),
        n_resamples=BOOTSTRAPS,
        batch=500,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(result.low), float(result.high)


def holm(p: Sequence[float]) -> Floats:
    """Holm's correction of a family; a missing p (NaN) counts as 1 and stays missing."""
    from statsmodels.stats.multitest import multipletests

    given = np.asarray(p, dtype=float)
    if not len(given):
        return given
    corrected = multipletests(np.nan_to_num(given, nan=1.0), method="holm")[1]
    return np.where(np.isnan(given), np.nan, corrected)


def least_holm(p: Sequence[float], least: Sequence[float]) -> Floats:
    """For each test its corrected p had it alone come out at its least p, the others as found."""
    given = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    reachable = []
    for i, low in enumerate(least):
        others = np.delete(given, i)
        if math.isnan(low):
            reachable.append(low)
        elif (low <= others).all():
            reachable.append(min(1.0, low * len(given)))
        else:
            reachable.append(float(holm([low, *others])[0]))
    return np.array(reachable)
