"""Permutation tests and bootstrap intervals over training seeds, by SciPy.

Runs are numbered; a statistic takes index arrays (..., n) that say whose values stand in each
place, and gives (...). A stratum holds runs that may change places with each other, in groups
among which they change (the levels that are compared); runs never leave their stratum.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from benchmark.statistics.hypotheses import arrangements
from benchmark.statistics.permutations import (
    Floats,
    Indices,
    Ways,
    order_ways,
    redraw_ways,
    redraws,
    shuffles,
)

Statistic = Callable[[Indices], Floats]
Stratum = Sequence[int]  # sizes of its groups; all ones where runs change places singly
Alternative = Literal["two-sided", "greater"]

RESAMPLES = 9_999
BOOTSTRAPS = 1_000
BATCH = 2**17  # indices that are worked out at once: a MiB, which a processor's cache holds
# Decimals of a mean of correlations: one that is 0 but for the order of its sum is 0, a tie.
DECIMALS = 12
LEVEL = 0.95
NONE = (math.nan, math.nan)


def least_p(strata: Sequence[Stratum]) -> float:
    """The least two-sided p that this design can reach, whatever the values: 0.1 for 3 and 3."""
    return min(1.0, 2 / min(arrangements(strata), RESAMPLES + 1))


def permutation_p(
    statistic: Statistic,
    strata: Sequence[Stratum],
    alternative: Alternative = "two-sided",
    least: float | None = None,
) -> float:
    """p of `statistic` when runs change places within their strata.

    Runs are numbered in the order of strata and groups. Exact where one stratum has few enough
    arrangements; otherwise from 9,999 random ones, and never below `least` (by default `least_p`).
    """
    n = sum(map(sum, strata))
    least = least_p(strata) if least is None else least
    if n == 0 or least == 1.0:
        return 1.0
    if len(strata) == 1 and arrangements(strata) <= RESAMPLES + 1:
        p = float(_exact(statistic, np.arange(n), strata[0], alternative))
    else:
        orders = shuffles(tuple(map(sum, strata)), RESAMPLES)
        parts = (orders[rows].astype(np.intp) for rows in _batches(RESAMPLES, n))
        drawn = [statistic(part) for part in parts]
        p = _random_p(np.concatenate([[statistic(np.arange(n))], *drawn]), alternative)
    return max(p, least)


def pairing_p(tables: Sequence[Floats], least: float | None = None) -> float:
    """Two-sided p of the mean of table[i, i] over the runs i of all cells, a table (n, n) each.

    Under the null hypothesis run i of a cell might as well have met its run j: table[i, j]. The
    same as `permutation_p` of that mean with single runs as groups, cell by cell. Cells whose runs
    are to be dealt alike are one table, their sum.
    """
    strata = [[1] * len(table) for table in tables]
    least = least_p(strata) if least is None else least
    if len(tables) == 1:
        return permutation_p(_paired(tables), strata, least=least)
    if least == 1.0:
        return 1.0
    drawn = np.zeros(RESAMPLES + 1)
    for ways in order_ways(tuple(map(len, tables)), RESAMPLES):
        stacked = np.stack([tables[cell] for cell in ways.cells])
        drawn += ways.total(stacked[:, np.arange(ways.runs.shape[1]), ways.runs].sum(axis=-1))
    means = np.round(drawn / sum(map(len, tables)), DECIMALS)
    return max(_random_p(means, "two-sided"), least)


def pairing_ps(tables: Floats) -> Floats:
    """(C,): `pairing_p` of each of the tables (C, n, n) by itself."""
    count, n, _ = tables.shape
    stratum = [1] * n
    least = least_p([stratum])
    if least == 1.0:
        return np.ones(count)
    places, cells = np.arange(n), np.arange(count)[:, None]
    if arrangements([stratum]) <= RESAMPLES + 1:

        def each(index: Indices) -> Floats:
            return np.asarray(np.round(tables[cells, places, index].mean(axis=-1), DECIMALS))

        found = _exact(each, np.tile(places, (count, 1)), stratum, "two-sided")
        return np.maximum(found, least)
    return np.array([permutation_p(_paired([table]), [stratum], least=least) for table in tables])


def _paired(tables: Sequence[Floats]) -> Statistic:
    """The mean over runs of their table's entry with the run that `index` gives them."""
    starts = np.cumsum([0, *map(len, tables)])
    whole = np.zeros((starts[-1], starts[-1]))
    for start, table in zip(starts, tables, strict=False):
        whole[start : start + len(table), start : start + len(table)] = table
    places = np.arange(starts[-1])
    return lambda index: np.asarray(np.round(whole[places, index].mean(axis=-1), DECIMALS))


def _batches(count: int, n: int) -> list[slice]:
    """So many draws of n runs each, in parts of BATCH indices."""
    size = max(1, BATCH // n)
    return [slice(at, at + size) for at in range(0, count, size)]


def _random_p(values: Floats, alternative: Alternative) -> float:
    """SciPy's p of the first value when the others are those of random draws."""
    test: Any = stats.monte_carlo_test  # its stubs do not know integer samples
    return float(
        test(
            np.zeros(1, dtype=np.intp),
            lambda size: np.arange(1, size[0] + 1)[:, None],
            lambda number, axis=-1: values[number[..., 0]],
            vectorized=True,
            n_resamples=len(values) - 1,
            alternative=alternative,
        ).pvalue
    )


def _exact(statistic: Statistic, runs: Indices, sizes: Stratum, alternative: Alternative) -> Floats:
    """p of all arrangements of the runs (..., n), their numbers in order."""
    starts = np.cumsum([0, *sizes])
    data: tuple[Indices, ...] = (runs,)
    kind: Any = "pairings"
    # SciPy wants two or more in every group; all orders of the runs give the same p.
    if all(size > 1 for size in sizes):
        data = tuple(runs[..., a:b] for a, b in itertools.pairwise(starts))
        kind = "independent"
    result = stats.permutation_test(
        data,
        lambda *groups, axis=-1: statistic(np.concatenate(groups, axis=-1)),
        permutation_type=kind,
        axis=-1,
        vectorized=True,
        n_resamples=RESAMPLES + 1,
        alternative=alternative,
        rng=np.random.default_rng(0),
    )
    return np.asarray(result.pvalue)


def bootstrap_interval(statistic: Statistic, cells: Sequence[int]) -> tuple[float, float]:
    """A 95 % percentile interval of `statistic` when runs are drawn anew within their cells.

    `cells` are the numbers of runs of each cell, in order. NaN where a cell has one run alone.
    With fewer than about eight runs such an interval is too narrow: no verdict rests on it alone.
    """
    if not cells or min(cells) < 2:
        return NONE
    return percentiles(bootstrapped(statistic, cells))


def bootstrapped(statistic: Statistic, cells: Sequence[int]) -> Floats:
    """(draws, ...): `statistic` of runs that are drawn anew within their cells."""
    index = redraws(tuple(cells), BOOTSTRAPS)
    parts = _batches(BOOTSTRAPS, sum(cells))
    return np.concatenate([statistic(index[part].astype(np.intp)) for part in parts])


def bootstrap_interval_of_sums(
    values: Callable[[Ways], Floats],
    cells: Sequence[int],
    whole: Callable[[Floats], Floats],
    blocks: Sequence[Sequence[int]] | None = None,
) -> tuple[float, float]:
    """The same interval of `whole` of sums over cells.

    `values` gives (..., C, W), the values of cells in each of their ways; `whole` takes the sums
    (..., draws) over all cells. The cells of a block, which have as many runs, are drawn alike; by
    default each is a block.
    """
    if not cells or min(cells) < 2:
        return NONE
    blocks = blocks or [[cell] for cell in range(len(cells))]
    sums: Any = 0.0
    for drawn in redraw_ways(tuple(cells[block[0]] for block in blocks), BOOTSTRAPS):
        ways = drawn.shared(blocks)
        of_ways = values(ways)
        flat = of_ways.reshape(-1, *of_ways.shape[-2:])
        totals = np.stack([ways.total(each) for each in flat])
        sums = sums + totals.reshape(*of_ways.shape[:-2], -1)
    return percentiles(whole(np.asarray(sums)))


def percentiles(distribution: Floats) -> tuple[float, float]:
    """The 95 % interval of a bootstrap's distribution, as SciPy takes it."""
    low, high = stats.quantile(distribution, np.array([(1 - LEVEL) / 2, 1 - (1 - LEVEL) / 2]))
    return float(low), float(high)
