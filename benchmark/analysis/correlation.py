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
are, and ranks are taken within a cell: raw signals are never pooled over cells.

An undefined rho (one of the series is constant) counts as 0 where others are defined.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from benchmark.analysis.frames import Tables
from benchmark.analysis.resampling import (
    NONE,
    Floats,
    Indices,
    bootstrap_interval,
    least_p,
    permutation_p,
)

Level = Literal["raw", "differences", "partial", "between"]
Measure = Literal["pearson", "spearman", "kendall"]
LEAST_POINTS = 3  # evaluations of a run, or runs of a cell, below which a rho says nothing


@dataclass(frozen=True)
class Cell:
    """The finished runs of one cell at the steps that all of them have been evaluated at."""

    name: str
    run_ids: tuple[str, ...]
    steps: Floats  # (S,)
    columns: Mapping[str, Floats]  # each (runs, S)

    def at(self, step: float) -> "Cell":
        """The same runs at one step alone."""
        here = self.steps == step
        columns = {name: column[:, here] for name, column in self.columns.items()}
        return replace(self, steps=self.steps[here], columns=columns)


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
    each: Floats  # one rho a run (within) or a cell (between)
    sizes: tuple[int, ...]  # runs of each cell
    run_ids: tuple[str, ...]


def cells_of(tables: Tables) -> list[Cell]:
    """Cells in the order of runs.csv; a run that has not finished is left out."""
    points = tables.points[tables.points["state"] == "done"]
    numbers = points.select_dtypes("number").columns.drop("step")
    cells = []
    for name in dict.fromkeys(tables.done["cell"]):
        rows = points[points["cell"] == name]
        counts = rows.groupby("step")["run_id"].nunique()
        steps = counts.index[counts == rows["run_id"].nunique()]
        rows = rows[rows["step"].isin(steps)].sort_values(["run_id", "step"], kind="stable")
        run_ids = tuple(dict.fromkeys(rows["run_id"]))
        if not run_ids:
            continue
        shape = (len(run_ids), len(steps))
        columns = {c: rows[c].to_numpy(float).reshape(shape) for c in numbers}
        found = steps.to_numpy(float)
        cells.append(Cell(name, run_ids, found, {**columns, "step": np.tile(found, (shape[0], 1))}))
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
    pairs = [pair for cell in cells if (pair := _pair(cell, signal, outcome, level)) is not None]
    if not pairs:
        return None
    tables = [_cross(x, y, level, measure, steps) for _, x, y, steps in pairs]
    own = [table.diagonal() for table in tables]
    defined = bool(np.isfinite(np.concatenate(own)).any())
    crossed = [np.nan_to_num(table) for table in tables]
    sizes = [len(table) for table in tables]
    strata = [[1] * n for n in sizes]
    own_or_0 = [table.diagonal() for table in crossed]
    each = np.array([o.mean() for o in own_or_0]) if between else np.concatenate(own_or_0)
    low, high = NONE
    if interval and defined:
        low, high = bootstrap_interval(_resampled(pairs, crossed, level), sizes)
    return Association(
        value=float(np.concatenate(own_or_0).mean()) if defined else np.nan,
        low=low,
        high=high,
        null_mean=np.nan if between or not defined else _mismatched(crossed),
        p=permutation_p(_paired(crossed), strata) if defined else np.nan,
        least_p=least_p(strata),
        cells=len(pairs),
        runs=sum(sizes),
        points=min(x.shape[1] for _, x, _, _ in pairs),
        each=each,
        sizes=tuple(sizes),
        run_ids=tuple(run for cell, *_ in pairs for run in cell.run_ids),
    )


Pair = tuple[Cell, Floats, Floats, Floats]


def _pair(cell: Cell, signal: str, outcome: str, level: Level) -> Pair | None:
    """The cell's two columns (runs, S) where both are there at every run, or None."""
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
    return (cell, x, y, steps) if enough >= LEAST_POINTS and len(steps) else None


def _cross(x: Floats, y: Floats, level: Level, measure: Measure, steps: Floats) -> Floats:
    """(runs, runs): the correlation of run i's signal with run j's outcome.

    Between runs, run i's own is its part of the cell's rho, whose mean over runs is that rho.
    """
    if level == "between":
        a, b = (_standard(stats.rankdata(v, axis=0), axis=0) for v in (x, y))
        return (
            np.asarray(a @ b.T / x.shape[1])
            if a.any() and b.any()
            else np.full([len(a)] * 2, np.nan)
        )
    if measure == "kendall":
        a, b = (_pair_signs(v) for v in (x, y))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - cdist(a, b, "cosine"))
    if measure == "spearman":
        x, y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
    if level == "partial":
        trend = np.stack([np.ones(len(steps)), stats.rankdata(steps)])
        x, y = (_rounded(v - v @ np.linalg.pinv(trend) @ trend) for v in (x, y))
    n = len(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.corrcoef(x, y)[:n, n:])


def _rounded(residuals: Floats) -> Floats:
    """What is left of a series that is its trend is exactly nothing, not rounding."""
    return np.where(np.abs(residuals) < 1e-9, 0.0, residuals)


def _standard(ranks: Floats, axis: int) -> Floats:
    """Mean 0 and variance 1 along an axis; all 0 where the ranks are one tie."""
    centred = ranks - ranks.mean(axis=axis, keepdims=True)
    spread = centred.std(axis=axis, keepdims=True)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def _pair_signs(series: Floats) -> Floats:
    """(runs, S (S - 1) / 2): the signs of all differences, whose cosine is Kendall's tau-b."""
    later, earlier = np.tril_indices(series.shape[1], -1)
    return np.sign(series[:, later] - series[:, earlier])


def _paired(tables: Sequence[Floats]) -> Callable[[Indices], Floats]:
    """The mean over runs of their correlation with the run that `index` gives them."""
    starts = np.cumsum([0, *map(len, tables)])
    whole = np.zeros((starts[-1], starts[-1]))
    for start, table in zip(starts, tables, strict=False):
        whole[start : start + len(table), start : start + len(table)] = table
    places = np.arange(starts[-1])
    return lambda index: np.asarray(whole[places, index].mean(axis=-1))


def _mismatched(tables: Sequence[Floats]) -> float:
    """The mean over runs of their correlation with the other runs of their cell."""
    sums = [
        (table.sum() - np.trace(table)) / (len(table) - 1) for table in tables if len(table) > 1
    ]
    runs = sum(len(table) for table in tables if len(table) > 1)
    return float(sum(sums) / runs) if runs else np.nan


def _resampled(
    pairs: Sequence[Pair], tables: Sequence[Floats], level: Level
) -> Callable[[Indices], Floats]:
    """The same correlation over runs drawn with replacement within their cells."""
    if level != "between":
        own = np.concatenate([table.diagonal() for table in tables])
        return lambda index: np.asarray(own[index].mean(axis=-1))
    starts = np.cumsum([0, *map(len, tables)])

    def rho(index: Indices) -> Floats:
        total = np.zeros(index.shape[:-1])
        for start, (_, x, y, _) in zip(starts, pairs, strict=False):
            drawn = index[..., start : start + len(x)] - start
            a, b = (_standard(stats.rankdata(v[drawn], axis=-2), axis=-2) for v in (x, y))
            total += (a * b).mean(axis=-1).sum(axis=-1)
        return np.asarray(total / starts[-1])

    return rho
