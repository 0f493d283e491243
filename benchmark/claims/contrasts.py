"""Trends and contrasts: how a column shifts, end to end, over the levels of a swept key.

The shift is the least-squares change from the first level to the last, levels counting as equally
far apart; a contrast has two. Strata are the other swept keys, each with a mean of its own, so that
only runs that differ in this key alone are compared. Strata that share seeds are one, of each
seed's mean over them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.ablation.claims import ContrastTest, TrendTest, swept_text
from benchmark.claims.effects import DIRECTIONS, Direction, Effect, NotRun, missing, nothing_yet
from benchmark.claims.power import change_chance
from benchmark.claims.strata import Group, by_seed
from benchmark.evaluation.metrics import METRICS, SHARE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import change_p, least_p
from benchmark.statistics.intervals import Floats, Stratum, contrast, deviation, ends, weights

ROUNDING = 1e-12  # relative to the values: a smaller effect is rounding of the sums


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
    """Runs that share the other swept keys, except those that always change with `over`."""
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
    joint = by_seed([_by_place(stratum, values, test.over, levels) for stratum in strata])
    used = {run for _, ids in _cells(strata, joint, test.over, levels) for run in ids}
    strata = [stratum[stratum["run_id"].isin(used)] for stratum in strata]
    groups = [group for _, group in joint]
    sizes = [[len(seeds) for seeds in group.values()] for group in groups]
    found = np.asarray(values[pd.concat(strata).index], dtype=np.float64)
    direction, value = DIRECTIONS[test.direction], slope(groups)
    if abs(value) < ROUNDING * np.abs(found).max():
        value = 0.0
    estimate = contrast(groups)
    low, high = ends(estimate)
    means = _means(strata, values, test.over, levels)
    at = ", ".join(f"{mean:.4g} at {level}" for level, mean in zip(levels, means, strict=True))
    constant = bool(np.ptp(found) == 0)
    share = test.column in METRICS and METRICS[test.column].unit == SHARE
    return Effect(
        direction=direction,
        says=f"Mean {test.column} over {test.over}: {at}; change {value:.4g}{_twins(strata, test)}",
        gaps=gaps,
        run_ids=tuple(pd.concat(strata)["run_id"]),
        value=value,
        low=low,
        high=high,
        above=lambda margin: 1.0 if constant else float(change_p(groups, margin, "greater")),
        below=lambda margin: 1.0 if constant else float(change_p(groups, margin, "less")),
        least_p=least_p(sizes),
        power=lambda level: chance(groups, direction, test.least_effect, level),
        seeds=min(map(min, sizes)),
        column=test.column,
        noise=_noise(strata, joint, test.over, levels),
        constant=constant,
        saturated=constant and share and found[0] in (0.0, 1.0),
        objection=_turns(means, test),
    )


def _by_place(
    stratum: pd.DataFrame, values: "pd.Series[float]", over: str, levels: Sequence[str]
) -> Group:
    """The values of a stratum's seeds by the position of their level, from 0 to 1."""
    return {
        levels.index(str(level)) / (len(levels) - 1): values[rows.index].set_axis(rows["seed"])
        for level, rows in sorted(stratum.groupby(over), key=lambda each: levels.index(each[0]))
    }


def _means(
    strata: Sequence[pd.DataFrame], values: "pd.Series[float]", over: str, levels: Sequence[str]
) -> list[float]:
    """Of each level, by least squares with a term for each stratum: plain means where every
    stratum has as many seeds at every level."""
    rows = pd.concat(strata)
    if len(strata) == 1:
        means = values[rows.index].groupby(rows[over]).mean()
        return [float(means[level]) for level in levels if level in means]
    known = [level for level in levels if (rows[over] == level).any()]
    of_level = np.stack([rows[over] == level for level in known], axis=1).astype(np.float64)
    member = np.repeat(np.eye(len(strata)), [len(each) for each in strata], axis=0)[:, 1:]
    design = np.hstack([of_level, member - member.mean(axis=0)])
    found, *_ = np.linalg.lstsq(design, values[rows.index].to_numpy(np.float64))
    return [float(mean) for mean in found[: len(known)]]


def slope(strata: Sequence[Stratum]) -> float:
    """The change as in `contrast`, which is defined for any number of seeds."""
    weight, means = _weighed(strata)
    return float(weight @ means)


def sides(strata: Sequence[Stratum]) -> tuple[float, float]:
    """The means at places 0 and 1 of strata of two levels, in the weights of `slope`, which is
    their difference."""
    weight, means = _weighed(strata)
    at_one = np.array([place for each in strata for place in each]) == 1
    return float(-weight[~at_one] @ means[~at_one]), float(weight[at_one] @ means[at_one])


def _weighed(strata: Sequence[Stratum]) -> tuple[Floats, Floats]:
    """The weights of the cells' means, and these."""
    means = [np.asarray(seeds, float).mean() for each in strata for seeds in each.values()]
    counts = [np.size(seeds) for each in strata for seeds in each.values()]
    return weights([list(each) for each in strata], counts), np.array(means)


def _noise(
    strata: Sequence[pd.DataFrame],
    joint: Sequence[tuple[list[int], Group]],
    over: str,
    levels: Sequence[str],
) -> dict[str, float]:
    """By run, its seed's contribution to the change: its weight times its cell's standard
    deviation, split evenly (in squares) over the seed's runs.

    Empty if that is unknown, or the seeds do not differ.
    """
    cells = [np.asarray(seeds, float) for _, group in joint for seeds in group.values()]
    if min(cell.size for cell in cells) < 2:
        return {}
    weight, _ = _weighed([group for _, group in joint])
    parts = [w / cell.size * deviation(cell) for w, cell in zip(weight, cells, strict=True)]
    found: dict[str, float] = {}
    for part, (strata_in_it, ids) in zip(parts, _cells(strata, joint, over, levels), strict=True):
        found |= dict.fromkeys(ids, float(part / np.sqrt(strata_in_it)))
    return {run: part for run, part in found.items() if part}


def _cells(
    strata: Sequence[pd.DataFrame],
    joint: Sequence[tuple[list[int], Group]],
    over: str,
    levels: Sequence[str],
) -> Iterator[tuple[int, list[str]]]:
    """Of each level of the joint strata: how many strata it is made of, and the runs in it."""
    for members, group in joint:
        rows = pd.concat([strata[at] for at in members])
        for place, values in group.items():
            at_level = rows[over] == levels[round(place * (len(levels) - 1))]
            yield len(members), list(rows.loc[at_level & rows["seed"].isin(values.index), "run_id"])


def chance(strata: Sequence[Stratum], direction: Direction, least: float, level: float) -> float:
    """The power at `level` with these seeds and spreads, as power.py has it."""
    cells = [[np.asarray(seeds, float) for seeds in each.values()] for each in strata]
    seeds = min(cell.size for each in cells for cell in each)
    if seeds < 2:
        return 0.0
    spreads = [
        {place: deviation(cell) for place, cell in zip(each, of_stratum, strict=True)}
        for each, of_stratum in zip(strata, cells, strict=True)
    ]
    return change_chance(spreads, seeds, direction, least, level)


def _twins(strata: Sequence[pd.DataFrame], test: TrendTest | ContrastTest) -> str:
    """A contrast whose runs end with identical networks, which the test, being unpaired, cannot
    detect."""
    if isinstance(test, TrendTest):
        return ""
    ended = pd.concat(strata).groupby("seed")["weights_sha256"]
    alike = (ended.nunique() == 1) & (ended.count() == 2 * len(strata)) & (ended.first() != "")
    return ", seed by seed with the very same weights" if alike.all() else ""


def _turns(means: Sequence[float], test: TrendTest | ContrastTest) -> str:
    """Two means of a trend that differ against the claim by the least effect or more."""
    if isinstance(test, ContrastTest):
        return ""
    worst = {
        "increasing": (np.maximum.accumulate(means) - means).max(),
        "decreasing": (means - np.minimum.accumulate(means)).max(),
        "none": max(means) - min(means),
    }[test.direction]
    if worst > 0 and worst >= test.least_effect:
        return f"two of its means differ by {worst:.4g} against the claim"
    return ""
