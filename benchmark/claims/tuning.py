"""What a tuned ablation's search says about its arms: the best of a number of tries."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import comb

from benchmark.results.tuning import TuningRecord
from benchmark.statistics.intervals import Floats


def best_of(record: TuningRecord) -> Mapping[str, Floats]:
    """By arm, the expected validation distance of the best of 1, 2, ... settings.

    Only for arms whose runs have all ended. A setting that failed or collapsed counts as the worst
    surviving one in any arm; if none survived, there is nothing to show.
    """
    ended = {
        arm.arm: [each.distance if each.survived else None for each in arm.settings]
        for arm in record.arms
        if arm.winner is not None
    }
    known = [each for found in ended.values() for each in found if each is not None]
    return {
        arm: expected_best([max(known) if each is None else each for each in found])
        for arm, found in (ended if known else {}).items()
    }


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
