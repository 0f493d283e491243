"""rliable's measures of groups of seeds, with intervals of valid coverage.

rliable (Agarwal et al. 2021) uses percentile bootstraps, which cover 80 to 88 % at five seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats
from scipy.optimize import brentq

from benchmark.levels import LEVEL
from benchmark.statistics.intervals import Stratum

LEAST_SEEDS = 5
"""At three, rank-based intervals cover 86 %, and the interquartile mean is the plain mean."""
TRIM = 0.25


class Measure(NamedTuple):
    """A value and its 95 % interval; None if there is no interval of that level."""

    value: float
    interval: tuple[float, float] | None


def probability_of_improvement(strata: Sequence[Stratum]) -> Measure:
    """The probability that a seed at place 1 exceeds one at place 0, averaged over strata.

    Mann and Whitney's U over the number of pairs, ties counting half. The score interval of
    Newcombe (2006, method 5), which is valid when groups hardly overlap, with Brunner and Munzel's
    (2000) variance where greater, as when spreads differ. None below five seeds per cell.
    """
    pairs = [(np.asarray(each[0.0], float), np.asarray(each[1.0], float)) for each in strata]
    wins = [(np.sign(of[:, None] - against) + 1) / 2 for against, of in pairs]
    value = float(np.mean([each.mean() for each in wins]))
    sizes = np.array([each.shape for each in wins])
    if sizes.min() < LEAST_SEEDS:
        return Measure(value, None)

    def newcombe(truth: float) -> float:
        """The variance of `value`, as a sum over strata."""
        apart = (1 - truth) / (2 - truth) + truth / (1 + truth)
        pairs = 1 + (sizes.mean(axis=1) - 1) * apart
        return float((truth * (1 - truth) * pairs / sizes.prod(axis=1)).sum())

    munzel = sum(w.mean(i).var(ddof=1) / w.shape[1 - i] for w in wins for i in (0, 1))
    z2 = special.ndtri((1 + LEVEL) / 2) ** 2 / len(wins) ** 2
    if 0 < value < 1:
        z2 *= max(1.0, munzel / newcombe(value))

    def beyond(truth: float) -> float:
        """How far `value` lies beyond what a probability of `truth` would show."""
        return float((value - truth) ** 2 - z2 * newcombe(truth))

    edge = 1e-9  # where the variance is not yet 0
    low = brentq(beyond, 0.0, min(value, 1 - edge)) if value > 0 else 0.0
    high = brentq(beyond, max(value, edge), 1.0) if value < 1 else 1.0
    return Measure(value, (float(low), float(high)))


def interquartile_mean(values: ArrayLike) -> Measure:
    """The mean of the middle half of the seeds (n,): Tukey and McLaughlin (1963).

    None below five seeds, or if the middle ones do not differ.
    """
    found = np.asarray(values, float)
    value, trimmed = float(stats.trim_mean(found, TRIM)), int(TRIM * found.size)
    inner = np.sort(found)[trimmed : found.size - trimmed]
    count = inner.size
    if found.size < LEAST_SEEDS or not np.ptp(inner):
        return Measure(value, None)
    # SciPy's trimmed_mean_ci divides by 1 - 2 TRIM, whatever share is really trimmed.
    winsorised = np.clip(found, inner[0], inner[-1])
    error = np.sqrt(winsorised.var() * found.size / (count * (count - 1)))
    reach = stats.t.ppf((1 + LEVEL) / 2, count - 1) * error
    return Measure(value, (float(value - reach), float(value + reach)))
