"""The effect behind each kind of claim; trends and contrasts are in contrasts.py."""

import math
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.ablation.claims import (
    BoundTest,
    ClaimTest,
    ContrastTest,
    CorrelationTest,
    ShareTest,
    TrendTest,
)
from benchmark.claims.contrasts import shift
from benchmark.claims.correlation import Association, associate, cells_of
from benchmark.claims.effects import DIRECTIONS, Effect, NotRun, missing, nothing_yet
from benchmark.claims.variance import JOINT, decompose
from benchmark.results.tables import Tables
from benchmark.statistics.permutations import Floats


def measure(tables: Tables, test: ClaimTest) -> Effect | NotRun:
    """The effect that a claim's test is about, from the runs that its `where` leaves."""
    found = tables.only(test.where)
    if found.runs.empty:
        return NotRun("This profile has no such runs")
    if isinstance(test, TrendTest | ContrastTest):
        return shift(found, test)
    if isinstance(test, CorrelationTest):
        return _correlation(found, test)
    if isinstance(test, BoundTest):
        return _bound(found, test)
    if isinstance(test, ShareTest):
        return _share(found, test)
    return _every(found, 1 - found.values("broken"), "there is no failure and no collapse")


def _correlation(tables: Tables, test: CorrelationTest) -> Effect | NotRun:
    """Spearman's rho, as correlation.py has it; p of no effect from mismatched pairs.

    p of the least effect: within runs by flipping the signs of the rhos about it, seed by seed
    (exact); between runs by Fisher's z of the cells' rhos, whose variance is 1.06 / (runs - 3)
    (Fieller, Hartley and Pearson 1957), so that a cell of three runs tells nothing, and cells with
    the same seeds tell no more than one.
    """
    level: Literal["differences", "between"] = "between"
    where = "runs of a cell at the same step"
    against = _fisher
    if test.level == "within":
        level, where, against = "differences", "changes within a run", _flipped
    signal, outcome = tables.shown(test.signal), tables.shown(test.column)
    ended = pd.Series(np.where(tables.runs["state"] == "done", 0.0, np.nan), tables.runs.index)
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
    return Effect(
        direction=direction,
        says=f"Rho of {signal} and {outcome} over {where}: {found.value:.2f}",
        gaps=gaps,
        run_ids=found.run_ids,
        value=found.value,
        low=found.low,
        high=found.high,
        p_zero=found.p,
        p_plus=max(against(found, test.least_effect), found.least_p),
        p_minus=max(against(found, -test.least_effect), found.least_p),
        least_p=found.least_p,
    )


def _flipped(found: Association, rho: float) -> float:
    """Two-sided p that the runs' mean rho is `rho`: signs flipped about it, seed by seed."""
    apart = np.concatenate([(of_block - rho).sum(axis=0) for of_block in found.each])
    if len(apart) < 2:
        return 1.0
    result = stats.permutation_test(
        (apart,),
        lambda each, axis=-1: each.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def _fisher(found: Association, rho: float) -> float:
    """Two-sided p that the cells' common rho is `rho`."""
    weights = np.maximum(np.array([len(seeds) for seeds in found.seeds]) - 3, 0) / 1.06
    if not weights.sum():
        return 1.0
    z = [np.arctanh(np.clip(of_block, -0.999, 0.999)).mean() for of_block in found.each]
    off = np.array(z) - np.arctanh(rho)
    return float(2 * stats.norm.sf(abs((weights * off).sum()) / math.sqrt(weights.sum())))


def _bound(tables: Tables, test: BoundTest) -> Effect | NotRun:
    """How many runs keep within the bound, at their last row or in every row."""
    below = test.below is not None
    limit = float(test.below if test.below is not None else test.above or 0)
    if test.at == "end":
        worst = tables.values(test.column)
    else:
        worst = tables.runs["run_id"].map(_worst(tables.curves(test.column), test)).astype(float)
    kept = (worst < limit) if below else (worst > limit)
    when = "at the end" if test.at == "end" else "throughout"
    said = f"{test.column} is {'below' if below else 'above'} {limit:g} {when}"
    return _every(tables, kept.astype(float).where(worst.notna()), said)


def _worst(curves: pd.DataFrame, test: BoundTest) -> "pd.Series[float]":
    """By run, the value that is nearest to breaking the bound."""
    last = curves.groupby("run_id")["step"].transform("max")
    late = curves[curves["step"] >= test.after * last].groupby("run_id")["value"]
    return late.max() if test.below is not None else late.min()


def _every(tables: Tables, kept: "pd.Series[float]", said: str) -> Effect | NotRun:
    """A claim about every run: `kept` is 1 where a run agrees, 0 where it does not.

    The effect is the share of runs that agree, with Clopper and Pearson's interval; p is the exact
    binomial one, one-sided, that no more than half of all seeds would agree.
    """
    if kept.isna().all():
        return NotRun("No run has what the claim is about yet")
    # A run that agrees but has not ended as planned may yet break the claim.
    kept = kept.where((kept == 0) | (tables.runs["state"] == "done"))
    known = kept.dropna()
    n, good = len(known), int(known.sum())
    broken_by = ", ".join(tables.runs.loc[known.index[known == 0], "run_id"])
    says, gaps = f"In {good} of {n} runs {said}", missing(tables.runs, kept)
    if not n:
        return Effect("every", says, gaps)
    interval = stats.binomtest(good, n).proportion_ci(method="exact")
    return Effect(
        direction="every",
        says=says,
        gaps=gaps,
        run_ids=tuple(tables.runs.loc[known.index, "run_id"]),
        value=good / n,
        low=float(interval.low),
        high=float(interval.high),
        p_zero=float(stats.binomtest(good, n, 0.5, alternative="greater").pvalue),
        least_p=0.5**n,
        counter=f"not in {broken_by}" if broken_by else "",
    )


def _share(tables: Tables, test: ShareTest) -> Effect | NotRun:
    """By how much a key's share of the variance leads the next key's.

    p of no effect is that of the key's own share. p of the least effect is that of the next key's
    share, which must be real before it can refute.
    """
    values = tables.values(test.column)
    if nothing_yet(tables.runs, values):
        return NotRun(f"No run has {test.column} yet")
    gaps, found = missing(tables.runs, values), decompose(tables, test.column)
    factors = found.factors if found else ()
    key = next((i for i, name in enumerate(factors) if test.over in name.split(JOINT)), None)
    if found is None or key is None or len(factors) < 2:
        why = "The finished runs do not vary in two keys of the sweep"
        return Effect("up", why, gaps) if gaps else NotRun(why)

    def lead(shares: Floats) -> Floats:
        return np.asarray(shares[..., key] - np.delete(shares, key, axis=-1).max(axis=-1))

    low, high = found.interval(lead)
    others = [i for i in range(len(factors)) if i != key]
    rival = max(others, key=lambda i: float(found.shares[i]))
    (p, least), (p_rival, least_rival) = found.p(key), found.p(rival)
    shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(factors, found.shares, strict=True))
    return Effect(
        direction="up",
        says=f"Shares of the variance of {test.column}: {shares}, the rest {found.residual:.0%}",
        gaps=gaps,
        run_ids=tuple(found.runs["run_id"]),
        value=float(lead(found.shares)),
        low=low,
        high=high,
        p_zero=p,
        p_plus=p_rival,
        least_p=max(least, least_rival),
        objection="" if low > 0 else "the interval of its lead does not exclude none",
    )
