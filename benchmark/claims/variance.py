"""Which swept key explains how much of an outcome's variance: variance.csv.

Main effects by least squares, with every key as a factor. A key's share is the sum of squares that
it adds to that of all other keys (type II, as in statsmodels' anova_lm), over the total: eta
squared. The residual is the seed's share, including interactions. Keys that always change together
are one factor. Intervals are from the jackknife over seeds, each left out of every cell that has
it. A share has no p, since it is never below 0.

If seeds of streams are swept (training.seeds), the levels are random, and an interval depends on
their number. Shares are then of variance components, for runs whose streams are all drawn afresh
(statistics/components.py); with another key swept beside the streams, there is no interval.
"""

import math
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
from benchmark.statistics.components import Components, components
from benchmark.statistics.intervals import Estimate, Floats, Indices, ends, jackknife

ROUNDING = 1e-9  # below which the residual of a dummy, or a singular value, counts as zero
RESIDUAL = "seed and interactions"
STREAMS = "training.seeds."  # prefix of swept keys whose values are seeds
SEED = "seed"
JOINT = " & "
Factor: TypeAlias = tuple[str, ...]
"""Swept keys that always change together: any of them has the factor's levels."""


@dataclass(frozen=True)
class Lead:
    """By how much one factor's share exceeds another's."""

    value: float
    low: float  # of the 95 % interval; NaN if there is none
    high: float
    above: Callable[[float], float]  # p of "it is at most this"
    below: Callable[[float], float]  # ... "at least this"
    error: float = math.nan  # of Fisher's z of the lead; NaN for streams


@dataclass(frozen=True)
class Decomposition:
    """Shares of the variance over the finished runs."""

    keys: tuple[Factor, ...]
    shares: Floats  # (factors,)
    runs: pd.DataFrame  # cell by cell
    without: tuple[Floats, ...]  # one array per block: (seeds, factors), with each seed left out
    streams: Components | None = None  # where all factors are streams

    @property
    def factors(self) -> tuple[str, ...]:
        """The name of each."""
        return tuple(map(JOINT.join, self.keys))

    def factor(self, key: str) -> int | None:
        """The index of the factor with this key's levels."""
        return next((i for i, each in enumerate(self.keys) if key in each), None)

    @property
    def residual(self) -> float:
        return float(1 - self.shares.sum())

    @property
    def seeds(self) -> int:
        """Seeds of the smallest block or stream, which limits precision."""
        if self.streams:
            return self.streams.design.least_seeds
        return min((len(block) for block in self.without), default=0)

    def interval(self, factor: int) -> tuple[float, float]:
        """The interval of a factor's share, the last being the residual's; NaN if there is none."""
        if self.streams:
            return self.streams.share_interval(factor) or (math.nan, math.nan)
        share = self.estimate(lambda shares: float([*shares, 1 - shares.sum()][factor]))
        low, high = np.clip(ends(share), 0, 1)
        return float(low), float(high)

    def lead(self, of: int, over: int) -> Lead | None:
        """None where there are too few seeds for an interval."""
        value = float(self.shares[of] - self.shares[over])
        if (found := self.streams) is not None:
            between = found.lead_interval(of, over)
            return between and Lead(
                value,
                *between,
                above=lambda margin: float(found.lead_p(of, over, margin)[0]),
                below=lambda margin: float(found.lead_p(of, over, margin)[1]),
            )
        estimate = self.estimate(lambda shares: float(shares[of] - shares[over]))
        if estimate is None:
            return None
        return Lead(
            value,
            *ends(estimate),
            above=lambda margin: float(estimate.p_above(margin)),
            below=lambda margin: float(estimate.p_below(margin)),
            error=float(estimate.error),
        )

    def estimate(self, statistic: Callable[[Floats], float]) -> Estimate | None:
        """Of a function of the shares (factors,), from -1 to 1; None: too few seeds."""
        if not self.without:
            return None
        parts = [np.array([statistic(shares) for shares in block]) for block in self.without]
        return jackknife(statistic(self.shares), *parts)


def decompose(tables: Tables, column: str) -> Decomposition | None:
    """Of a column (or alias) over the sweep; None where it cannot be taken apart."""
    runs = tables.done.assign(_value=tables.values(column)).dropna(subset=["_value"])
    runs = runs.sort_values("cell", kind="stable")
    factors = factors_of(runs, tables.swept)
    if are_streams(factors):
        return _of_streams(runs, factors)
    shares = _shares(runs, factors)
    if shares is None:
        return None
    without = []
    if not any(key.startswith(STREAMS) for keys in factors for key in keys):
        cells = [tuple(rows[SEED]) for _, rows in runs.groupby("cell", sort=False)]
        for block in blocks_of_seeds(cells):
            each = [_shares(runs[runs[SEED] != seed], factors) for seed in block]
            known = [found for found in each if found is not None]
            if len(known) < len(each):  # a level exists for one seed only
                return Decomposition(tuple(factors), shares, runs, ())
            without.append(np.stack(known))
    return Decomposition(tuple(factors), shares, runs, tuple(without))


def are_streams(factors: Sequence[Factor]) -> bool:
    """Whether the levels of all factors are seeds."""
    keys = [key for each in factors for key in each if key != SEED]
    return bool(keys) and all(key.startswith(STREAMS) for key in keys)


def factors_of(runs: pd.DataFrame, swept: Sequence[str]) -> list[Factor]:
    """The swept keys that vary, those that always change together joined into one.

    Beside streams, a varying `seed` is one more factor: that of the streams not swept.
    """
    streams = any(key.startswith(STREAMS) for key in swept)
    groups: dict[tuple[int, ...], list[str]] = {}
    for key in [*swept, *[SEED] * streams]:
        codes = tuple(int(code) for code in pd.factorize(runs[key])[0])
        if len(set(codes)) > 1:
            groups.setdefault(codes, []).append(key)
    return list(map(tuple, groups.values()))


def _of_streams(runs: pd.DataFrame, factors: Sequence[Factor]) -> Decomposition | None:
    values = runs["_value"].to_numpy(float)
    found = components([pd.factorize(runs[keys[0]])[0] for keys in factors], values)
    if found is None or np.ptp(values) == 0:
        return None
    shares = np.array([float(found.share(i)) for i in range(len(factors))])
    return Decomposition(tuple(factors), shares, runs, (), found)


def _shares(runs: pd.DataFrame, factors: Sequence[Factor]) -> Floats | None:
    """Shares (factors,) for the values of these runs; None if there is no variance to decompose."""
    values = runs["_value"].to_numpy(float)
    if not factors or len(runs) < 3 or np.ptp(values) == 0:
        return None
    values = values - values.mean()
    levels = [pd.factorize(runs[keys[0]])[0] for keys in factors]
    explained, rank = _explained(levels, values)
    if rank >= len(runs):
        return None
    without = [_explained(levels[:i] + levels[i + 1 :], values)[0] for i in range(len(levels))]
    return (explained - np.array(without)) / float((values**2).sum())


def _explained(levels: Sequence[Indices], values: Floats) -> tuple[float, int]:
    """The sum of squares of centred values (n,) that factors, each given by its runs' levels (n,),
    explain by main effects; and the rank of these.

    The factor with the most levels is removed by group means; the residuals of the others get an
    orthonormal basis (Frisch and Waugh 1933; Lovell 1963), so that no matrix is (n, n).
    """
    if not levels:
        return 0.0, 1
    first, *others = sorted(levels, key=np.max, reverse=True)
    counts = np.bincount(first)
    explained, rank = float((np.bincount(first, values) ** 2 / counts).sum()), len(counts)
    if others:
        dummies = np.concatenate([np.eye(level.max() + 1)[level] for level in others], axis=1)
        means = np.zeros((len(counts), dummies.shape[1]))
        np.add.at(means, first, dummies)
        left = dummies - (means / counts[:, None])[first]
        basis = linalg.orth(np.where(np.abs(left) < ROUNDING, 0.0, left), ROUNDING)
        explained, rank = explained + float(((values @ basis) ** 2).sum()), rank + basis.shape[1]
    return explained, rank


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
        low, high = found.interval(i)
        levels = found.runs[keys[0]].nunique()
        head = {"key": name, "levels": levels, "share": found.shares[i], "rank": int(ranks[i])}
        rows.append({**head, "low": low, "high": high, **common})
    low, high = found.interval(len(found.keys))
    return [*rows, {"key": RESIDUAL, "share": found.residual, "low": low, "high": high, **common}]
