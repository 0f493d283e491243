"""How the statistics of an ablation's claims correlate, given the runs that they share.

A change is a weighted sum of its cells' means, so two changes of one column are correlated through
shared runs: many methods against one baseline, say. Runs of different cells count as independent,
as in the changes' own intervals. The correlation of other kinds of claims, or between columns, is
unknown.
"""

from collections.abc import Sequence

import numpy as np

from benchmark.claims.effects import Direction, Effect
from benchmark.statistics.intervals import Floats

_SIGNS: dict[Direction, int] = {"up": 1, "not_down": 1, "down": -1, "not_up": -1}


def correlations(effects: Sequence[Effect | None]) -> Floats:
    """(claims, claims) of the one-sided statistics, for the claims or all against; NaN: unknown."""
    found = np.full((len(effects), len(effects)), np.nan)
    signs = [_SIGNS.get(each.direction, 0) if each and each.noise else 0 for each in effects]
    for i, one in enumerate(effects):
        for j, other in enumerate(effects):
            if one and other and signs[i] and signs[j] and one.column == other.column:
                found[i, j] = signs[i] * signs[j] * _together(one, other)
    return found


def _together(one: Effect, other: Effect) -> float:
    if one is other:
        return 1.0
    shared = sum(part * other.noise.get(run, 0.0) for run, part in one.noise.items())
    whole = [sum(part**2 for part in each.noise.values()) for each in (one, other)]
    return float(np.clip(shared / np.sqrt(whole[0] * whole[1]), -1, 1))
