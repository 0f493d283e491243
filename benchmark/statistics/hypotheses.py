"""Tests of a claim over seeds: of a change or a mean against any margin, of a share, of a pairing.

`change_p` and `mean_p` are the greater of two p. One permutes seeds (Janssen 1997; Chung and Romano
2013): if the change is m, subtracting m leaves groups with equal means, whose seeds are
exchangeable within their stratum; the statistic is the change over its standard error. It is exact
if only means differ, whatever the distribution, but with 3 against 3 seeds of spreads 86 and 26 it
rejects 7 % at level 5 %. Of one value a seed it flips the signs of the values minus the margin
(Fisher 1935), which is exact for symmetric distributions. The other is Welch's or Student's t,
valid when spreads differ; but of few values, which may hide a long tail, it can be arbitrarily
small. Both must detect an effect.

All arrangements are tried if there are at most MOST, otherwise MOST random ones with a fixed seed,
including the observed one. Arrays are (..., n), as in intervals.py.

`pairing_p` tests whether two measurements of each seed are associated.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmark.statistics.intervals import (
    LEAST_SEEDS,
    Estimate,
    Floats,
    Indices,
    Stratum,
    contrast,
    mean,
    weights,
)

Alternative = Literal["greater", "less", "two-sided"]
Sizes = tuple[int, ...]
MOST = 20_000
TIE = 1e-9  # statistics that differ by less count as equal
ROUNDING = 1e-7  # relative to the values: a smaller spread is rounding


def arrangements(strata: Sequence[Sequence[int]]) -> int:
    """The number of ways to assign seeds to levels of these sizes within their strata."""
    return math.prod(
        math.factorial(sum(sizes)) // math.prod(map(math.factorial, sizes)) for sizes in strata
    )


def least_p(strata: Sequence[Sequence[int]], alternative: Alternative = "greater") -> float:
    """The least possible `change_p` with these seeds per level: 0.05 for 3 and 3, one-sided; 1
    with less than three."""
    if not strata or min(map(min, strata)) < LEAST_SEEDS:
        return 1.0
    return _least(arrangements(strata), alternative)


def change_p(
    strata: Sequence[Stratum], margin: float = 0.0, alternative: Alternative = "greater"
) -> Floats:
    """p (...) of "the change from place 0 to place 1 is at most `margin`", as in `contrast`.

    "less" tests "at least `margin`", so "no worse by m" if lower is better; "two-sided" doubles the
    smaller of the two. 1 if a level has fewer than three seeds.
    """
    found = contrast(strata)
    if found is None:
        return np.asarray(1.0)
    return _p(permutation_p(strata, margin), alternative, found, margin)


def mean_p(values: ArrayLike, margin: float = 0.0, alternative: Alternative = "greater") -> float:
    """p of "the mean of the values (n,), one a seed, is at most `margin`", as in `change_p`."""
    found = np.asarray(values, dtype=np.float64)
    estimate = mean(found)
    if estimate is None:
        return 1.0
    flipped = _tails(_signs(found.size) @ (found - margin))
    return float(_p(flipped, alternative, estimate, margin))


def least_mean_p(seeds: int, alternative: Alternative = "greater") -> float:
    """The least possible `mean_p`: 0.031 for five seeds, one-sided; 1 below three."""
    return _least(2**seeds, alternative) if seeds >= LEAST_SEEDS else 1.0


def permutation_p(strata: Sequence[Stratum], margin: float = 0.0) -> tuple[Floats, Floats]:
    """p (...) of "at most `margin`" and of "at least", from permutations alone."""
    sizes = [tuple(np.shape(values)[-1] for values in each.values()) for each in strata]
    values = [_without(each, margin) for each in strata]
    return _tails(_studentised(values, [list(each) for each in strata], sizes))


def pairing_p(tables: Sequence[Floats], alternative: Alternative = "two-sided") -> float:
    """p of "a seed's own signal is no more associated with its outcome than with another seed's".

    A table (n, n) is a block of seeds: the association of seed i's signal with seed j's outcome.
    The statistic is the sum of all diagonals; outcomes are permuted within their block. 1 if no
    block has two seeds.
    """
    sizes = [len(table) for table in tables]
    ways = math.prod(map(math.factorial, sizes))
    sums = np.zeros(1)
    for block, table in enumerate(tables):
        n = len(table)
        tried = orders(n) if ways <= MOST else _shuffled(tuple(range(n)), 1, block)
        each = table[np.arange(n), tried].sum(axis=-1)
        sums = _pairs(sums, each) if ways <= MOST else sums + each
    return float(_p(_tails(sums), alternative))


def least_pairing_p(sizes: Sequence[int], alternative: Alternative = "two-sided") -> float:
    """The least possible `pairing_p` for blocks of these sizes: 0.017 for five seeds, two-sided."""
    return _least(math.prod(map(math.factorial, sizes)), alternative)


def share_below_p(broken: int, seeds: int, share: float) -> float:
    """Exact p of "at least this share of seeds break", given the number broken; 1 without seeds."""
    return float(stats.binomtest(broken, seeds, share, "less").pvalue) if seeds else 1.0


def _least(ways: int, alternative: Alternative) -> float:
    """Of this many arrangements."""
    return min(1.0, (2 if alternative == "two-sided" else 1) / min(ways, MOST))


def _tails(found: Floats) -> tuple[Floats, Floats]:
    """(...): the shares of arrangements (..., A) in which a statistic is no less than in the first,
    the observed one, and no more."""
    slack = TIE * (1 + np.abs(found[..., :1]))
    above, below = ((sign * (found - found[..., :1]) >= -slack).mean(axis=-1) for sign in (1, -1))
    return above, below


def _p(
    tails: tuple[Floats, Floats],
    alternative: Alternative,
    estimate: Estimate | None = None,
    margin: float = 0.0,
) -> Floats:
    """Of these two p, or those of an estimate's t where greater."""
    above, below = tails
    if estimate is not None:
        varies = estimate.error > 0  # otherwise t is undefined
        above = np.maximum(above, np.where(varies, estimate.p_above(margin), 0.0))
        below = np.maximum(below, np.where(varies, estimate.p_below(margin), 0.0))
    if alternative == "two-sided":
        return np.asarray(np.minimum(1.0, 2 * np.minimum(above, below)))
    return above if alternative == "greater" else below


def _without(stratum: Stratum, margin: float) -> Floats:
    """(..., n): the values of all levels, minus the margin, centred on their mean."""
    levels = [np.asarray(v, np.float64) - margin * place for place, v in stratum.items()]
    values = np.concatenate(levels, axis=-1)
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def _studentised(
    values: Sequence[Floats], places: Sequence[Sequence[float]], sizes: Sequence[Sizes]
) -> Floats:
    """(..., A): the statistic in every arrangement, the observed one first."""
    exact = arrangements(sizes) <= MOST
    weight = weights(places, [n for each in sizes for n in each])
    of_strata = np.split(weight, np.cumsum([len(each) for each in sizes])[:-1])
    change, variance = np.zeros(1), np.zeros(1)
    for at, (of_stratum, each) in enumerate(zip(values, sizes, strict=True)):
        observed = tuple(level for level, n in enumerate(each) for _ in range(n))
        labels = _all(each) if exact else _shuffled(observed, 0, at)
        parts = _parts(of_stratum, labels, of_strata[at], np.array(each))
        change, variance = (
            _pairs(a, b) if exact else a + b for a, b in zip((change, variance), parts, strict=True)
        )
    scale = np.max([np.abs(each).max(axis=-1) for each in values], axis=0)[..., None]
    error = np.sqrt(np.maximum(variance, (ROUNDING * scale) ** 2))
    return np.asarray(np.divide(change, error, out=np.zeros_like(change), where=error > 0))


def _parts(values: Floats, labels: Indices, weight: Floats, n: Indices) -> tuple[Floats, Floats]:
    """What a stratum's levels, of n seeds each, add to the change and its variance (..., A)."""
    part = weight**2 / (n * (n - 1))
    variance = values**2 @ part[labels].T
    for level, of_level in enumerate(part / n):
        variance -= of_level * (values @ (labels == level).T.astype(np.float64)) ** 2
    return values @ (weight / n)[labels].T, variance


def _pairs(a: Floats, b: Floats) -> Floats:
    """(..., A), (..., B) -> (..., A B): all sums, that of the first elements first."""
    every = a[..., :, None] + b[..., None, :]
    return every.reshape(*every.shape[:-2], -1)


@lru_cache(maxsize=8)
def _all(sizes: Sizes) -> Indices:
    """(A, n): the level of each seed in every arrangement, the observed one first."""
    n = sum(sizes)
    if len(sizes) == 1:
        return np.zeros((1, n), np.int64)
    rest, found = _all(sizes[1:]) + 1, []
    for chosen in itertools.combinations(range(n), sizes[0]):
        labels = np.zeros((len(rest), n), np.int64)
        labels[:, np.setdiff1d(np.arange(n), chosen)] = rest
        found.append(labels)
    return np.concatenate(found)


@lru_cache(maxsize=8)
def orders(n: int) -> Indices:
    """(n!, n): every permutation of n seeds, the identity first."""
    return np.array(list(itertools.permutations(range(n))), np.int64).reshape(-1, n)


@lru_cache(maxsize=8)
def _shuffled(labels: tuple[int, ...], *seed: int) -> Indices:
    """(MOST, n): the labels, then as many random permutations of them, the same for a seed."""
    found = np.tile(np.array(labels), (MOST, 1))
    np.random.default_rng(seed).permuted(found[1:], axis=1, out=found[1:])
    return found


@lru_cache(maxsize=8)
def _signs(n: int) -> Floats:
    """(A, n): all sign patterns of n values, or MOST random ones; all positive first."""
    if 2**n <= MOST:
        return np.asarray(1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1))
    signs: Floats = np.random.default_rng([2, n]).choice(np.array([-1.0, 1.0]), size=(MOST, n))
    signs[0] = 1.0
    return signs
