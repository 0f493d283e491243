"""The effect behind each kind of claim; several kinds have a module of their own."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.ablation.claims import (
    BoundTest,
    ClaimTest,
    CorrelationTest,
    FailuresTest,
    MeanTest,
    ShareTest,
    StoppingTest,
)
from benchmark.claims.contrasts import shift
from benchmark.claims.correlation import associate, cells_of
from benchmark.claims.effects import DIRECTIONS, Effect, NotRun, missing, nothing_yet
from benchmark.claims.events import event
from benchmark.claims.power import difference_chance, lead_chance, mean_chance, rho_chance
from benchmark.claims.stopping import RIVALS, difference, stopped
from benchmark.claims.variance import decompose
from benchmark.evaluation.metrics import METRICS
from benchmark.levels import BROKEN_SHARE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import share_below_p
from benchmark.statistics.intervals import deviation, ends, mean, share
from benchmark.text import counted


def measure(tables: Tables, test: ClaimTest) -> Effect | NotRun:
    """The effect that a claim tests, from the runs selected by its `where`."""
    found = tables.only(test.where)
    if found.runs.empty:
        return NotRun("This profile has no such runs")
    if why := _unmeasured(tables, getattr(test, "column", "")):
        return NotRun(why)
    return _MEASURES[test.kind](found, test)


def _unmeasured(tables: Tables, column: str) -> str:
    """Why the headline judge never reports a metric; empty if it does, or is not known."""
    metric, judge = METRICS.get(column), tables.entry
    if metric is None or judge.digest is None:
        return ""
    if metric.domain not in ("", judge.network.get("domain", "")):
        return f"{column} needs a headline judge of {metric.domain}, and {judge.features} is none"
    if metric.labelled and judge.settings.attribute is None:
        return f"{column} needs a headline judge that is told an attribute"
    return ""


def _mean(tables: Tables, test: MeanTest) -> Effect | NotRun:
    """How far the mean over seeds lies from a number, by Student's t."""
    values = tables.values(test.column)
    if nothing_yet(tables.runs, values):
        return NotRun(f"No run has {test.column} yet")
    known = values.dropna()
    by_seed = known.groupby(tables.runs.loc[known.index, "seed"]).mean().to_numpy(np.float64)
    estimate, direction = mean(by_seed - test.than), DIRECTIONS[test.direction]
    low, high = ends(estimate)
    least = 1.0 if estimate is None else 0.0
    spread = deviation(by_seed) if len(by_seed) > 1 else math.nan
    says = f"Mean {test.column} over {counted(len(by_seed), 'seed')}"
    return Effect(
        direction=direction,
        says=f"{says}: {by_seed.mean():.4g}, {by_seed.mean() - test.than:.4g} from {test.than:g}"
        if len(by_seed)
        else says,
        gaps=missing(tables.runs, values),
        run_ids=tuple(tables.runs.loc[known.index, "run_id"]),
        value=float(by_seed.mean() - test.than) if len(by_seed) else math.nan,
        low=low,
        high=high,
        above=lambda margin: float(estimate.p_above(margin)) if estimate else 1.0,
        below=lambda margin: float(estimate.p_below(margin)) if estimate else 1.0,
        least_p=least,
        power=lambda level: mean_chance(direction, spread, len(by_seed), test.least_effect, level),
        seeds=len(by_seed),
        constant=spread == 0,
    )


def _correlation(tables: Tables, test: CorrelationTest) -> Effect | NotRun:
    """Spearman's rho, as correlation.py has it.

    A relation must pass both tests: rho beyond the margin, and matched pairs correlating more than
    mismatched ones. A claim of none takes the first alone.
    """
    level: Literal["differences", "between"] = "between"
    where = "runs of a cell at the same step"
    if test.level == "within":
        level, where = "differences", "changes within a run"
    signal, outcome = tables.shown(test.signal), tables.shown(test.column)
    ended = _ended(tables, test.column)
    if nothing_yet(tables.runs, ended):
        return NotRun("No run has finished")
    gaps, direction = missing(tables.runs, ended), DIRECTIONS[test.direction]
    cells = cells_of(tables)
    if test.level == "last":
        where = "runs of a cell at their last step"
        cells = [c.at(c.steps[-1], (test.signal, test.column)) for c in cells if len(c.steps)]
    found = associate(cells, test.signal, test.column, level)
    if found is None or math.isnan(found.value):
        why = f"There are too few {where} with {signal} and {outcome}, or they never change"
        return Effect(direction, why, gaps) if gaps else NotRun(why)
    estimate = found.estimate

    def above(margin: float) -> float:
        p = float(estimate.p_above(margin)) if estimate else 1.0
        return max(p, found.p("greater")) if margin >= 0 else p

    def below(margin: float) -> float:
        p = float(estimate.p_below(margin)) if estimate else 1.0
        return max(p, found.p("less")) if margin <= 0 else p

    least, seeds = 1.0, min(map(len, found.seeds))
    if estimate is not None:
        least = 0.0 if test.direction == "none" else found.least_p("greater")

    def power(alpha: float) -> float:
        if least > alpha:
            return 0.0
        return rho_chance(test, len(found.each) or seeds, found, alpha)

    low, high = found.interval
    says = f"Rho of {signal} and {outcome} over {where}: {found.value:.2f}"
    if math.isfinite(found.null_mean):
        says += f", of mismatched pairs {found.null_mean:.2f}"
    return Effect(
        direction=direction,
        says=says,
        gaps=gaps,
        run_ids=found.run_ids,
        value=found.value,
        low=low,
        high=high,
        above=above,
        below=below,
        least_p=least,
        power=power,
        seeds=seeds,
    )


def _ended(tables: Tables, column: str) -> "pd.Series[float]":
    """0 for each finished run that has the column at its last step, else NaN."""
    runs = tables.runs
    done = runs["state"] == "done"
    if not done.any():
        return pd.Series(np.nan, runs.index)
    points = tables.points
    known = points.dropna(subset=[column]) if column in points else points
    last = runs["run_id"].map(known.groupby("run_id")["step"].max())
    return pd.Series(np.where(done & (last == runs["step"]), 0.0, np.nan), runs.index)


def _stopping(tables: Tables, test: StoppingTest) -> Effect | NotRun:
    signal, column = tables.shown(test.signal), tables.shown(test.column)
    ended = _ended(tables, test.column)
    if nothing_yet(tables.runs, ended):
        return NotRun("No run has finished")
    gaps, direction = missing(tables.runs, ended), DIRECTIONS[test.direction]
    every = stopped(cells_of(tables), test.signal, test.column, test.rule)
    found = difference(every, test.against)
    if found is None:
        why = f"There are too few evaluations with {signal} and {column}"
        if every:
            why = f"No run can be stopped {RIVALS[test.against]}"
        return Effect(direction, why, gaps) if gaps else NotRun(why)
    low, high = ends(found.estimate)
    each, least = found.each, found.least_p("greater")

    def power(level: float) -> float:
        if len(each) < 2 or least > level:
            return 0.0
        return difference_chance(direction, deviation(each), len(each), test.least_effect, level)

    return Effect(
        direction=direction,
        says=f"Mean {column} at the {test.rule} of {signal}: {found.here:.4g},"
        f" {RIVALS[test.against]}: {found.there:.4g}; difference {found.value:.4g}",
        gaps=gaps,
        run_ids=found.run_ids,
        value=found.value,
        low=low,
        high=high,
        above=lambda margin: found.p(margin, "greater"),
        below=lambda margin: found.p(margin, "less"),
        least_p=least,
        power=power,
        seeds=len(each),
        constant=len(each) > 1 and bool(np.ptp(each) == 0),
    )


def _bound(tables: Tables, test: BoundTest) -> Effect | NotRun:
    """How many runs keep within the bound, at their last row or in every row."""
    worst, when = tables.values(test.column), "at the end"
    if test.at == "throughout":
        curves, when = tables.curves(test.column), "throughout"
        last = curves.groupby("run_id")["step"].transform("max")
        late = curves[curves["step"] >= test.after * last].groupby("run_id")["value"]
        closest = late.max() if test.below is not None else late.min()
        worst = tables.runs["run_id"].map(closest).astype(float)
    kept = test.holds(worst).astype(float).where(worst.notna())
    return _every(tables, kept, f"{test.column} is {test.limit} {when}")


def _failures(tables: Tables, _: FailuresTest) -> Effect | NotRun:
    return _every(tables, 1 - tables.values("broken"), "there is no failure and no collapse")


def _every(tables: Tables, kept: "pd.Series[float]", said: str) -> Effect | NotRun:
    """A claim about every run: `kept` is 1 where a run agrees, 0 where it does not.

    The seed is the unit: it agrees if all its runs do. The effect is the share of seeds that agree,
    with Clopper and Pearson's interval; p is the exact binomial one that BROKEN_SHARE of all seeds,
    or more, would not.
    """
    if nothing_yet(tables.runs, kept):
        return NotRun("No run has what the claim is about yet")
    # A run that agrees so far but has not finished may still break the claim.
    kept = kept.where((kept == 0) | (tables.runs["state"] == "done"))
    known = kept.dropna()
    gaps, good = missing(tables.runs, kept), int(known.sum())
    by_seed = known.groupby(tables.runs.loc[known.index, "seed"]).min()
    seeds, clean = len(by_seed), int(by_seed.sum())
    broken_by = ", ".join(tables.runs.loc[known.index[known == 0], "run_id"])
    runs = counted(len(known), "run")
    says = f"In {good} of {runs}, and {clean} of {counted(seeds, 'seed')}, {said}"
    interval = share(clean, seeds)
    if interval is None:
        return Effect("every", says, gaps)
    least = share_below_p(0, seeds, BROKEN_SHARE)
    return Effect(
        direction="every",
        says=says,
        gaps=gaps,
        run_ids=tuple(tables.runs.loc[known.index, "run_id"]),
        value=clean / seeds,
        low=interval[0],
        high=interval[1],
        above=lambda _: share_below_p(seeds - clean, seeds, BROKEN_SHARE),
        least_p=least,
        power=lambda level: float(least <= level),
        seeds=seeds,
        counter=f"not in {broken_by}" if broken_by else "",
    )


def _share(tables: Tables, test: ShareTest) -> Effect | NotRun:
    """By how much a key's share of the variance exceeds every other key's: see variance.py."""
    values = tables.values(test.column)
    if nothing_yet(tables.runs, values):
        return NotRun(f"No run has {test.column} yet")
    gaps, found = missing(tables.runs, values), decompose(tables, test.column)
    factors = found.factors if found else ()
    key = found.factor(test.over) if found else None
    if found is None or key is None or len(factors) < 2:
        why = "The finished runs do not cross two keys of the sweep, or not evenly"
        return Effect("up", why, gaps) if gaps else NotRun(why)
    rivals = sorted((i for i in range(len(factors)) if i != key), key=lambda i: -found.shares[i])
    leads = [found.lead(key, rival) for rival in rivals]
    known = [lead for lead in leads if lead is not None]

    def above(margin: float) -> float:
        """The key must lead every rival."""
        return max((lead.above(margin) for lead in known), default=1.0)

    def below(margin: float) -> float:
        """A single rival that it does not lead is enough to refute the claim."""
        least = min((lead.below(margin) for lead in known), default=1.0)
        return min(1.0, len(known) * least)

    nearest = leads[0]
    low, high = (nearest.low, nearest.high) if nearest else (math.nan, math.nan)
    shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(factors, found.shares, strict=True))
    return Effect(
        direction="up",
        says=f"Shares of the variance of {test.column}: {shares}, the rest {found.residual:.0%}",
        gaps=gaps,
        run_ids=tuple(found.runs["run_id"]),
        value=float(found.shares[key] - found.shares[rivals[0]]),
        low=low,
        high=high,
        above=above,
        below=below,
        least_p=0.0 if known else 1.0,
        power=lambda level: lead_chance(found, test.over, test.least_effect, found.seeds, level),
        seeds=found.seeds,
    )


_MEASURES: Mapping[str, Callable[[Tables, Any], Effect | NotRun]] = {
    "trend": shift,
    "contrast": shift,
    "mean": _mean,
    "correlation": _correlation,
    "stopping": _stopping,
    "event": event,
    "bound": _bound,
    "share": _share,
    "failures": _failures,
}
