"""The interval of a share of answers that are not independent: from one person, or on one run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from benchmark.levels import LEVEL


def clustered_share(won: NDArray[np.bool_], *clusters: Sequence[int]) -> tuple[float, float]:
    """The ends of Korn and Graubard's interval (1998) for the share of `won` (N,).

    `clusters` (each N) are at most two clusterings of the answers: by rater, by training seed. It
    is Clopper and Pearson's interval for the effective number of independent answers with the same
    variance; for two clusterings the variance is Cameron, Gelbach and Miller's (2011), never less
    than that of either alone or of independent answers. A clustering with a single cluster is
    ignored; with none left the interval is Clopper and Pearson's.
    """
    share = float(np.mean(won))
    ways = [np.unique(each, return_inverse=True)[1] for each in clusters]
    effective = _effective(won, share, [each for each in ways if each.max() > 0])
    low, high = proportion_confint(share * effective, effective, alpha=1 - LEVEL, method="beta")
    return float(low), float(high)


def _effective(won: NDArray[np.bool_], share: float, ways: Sequence[NDArray[np.int64]]) -> float:
    """How many independent answers determine the share as well."""
    count = len(won)
    if not ways:
        return count
    fewest = min(int(each.max()) + 1 for each in ways)
    if share in (0, 1):  # nothing is known of the spread between clusters
        return fewest
    off = np.asarray(won - share, dtype=np.float64)
    parts = [_variance(off, each) for each in ways]
    variance = max(*parts, share * (1 - share) / count)
    if len(ways) == 2:
        both = np.unique(np.stack(ways), axis=1, return_inverse=True)[1].ravel()
        variance = max(variance, sum(parts) - _variance(off, both))
    reach = [stats.t.ppf((1 + LEVEL) / 2, df) for df in (count - 1, fewest - 1)]
    return min(float(share * (1 - share) / variance * (reach[0] / reach[1]) ** 2), count)


def _variance(off: NDArray[np.float64], cluster: NDArray[np.int64]) -> float:
    """The variance of the mean, from the sums over clusters."""
    sums = np.bincount(cluster, weights=off)
    return float(np.sum(sums**2) * len(sums) / (len(sums) - 1) / len(off) ** 2)
