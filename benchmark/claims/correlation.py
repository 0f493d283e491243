"""Does a signal correlate with image quality? Four answers, in increasing strength of evidence.

raw          within a run, as the papers' figures suggest: descriptive only, since two
             falling series always correlate (Yule 1926; Granger and Newbold 1974).
differences  within a run, Spearman's rho of the changes between evaluations at a fixed interval.
partial      within a run, Spearman's rho given the step (ranks, so the log step is the same).
between      of the runs of one cell at the same step, Spearman's rho over seeds, averaged over
             the steps.

The seed is the unit, however many evaluations or cells there are. A seed's rho within runs is the
mean over its runs, with Student's interval; the mean of rhos between seeds has the jackknife's
interval over seeds, each left out of every cell that has it (statistics/intervals.py). Ranks are
taken within a cell: raw signals are never pooled over cells.

p comes from mismatched pairs; the null hypothesis is that a run's signal tells no more about its
own quality than about that of another run of the same cell. Whole series are permuted within cells,
identically in cells with the same seeds; cells that share only some seeds count as independent.

Where a rho is undefined (one of the series is constant, or follows the step exactly), its run, or
between runs its step or cell, is left out, and the counts say how many had one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.results.tables import Tables
from benchmark.statistics.coefficients import Level, Measure, cross, pair_spread
from benchmark.statistics.hypotheses import Alternative, least_pairing_p, pairing_p
from benchmark.statistics.intervals import (
    LEAST_SEEDS_OF_RHO,
    Estimate,
    Floats,
    ends,
    mean,
    mean_rank_correlation,
    rank_correlation,
)

Bools = NDArray[np.bool_]

LEAST_POINTS = 3  # evaluations of a run, or runs of a cell, below which a rho says nothing


@dataclass(frozen=True)
class Cell:
    """The finished runs of one cell at the steps at which all of them were evaluated."""

    name: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]  # of the runs, in order
    steps: Floats  # (S,)
    columns: Mapping[str, Floats]  # each (runs, S)

    def at(self, step: float, columns: Sequence[str]) -> "Cell":
        """The same runs at a single step, with those of these columns that exist."""
        here = self.steps == step
        found = {name: self.columns[name][:, here] for name in columns if name in self.columns}
        return replace(self, steps=self.steps[here], columns=found)


@dataclass(frozen=True)
class Association:
    """A correlation over the seeds that have one, and its basis; NaN if none has."""

    value: float
    estimate: Estimate | None  # None: too few seeds for an interval
    null_mean: float  # of mismatched pairs
    null_spread: float  # of the same, of a seed's mean over cells: `pair_spread`
    blocks: tuple[Floats, ...]  # of seeds, for `pairing_p`
    cells: int
    runs: int
    points: int  # fewest evaluations of a run
    each: Floats  # within runs: one rho per seed
    seeds: tuple[tuple[int, ...], ...]  # of each block
    run_ids: tuple[str, ...]

    def p(self, alternative: Alternative = "two-sided") -> float:
        """p of mismatched pairs."""
        return pairing_p(self.blocks, alternative) if np.isfinite(self.value) else np.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %, within the range of a rho; NaN if there is none."""
        low, high = np.clip(ends(self.estimate), -1, 1)
        return float(low), float(high)

    def least_p(self, alternative: Alternative = "two-sided") -> float:
        return least_pairing_p([len(block) for block in self.blocks], alternative)


def cells_of(tables: Tables) -> list[Cell]:
    """Of finished runs, without those whose final weights are those of an earlier one."""
    tables = tables.networks
    points = tables.points[tables.points["state"] == "done"]
    seeds = tables.seeds
    points = points.assign(_seed=points["run_id"].map(seeds))
    points = points.sort_values(["_seed", "run_id", "step"], kind="stable", ignore_index=True)
    numbers = list(points.select_dtypes("number").columns.difference(["step", "_seed"], sort=False))
    values, all_steps = points[numbers].to_numpy(float), points["step"].to_numpy(float)
    rows_of = points.groupby("cell", sort=False).indices
    cells = []
    for name in dict.fromkeys(tables.done["cell"]):
        rows = np.asarray(rows_of.get(name, ()), dtype=np.intp)
        runs = points["run_id"].to_numpy()[rows]
        steps, counts = np.unique(all_steps[rows], return_counts=True)
        steps = steps[counts == len(set(runs))]
        rows = rows[np.isin(all_steps[rows], steps)]
        run_ids = tuple(dict.fromkeys(points["run_id"].to_numpy()[rows]))
        if not run_ids:
            continue
        shape = (len(numbers), len(run_ids), len(steps))
        columns = dict(
            zip(numbers, np.ascontiguousarray(values[rows].T).reshape(shape), strict=True)
        )
        columns["step"] = np.tile(steps, (len(run_ids), 1))
        of_runs = tuple(int(seed) for seed in seeds[list(run_ids)])
        cells.append(Cell(name, run_ids, of_runs, steps, columns))
    return cells


def associate(
    cells: Sequence[Cell],
    signal: str,
    outcome: str,
    level: Level,
    measure: Measure = "spearman",
) -> Association | None:
    """The correlation of two columns over cells: its mean over seeds, or over steps and cells.

    None where the runs lack a column or are too few; NaN where no run's correlation is defined.
    """
    found = [paired(cell, signal, outcome, level) for cell in cells]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        return None
    between = level == "between"
    tables = [cross(pair.x, pair.y, pair.steps, level, measure) for pair in pairs]
    owns = [np.isfinite(np.diagonal(table)) for table in tables]
    seeds = [pair.cell.seeds for pair in pairs]
    blocks = _blocks(seeds, tables, owns)
    each = np.zeros(0) if between else _by_seed(seeds, tables)
    rhos = np.array([table.trace() / len(table) for table in tables]) if between else each
    known = rhos[np.isfinite(rhos)]
    value = float(known.mean()) if len(known) else np.nan
    return Association(
        value=value,
        estimate=_estimate(pairs, owns, value, each) if blocks else None,
        null_mean=np.nan if between else _mismatched(tables, owns),
        null_spread=np.nan
        if between
        else pair_spread([table / cells for _, table, cells in blocks]),
        blocks=tuple(table for _, table, _ in blocks),
        cells=sum(bool(own.any()) for own in owns),
        runs=sum(int(own.sum()) for own in owns),
        points=min(len(pair.steps) for pair in pairs),
        each=each,
        seeds=tuple(of_block for of_block, _, _ in blocks),
        run_ids=tuple(
            run
            for pair, own in zip(pairs, owns, strict=True)
            for run in np.compress(own, pair.cell.run_ids).tolist()
        ),
    )


def _blocks(
    seeds: Sequence[tuple[int, ...]], tables: Sequence[Floats], owns: Sequence[Bools]
) -> list[tuple[tuple[int, ...], Floats, int]]:
    """The seeds that have a rho, with their tables summed over cells of the same seeds, and how
    many cells these are.

    An undefined rho is 0 there: it favours neither matched pairs nor mismatched ones, and the
    other cells keep the seed, so that all cells are still permuted alike.
    """
    sums: dict[tuple[int, ...], Floats] = {}
    has: dict[tuple[int, ...], Bools] = {}
    for of_cell, table, own in zip(seeds, tables, owns, strict=True):
        sums[of_cell] = sums.get(of_cell, 0.0) + np.nan_to_num(table)
        has[of_cell] = has.get(of_cell, False) | own
    return [
        (
            tuple(np.compress(has[each], each).tolist()),
            table[np.ix_(has[each], has[each])],
            seeds.count(each),
        )
        for each, table in sums.items()
        if has[each].any()
    ]


def _by_seed(seeds: Sequence[tuple[int, ...]], tables: Sequence[Floats]) -> Floats:
    """(seeds,): each seed's rho, averaged over its runs that have one."""
    found: dict[int, list[float]] = {}
    for of_cell, table in zip(seeds, tables, strict=True):
        for seed, rho in zip(of_cell, np.diagonal(table), strict=True):
            if np.isfinite(rho):
                found.setdefault(seed, []).append(float(rho))
    return np.array([np.mean(rhos) for rhos in found.values()])


def _estimate(
    pairs: Sequence["Pair"], owns: Sequence[Bools], value: float, each: Floats
) -> Estimate | None:
    """None if there are too few seeds for an interval."""
    if len(each):
        return mean(each)
    known = [pair.cell.seeds for pair, own in zip(pairs, owns, strict=True) if own.any()]
    if min(map(len, known)) < LEAST_SEEDS_OF_RHO:
        return None
    alone = rank_correlation(value, min(map(len, known)))
    if len(known) == 1 and all(len(pair.steps) == 1 for pair in pairs):
        return alone
    blocks = blocks_of_seeds(known)
    without = [np.array([_without(pairs, seed) for seed in block]) for block in blocks]
    if np.isnan(np.concatenate(without)).any():  # a single seed differs from the others
        return None
    found = mean_rank_correlation(value, *without)
    # The order is the same at every step, whichever seed is left out, so all steps carry one rho.
    return found if found is None or found.error > 0 else alone


def _without(pairs: Sequence["Pair"], seed: int) -> float:
    """The mean over steps and cells of rho between seeds, without one; NaN if none is left."""
    rhos = []
    for pair in pairs:
        kept = np.array(pair.cell.seeds) != seed
        crossed = cross(pair.x[kept], pair.y[kept], pair.steps, "between", "spearman")
        rhos.append(float(np.diagonal(crossed).mean()))
    known = [rho for rho in rhos if np.isfinite(rho)]
    return float(np.mean(known)) if known else np.nan


def blocks_of_seeds(cells: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The cells' seeds in blocks, merged when cells overlap, so that no seed is in two blocks."""
    blocks: list[set[int]] = []
    for of_cell in cells:
        joined = [block for block in blocks if block & {*of_cell}]
        blocks = [block for block in blocks if block not in joined]
        blocks.append(set().union(of_cell, *joined))
    return [sorted(block) for block in blocks]


@dataclass(frozen=True)
class Pair:
    """Two columns of a cell at the steps at which every run has both."""

    cell: Cell
    x: Floats  # (runs, S)
    y: Floats
    steps: Floats  # (S,)


def paired(cell: Cell, signal: str, outcome: str, level: Level) -> Pair | None:
    """The columns, or their changes over the usual interval; None of too few values."""
    if signal not in cell.columns or outcome not in cell.columns:
        return None
    x, y = cell.columns[signal], cell.columns[outcome]
    there = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
    x, y, steps = x[:, there], y[:, there], cell.steps[there]
    if level == "differences" and len(steps) > 1:
        gaps = np.diff(steps)
        usual = gaps == stats.mode(gaps).mode
        x, y, steps = np.diff(x)[:, usual], np.diff(y)[:, usual], steps[1:][usual]
    enough = len(x) if level == "between" else len(steps)
    return Pair(cell, x, y, steps) if enough >= LEAST_POINTS and len(steps) else None


def _mismatched(tables: Sequence[Floats], owns: Sequence[Bools]) -> float:
    """The mean over runs of their correlation with the other runs of their cell; of runs that have
    one of their own."""
    known = [table[np.ix_(own, own)] for table, own in zip(tables, owns, strict=True)]
    several = [table for table in known if len(table) > 1]
    if not several:
        return np.nan
    sums = [(table.ravel().sum() - np.trace(table)) / (len(table) - 1) for table in several]
    return float(sum(sums) / sum(map(len, several)))
