"""Statistics over the seeds of one cell, of two cells, and over all claims of a report."""

from collections.abc import Sequence

import numpy as np

from benchmark.levels import ALPHA
from benchmark.statistics.comparison import (
    Measure,
    interquartile_mean,
    probability_of_improvement,
)
from benchmark.statistics.families import holm
from benchmark.statistics.intervals import contrast, deviation, ends


def spread(values: Sequence[float]) -> float:
    """The sample standard deviation; NaN of fewer than two."""
    return deviation(values) if len(values) > 1 else np.nan


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
    """Whether each claim is still decided, and its p, corrected over all."""
    return [(bool(each <= ALPHA), float(each)) for each in holm(p)]
