"""Tests of a claim over seeds: of a change against any margin, of a share, of a pairing.

`change_p` is the greater of two p. One permutes seeds (Janssen 1997; Chung and Romano 2013): if the
change is m, subtracting m leaves groups with equal means, whose seeds are exchangeable within their
stratum; the statistic is the change over its standard error. It is exact if only means differ,
whatever the distribution, but with 3 against 3 seeds of spreads 86 and 26 it rejects 7 % at level 5
%. The other is Welch's, valid when spreads differ. Both must detect a change.

All permutations are tried if there are at most MOST, otherwise MOST random ones with a fixed seed,
including the identity. Arrays are (..., n), as in intervals.py.

`pairing_p` tests whether two measurements of each seed are associated.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics.intervals import LEAST_SEEDS, Floats, Stratum, contrast, weights

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
    """The least possible `change_p` with these numbers of seeds per level: 0.05 for 3 and 3,
    one-sided.

    1 where a level has less than three seeds.
    """
    if not strata or min(map(min, strata)) < LEAST_SEEDS:
        return 1.0
    sides = 2 if alternative == "two-sided" else 1
    return min(1.0, sides / min(arrangements(strata), MOST))


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
    above, below = permutation_p(strata, margin)
    varies = found.error > 0  # otherwise Welch's test is undefined
    above = np.maximum(above, np.where(varies, found.p_above(margin), 0.0))
    below = np.maximum(below, np.where(varies, found.p_below(margin), 0.0))
    if alternative == "two-sided":
        return np.asarray(np.minimum(1.0, 2 * np.minimum(above, below)))
    return above if alternative == "greater" else below


def permutation_p(strata: Sequence[Stratum], margin: float = 0.0) -> tuple[Floats, Floats]:
    """p (...) of "at most `margin`" and of "at least", from permutations alone."""
    sizes = [tuple(np.shape(values)[-1] for values in each.values()) for each in strata]
    t = _studentised([_without(each, margin) for each in strata], [list(e) for e in strata], sizes)
    slack = TIE * (1 + np.abs(t[..., :1]))
    above, below = ((sign * (t - t[..., :1]) >= -slack).mean(axis=-1) for sign in (1, -1))
    return above, below


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
        orders = _orders(n) if ways <= MOST else _random_orders(n, block)
        each = table[np.arange(n), orders].sum(axis=-1)
        sums = _pairs(sums, each) if ways <= MOST else sums + each
    slack = TIE * (1 + np.abs(sums[0]))
    above, below = (float((sign * (sums - sums[0]) >= -slack).mean()) for sign in (1, -1))
    if alternative == "two-sided":
        return min(1.0, 2 * min(above, below))
    return above if alternative == "greater" else below


def least_pairing_p(sizes: Sequence[int], alternative: Alternative = "two-sided") -> float:
    """The least possible `pairing_p` for blocks of these sizes: 0.017 for five seeds, two-sided."""
    sides = 2 if alternative == "two-sided" else 1
    return min(1.0, sides / min(math.prod(map(math.factorial, sizes)), MOST))


def share_below_p(broken: int, seeds: int, share: float) -> float:
    """Exact p of "at least this share of seeds break", given the number broken; 1 without seeds."""
    return float(stats.binomtest(broken, seeds, share, "less").pvalue) if seeds else 1.0


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
        labels = _all(each) if exact else _random(each, at)
        parts = _parts(of_stratum, labels, of_strata[at], np.array(each))
        change, variance = (
            _pairs(a, b) if exact else a + b for a, b in zip((change, variance), parts, strict=True)
        )
    scale = np.max([np.abs(each).max(axis=-1) for each in values], axis=0)[..., None]
    error = np.sqrt(np.maximum(variance, (ROUNDING * scale) ** 2))
    return np.asarray(np.divide(change, error, out=np.zeros_like(change), where=error > 0))


def _parts(
    values: Floats, labels: NDArray[np.int8], weight: Floats, n: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The contribution of a stratum's levels, of n seeds each, to the change and its variance (...,
    A)."""
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
def _all(sizes: Sizes) -> NDArray[np.int8]:
    """(A, n): the level of each seed in every arrangement, the observed one first."""
    n = sum(sizes)
    if len(sizes) == 1:
        return np.zeros((1, n), np.int8)
    rest, found = _all(sizes[1:]) + np.int8(1), []
    for chosen in itertools.combinations(range(n), sizes[0]):
        labels = np.zeros((len(rest), n), np.int8)
        labels[:, np.setdiff1d(np.arange(n), chosen)] = rest
        found.append(labels)
    return np.concatenate(found)


@lru_cache(maxsize=8)
def _orders(n: int) -> NDArray[np.int64]:
    """(n!, n): every permutation of n seeds, the identity first."""
    return np.array(list(itertools.permutations(range(n))), np.int64).reshape(-1, n)


@lru_cache(maxsize=8)
def _random_orders(n: int, block: int) -> NDArray[np.int64]:
    """(MOST, n): the identity, then random permutations, independent for each block."""
    orders = np.tile(np.arange(n), (MOST, 1))
    np.random.default_rng([1, block]).permuted(orders[1:], axis=1, out=orders[1:])
    return orders


@lru_cache(maxsize=8)
def _random(sizes: Sizes, stratum: int) -> NDArray[np.int8]:
    """(MOST, n): the observed arrangement, then random ones, independent for each stratum."""
    labels = np.tile(np.repeat(np.arange(len(sizes), dtype=np.int8), sizes), (MOST, 1))
    np.random.default_rng([0, stratum]).permuted(labels[1:], axis=1, out=labels[1:])
    return labels
