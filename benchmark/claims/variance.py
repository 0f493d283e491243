"""Which swept key explains how much of an outcome's variance: variance.csv.

Main effects by least squares, every key as a factor. A key's share is the sum of squares that it
adds to all other keys (type II, as in statsmodels' anova_lm), over the total: eta squared. What is
left is the seed's share, with the interactions in it. Keys that always change together are one
factor. Intervals are the jackknife's over seeds, left out of every cell that has them; where the
seeds of streams are swept (training.seeds), over those of each stream. A share has no p, since it
is never below 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import linalg

from benchmark.claims.correlation import blocks_of_seeds
from benchmark.claims.correlation_table import OUTCOMES
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.intervals import Estimate, Floats, Indices, ends, jackknife

ROUNDING = 1e-9  # below which what is left of a dummy, or a singular value, is nothing
RESIDUAL = "seed and interactions"
STREAMS = "training.seeds."  # of swept keys: their values are seeds
JOINT = " & "
Factor: TypeAlias = tuple[str, ...]
"""Swept keys that always change together: any of them has the factor's levels."""


@dataclass(frozen=True)
class Decomposition:
    """Shares of the variance over the finished runs."""

    keys: tuple[Factor, ...]
    shares: Floats  # (factors,)
    runs: pd.DataFrame  # cell by cell
    without: tuple[Floats, ...]  # a block of seeds each: (seeds, factors), without each of them

    @property
    def factors(self) -> tuple[str, ...]:
        """What each is called."""
        return tuple(map(JOINT.join, self.keys))

    @property
    def residual(self) -> float:
        return float(1 - self.shares.sum())

    @property
    def seeds(self) -> int:
        """Of the block with the fewest, which limits what the jackknife knows."""
        return min((len(block) for block in self.without), default=0)

    def estimate(self, statistic: Callable[[Floats], float]) -> Estimate | None:
        """Of a function of the shares (factors,), from -1 to 1; None: too few seeds."""
        if not self.without:
            return None
        parts = [np.array([statistic(shares) for shares in block]) for block in self.without]
        return jackknife(statistic(self.shares), *parts)


def decompose(tables: Tables, column: str) -> Decomposition | None:
    """The variance of a column (or alias) over the sweep; None where it cannot be taken apart."""
    runs = tables.done.assign(_value=tables.values(column)).dropna(subset=["_value"])
    runs = runs.sort_values("cell", kind="stable")
    factors = _factors(runs, tables.swept)
    shares = _shares(runs, factors)
    if shares is None:
        return None
    without = []
    for key, block in _units(runs, tables.swept):
        each = [_shares(runs[runs[key] != unit], factors) for unit in block]
        known = [found for found in each if found is not None]
        if len(known) < len(each):  # a level is there by one seed alone
            return Decomposition(tuple(factors), shares, runs, ())
        without.append(np.stack(known))
    return Decomposition(tuple(factors), shares, runs, tuple(without))


def _units(runs: pd.DataFrame, swept: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Blocks of what a jackknife leaves out: seeds, or a stream's where those are swept."""
    streams = [key for key in swept if key.startswith(STREAMS)]
    if streams:
        return [(key, sorted(set(runs[key]))) for key in streams]
    cells = [tuple(rows["seed"]) for _, rows in runs.groupby("cell", sort=False)]
    return [("seed", list(block)) for block in blocks_of_seeds(cells)]


def _shares(runs: pd.DataFrame, factors: Sequence[Factor]) -> Floats | None:
    """(factors,) of the values of these runs; None where there is nothing to take apart."""
    values = runs["_value"].to_numpy(float)
    if not factors or len(runs) < 3 or np.ptp(values) == 0:
        return None
    values = values - values.mean()
    levels = [pd.factorize(runs[keys[0]])[0] for keys in factors]
    whole = _explained(levels, len(runs))
    if whole.rank >= len(runs):
        return None
    without = (_explained(levels[:i] + levels[i + 1 :], len(runs)) for i in range(len(levels)))
    explained, total = whole.of(values), float((values**2).sum())
    return np.array([float(explained - others.of(values)) / total for others in without])


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


def share_of(factor: int) -> Callable[[Floats], float]:
    """One of the shares (factors,), for `Decomposition.estimate`."""
    return lambda shares: float(shares[factor])


def variance_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py."""
    rows = []
    for alias in OUTCOMES:
        found = decompose(tables, alias)
        if found is not None:
            rows += _rows(tables.shown(alias), found, tables)
    return pd.DataFrame(rows, columns=list(EVIDENCE["variance"]))


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
    for i, (name, keys) in enumerate(zip(found.factors, found.keys, strict=True)):
        low, high = np.clip(ends(found.estimate(share_of(i))), 0, 1)
        levels = found.runs[keys[0]].nunique()
        head = {"key": name, "levels": levels, "share": found.shares[i], "rank": int(ranks[i])}
        rows.append({**head, "low": low, "high": high, **common})
    low, high = np.clip(ends(found.estimate(lambda shares: float(1 - shares.sum()))), 0, 1)
    return [*rows, {"key": RESIDUAL, "share": found.residual, "low": low, "high": high, **common}]


def _factors(runs: pd.DataFrame, swept: Sequence[str]) -> list[Factor]:
    """The keys that vary, those that always change together joined into one."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for key in swept:
        codes = tuple(int(code) for code in pd.factorize(runs[key])[0])
        if len(set(codes)) > 1:
            groups.setdefault(codes, []).append(key)
    return list(map(tuple, groups.values()))
