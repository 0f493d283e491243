"""Which swept key explains how much of an outcome's variance: variance.csv.

Main effects by least squares, every key as a factor. A key's share is the sum of squares that it
adds to all other keys (type II, as in statsmodels' anova_lm), over the total: eta squared. What is
left is the seed's share, with the interactions in it. Keys that always change together are one
factor. p is that of a permutation within the strata of the other keys.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg

from benchmark.claims.correlation_table import OUTCOMES
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import arrangements, holm
from benchmark.statistics.permutations import Floats, Indices
from benchmark.statistics.resampling import (
    NONE,
    RESAMPLES,
    bootstrapped,
    percentiles,
    permutation_p,
)

ROUNDING = 1e-9  # below which what is left of a dummy, or a singular value, is nothing
RESIDUAL = "seed and interactions"
JOINT = " & "


@dataclass(frozen=True)
class Decomposition:
    """Shares of the variance over the finished runs, with what tests and intervals need."""

    factors: tuple[str, ...]
    values: Floats  # (n,) of the outcome, their mean taken off
    whole: "_Explained"
    without: "tuple[_Explained, ...]"  # by all factors but one
    runs: pd.DataFrame  # in the order of the runs' numbers, cell by cell
    cells: tuple[int, ...]  # runs of each cell

    @cached_property
    def shares(self) -> Floats:
        """(factors,)"""
        return self._shares(self.values)

    @property
    def residual(self) -> float:
        return float(1 - self.shares.sum())

    def _shares(self, values: Floats) -> Floats:
        """(..., n) -> (..., factors)"""
        drawn = values - values.mean(axis=-1, keepdims=True)
        total = (drawn**2).sum(axis=-1)[..., None]
        explained = self.whole.of(drawn)
        parts = np.stack([explained - others.of(drawn) for others in self.without], axis=-1)
        return np.asarray(np.divide(parts, total, out=np.zeros_like(parts), where=total > 0))

    @cached_property
    def _redrawn(self) -> Floats:
        """(draws, factors)"""
        return bootstrapped(lambda index: self._shares(self.values[index]), self.cells)

    def interval(self, statistic: Callable[[Floats], Floats]) -> tuple[float, float]:
        """Of a function of the shares (..., factors), over seeds; NaN where a cell has one run."""
        return percentiles(statistic(self._redrawn)) if min(self.cells) > 1 else NONE

    def p(self, factor: int) -> tuple[float, float]:
        """(p, least reachable p) of a factor's share."""
        strata, order = self._strata(factor)
        sizes = [list(rows.groupby("_factor", sort=False).size()) for rows in strata]
        # Names of levels can be swapped without changing a share.
        same = math.factorial(len(sizes[0])) if sizes else 1
        least = min(1.0, same / min(arrangements(sizes), same * (RESAMPLES + 1)))
        inverse, values = _moved(np.argsort(order)), self.values[order]
        total, others = (self.values**2).sum(), self.without[factor]

        def share(index: Indices) -> Floats:
            drawn = values[index][..., inverse]
            return np.asarray((self.whole.of(drawn) - others.of(drawn)) / total)

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
    levels = [pd.factorize(_text(runs, name.split(JOINT)))[0] for name in factors]
    whole = _explained(levels, len(runs))
    if whole.rank >= len(runs):
        return None
    without = (_explained(levels[:i] + levels[i + 1 :], len(runs)) for i in range(len(levels)))
    cells = tuple(int(n) for n in runs.groupby("cell", sort=False).size())
    centred = values - values.mean()
    return Decomposition(tuple(factors), centred, whole, tuple(without), runs, cells)


@dataclass(frozen=True)
class _Explained:
    """The sum of squares of centred values that factors explain by main effects.

    The factor with the most levels is a mean for each; what it leaves of the others has an
    orthonormal basis (Frisch and Waugh 1933; Lovell 1963), so that no matrix is (runs, runs).
    """

    order: Indices | slice  # the runs by the first factor's level
    starts: Indices  # of its levels, in that order
    counts: Indices
    basis: Floats  # (n, r) of the others

    @property
    def rank(self) -> int:
        return len(self.counts) + int(self.basis.shape[1])

    def of(self, values: Floats) -> Floats:
        """(..., n) -> (...)."""
        sums = np.add.reduceat(values[..., self.order], self.starts, axis=-1)
        rest = values @ self.basis
        return np.asarray((sums**2 / self.counts).sum(axis=-1) + (rest**2).sum(axis=-1))


def _explained(levels: Sequence[Indices], runs: int) -> _Explained:
    """What factors explain of so many runs, each given by its levels' numbers; none: the mean."""
    none = np.zeros(runs, dtype=np.intp)
    first, *others = sorted(levels, key=np.max, reverse=True) or [none]
    counts = np.bincount(first)
    order = np.argsort(first, kind="stable")
    basis = np.zeros((runs, 0))
    if others:
        dummies = np.concatenate([np.eye(level.max() + 1)[level] for level in others], axis=1)
        means = np.zeros((len(counts), dummies.shape[1]))
        np.add.at(means, first, dummies)
        left = dummies - (means / counts[:, None])[first]
        basis = linalg.orth(np.where(np.abs(left) < ROUNDING, 0.0, left), ROUNDING)
    starts = np.cumsum([0, *counts[:-1]])
    return _Explained(_moved(order), starts, counts, basis)


def _moved(order: Indices) -> Indices | slice:
    """The same order, which costs nothing to apply where everything stays in its place."""
    return slice(None) if (order == np.arange(len(order))).all() else order


def variance_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; Holm's family is the whole table."""
    rows = []
    for alias in OUTCOMES:
        found = decompose(tables, alias)
        if found is not None:
            rows += _rows(tables.shown(alias), found, tables)
    table = pd.DataFrame(rows, columns=list(EVIDENCE["variance"]))
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
    low, high = found.interval(lambda shares: 1 - shares.sum(axis=-1))
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
    rows = zip(*(runs[key].astype(str) for key in keys), strict=True)
    return pd.Series(["\n".join(row) for row in rows], runs.index)
