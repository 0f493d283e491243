"""Power against published tables, and against studies simulated test by test."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.coefficients import pair_spread
from benchmark.statistics.hypotheses import change_p, pairing_p
from benchmark.statistics.power import (
    change_power,
    clean_seeds,
    correlation_power,
    mean_power,
    pairing_power,
    seeds_for,
)
from tests.statistics.simulations import equivalence_p

PAIR = [{0.0: 1.0, 1.0: 1.0}]


@pytest.mark.parametrize(
    ("sds", "effect", "seeds"),
    # Two-sided at 5 %: the sides' level is 2.5 %.
    [((86, 86), 50, 48), ((86, 86), 100, 13), ((86, 26), 50, 28), ((86, 26), 100, 9)],
)
def test_seeds_for_a_difference(sds: tuple[float, float], effect: float, seeds: int) -> None:
    spreads = [dict(zip((0.0, 1.0), sds, strict=True))]
    found = seeds_for(lambda n: change_power(spreads, n, effect, alpha=0.025))
    assert found == pytest.approx(seeds, abs=1)


@pytest.mark.parametrize("aim", ["greater", "less", "within"])
def test_power_is_how_often_the_test_rejects(aim: str) -> None:
    effect = {"greater": 2.0, "less": -2.0, "within": 0.0}[aim]
    margin = {"greater": 0.3, "less": -0.3, "within": 1.7}[aim]
    rng = np.random.default_rng(0)
    strata = [{0: rng.standard_normal((2_000, 5)), 1: effect + rng.standard_normal((2_000, 5))}]
    within = aim == "within"
    p = equivalence_p(strata, margin) if within else change_p(strata, margin, aim)  # type: ignore[arg-type]
    chance = change_power(PAIR, 5, effect, margin, aim)  # type: ignore[arg-type]
    assert (p <= 0.05).mean() == pytest.approx(chance, abs=0.05)
    assert 0.4 < chance < 0.9


def test_power_of_a_slope_over_strata() -> None:
    spreads = {i / 2: 1.0 for i in range(3)}
    alone, both = (change_power([spreads] * k, 5, 1.5) for k in (1, 2))
    # The least-squares slope of three levels is the difference of the outer two.
    assert alone == pytest.approx(change_power(PAIR, 5, 1.5), abs=0.03)
    assert both > alone + 0.15


def test_what_no_p_can_show_has_no_power() -> None:
    assert change_power(PAIR, 2, 99) == 0
    assert change_power(PAIR, 3, 99) > 0.99
    assert change_power(PAIR, 3, 99, alpha=0.025) == 0
    assert change_power(PAIR, 5, 99, alpha=0.05 / 12) > 0.99
    assert mean_power(1, 2, 99) == 0
    assert correlation_power(0.99, 3) == 0


def test_a_pilot_without_spread_says_nothing() -> None:
    assert math.isnan(change_power([{0.0: 0.0, 1.0: 0.0}], 5, 1))
    assert math.isnan(mean_power(0, 5, 1))
    assert seeds_for(lambda n: math.nan) is None


def test_the_same_distance_beyond_a_margin_is_the_same_power() -> None:
    assert change_power(PAIR, 5, 2, 1) == pytest.approx(change_power(PAIR, 5, 1), abs=0.01)


def test_power_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    p = stats.ttest_1samp(0.3 + 0.3 * rng.standard_normal((20_000, 5)), 0, 1, alternative="greater")
    assert mean_power(0.3, 5, 0.3) == pytest.approx((p.pvalue <= 0.05).mean(), abs=0.01)


def test_power_of_a_rank_correlation() -> None:
    assert correlation_power(0.3, 24, alpha=0.025) == pytest.approx(0.28, abs=0.01)
    assert seeds_for(lambda n: correlation_power(0.3, n, alpha=0.025)) == pytest.approx(90, abs=2)
    assert correlation_power(-0.3, 24, aim="less") == pytest.approx(correlation_power(0.3, 24))
    assert correlation_power(0.3, 24, 0.3) == pytest.approx(0.05)
    assert correlation_power(0.0, 24, 0.3, "within") < 0.3
    assert correlation_power(0.0, 300, 0.3, "within") > 0.99


@pytest.mark.parametrize(
    ("seeds", "gain", "alpha"), [(5, 0.1, 0.05), (5, 0.2, 1 / 120), (12, 0.1, 0.01)]
)
def test_power_of_a_pairing(seeds: int, gain: float, alpha: float) -> None:
    """Whatever a signal has with all outcomes, or an outcome with all signals, changes nothing."""
    rng, shape = np.random.default_rng(1), (400, seeds, seeds)
    pairs = 0.1 * rng.standard_normal(shape) + gain * np.eye(seeds)
    pairs += rng.standard_normal((400, seeds, 1)) + rng.standard_normal((400, 1, seeds))
    share = np.mean([pairing_p([each], "greater") <= alpha for each in pairs])
    assert pairing_power(gain, 0.1, seeds, alpha) == pytest.approx(share, abs=0.06)
    assert pair_spread(list(pairs)) == pytest.approx(0.1, rel=0.05)


def test_a_pairing_of_few_seeds_cannot_reach_every_level() -> None:
    assert pairing_power(9.0, 0.1, 5, 1 / 120) == 1.0
    assert pairing_power(9.0, 0.1, 5, 1 / 121) == 0.0
    assert math.isnan(pair_spread([np.eye(2)]))


def test_seeds_that_show_that_few_fail() -> None:
    assert clean_seeds(0.5) == 5
    assert clean_seeds(0.5, alpha=0.05 / 8) == 8
    assert clean_seeds(0.2) == 14
    assert clean_seeds(0.05) == 59
    assert clean_seeds(0.5, alpha=0.125) == 3


def test_seeds_for_what_cannot_be_had() -> None:
    assert seeds_for(lambda n: 0.0) is None
    assert seeds_for(lambda n: float(n >= 2_000)) == 2_000
    assert seeds_for(lambda n: float(n >= 3)) == 3
