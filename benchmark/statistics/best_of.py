"""The expected best of n random tries."""

from collections.abc import Sequence

import numpy as np
from scipy.special import comb

from benchmark.statistics.intervals import Floats


def expected_best(values: Sequence[float]) -> Floats:
    """(N,): the expected minimum of n = 1, ..., N of these N values, over all subsets of size n.

    By the order statistics, without replacement, which makes it unbiased for every n (Dodge et
    al., arXiv 1909.03004, draw with replacement; Tang et al., arXiv 2004.13705, correct that).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    tries, rank = np.arange(1, count + 1)[:, None], np.arange(1, count + 1)[None, :]
    # The value of rank r is the minimum of n if the others are among the count - r above it.
    weights = comb(count - rank, tries - 1) / comb(count, tries)
    return np.asarray(weights @ ordered)
