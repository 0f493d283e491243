"""Tests of the mean of one value a seed, as of differences between two numbers of one run.

A p is the greater of two, as in hypotheses.py. One flips the signs of what is left once the margin
is taken off (Fisher 1935), which is exact where the values lie symmetrically; the other is
Student's t. Few values may hide a long tail, and Student's p can be as small as one likes all the
same; that of flips is at least 1 / 2^n.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics.hypotheses import MOST, TIE, Alternative
from benchmark.statistics.intervals import LEAST_SEEDS, Floats, mean


def mean_p(values: ArrayLike, margin: float = 0.0, alternative: Alternative = "greater") -> float:
    """p of "the mean of the values (n,) is at most `margin`"; "less" tests "at least `margin`".

    "two-sided" doubles the lesser of the two. 1 below three seeds.
    """
    found = np.asarray(values, dtype=np.float64)
    estimate = mean(found)
    if estimate is None:
        return 1.0
    sums = _signs(found.size) @ (found - margin)
    slack = TIE * (1 + abs(sums[0]))
    above, below = (float((sign * (sums - sums[0]) >= -slack).mean()) for sign in (1, -1))
    if estimate.error > 0:  # or Student has nothing to say
        above = max(above, float(estimate.p_above(margin)))
        below = max(below, float(estimate.p_below(margin)))
    if alternative == "two-sided":
        return min(1.0, 2 * min(above, below))
    return above if alternative == "greater" else below


def least_mean_p(seeds: int, alternative: Alternative = "greater") -> float:
    """The least `mean_p` of so many seeds: 0.031 for five, one-sided; 1 below three."""
    if seeds < LEAST_SEEDS:
        return 1.0
    sides = 2 if alternative == "two-sided" else 1
    return float(min(1.0, sides / min(2**seeds, MOST)))


@lru_cache(maxsize=8)
def _signs(n: int) -> Floats:
    """(A, n): every way to sign n values, or MOST random ones; their own first."""
    if 2**n <= MOST:
        return np.asarray(1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1))
    signs: Floats = np.random.default_rng([2, n]).choice(np.array([-1.0, 1.0]), size=(MOST, n))
    signs[0] = 1.0
    return signs
