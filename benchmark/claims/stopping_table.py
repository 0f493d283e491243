"""stopping.csv: each method's own signal as a stopping rule, against its rivals, in the distance.

One row a method, signal (in training and held out), rule and rival; cells are pooled, as one number
a seed. Holm's families are the rows of one method each: whether a method's signal is useful is a
separate question.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.claims.correlation import cells_of
from benchmark.claims.correlation_table import SIGNALS
from benchmark.claims.stopping import (
    RIVALS,
    RULES,
    Difference,
    Rival,
    Stopped,
    by_seed,
    difference,
    stopped,
)
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables
from benchmark.statistics.families import holm, least_holm
from benchmark.statistics.intervals import ends, mean


def stopping_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; empty where no run has enough evaluations."""
    methods = dict.fromkeys(tables.done["method"])
    rows = [row for method in methods for row in _method_rows(tables, method)]
    table = pd.DataFrame(rows, columns=list(EVIDENCE["stopping"]))
    for _, family in table.groupby("method", sort=False):
        p, least = family["p"].tolist(), family["least_p"].tolist()
        table.loc[family.index, "p_holm"] = holm(p)
        table.loc[family.index, "least_p_holm"] = least_holm(p, least)
    table["reading"] = [_reading(row) for row in table.to_dict("records")]
    return table


def _method_rows(tables: Tables, method: str) -> Iterator[dict[str, Any]]:
    of_method = replace(tables, runs=tables.runs[tables.runs["method"] == method])
    cells = cells_of(of_method)
    for signal, role in SIGNALS.items():
        for rule in RULES:
            found = stopped(cells, signal, DISTANCE, rule)
            head = {"method": method, "role": role, "signal": of_method.shown(signal), "rule": rule}
            for rival in RIVALS:
                against = difference(found, rival)
                if against is not None:
                    known = [each for each in found if rival in each.rivals]
                    yield {**head, "against": rival, **_numbers(known, rival, against)}


def _numbers(found: Sequence[Stopped], rival: Rival, against: Difference) -> dict[str, Any]:
    lost = by_seed((each, each.here - each.best) for each in found)
    other = by_seed((each, each.rivals[rival] - each.best) for each in found)
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
    """The interpretation of a row."""
    if row["least_p_holm"] > ALPHA:
        return "cannot tell: no p of so few seeds can be low enough"
    if math.isnan(row["p_holm"]) or row["p_holm"] > ALPHA:
        return "no difference shown, which does not say that there is none"
    return "better" if row["difference"] < 0 else "worse"
