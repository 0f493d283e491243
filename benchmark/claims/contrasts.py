"""Trends and contrasts: how a column shifts, end to end, over the levels of a swept key.

The shift is the least-squares change from the first level to the last, levels counting as equally
far apart; a contrast has two. Strata are the other swept keys, each with a mean of its own, so that
only runs that differ in this key alone are compared. Strata that share seeds are one, of each
seed's mean over them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.ablation.claims import ContrastTest, EventTest, TrendTest
from benchmark.claims.effects import DIRECTIONS, Effect, NotRun, missing, nothing_yet
from benchmark.claims.power import change_chance
from benchmark.claims.strata import Group, by_seed, levels_of, strata_of
from benchmark.evaluation.metrics import METRICS, SHARE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import change_p, least_p
from benchmark.statistics.intervals import Floats, Stratum, contrast, deviation, ends, weights

ROUNDING = 1e-12  # relative to the values: a smaller effect is rounding of the sums


def shift(tables: Tables, test: TrendTest | ContrastTest) -> Effect | NotRun:
    every: list[Any] = tables.runs.drop_duplicates("cell").to_dict("records")
    cells = {row["cell"]: {key: row[key] for key in tables.swept} for row in every}
    levels = levels_of(cells, test)
    runs = tables.runs[tables.runs[test.over].isin(levels)]
    values = tables.values(test.column).loc[runs.index]
    if len(levels) < 2:
        return NotRun(f"This profile has one value of {test.over}")
    for level in levels:
        at = runs[test.over] == level
        if not at.any():
            return NotRun(f"This profile has no runs with {test.over} = {level}")
        if nothing_yet(runs[at], values[at]):
            return NotRun(f"No run with {test.over} = {level} has {test.column} yet")
    strata = strata_of(cells, test)
    if not strata:
        return NotRun(f"No two runs differ in {test.over} alone")
    known = set(runs.loc[values.notna(), "cell"])
    strata = [{at: cell for at, cell in each.items() if cell in known} for each in strata]
    strata = [each for each in strata if len(each) > 1]
    gaps = missing(runs, values)
    if not strata:
        return Effect(DIRECTIONS[test.direction], f"{test.column} has nothing to compare", gaps)
    places = {cell: (i, at) for i, each in enumerate(strata) for at, cell in each.items()}
    rows = runs[runs["cell"].isin(places)].assign(_value=values).dropna(subset="_value")
    rows[["_stratum", "_place"]] = [places[cell] for cell in rows["cell"]]
    return _measured(rows.sort_values("_stratum", kind="stable"), test, levels, gaps)


def _measured(
    rows: pd.DataFrame, test: TrendTest | ContrastTest, levels: Sequence[str], gaps: tuple[str, ...]
) -> Effect:
    """Of runs with their stratum, the place of their level in it, and their value."""
    joint = by_seed([_by_place(of) for _, of in rows.groupby("_stratum")])
    groups, runs = [group for _, group in joint], list(_runs_of(rows, joint))
    strata = rows["_stratum"].nunique()
    rows = rows[rows["run_id"].isin({run for _, ids in runs for run in ids})]
    effect = of_change(
        groups,
        test,
        rows["_value"].to_numpy(np.float64),
        gaps=gaps,
        run_ids=tuple(rows["run_id"]),
        column=test.column,
        noise=_noise(groups, runs),
    )
    means = _means(rows)
    at = ", ".join(f"{mean:.4g} at {level}" for level, mean in zip(levels, means, strict=True))
    said = f"Mean {test.column} over {test.over}: {at}; change {effect.value:.4g}"
    share = test.column in METRICS and METRICS[test.column].unit == SHARE
    extreme = share and rows["_value"].iloc[0] in (0.0, 1.0)
    if isinstance(test, ContrastTest):
        said, turns = said + _twins(rows, strata), ""
    else:
        turns = _turns(means, test)
    return replace(effect, says=said, saturated=effect.constant and extreme, objection=turns)


def of_change(
    groups: Sequence[Stratum],
    test: TrendTest | ContrastTest | EventTest,
    values: Floats,
    **known: Any,
) -> Effect:
    """Of all `values` in the strata; `known` is whatever else is known of the effect."""
    direction, value, sizes = DIRECTIONS[test.direction], slope(groups), _sizes(groups)
    constant = bool(np.ptp(values) == 0)
    low, high = ends(contrast(groups))

    def power(level: float) -> float:
        seeds = min(map(min, sizes))
        if seeds < 2:
            return 0.0
        spreads = [{at: deviation(of) for at, of in each.items()} for each in groups]
        return change_chance(spreads, seeds, direction, test.least_effect, level)

    return Effect(
        direction=direction,
        says="",
        value=0.0 if abs(value) < ROUNDING * np.abs(values).max() else value,
        low=low,
        high=high,
        above=lambda margin: 1.0 if constant else float(change_p(groups, margin, "greater")),
        below=lambda margin: 1.0 if constant else float(change_p(groups, margin, "less")),
        least_p=least_p(sizes),
        power=power,
        seeds=min(map(min, sizes)),
        constant=constant,
        **known,
    )


def _sizes(groups: Sequence[Stratum]) -> list[list[int]]:
    return [[np.size(seeds) for seeds in each.values()] for each in groups]


def _by_place(rows: pd.DataFrame) -> Group:
    """The values of a stratum's seeds by the place of their level, from 0 to 1."""
    groups: Any = rows.groupby("_place")
    return {float(place): of.set_index("seed")["_value"] for place, of in groups}


def _runs_of(
    rows: pd.DataFrame, joint: Sequence[tuple[list[int], Group]]
) -> Iterator[tuple[int, list[str]]]:
    """Of each level of the joint strata: how many strata it is made of, and the runs in it."""
    for members, group in joint:
        for place, values in group.items():
            mine = rows["_stratum"].isin(members) & rows["seed"].isin(values.index)
            yield len(members), list(rows.loc[mine & (rows["_place"] == place), "run_id"])


def _means(rows: pd.DataFrame) -> list[float]:
    """Of each level, by least squares with a term for each stratum: plain means where every
    stratum has as many seeds at every level."""
    by_level = rows.groupby("_place")["_value"]
    if rows["_stratum"].nunique() == 1:
        return [float(mean) for mean in by_level.mean()]
    of_level, member = (
        pd.get_dummies(rows[name], dtype=float).to_numpy() for name in ("_place", "_stratum")
    )
    design = np.hstack([of_level, member[:, 1:] - member[:, 1:].mean(axis=0)])
    found, *_ = np.linalg.lstsq(design, rows["_value"].to_numpy(np.float64))
    return [float(mean) for mean in found[: by_level.ngroups]]


def slope(strata: Sequence[Stratum]) -> float:
    """The change as in `contrast`, which is defined for any number of seeds."""
    weight, means = _weighed(strata)
    return float(weight @ means)


def sides(strata: Sequence[Stratum]) -> tuple[float, float]:
    """The means at places 0 and 1 of strata of two levels; `slope` is their difference."""
    weight, means = _weighed(strata)
    at_one = np.array([place for each in strata for place in each]) == 1
    return float(-weight[~at_one] @ means[~at_one]), float(weight[at_one] @ means[at_one])


def _weighed(strata: Sequence[Stratum]) -> tuple[Floats, Floats]:
    """The weights of the cells' means, and these."""
    means = [np.asarray(seeds, float).mean() for each in strata for seeds in each.values()]
    counts = [n for each in _sizes(strata) for n in each]
    return weights([list(each) for each in strata], counts), np.array(means)


def _noise(groups: Sequence[Stratum], runs: Sequence[tuple[int, list[str]]]) -> dict[str, float]:
    """By run, its seed's contribution to the change: its weight times its cell's standard
    deviation, split evenly (in squares) over the seed's runs. Empty where it is unknown or 0."""
    cells = [np.asarray(seeds, float) for group in groups for seeds in group.values()]
    if min(cell.size for cell in cells) < 2:
        return {}
    weight, _ = _weighed(groups)
    parts = [w / cell.size * deviation(cell) for w, cell in zip(weight, cells, strict=True)]
    return {
        run: float(part / np.sqrt(strata))
        for part, (strata, ids) in zip(parts, runs, strict=True)
        for run in ids
        if part
    }


def _twins(rows: pd.DataFrame, strata: int) -> str:
    """A contrast of identical networks, which the test, being unpaired, cannot detect."""
    ended = rows.groupby("seed")["weights_sha256"]
    alike = (ended.nunique() == 1) & (ended.count() == 2 * strata) & (ended.first() != "")
    return ", seed by seed with the very same weights" if alike.all() else ""


def _turns(means: Sequence[float], test: TrendTest) -> str:
    """Two means of a trend that differ against the claim by the least effect or more."""
    worst = {
        "increasing": (np.maximum.accumulate(means) - means).max(),
        "decreasing": (means - np.minimum.accumulate(means)).max(),
        "none": max(means) - min(means),
    }[test.direction]
    if worst > 0 and worst >= test.least_effect:
        return f"two of its means differ by {worst:.4g} against the claim"
    return ""
