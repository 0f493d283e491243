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

The loss is the distance there minus the run's least distance at any evaluation: biased low, but
equally for all rules of a run. A difference is averaged over a seed's runs, as the seed is the
unit; its p is `mean_p`, and against mismatched signals that of a permutation of whole runs too
(correlation.py).

stopping.csv has each method's own signal against its rivals, in the distance; cells are pooled.
Holm's families are the rows of one method each: whether a method's signal is useful is a separate
question.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.claims.correlation import Cell, Pair, cells_of, paired
from benchmark.claims.correlation_table import SIGNALS
from benchmark.evaluation.metrics import METRICS
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.schema import DISTANCE, VALIDATION
from benchmark.results.tables import Tables
from benchmark.statistics.families import holm, least_holm
from benchmark.statistics.hypotheses import (
    Alternative,
    least_mean_p,
    least_pairing_p,
    mean_p,
    pairing_p,
)
from benchmark.statistics.intervals import Estimate, Floats, Indices, ends, mean

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
    pairs = [paired(cell, signal, column, "raw") for cell in cells]
    return [_stopped(pair, column, rule) for pair in pairs if pair is not None]


def _stopped(pair: Pair, column: str, rule: Rule) -> Stopped:
    cell, y, at = pair.cell, pair.y, stop(pair.x, rule)
    runs, crossed = np.arange(len(y)), y[:, at].T
    rivals: dict[Rival, Floats] = {"last": y[:, -1], "random": y.mean(axis=1)}
    if VALIDATION in cell.columns:
        validation = cell.columns[VALIDATION][:, np.isin(cell.steps, pair.steps)]
        if np.isfinite(validation).all():
            rivals["validation"] = y[runs, validation.argmin(axis=1)]
    if len(runs) > 1:
        rivals["mismatched"] = (crossed.sum(axis=0) - crossed.diagonal()) / (len(runs) - 1)
    lower = column not in METRICS or METRICS[column].better_is_lower
    return Stopped(
        run_ids=cell.run_ids,
        seeds=cell.seeds,
        points=y.shape[1],
        steps=pair.steps[at],
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
    here = _by_seed((each, each.here) for each in known)
    there = _by_seed((each, each.rivals[rival]) for each in known)
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


def _by_seed(values: Iterator[tuple[Stopped, Floats]]) -> "pd.Series[float]":
    """The mean over its runs of each seed."""
    found = [pd.Series(of_runs, list(each.seeds)) for each, of_runs in values]
    return pd.concat(found).groupby(level=0).mean()


def stopping_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; empty where no run has enough evaluations."""
    rows = [row for method, own in tables.by_method() for row in _method_rows(own, method)]
    table = pd.DataFrame(rows, columns=list(EVIDENCE["stopping"]))
    for _, family in table.groupby("method", sort=False):
        p, least = family["p"].tolist(), family["least_p"].tolist()
        table.loc[family.index, "p_holm"] = holm(p)
        table.loc[family.index, "least_p_holm"] = least_holm(p, least)
    table["reading"] = [_reading(row) for row in table.to_dict("records")]
    return table


def _method_rows(tables: Tables, method: str) -> Iterator[dict[str, Any]]:
    cells = cells_of(tables)
    for signal, role in SIGNALS.items():
        for rule in RULES:
            found = stopped(cells, signal, DISTANCE, rule)
            head = {"method": method, "role": role, "signal": tables.shown(signal), "rule": rule}
            for rival in RIVALS:
                against = difference(found, rival)
                if against is not None:
                    known = [each for each in found if rival in each.rivals]
                    yield {**head, "against": rival, **_numbers(known, rival, against)}


def _numbers(found: Sequence[Stopped], rival: Rival, against: Difference) -> dict[str, Any]:
    lost = _by_seed((each, each.here - each.best) for each in found)
    other = _by_seed((each, each.rivals[rival] - each.best) for each in found)
    lost_low, lost_high = ends(mean(lost.to_numpy()))
    low, high = ends(against.estimate)
    return {
        "lost": lost.mean(),
        "lost_low": lost_low,
        "lost_high": lost_high,
        "step": float(np.median(np.concatenate([each.steps for each in found]))),
        "against_lost": other.mean(),
        "difference": against.value,
        "low": low,
        "high": high,
        "p": against.p(),
        "least_p": against.least_p(),
        "runs": len(against.run_ids),
        "points": min(each.points for each in found),
        "seeds": " ".join(map(str, against.seeds)),
    }


def _reading(row: Any) -> str:
    if row["least_p_holm"] > ALPHA:
        return "cannot tell: no p of so few seeds can be low enough"
    if math.isnan(row["p_holm"]) or row["p_holm"] > ALPHA:
        return "no difference shown, which does not say that there is none"
    return "better" if row["difference"] < 0 else "worse"
