"""Shares of the variance against statsmodels' analysis of variance."""

import numpy as np
import pandas as pd
import pytest

from benchmark.claims.variance import RESIDUAL, Decomposition, decompose, share_of, variance_table
from tests.statistics.simulate import DISTANCE, tables

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
    estimate = whole.estimate(share_of(0))
    assert estimate is not None
    left = np.array(without)[:, 0]
    value = whole.shares[0] - 4 * (left.mean() - whole.shares[0])
    assert np.tanh(estimate.value) == pytest.approx(value)


def test_swept_streams_have_seeds_of_their_own() -> None:
    """A Latin square of four seeds a stream, one run each: a stream's seed is left out at once."""
    names = [f"training.seeds.{name}" for name in ("initialisation", "order", "latents")]
    square = [(i, j, (i + j) % 4) for i in range(4) for j in range(4)]
    cells = [dict(zip(names, each, strict=True)) for each in square]
    ends = np.array([10.0 * i + j for i, j, _ in square])[:, None]
    ends = ends + np.random.default_rng(0).standard_normal((16, 1)) / 10
    found = decompose(tables({"signal": ends, DISTANCE: ends}, cells, seeds=1), "distance")
    assert found is not None
    assert [len(block) for block in found.without] == [4, 4, 4]
    assert found.seeds == 4
    assert found.shares[0] > found.without[0][0, 0]  # without the first, the others are closer
    estimate = found.estimate(share_of(0))
    assert estimate is not None
    assert estimate.df == 9  # three blocks of four
