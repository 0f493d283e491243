"""Does a signal go together with image quality? Four answers, of rising worth.

raw          within a run, as the papers' figures invite one to look: descriptive only, since two
             falling series always correlate (Yule 1926; Granger and Newbold 1974).
differences  within a run, Spearman's rho of the changes between evaluations at a fixed interval.
partial      within a run, Spearman's rho given the step (ranks, so the log step is the same).
between      of the runs of one cell at the same step, Spearman's rho over seeds, averaged over
             the steps.

The null hypothesis is that of mismatched pairs: a run's signal says nothing of its own quality
that it does not say of another run's of the same cell. Runs' whole series are dealt anew within
their cells (a stratified permutation test), so the seed is the unit, however many evaluations there
are, and ranks are taken within a cell: raw signals are never pooled over cells. Cells with the same
seeds are dealt alike: they tell more of those seeds, not of more seeds.

An undefined rho (one of the series is constant) counts as 0 where others are defined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmark.results.tables import Tables
from benchmark.statistics.coefficients import Level, Measure, cross, rho_of_drawn
from benchmark.statistics.permutations import Floats, Indices, Ways, blocks_of, summed
from benchmark.statistics.resampling import (
    NONE,
    bootstrap_interval,
    bootstrap_interval_of_sums,
    least_p,
    pairing_p,
    pairing_ps,
)

CELLS_AT_ONCE = 200
LEAST_POINTS = 3  # evaluations of a run, or runs of a cell, below which a rho says nothing


@dataclass(frozen=True)
class Cell:
    """The finished runs of one cell at the steps that all of them have been evaluated at."""

    name: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]  # of the runs, in order
    steps: Floats  # (S,)
    columns: Mapping[str, Floats]  # each (runs, S)

    def at(self, step: float, columns: Sequence[str]) -> "Cell":
        """The same runs at one step alone, with those of these columns that are there."""
        here = self.steps == step
        found = {name: self.columns[name][:, here] for name in columns if name in self.columns}
        return replace(self, steps=self.steps[here], columns=found)


@dataclass(frozen=True)
class Association:
    """A correlation over runs and what it rests on; NaN where it is undefined."""

    value: float
    low: float
    high: float
    null_mean: float  # of mismatched pairs
    p: float
    least_p: float
    cells: int
    runs: int
    points: int  # fewest evaluations of a run
    # One array a block of cells with the same seeds, and these: the rhos of its runs
    # (cells, seeds), or between runs of its cells (cells,).
    each: tuple[Floats, ...]
    seeds: tuple[tuple[int, ...], ...]
    run_ids: tuple[str, ...]


def cells_of(tables: Tables) -> list[Cell]:
    """Cells in the order of runs.csv; unfinished runs and networks seen before are left out."""
    tables = tables.networks
    points = tables.points[tables.points["state"] == "done"]
    seeds = tables.seeds
    points = points.assign(_seed=points["run_id"].map(seeds))
    points = points.sort_values(["_seed", "run_id", "step"], kind="stable", ignore_index=True)
    numbers = list(points.select_dtypes("number").columns.drop(["step", "_seed"]))
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
    interval: bool = True,
) -> Association | None:
    """The correlation of two columns, its interval over seeds and its p.

    None where the runs lack a column or are too few; NaN where no run's correlation is defined.
    """
    between = level == "between"
    pairs = _pairs(cells, signal, outcome, level)
    if not pairs:
        return None
    crosses = [cross(pair.x, pair.y, pair.steps, level, measure) for pair in pairs]
    defined = any(bool(np.isfinite(_own(each)).any()) for each in crosses)
    known = [np.nan_to_num(each) for each in crosses]
    tables = _in_order(pairs, known)
    own = _in_order(pairs, [_own(each) for each in known])
    sizes = [len(table) for table in tables]
    numbers = _numbers(pairs)
    blocks = blocks_of([cells[at].seeds for at in numbers])
    dealt = summed(tables, blocks)
    each = tuple(np.stack([own[cell] for cell in block]) for block in blocks)
    counts = list(map(len, dealt))
    low, high = NONE
    if interval and defined and between:
        low, high = bootstrap_interval_of_sums(
            lambda ways: _rhos_of_ways(pairs, ways), sizes, lambda sums: sums / sum(sizes), blocks
        )
    elif interval and defined:
        every = np.concatenate([of_block.sum(axis=0) for of_block in each])
        low, high = bootstrap_interval(lambda index: every[index].sum(axis=-1) / sum(sizes), counts)
    return Association(
        value=float(np.concatenate(own).mean()) if defined else np.nan,
        low=low,
        high=high,
        null_mean=np.nan if between or not defined else _mismatched(pairs, known),
        p=pairing_p(dealt) if defined else np.nan,
        least_p=least_p([[1] * n for n in counts]),
        cells=len(tables),
        runs=sum(sizes),
        points=min(len(pair.steps) for pair in pairs),
        each=tuple(of_block.mean(axis=1) for of_block in each) if between else each,
        seeds=tuple(cells[numbers[block[0]]].seeds for block in blocks),
        run_ids=tuple(run for at in numbers for run in cells[at].run_ids),
    )


def associate_each(
    cells: Sequence[Cell], signal: str, outcome: str, level: Level, measure: Measure = "spearman"
) -> list[Association | None]:
    """What `associate` says of each cell by itself, without intervals."""
    found: list[Association | None] = [None] * len(cells)
    for pair in _pairs(cells, signal, outcome, level):
        crossed = cross(pair.x, pair.y, pair.steps, level, measure)
        defined = np.asarray(np.isfinite(_own(crossed)).any(axis=1))
        known = np.nan_to_num(crossed)
        own, p, n = _own(known), pairing_ps(known), known.shape[1]
        means = own.mean(axis=1)
        for k, at in enumerate(pair.at):
            alone = replace(pair, at=pair.at[k : k + 1])
            found[at] = Association(
                value=float(means[k]) if defined[k] else np.nan,
                low=np.nan,
                high=np.nan,
                null_mean=_mismatched([alone], [known[k : k + 1]])
                if defined[k] and level != "between"
                else np.nan,
                p=float(p[k]) if defined[k] else np.nan,
                least_p=least_p([[1] * n]),
                cells=1,
                runs=n,
                points=len(pair.steps),
                each=(means[k : k + 1] if level == "between" else own[k : k + 1],),
                seeds=(cells[at].seeds,),
                run_ids=cells[at].run_ids,
            )
    return found


@dataclass(frozen=True)
class _Pair:
    """Two columns of cells that are alike in their runs' number and their steps, side by side."""

    at: Indices  # (C,) the cells' numbers
    x: Floats  # (C, runs, S)
    y: Floats
    steps: Floats  # (S,)


def _pairs(cells: Sequence[Cell], signal: str, outcome: str, level: Level) -> list[_Pair]:
    """Where both columns are there at every run, of the cells that have enough of them."""
    alike: dict[tuple[int, bytes], list[int]] = {}
    for at, cell in enumerate(cells):
        if signal in cell.columns and outcome in cell.columns:
            alike.setdefault((len(cell.run_ids), cell.steps.tobytes()), []).append(at)
    found = []
    for numbers in alike.values():
        x, y = (np.stack([cells[at].columns[name] for at in numbers]) for name in (signal, outcome))
        there = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        masks, which = np.unique(there, axis=0, return_inverse=True)
        for k, mask in enumerate(masks):
            mine, steps = which == k, cells[numbers[0]].steps[mask]
            both = [np.ascontiguousarray(column[mine][..., mask]) for column in (x, y)]
            pair = _Pair(np.array(numbers)[mine], both[0], both[1], steps)
            if level == "differences" and len(steps) > 1:
                pair = _changes(pair)
            enough = x.shape[1] if level == "between" else len(pair.steps)
            if enough >= LEAST_POINTS and len(pair.steps):
                found.append(pair)
    return found


def _changes(pair: _Pair) -> _Pair:
    """The changes between evaluations at the usual interval."""
    gaps = np.diff(pair.steps)
    usual = gaps == stats.mode(gaps).mode
    x, y = (np.diff(column, axis=-1)[..., usual] for column in (pair.x, pair.y))
    return _Pair(pair.at, x, y, pair.steps[1:][usual])


def _numbers(pairs: Sequence[_Pair]) -> Indices:
    """The cells that the pairs are of, in order."""
    return np.sort(np.concatenate([pair.at for pair in pairs]))


def _in_order(pairs: Sequence[_Pair], values: Sequence[Floats]) -> list[Floats]:
    """What is there for each cell of each pair (C, ...), cell by cell in order."""
    order = np.argsort(np.concatenate([pair.at for pair in pairs]))
    every = [of_cell for of_pair in values for of_cell in of_pair]
    return [every[at] for at in order]


def _own(cross: Floats) -> Floats:
    """(C, runs): the correlation of each run's signal with its own outcome."""
    return np.ascontiguousarray(np.diagonal(cross, axis1=-2, axis2=-1))


def _mismatched(pairs: Sequence[_Pair], crosses: Sequence[Floats]) -> float:
    """The mean over runs of their correlation with the other runs of their cell."""
    several = [
        (pair, cross) for pair, cross in zip(pairs, crosses, strict=True) if len(cross[0]) > 1
    ]
    if not several:
        return np.nan
    sums = [
        (cross.reshape(len(cross), -1).sum(axis=-1) - np.trace(cross, axis1=1, axis2=2))
        / (cross.shape[1] - 1)
        for _, cross in several
    ]
    runs = sum(cross.shape[0] * cross.shape[1] for _, cross in several)
    return float(sum(_in_order([pair for pair, _ in several], sums)) / runs)


def _rhos_of_ways(pairs: Sequence[_Pair], ways: Ways) -> Floats:
    """(C, W): runs times the mean over steps of the rho of the runs that a way draws."""
    drawn = (ways.runs[..., None] == np.arange(ways.runs.shape[1])).sum(axis=1).astype(float)
    found = np.empty((len(ways.cells), len(drawn)))
    place = {cell: at for at, cell in enumerate(_numbers(pairs)[ways.cells])}
    for pair in pairs:
        mine = np.array([k for k, cell in enumerate(pair.at) if cell in place], dtype=np.intp)
        for first in range(0, len(mine), CELLS_AT_ONCE):
            some = mine[first : first + CELLS_AT_ONCE]
            rho = rho_of_drawn(pair.x[some], pair.y[some], drawn).mean(axis=-1).T
            found[[place[cell] for cell in pair.at[some]]] = pair.x.shape[1] * rho
    return found
