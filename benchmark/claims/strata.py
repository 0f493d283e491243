"""Strata: the cells that a claim compares, one where they share seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.ablation.claims import ContrastTest, TrendTest, swept_text
from benchmark.claims.correlation import blocks_of_seeds
from benchmark.statistics.intervals import LEAST_SEEDS

Group = Mapping[float, "pd.Series[float]"]
"""By the position of each level, as in Stratum, the values by seed."""


Cells = Mapping[str, Mapping[str, Any]]
"""The swept values of each."""


def levels_of(cells: Cells, test: TrendTest | ContrastTest) -> list[str]:
    """The levels that a test compares, from the first to the last."""
    if isinstance(test, ContrastTest):
        return [swept_text(test.against), swept_text(test.of)]
    return sorted({swept_text(point[test.over]) for point in cells.values()}, key=float)


def strata_of(cells: Cells, test: TrendTest | ContrastTest) -> list[dict[float, str]]:
    """By stratum, the cell at each position, as compared by claims/contrasts.py.

    A stratum's runs share the other swept keys, except those that always change with `over`.
    """
    levels = levels_of(cells, test)
    points = {cell: {k: swept_text(v) for k, v in of.items()} for cell, of in cells.items()}
    points = {cell: point for cell, point in points.items() if point[test.over] in levels}
    if len(levels) < 2 or {point[test.over] for point in points.values()} != set(levels):
        return []
    values: dict[tuple[str, str], set[str]] = {}
    for point in points.values():
        for key, value in point.items():
            values.setdefault((key, point[test.over]), set()).add(value)
    others = {key for (key, _), seen in values.items() if len(seen) > 1}
    strata: dict[tuple[str, ...], dict[float, str]] = {}
    for cell, point in points.items():
        place = levels.index(point[test.over]) / (len(levels) - 1)
        strata.setdefault(tuple(point[key] for key in sorted(others)), {})[place] = cell
    return [each for each in strata.values() if len(each) > 1]


def by_seed(strata: Sequence[Group]) -> list[tuple[list[int], Group]]:
    """Strata that share no seed, each with the numbers of those that it is made of.

    The seed is the unit: what a seed adds to each stratum that it is in is drawn once. So strata
    that share seeds become one, of each seed's mean over them, at the levels that they all have and
    of the seeds that they all have there. Where that leaves less than two levels of LEAST_SEEDS,
    they stay apart and count as independent.
    """
    seeds = [tuple({int(seed) for v in each.values() for seed in v.index}) for each in strata]
    found: list[tuple[list[int], Group]] = []
    for block in blocks_of_seeds(seeds):
        members = [at for at, own in enumerate(seeds) if own[0] in block]
        whole = _averaged([strata[at] for at in members])
        found += [(members, whole)] if whole else [([at], strata[at]) for at in members]
    return sorted(found, key=lambda each: each[0])


def _averaged(strata: Sequence[Group]) -> Group | None:
    if len(strata) == 1:
        return strata[0]
    places = [place for place in strata[0] if all(place in each for each in strata)]
    means = {
        place: pd.concat([each[place] for each in strata], axis=1, join="inner").mean(axis=1)
        for place in places
    }
    enough = len(means) > 1 and min(map(len, means.values())) >= LEAST_SEEDS
    return means if enough else None
