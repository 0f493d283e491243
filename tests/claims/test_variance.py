"""Shares of the variance against statsmodels' analysis of variance."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.claims.variance import RESIDUAL, Decomposition, decompose, variance_table
from tests.statistics.simulate import DISTANCE, Floats, tables

GRID = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.5, 0.7) for h in (16, 64)]


@pytest.mark.parametrize("lost", [[], [0, 7]], ids=["balanced", "unbalanced"])
def test_shares_are_those_of_anova_lm(lost: list[int]) -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(2)
    gamma, h = np.repeat([0, 1, 2], 6), np.tile(np.repeat([0, 1], 3), 3)
    ends = 2 * gamma + h + rng.standard_normal(18)
    state = dict.fromkeys(lost, "failed")
    curves = {"signal": ends[:, None], DISTANCE: ends[:, None]}
    found = variance_table(tables(curves, GRID, seeds=3, state=state)).set_index("key")
    frame = pd.DataFrame({"y": ends, "gamma": gamma, "h": h}).drop(index=lost)
    theirs = anova_lm(ols("y ~ C(gamma) + C(h)", frame).fit(), typ=2)
    total = ((frame["y"] - frame["y"].mean()) ** 2).sum()
    assert found.loc["method.gamma", "share"] == pytest.approx(theirs["sum_sq"].iloc[0] / total)
    assert found.loc["method.h", "share"] == pytest.approx(theirs["sum_sq"].iloc[1] / total)
    gamma_row = found.loc["method.gamma"]
    assert 0 <= gamma_row["low"] < gamma_row["share"] < gamma_row["high"] <= 1
    assert found.loc["method.gamma", "rank"] == 1
    if not lost:
        assert found.loc[RESIDUAL, "share"] == pytest.approx(theirs["sum_sq"].iloc[2] / total)
    assert len(found.loc["method.h", "left_out"].split()) == len(lost)


def test_keys_that_change_together_are_one_factor() -> None:
    cells = [{"method.h": h, "method.z": z} for h, z in ((16, 128), (64, 64), (128, 16))]
    ends = np.random.default_rng(0).standard_normal((9, 1))
    found = decompose(tables({"signal": ends, DISTANCE: ends}, cells, seeds=3), "distance")
    assert found is not None
    assert found.factors == ("method.h & method.z",)


def test_nothing_to_take_apart() -> None:
    ends = np.zeros((9, 1))
    cells = [{"method.gamma": g} for g in (0.3, 0.5, 0.7)]
    assert decompose(tables({"signal": ends, DISTANCE: ends}, cells, seeds=3), "distance") is None
    lone = np.random.default_rng(0).standard_normal((3, 1))
    assert decompose(tables({"signal": lone, DISTANCE: lone}, cells, seeds=1), "distance") is None


def test_a_seed_is_left_out_of_every_cell() -> None:
    cells = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.7) for h in (16, 64)]
    values = np.random.default_rng(1).standard_normal((4, 5)) + np.array([[0], [1], [3], [4]])

    def decomposed(seeds: list[int]) -> Decomposition:
        ends = values[:, seeds].reshape(-1, 1)
        found = decompose(
            tables({"signal": ends, DISTANCE: ends}, cells, seeds=len(seeds)), "distance"
        )
        assert found is not None
        return found

    whole = decomposed([0, 1, 2, 3, 4])
    assert whole.seeds == 5
    without = [decomposed([k for k in range(5) if k != i]).shares for i in range(5)]
    np.testing.assert_allclose(whole.without[0], without)
    estimate = whole.estimate(lambda shares: float(shares[0]))
    assert estimate is not None
    left = np.array(without)[:, 0]
    value = whole.shares[0] - 4 * (left.mean() - whole.shares[0])
    assert np.tanh(estimate.value) == pytest.approx(value)


STREAMS = [f"training.seeds.{name}" for name in ("initialisation", "order", "latents")]


def crossed(seeds: int, squares: int = 2) -> list[dict[str, Any]]:
    """Every pair of seeds of two streams in so many runs."""
    each = range(seeds)
    runs = [(i, j, (i + j + s) % seeds) for i in each for j in each for s in range(squares)]
    return [dict(zip(STREAMS, run, strict=True)) for run in runs]


def of_streams(ends: Floats, cells: list[dict[str, Any]], **more: Any) -> Decomposition | None:
    curves = {"signal": ends[:, None], DISTANCE: ends[:, None]}
    return decompose(tables(curves, cells, seeds=1, **more), "distance")


def test_seeds_of_streams_are_a_sample() -> None:
    """The shares are those of variance components, by hand from the mean squares."""
    cells, rng = crossed(5), np.random.default_rng(0)
    i, j, _ = (np.array([cell[key] for cell in cells]) for key in STREAMS)
    ends = rng.standard_normal(5)[i] * 4 + rng.standard_normal(5)[j] + rng.standard_normal(50)
    found = of_streams(ends, cells)
    assert found is not None
    assert found.seeds == 5
    frame = pd.DataFrame(cells).assign(y=ends)
    between = [10 * frame.groupby(key)["y"].mean().var() for key in STREAMS]
    rest = (((ends - ends.mean()) ** 2).sum() - 4 * sum(between)) / 37
    parts = [(square - rest) / 10 for square in between]
    np.testing.assert_allclose(found.shares, np.array(parts) / (sum(parts) + rest))
    assert found.residual == pytest.approx(rest / (sum(parts) + rest))
    low, high = found.interval(0)
    assert 0 <= low < found.shares[0] < high <= 1
    lead = found.lead(0, 1)
    assert lead is not None
    assert lead.low < lead.value < lead.high
    assert lead.above(lead.low) == pytest.approx(0.025, abs=1e-6)
    assert lead.below(lead.high) == pytest.approx(0.025, abs=1e-6)


def test_streams_that_do_not_meet_evenly_are_not_taken_apart() -> None:
    ends = np.random.default_rng(0).standard_normal(50)
    assert of_streams(ends, crossed(5), state={7: "failed"}) is None


def test_four_seeds_of_a_stream_have_shares_and_no_interval() -> None:
    ends = np.random.default_rng(0).standard_normal(32)
    found = of_streams(ends, crossed(4))
    assert found is not None
    assert np.isnan(found.interval(0)).all()
    assert found.lead(0, 1) is None


def test_a_stream_beside_another_key_has_no_interval() -> None:
    cells = [{STREAMS[1]: i, "method.gamma": g} for i in range(5) for g in (0.3, 0.7)]
    ends = np.random.default_rng(0).standard_normal(10)
    found = of_streams(ends, cells)
    assert found is not None
    assert found.factors == (STREAMS[1], "method.gamma")
    assert found.lead(0, 1) is None
