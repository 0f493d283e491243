"""Statistics over the seeds of one cell, of two cells, and over all claims of a report."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.claims.correlation import blocks_of_seeds
from benchmark.levels import ALPHA
from benchmark.statistics.comparison import (
    Measure,
    interquartile_mean,
    probability_of_improvement,
)
from benchmark.statistics.families import holm
from benchmark.statistics.intervals import LEAST_SEEDS, contrast, ends

Group = Mapping[float, "pd.Series[float]"]
"""By the position of each level, as in Stratum, the values by seed."""


def middle(values: Sequence[float]) -> Measure:
    """The interquartile mean, which is robust to an outlying seed."""
    return interquartile_mean(values) if values else Measure(np.nan, None)


def difference(of: Sequence[float], against: Sequence[float]) -> Measure:
    """Difference of the means of two cells, by Welch; NaN if one has no seed."""
    if not of or not against:
        return Measure(np.nan, None)
    low, high = ends(contrast([{0.0: against, 1.0: of}]))
    return Measure(float(np.mean(of) - np.mean(against)), None if np.isnan(low) else (low, high))


def improvement(of: Sequence[float], against: Sequence[float]) -> Measure:
    """The chance that a seed of one cell has less than one of another; NaN where one has none."""
    if not of or not against:
        return Measure(np.nan, None)
    return probability_of_improvement([{0.0: np.negative(against), 1.0: np.negative(of)}])


def stand(p: Sequence[float]) -> list[tuple[bool, float]]:
    """For claims of several ablations: whether each is still decided, and its p corrected over
    all."""
    return [(bool(each <= ALPHA), float(each)) for each in holm(p)]


def by_seed(strata: Sequence[Group]) -> list[tuple[list[int], Group]]:
    """Strata that share no seed, each with the numbers of those that it is made of.

    The seed is the unit: what a seed adds to each stratum that it is in is drawn once. So strata
    that share seeds become one, of each seed's mean over them, at the levels that they all have and
    of the seeds that they all have there. Where that leaves less than two levels of LEAST_SEEDS,
    they stay apart and count as independent.
    """
    seeds = [tuple({int(seed) for v in each.values() for seed in v.index}) for each in strata]
    found: list[tuple[list[int], Group]] = []
    for block in blocks_of_seeds(seeds):
        members = [at for at, own in enumerate(seeds) if own[0] in block]
        whole = _averaged([strata[at] for at in members])
        found += [(members, whole)] if whole else [([at], strata[at]) for at in members]
    return sorted(found, key=lambda each: each[0])


def _averaged(strata: Sequence[Group]) -> Group | None:
    if len(strata) == 1:
        return strata[0]
    places = [place for place in strata[0] if all(place in each for each in strata)]
    means = {
        place: pd.concat([each[place] for each in strata], axis=1, join="inner").mean(axis=1)
        for place in places
    }
    enough = len(means) > 1 and min(map(len, means.values())) >= LEAST_SEEDS
    return means if enough else None
