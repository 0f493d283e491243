"""Which swept key explains how much of an outcome's variance: variance.csv.

Main effects by least squares, every key as a factor. A key's share is the sum of squares that it
adds to all other keys (type II, as in statsmodels' anova_lm), over the total: eta squared. What is
left is the seed's share, with the interactions in it. Keys that always change together are one
factor. p is that of a permutation within the strata of the other keys.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.correlation_table import OUTCOMES
from benchmark.analysis.frames import Tables
from benchmark.analysis.resampling import (
    NONE,
    RESAMPLES,
    Floats,
    Indices,
    arrangements,
    bootstrap_interval,
    holm,
    permutation_p,
)

RESIDUAL = "seed and interactions"
JOINT = " & "
COLUMNS = (
    *("outcome", "key", "levels", "share", "low", "high", "p", "p_holm", "least_p", "rank"),
    *("runs", "left_out", "run_ids"),
)


@dataclass(frozen=True)
class Decomposition:
    """Shares of the variance over the finished runs, with what tests and intervals need."""

    factors: tuple[str, ...]
    shares: Floats  # (factors,)
    share_of: Callable[[Indices], Floats]  # (..., n) -> (..., factors)
    runs: pd.DataFrame  # in the order of the runs' numbers, cell by cell
    cells: tuple[int, ...]  # runs of each cell

    @property
    def residual(self) -> float:
        return float(1 - self.shares.sum())

    def interval(self, statistic: Callable[[Floats], Floats]) -> tuple[float, float]:
        """Of a function of the shares (..., factors), over seeds."""
        return bootstrap_interval(lambda index: statistic(self.share_of(index)), self.cells)

    def p(self, factor: int) -> tuple[float, float]:
        """(p, least reachable p) of a factor's share."""
        strata, order = self._strata(factor)
        sizes = [list(rows.groupby("_factor", sort=False).size()) for rows in strata]
        # Names of levels can be swapped without changing a share.
        same = math.factorial(len(sizes[0])) if sizes else 1
        least = min(1.0, same / min(arrangements(sizes), same * (RESAMPLES + 1)))
        inverse = np.argsort(order)

        def share(index: Indices) -> Floats:
            return self.share_of(order[index][..., inverse])[..., factor]

        return permutation_p(share, sizes, "greater", least), least

    def _strata(self, factor: int) -> tuple[list[pd.DataFrame], Indices]:
        """Runs that differ in this factor alone, and their numbers in that order."""
        keys = self.factors[factor].split(JOINT)
        others = [k for name in self.factors for k in name.split(JOINT) if k not in keys]
        rows = self.runs.assign(
            _factor=_text(self.runs, keys),
            _other=_text(self.runs, others),
            _at=range(len(self.runs)),
        )
        strata = [rows.sort_values("_factor", kind="stable") for _, rows in rows.groupby("_other")]
        order = np.concatenate([stratum["_at"].to_numpy(int) for stratum in strata])
        return strata, order


def decompose(tables: Tables, column: str) -> Decomposition | None:
    """The variance of a column (or alias) over the sweep; None where it cannot be taken apart."""
    runs = tables.done.assign(_value=tables.values(column)).dropna(subset=["_value"])
    runs = runs.sort_values("cell", kind="stable")
    factors = _factors(runs, tables.swept)
    values = runs["_value"].to_numpy(float)
    if not factors or len(runs) < 3 or np.ptp(values) == 0:
        return None
    designs = [_dummies(_text(runs, name.split(JOINT))) for name in factors]
    whole = _hat(designs, len(runs))
    if np.linalg.matrix_rank(whole) >= len(runs):
        return None
    parts = [
        whole - _hat([other for j, other in enumerate(designs) if j != i], len(runs))
        for i in range(len(designs))
    ]

    def share_of(index: Indices) -> Floats:
        drawn = values[index] - values[index].mean(axis=-1, keepdims=True)
        total = (drawn**2).sum(axis=-1)
        explained = np.stack([((drawn @ part) * drawn).sum(axis=-1) for part in parts], axis=-1)
        none = np.zeros_like(explained)
        where = total[..., None] > 0
        return np.asarray(np.divide(explained, total[..., None], out=none, where=where))

    cells = tuple(int(n) for n in runs.groupby("cell", sort=False).size())
    shares = share_of(np.arange(len(runs)))
    return Decomposition(tuple(factors), shares, share_of, runs, cells)


def variance_table(tables: Tables) -> pd.DataFrame:
    """COLUMNS, as columns.py explains them; Holm's family is the whole table."""
    rows = []
    for alias in OUTCOMES:
        found = decompose(tables, alias)
        if found is not None:
            rows += _rows(tables.shown(alias), found, tables)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    tested = table["key"] != RESIDUAL
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"].tolist())
    return table


def _rows(outcome: str, found: Decomposition, tables: Tables) -> list[dict[str, Any]]:
    left_out = sorted(set(tables.runs["run_id"]) - set(found.runs["run_id"]))
    common = {
        "outcome": outcome,
        "runs": len(found.runs),
        "left_out": " ".join(left_out),
        "run_ids": " ".join(found.runs["run_id"]),
    }
    ranks = (-found.shares).argsort().argsort() + 1
    rows = []
    for i, name in enumerate(found.factors):
        low, high = found.interval(lambda shares, i=i: shares[..., i])  # type: ignore[misc]
        p, least = found.p(i)
        levels = _text(found.runs, name.split(JOINT)).nunique()
        head = {"key": name, "levels": levels, "share": found.shares[i], "rank": int(ranks[i])}
        rows.append({**head, "low": low, "high": high, "p": p, "least_p": least, **common})
    low, high = found.interval(lambda shares: 1 - shares.sum(axis=-1)) if found.cells else NONE
    return [*rows, {"key": RESIDUAL, "share": found.residual, "low": low, "high": high, **common}]


def _factors(runs: pd.DataFrame, swept: Sequence[str]) -> list[str]:
    """The keys that vary, those that always change together joined into one."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for key in swept:
        codes = tuple(int(code) for code in pd.factorize(runs[key])[0])
        if len(set(codes)) > 1:
            groups.setdefault(codes, []).append(key)
    return [JOINT.join(keys) for keys in groups.values()]


def _text(runs: pd.DataFrame, keys: Sequence[str]) -> "pd.Series[str]":
    if not keys:
        return pd.Series("", runs.index)
    return runs[list(keys)].astype(str).agg("\n".join, axis=1)


def _dummies(levels: "pd.Series[str]") -> Floats:
    return np.asarray(pd.get_dummies(levels), dtype=float)


def _hat(designs: Sequence[Floats], runs: int) -> Floats:
    """The projection of values of so many runs on their mean and these factors."""
    design = np.concatenate([np.ones((runs, 1)), *designs], axis=1)
    return np.asarray(design @ np.linalg.pinv(design))
