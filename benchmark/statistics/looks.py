"""Looks at a study before all its seeds have run, at levels that add up to alpha.

Alpha is spent as Lan and DeMets (1983) do, by their function of Pocock's type. O'Brien and
Fleming's would leave 0.006 for a look at half of the seeds, which five against five seeds reach by
one arrangement of 252 alone, and no family of two; Pocock's leaves 0.031, and 0.030 at the end.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from benchmark.levels import ALPHA


def look_levels(seeds: Sequence[int], alpha: float = ALPHA) -> tuple[float, ...]:
    """The level of each look: a study ends at the first whose corrected p is at most its level.

    `seeds` are those a cell has at each look, in order: (5, 10) gives (0.0310, 0.0297). The looks
    have to be registered before the first.
    """
    information = np.asarray(seeds, np.float64) / seeds[-1]
    stays = 1 - alpha * np.log1p((math.e - 1) * information)
    ratio = information[:, None] / information
    correlation = np.sqrt(np.minimum(ratio, 1 / ratio))
    ends: list[float] = []

    def too_many_stay(z: float) -> float:
        """By how much too many true null hypotheses outlast the looks up to one that ends at z."""
        looks = len(ends) + 1
        cov = correlation[:looks, :looks]
        within = stats.multivariate_normal.cdf(
            [*ends, z], cov=cov, abseps=1e-8, releps=1e-8, rng=np.random.default_rng(0)
        )
        return float(within - stays[len(ends)])

    for _ in seeds:
        ends.append(brentq(too_many_stay, 0.0, 8.0))
    return tuple(float(p) for p in special.ndtr(-np.array(ends)))
