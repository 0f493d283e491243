"""Looks at a study before all its seeds have run, at levels that add up to alpha.

Alpha is spent as Lan and DeMets (1983) do, by their function of Pocock's type. O'Brien and
Fleming's would allow 0.006 for a look at half of the seeds, which five against five seeds reach
with only one arrangement of 252, and a family of two not at all; Pocock's allows 0.031, and 0.030
at the end.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from benchmark.levels import ALPHA


def look_levels(seeds: Sequence[int], alpha: float = ALPHA) -> tuple[float, ...]:
    """The level of each look: a study ends at the first whose corrected p is at most its level.

    `seeds` are the numbers per cell at each look, in order: (5, 10) gives (0.0310, 0.0297). Looks
    must be registered before the first.
    """
    information = np.asarray(seeds, np.float64) / seeds[-1]
    spent = alpha * np.log1p((math.e - 1) * information)
    ratio = information[:, None] / information
    correlation = np.sqrt(np.minimum(ratio, 1 / ratio))
    levels = [float(spent[0])]

    def overspent(level: float) -> float:
        """The alpha spent in excess if the next look has this level."""
        ends = -special.ndtri([*levels, level])
        stay = stats.multivariate_normal.cdf(
            ends,
            cov=correlation[: len(ends), : len(ends)],
            abseps=1e-6,
            releps=0,
            rng=np.random.default_rng(0),
        )
        return float(1 - stay - spent[len(levels)])

    while len(levels) < len(seeds):
        levels.append(brentq(overspent, alpha * 1e-9, alpha, xtol=alpha * 1e-5))
    return tuple(levels)
