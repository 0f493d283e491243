"""Intervals over seeds with their nominal coverage: docs/explanation/intervals.md.

An estimate is a value with a standard error and degrees of freedom. A contrast estimates a separate
variance for each cell (the seeds of one level in one stratum): a method that occasionally collapses
has a wider spread than one that never does.

Arrays are (..., n): n seeds last; leading axes broadcast (simulations put studies there). A
function returns None if there is no interval of the stated level.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from statsmodels.stats.proportion import proportion_confint

from benchmark.levels import LEVEL

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Interval = tuple[Floats, Floats]
Stratum = Mapping[float, ArrayLike]
"""The position of each level, from 0 to 1, and the values (..., n) of its seeds."""

LEAST_SEEDS = 3
LEAST_SEEDS_OF_RHO = 10
"""At five a rank correlation takes 21 values, and its interval covers 98 to 100 %."""


@dataclass(frozen=True)
class Estimate:
    """A value (...), its standard error (...) and its degrees of freedom, infinite for a z."""

    value: Floats
    error: Floats
    df: Floats
    fisher: bool = False
    """Value and error are on the arctanh scale of a correlation; intervals and margins are not."""

    def interval(self) -> Interval | None:
        """None if the seeds do not differ at all, which says nothing about their spread."""
        if not np.all(self.error > 0):
            return None
        reach = special.stdtrit(self.df, (1 + LEVEL) / 2) * self.error
        low, high = self.value - reach, self.value + reach
        return (np.tanh(low), np.tanh(high)) if self.fisher else (low, high)

    def p_above(self, margin: float = 0.0) -> Floats:
        """One-sided p (...) of "the truth is at most `margin`"; 1 if the seeds do not differ."""
        known = self.error > 0
        moved = self.value - (math.atanh(margin) if self.fisher else margin)
        t = np.divide(moved, self.error, out=np.zeros_like(moved), where=known)
        return np.where(known, special.stdtr(self.df, -t), 1.0)

    def p_below(self, margin: float = 0.0) -> Floats:
        """One-sided p (...) of "the truth is at least `margin`"."""
        return Estimate(-self.value, self.error, self.df, self.fisher).p_above(-margin)


def ends(estimate: Estimate | None) -> tuple[float, float]:
    """The 95 % interval of one estimate; NaN if there is none."""
    found = estimate.interval() if estimate else None
    return (math.nan, math.nan) if found is None else (float(found[0]), float(found[1]))


def variance(values: ArrayLike) -> Floats:
    """(...) over seeds (..., n), ddof 1: exactly 0, and not rounding, where they are the same."""
    found = np.asarray(values, dtype=np.float64)
    return np.where(np.ptp(found, axis=-1) == 0, 0.0, found.var(axis=-1, ddof=1))


def deviation(values: ArrayLike) -> float:
    """The standard deviation of the seeds of one cell."""
    return math.sqrt(variance(values))


def mean(values: ArrayLike) -> Estimate | None:
    """The mean of one value per seed (..., n), by Student's t; None below three seeds."""
    found = np.asarray(values, dtype=np.float64)
    n = found.shape[-1]
    if n < LEAST_SEEDS:
        return None
    return of_moments(np.ones(1), [found.mean(axis=-1)], [variance(found)], [n])


def contrast(strata: Sequence[Stratum]) -> Estimate | None:
    """The change of the mean from place 0 to place 1; None if a cell has fewer than three seeds.

    The least-squares slope with a level for each stratum; of two levels it is the difference of
    their means, averaged over strata in proportion to ab / (a + b) of their seeds a and b. Welch
    (1947), Satterthwaite (1946); for two groups scipy's ttest_ind.
    """
    cells = [np.asarray(each, np.float64) for stratum in strata for each in stratum.values()]
    counts = [cell.shape[-1] for cell in cells]
    if not cells or min(counts) < LEAST_SEEDS:
        return None
    means, variances = [c.mean(axis=-1) for c in cells], [variance(c) for c in cells]
    return of_moments(weights([list(each) for each in strata], counts), means, variances, counts)


def weights(places: Sequence[Sequence[float]], counts: Sequence[int]) -> Floats:
    """(C,): the weights of cells' means in the least-squares slope, one intercept per stratum.

    `places` are the positions of each stratum's levels; `counts` the seeds of all cells, in order.
    """
    stratum = np.repeat(np.arange(len(places)), [len(each) for each in places])
    place, count = np.array([p for each in places for p in each]), np.asarray(counts, np.float64)
    centre = np.bincount(stratum, count * place) / np.bincount(stratum, count)
    moved = place - centre[stratum]
    return np.asarray(count * moved / (count * moved**2).sum())


def of_moments(
    weights: Floats, means: ArrayLike, variances: ArrayLike, counts: ArrayLike
) -> Estimate:
    """The weighted sum of C cells' means, of means and variances (C, ...), seeds (C,)."""
    mean, variance = np.asarray(means, np.float64), np.asarray(variances, np.float64)
    shape = (-1, *[1] * (mean.ndim - 1))
    weight, count = weights.reshape(shape), np.asarray(counts, np.float64).reshape(shape)
    parts = weight**2 * variance / count
    total, below = parts.sum(axis=0), (parts**2 / (count - 1)).sum(axis=0)
    df = np.divide(total**2, below, out=np.ones_like(total), where=below > 0)
    return Estimate(np.asarray((weight * mean).sum(axis=0)), np.sqrt(total), df)


def jackknife(whole: ArrayLike, *without: ArrayLike, most: float = 1 - 1e-9) -> Estimate | None:
    """A statistic (...) from -1 to 1 other than a mean, by its values without each seed (..., n).

    A seed is left out of every cell that has it; cells with other seeds form another block, with
    its own array. Bias-corrected (Quenouille 1956; Tukey 1958), clipped to at most `most`, and on
    Fisher's z by the delta method, where it is less skewed. None if a block has fewer than three
    seeds.
    """
    blocks = [np.asarray(each, dtype=np.float64) for each in without]
    counts = [block.shape[-1] for block in blocks]
    if not blocks or min(counts) < LEAST_SEEDS:
        return None
    value = np.asarray(whole, dtype=np.float64)
    bias, variance = np.zeros(()), np.zeros(())
    for n, block in zip(counts, blocks, strict=True):
        bias = bias + (n - 1) * (block.mean(axis=-1) - value)
        variance = variance + (n - 1) * block.var(axis=-1)
    value = np.clip(value - bias, -most, most)
    error = np.sqrt(variance) / (1 - value**2)
    return Estimate(np.arctanh(value), error, np.asarray(sum(counts) - len(counts)), fisher=True)


def rank_correlation(rho: ArrayLike, seeds: int) -> Estimate | None:
    """Spearman's rho (...) between seeds at one step; None below ten.

    Fisher's z with the variance of Bonett and Wright (2000), (1 + rho^2 / 2) / (n - 3).
    """
    if seeds < LEAST_SEEDS_OF_RHO:
        return None
    most = _one_swap_short(seeds)
    found = np.clip(np.asarray(rho, dtype=np.float64), -most, most)
    error = np.sqrt((1 + found**2 / 2) / (seeds - 3))
    return Estimate(np.arctanh(found), error, np.asarray(np.inf), fisher=True)


def mean_rank_correlation(rho: ArrayLike, *without: ArrayLike) -> Estimate | None:
    """The mean over steps and cells of rhos between seeds, by `jackknife`, as steps are no copies
    of one another; None below ten seeds."""
    fewest = min((np.shape(block)[-1] for block in without), default=0)
    if fewest < LEAST_SEEDS_OF_RHO:
        return None
    return jackknife(rho, *without, most=_one_swap_short(fewest))


def _one_swap_short(seeds: int) -> float:
    """The rho of one swap of neighbours, for a perfect one's, whose z is infinite."""
    return 1 - 12 / (seeds * (seeds**2 - 1))


def share(broken: int, seeds: int) -> tuple[float, float] | None:
    """The share of seeds that break, by Clopper and Pearson (1934); None without seeds."""
    if seeds < 1:
        return None
    low, high = proportion_confint(broken, seeds, alpha=1 - LEVEL, method="beta")
    return float(low), float(high)
