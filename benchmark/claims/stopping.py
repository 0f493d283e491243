"""A signal as a stopping rule, compared with other rules for stopping the same run.

A run is stopped at one of its evaluations. By the signal, a lower one counting as better, at

    minimum     its least value, known only once the run is over
    plateau     the first evaluation at which the last PATIENCE evaluations have lowered the
                signal's minimum by at most HARDLY of its total fall before them, or else the last
                evaluation. It looks at no later evaluation.

or, as its rivals, at

    last        the last evaluation: the step alone decides
    validation  the least distance to validation images
    random      any evaluation: the mean over all
    mismatched  where the signals of the other runs of its cell stop: the mean over them. A signal
                that merely stops all runs late, while the distance falls, is no better than this.

The loss is the distance there minus the run's least distance at any evaluation. The minimum of
several noisy distances is biased low, but equally for all rules of a run, so differences between
rules are unaffected. A difference is one number per run, averaged over a seed's runs, as the seed
is the unit; its p is `mean_p`. Against mismatched signals it must also pass the permutation of
whole runs used in correlation.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.claims.correlation import LEAST_POINTS, Cell
from benchmark.evaluation.metrics import METRICS
from benchmark.results.schema import VALIDATION
from benchmark.statistics.hypotheses import (
    Alternative,
    least_mean_p,
    least_pairing_p,
    mean_p,
    pairing_p,
)
from benchmark.statistics.intervals import Estimate, Floats, Indices, mean

Rule = Literal["minimum", "plateau"]
Rival = Literal["last", "validation", "random", "mismatched"]
RULES: tuple[Rule, ...] = ("minimum", "plateau")
RIVALS: Mapping[Rival, str] = {
    "last": "at the last evaluation",
    "validation": "at the least validation distance",
    "random": "at a random evaluation",
    "mismatched": "where other runs' signals stop",
}
PATIENCE, HARDLY = 2, 0.05
ROUNDING = 1e-12  # relative to the values: smaller differences are rounding


@dataclass(frozen=True)
class Stopped:
    """The runs of one cell, stopped by their signal."""

    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    points: int  # evaluations
    steps: Floats  # (runs,) where they stop
    here: Floats  # (runs,) the column there
    best: Floats  # (runs,) the column at its best
    rivals: Mapping[Rival, Floats]  # (runs,) where other rules stop; inapplicable ones are left out
    crossed: Floats  # (runs, runs) the column of run j where the signal of run i stops


@dataclass(frozen=True)
class Difference:
    """The column at the signal's stop minus that at a rival's, over seeds."""

    each: Floats  # (seeds,)
    here: float  # means over seeds
    there: float
    blocks: tuple[Floats, ...]  # of mismatched runs, for `pairing_p`; else empty
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def value(self) -> float:
        return float(self.each.mean())

    @property
    def estimate(self) -> Estimate | None:
        return mean(self.each)

    def p(self, margin: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """p of "at most `margin`" (greater), of "at least" (less), or of no difference."""
        p = mean_p(self.each, margin, alternative)
        easy = (margin < 0 and alternative == "greater") or (margin > 0 and alternative == "less")
        return p if easy or not self.blocks else max(p, pairing_p(self.blocks, alternative))

    def least_p(self, alternative: Alternative = "two-sided") -> float:
        least = least_mean_p(len(self.each), alternative)
        sizes = [len(block) for block in self.blocks]
        return max(least, least_pairing_p(sizes, alternative)) if sizes else least


def stop(signal: Floats, rule: Rule) -> Indices:
    """(runs,): the index of the evaluation at which each signal (runs, S) stops its run."""
    if rule == "minimum":
        return np.asarray(signal.argmin(axis=1))
    least = np.minimum.accumulate(signal, axis=1)
    before, now = least[:, :-PATIENCE], least[:, PATIENCE:]
    flat = before - now <= HARDLY * (signal[:, :1] - before)
    flat = np.concatenate([flat, np.ones((len(signal), 1), bool)], axis=1)
    return np.asarray(np.minimum(flat.argmax(axis=1) + PATIENCE, signal.shape[1] - 1))


def stopped(cells: Sequence[Cell], signal: str, column: str, rule: Rule) -> list[Stopped]:
    """The cells that have both columns at enough evaluations."""
    found = []
    for cell in cells:
        if signal not in cell.columns or column not in cell.columns:
            continue
        x, y = cell.columns[signal], cell.columns[column]
        there = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
        if there.sum() < LEAST_POINTS:
            continue
        chosen = cell.columns.get(VALIDATION, np.full_like(y, np.nan))[:, there]
        found.append(_stopped(cell, column, stop(x[:, there], rule), y[:, there], chosen, there))
    return found


def _stopped(
    cell: Cell, column: str, at: Indices, y: Floats, validation: Floats, there: Any
) -> Stopped:
    runs = np.arange(len(y))
    crossed = y[:, at].T
    rivals: dict[Rival, Floats] = {"last": y[:, -1], "random": y.mean(axis=1)}
    if np.isfinite(validation).all():
        rivals["validation"] = y[runs, validation.argmin(axis=1)]
    if len(runs) > 1:
        rivals["mismatched"] = (crossed.sum(axis=0) - crossed.diagonal()) / (len(runs) - 1)
    lower = column not in METRICS or METRICS[column].better_is_lower
    return Stopped(
        run_ids=cell.run_ids,
        seeds=cell.seeds,
        points=y.shape[1],
        steps=cell.steps[there][at],
        here=y[runs, at],
        best=y.min(axis=1) if lower else y.max(axis=1),
        rivals=rivals,
        crossed=crossed,
    )


def difference(found: Sequence[Stopped], rival: Rival) -> Difference | None:
    """The comparison over the cells that have the rival; None without any."""
    known = [each for each in found if rival in each.rivals]
    if not known:
        return None
    here = by_seed((each, each.here) for each in known)
    there = by_seed((each, each.rivals[rival]) for each in known)
    gap = here - there
    gap[gap.abs() < ROUNDING * here.abs().max()] = 0.0
    blocks: dict[tuple[int, ...], Floats] = {}
    for each in known if rival == "mismatched" else ():
        blocks[each.seeds] = blocks.get(each.seeds, 0.0) + each.crossed
    return Difference(
        each=np.asarray(gap, np.float64),
        here=float(here.mean()),
        there=float(there.mean()),
        blocks=tuple(blocks.values()),
        run_ids=tuple(run for each in known for run in each.run_ids),
        seeds=tuple(here.index),
    )


def by_seed(values: Iterator[tuple[Stopped, Floats]]) -> "pd.Series[float]":
    """The mean over its runs of each seed."""
    found = [pd.Series(of_runs, list(each.seeds)) for each, of_runs in values]
    return pd.concat(found).groupby(level=0).mean()
