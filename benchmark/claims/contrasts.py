"""Trends and contrasts: how a column shifts, end to end, over the levels of a swept key.

The shift is the least-squares change from the first level to the last, levels counting as equally
far apart; a contrast has two. Strata are the other swept keys, each with a mean of its own, so that
only runs that differ in this key alone are compared. A hypothetical shift is tested by taking it
off and permuting runs within strata, which is exact if runs differ by a shift alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from benchmark.ablation.claims import ENDS, ContrastTest, TrendTest, swept_text
from benchmark.claims.effects import DIRECTIONS, Effect, NotRun, missing, nothing_yet
from benchmark.results.tables import Tables
from benchmark.statistics.permutations import Floats
from benchmark.statistics.resampling import bootstrap_interval, least_p, permutation_p

ROUNDING = 1e-12  # of the values: a smaller effect is what sums in another order leave


def shift(tables: Tables, test: TrendTest | ContrastTest) -> Effect | NotRun:
    """The shift of a trend's or contrast's column over seeds."""
    if isinstance(test, ContrastTest):
        levels = [swept_text(test.against), swept_text(test.of)]
    else:
        levels = sorted(set(tables.runs[test.over]), key=float)
    runs = tables.runs[tables.runs[test.over].isin(levels)]
    values = tables.values(test.column).loc[runs.index]
    why = _nothing(runs, values, test, levels)
    if why:
        return NotRun(why)
    strata = _strata(tables, runs, test.over)
    if not strata:
        return NotRun(f"No two runs differ in {test.over} alone")
    kept = [stratum[values[stratum.index].notna()] for stratum in strata]
    kept = [stratum for stratum in kept if stratum[test.over].nunique() > 1]
    gaps = missing(runs, values)
    if not kept:
        return Effect(DIRECTIONS[test.direction], f"{test.column} has nothing to compare", gaps)
    return _measured(kept, values, test, levels, gaps)


def _nothing(
    runs: pd.DataFrame,
    values: "pd.Series[float]",
    test: TrendTest | ContrastTest,
    levels: Sequence[str],
) -> str:
    """Why there is nothing to measure; empty where there is something."""
    if len(levels) < 2:
        return f"This profile has one value of {test.over}"
    for level in levels:
        at = runs[test.over] == level
        if not at.any():
            return f"This profile has no runs with {test.over} = {level}"
        if nothing_yet(runs[at], values[at]):
            return f"No run with {test.over} = {level} has {test.column} yet"
    return ""


def _strata(tables: Tables, runs: pd.DataFrame, over: str) -> list[pd.DataFrame]:
    """Runs that share the other swept keys, but for those that always change with `over`."""
    by_level = runs.groupby(over)
    others = [key for key in tables.swept if key != over and (by_level[key].nunique() > 1).any()]
    groups = [rows for _, rows in runs.groupby(others, sort=False)] if others else [runs]
    return [rows for rows in groups if rows[over].nunique() > 1]


def _measured(
    strata: Sequence[pd.DataFrame],
    values: "pd.Series[float]",
    test: TrendTest | ContrastTest,
    levels: Sequence[str],
    gaps: tuple[str, ...],
) -> Effect:
    ranks = [stratum[test.over].map(levels.index) for stratum in strata]
    order = pd.concat([rank.sort_values(kind="stable") for rank in ranks])
    places = np.asarray(order / (len(levels) - 1), dtype=np.float64)
    sizes = [list(rank.groupby(rank).size()) for rank in ranks]
    found = np.asarray(values[order.index], dtype=np.float64)
    slope = _slope(places, [sum(size) for size in sizes])

    def p_of(effect: float) -> float:
        return permutation_p(lambda index: slope((found - effect * places)[index]), sizes)

    low, high = bootstrap_interval(
        lambda index: slope(found[index]), [n for size in sizes for n in size]
    )
    means = [float(found[places == place].mean()) for place in np.unique(places)]
    at = ", ".join(f"{mean:.4g} at {level}" for level, mean in zip(levels, means, strict=True))
    value = float(slope(found))
    if abs(value) < ROUNDING * np.abs(found).max():
        value = 0.0
    change = f"change {value:.4g}{_twins(strata, test)}"
    return Effect(
        direction=DIRECTIONS[test.direction],
        says=f"Mean {test.column} over {test.over}: {at}; {change}",
        gaps=gaps,
        run_ids=tuple(pd.concat(strata).loc[order.index, "run_id"]),
        value=value,
        low=low,
        high=high,
        p_zero=p_of(0.0),
        p_plus=p_of(test.least_effect),
        p_minus=p_of(-test.least_effect),
        least_p=least_p(sizes),
        # That no run failed or collapsed tells something; that recall is 0 everywhere does not.
        blind=bool(np.ptp(found) == 0) and test.column not in (*ENDS, "collapsed"),
        objection=_turns(means, test),
    )


def _slope(places: Floats, sizes: Sequence[int]) -> Callable[[Floats], Floats]:
    """The least-squares change from place 0 to place 1, with a mean of its own for each stratum."""
    strata = np.repeat(np.arange(len(sizes)), sizes)
    means = np.bincount(strata, places) / np.bincount(strata)
    weights = places - means[strata]
    weights = weights / (weights**2).sum()
    return lambda values: np.asarray(values @ weights)


def _twins(strata: Sequence[pd.DataFrame], test: TrendTest | ContrastTest) -> str:
    """A contrast whose runs are the same networks: the test, which pairs no runs, cannot see it."""
    if isinstance(test, TrendTest):
        return ""
    ended = pd.concat(strata).groupby("seed")["weights_sha256"]
    alike = (ended.nunique() == 1) & (ended.count() == 2 * len(strata)) & (ended.first() != "")
    return ", seed by seed with the very same weights" if alike.all() else ""


def _turns(means: Sequence[float], test: TrendTest | ContrastTest) -> str:
    """Two means of a trend that differ against the claim by the least effect or more."""
    if isinstance(test, ContrastTest):
        return ""
    steps = np.diff(means)
    worst = {
        "increasing": -steps.min(),
        "decreasing": steps.max(),
        "none": max(means) - min(means),
    }[test.direction]
    if worst > 0 and worst >= test.least_effect:
        return f"two of its means differ by {worst:.4g} against the claim"
    return ""
