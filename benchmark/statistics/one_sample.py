"""Tests of the mean of one value per seed, such as differences between two numbers of one run.

A p is the greater of two, as in hypotheses.py. One flips the signs of the values minus the margin
(Fisher 1935), which is exact for symmetric distributions; the other is Student's t. With few
values, which may hide a long tail, Student's p can still be arbitrarily small; that of sign flips
is at least 1 / 2^n.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics.hypotheses import MOST, TIE, Alternative
from benchmark.statistics.intervals import LEAST_SEEDS, Floats, mean


def mean_p(values: ArrayLike, margin: float = 0.0, alternative: Alternative = "greater") -> float:
    """p of "the mean of the values (n,) is at most `margin`"; "less" tests "at least `margin`".

    "two-sided" doubles the smaller of the two. 1 below three seeds.
    """
    found = np.asarray(values, dtype=np.float64)
    estimate = mean(found)
    if estimate is None:
        return 1.0
    sums = _signs(found.size) @ (found - margin)
    slack = TIE * (1 + abs(sums[0]))
    above, below = (float((sign * (sums - sums[0]) >= -slack).mean()) for sign in (1, -1))
    if estimate.error > 0:  # otherwise Student's t is undefined
        above = max(above, float(estimate.p_above(margin)))
        below = max(below, float(estimate.p_below(margin)))
    if alternative == "two-sided":
        return min(1.0, 2 * min(above, below))
    return above if alternative == "greater" else below


def least_mean_p(seeds: int, alternative: Alternative = "greater") -> float:
    """The least possible `mean_p` for a number of seeds: 0.031 for five, one-sided; 1 below
    three."""
    if seeds < LEAST_SEEDS:
        return 1.0
    sides = 2 if alternative == "two-sided" else 1
    return float(min(1.0, sides / min(2**seeds, MOST)))


@lru_cache(maxsize=8)
def _signs(n: int) -> Floats:
    """(A, n): all sign patterns of n values, or MOST random ones; all positive first."""
    if 2**n <= MOST:
        return np.asarray(1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1))
    signs: Floats = np.random.default_rng([2, n]).choice(np.array([-1.0, 1.0]), size=(MOST, n))
    signs[0] = 1.0
    return signs
