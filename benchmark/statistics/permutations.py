"""Which run stands where: random orders within strata, and runs drawn anew within cells.

A design gets the same draws at every call. A statistic that is a sum over cells is worked out once
for each way in which a cell's runs can stand (120 orders of five), not once for each draw.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
# Runs of a cell up to which all its ways are listed: 720 orders, or 462 draws, of six.
LISTED = 6


@dataclass(frozen=True)
class Ways:
    """How the runs of some cells, all of one size, stand in every draw."""

    cells: Indices  # (C,) their numbers
    runs: NDArray[Any]  # (W, n) each way: the run of the cell that stands in each place
    drawn: NDArray[Any]  # (C, draws) the way of each cell in each draw

    def shared(self, blocks: Sequence[Sequence[int]]) -> "Ways":
        """Of all cells of blocks, where these are the ways of one cell of each block."""
        cells = [blocks[at] for at in self.cells]
        drawn = np.repeat(self.drawn, list(map(len, cells)), axis=0)
        return Ways(np.concatenate(cells).astype(np.intp), self.runs, drawn)

    def total(self, values: Floats) -> Floats:
        """(draws,): the sum over these cells of their values (C, W)."""
        total = np.zeros(self.drawn.shape[1])
        for of_way, way in zip(values, self.drawn, strict=True):
            total += of_way.take(way)  # half the time of of_way[way]
        return total


def blocks_of(seeds: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The numbers of the cells that have the same seeds, together.

    Runs of one seed see the same images in the same order whichever cell they are of, and where
    they start from the same weights they stay alike. So what is dealt or drawn anew are the seeds,
    for all cells of a block at once. Cells that share some of their seeds alone are dealt apart.
    """
    found: dict[tuple[int, ...], list[int]] = {}
    for cell, each in enumerate(seeds):
        found.setdefault(each, []).append(cell)
    return list(found.values())


def summed(tables: Sequence[Floats], blocks: Sequence[Sequence[int]]) -> list[Floats]:
    """The tables of a block's cells, whose runs are in the order of their seeds, as one."""
    return [np.sum([tables[cell] for cell in block], axis=0) for block in blocks]


@lru_cache(maxsize=2)
def shuffles(sizes: tuple[int, ...], count: int) -> NDArray[Any]:
    """(count, n) random orders that keep every run in its stratum, in few bytes."""
    rng = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes])
    kind = np.min_scalar_type(int(starts[-1]))
    orders = np.empty((count, starts[-1]), kind)
    for a, b in itertools.pairwise(starts):
        stratum = np.tile(np.arange(a, b, dtype=kind), (count, 1))
        orders[:, a:b] = rng.permuted(stratum, axis=1, out=stratum)
    return orders


@lru_cache(maxsize=2)
def redraws(cells: tuple[int, ...], count: int) -> NDArray[Any]:
    """(count, n) runs drawn with replacement within their cells, as SciPy's bootstrap draws."""
    starts = np.cumsum([0, *cells])
    kind = np.min_scalar_type(int(starts[-1]))
    drawn: list[NDArray[Any]] = []

    def keep(*groups: Indices, axis: int = -1) -> Floats:
        drawn.append(np.concatenate(groups, axis=axis).astype(kind))
        return np.zeros(len(drawn[-1]))

    stats.bootstrap(
        tuple(np.arange(a, b) for a, b in itertools.pairwise(starts)),
        keep,
        n_resamples=count,
        batch=500,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return np.concatenate(drawn)


@lru_cache(maxsize=4)
def order_ways(sizes: tuple[int, ...], count: int) -> tuple[Ways, ...]:
    """The ways of `shuffles`, with the runs' own order as the first draw."""
    orders = shuffles(sizes, count)
    index = np.concatenate([np.arange(sum(sizes), dtype=orders.dtype)[None], orders])
    return _ways(index, sizes, lambda n: itertools.permutations(range(n)))


@lru_cache(maxsize=4)
def redraw_ways(cells: tuple[int, ...], count: int) -> tuple[Ways, ...]:
    """The ways of `redraws`; which place a drawn run stands in is of no matter."""
    index = redraws(cells, count).copy()
    for a, b in itertools.pairwise(np.cumsum([0, *cells])):
        index[:, a:b].sort(axis=1)
    return _ways(index, cells, lambda n: itertools.combinations_with_replacement(range(n), n))


def _ways(
    index: NDArray[Any], sizes: Sequence[int], listed: Callable[[int], Any]
) -> tuple[Ways, ...]:
    """The cells of a size together where their ways can be listed, else each by itself."""
    starts = np.cumsum([0, *sizes])
    of_size: dict[int, list[int]] = {}
    for cell, n in enumerate(sizes):
        of_size.setdefault(n, []).append(cell)
    found = []
    for n, cells in of_size.items():
        local = (index[:, starts[cell] : starts[cell] + n] - starts[cell] for cell in cells)
        if n > LISTED:
            each, kind = np.arange(len(index))[None], np.min_scalar_type(n)
            pairs = zip(cells, local, strict=True)
            found += [Ways(np.array([cell]), runs.astype(kind), each) for cell, runs in pairs]
            continue
        runs = np.array(list(listed(n)), dtype=np.intp)
        digits = n ** np.arange(n)
        number = np.zeros(n**n, np.uint16)
        number[runs @ digits] = np.arange(len(runs))
        drawn = np.stack([number[each @ digits] for each in local])
        found.append(Ways(np.array(cells), runs, drawn))
    return tuple(found)
