"""Corrections by hand, against SciPy's Dunnett where the two agree, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.families import holm, least_holm, least_step_down, step_down
from tests.statistics import simulations
from tests.statistics.simulations import SCENARIOS, rejections

LEVEL, OVER = 0.05, 0.01
NORMAL = ("normal", "normal, 86 against 26")
NONE = math.nan


def alike(tests: int, rho: float) -> np.ndarray:
    return np.full((tests, tests), rho) + (1 - rho) * np.eye(tests)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1, then made non-decreasing.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    found = holm([0.01, math.nan])
    assert found[0] == pytest.approx(0.02)
    assert math.isnan(found[1])
    assert len(holm([])) == 0


def test_least_corrected_p_takes_the_others_as_they_are() -> None:
    # Alone among hopeless tests, the first must bear the whole family.
    np.testing.assert_allclose(least_holm([0.9, 0.8], [0.01, 0.01]), [0.02, 0.02])
    # Beside a smaller p it comes second, and is multiplied by 1.
    np.testing.assert_allclose(least_holm([0.001, 0.9], [0.001, 0.03]), [0.002, 0.03])
    assert math.isnan(least_holm([math.nan], [math.nan])[0])
    assert len(least_holm([], [])) == 0
    # Two that are the same test bear one p.
    np.testing.assert_allclose(
        least_step_down([0.9, 0.8], [0.01, 0.01], np.ones((2, 2))), [0.01, 0.01], atol=2e-5
    )


def test_without_known_relations_the_steps_are_holm_s() -> None:
    p = [0.2, 0.004, NONE, 0.03, 0.011, 0.03]
    np.testing.assert_allclose(step_down(p, np.full((6, 6), NONE)), holm(p))
    np.testing.assert_allclose(step_down(p, np.where(np.eye(6) == 1, 1, NONE)), holm(p))
    assert len(step_down([], np.zeros((0, 0)))) == 0


def test_the_first_step_is_the_chance_of_any() -> None:
    """Of a bivariate normal pair of correlation 1/2: 1 - P(both below), by its orthant formula."""
    p = step_down([0.5, 0.5], alike(2, 0.5))
    np.testing.assert_allclose(p, 1 - (1 / 4 + math.asin(0.5) / (2 * math.pi)), atol=2e-5)
    # Opposite tests are never both small: their chances add up.
    np.testing.assert_allclose(step_down([0.01, 0.3], alike(2, -1.0)), [0.02, 0.3], atol=2e-5)
    # The same test three times is one.
    np.testing.assert_allclose(step_down([0.01] * 3, alike(3, 1.0)), [0.01] * 3, atol=2e-5)


def test_groups_without_a_known_relation_add_up() -> None:
    two_groups = np.full((4, 4), NONE)
    two_groups[:2, :2] = two_groups[2:, 2:] = alike(2, 0.7)
    one = step_down([0.01, 0.9], alike(2, 0.7))[0]
    found = step_down([0.01, 0.9, 0.9, 0.8], two_groups)
    assert found[0] == pytest.approx(2 * one, abs=4e-5)
    assert found[1:].tolist() == [1, 1, 1]


def test_the_second_step_leaves_the_first_out() -> None:
    p = [0.001, 0.02, 0.03]
    found = step_down(p, alike(3, 0.5))
    assert found[1] == pytest.approx(step_down(p[1:], alike(2, 0.5))[0], abs=2e-5)
    assert found[2] == max(found[1], 0.03)
    assert (found <= holm(p)).all()
    assert (found >= p).all()


def test_with_one_variance_it_is_dunnett_s() -> None:
    """With many seeds of equal spread; his test has a single step."""
    rng = np.random.default_rng(0)
    control, *arms = stats.zscore(rng.normal(size=(4, 400)), axis=1)
    arms[1] += 0.15
    alone = [stats.ttest_ind(arm, control, alternative="greater").pvalue for arm in arms]
    found = step_down(alone, alike(3, 0.5))
    dunnett = stats.dunnett(*arms, control=control, alternative="greater", rng=rng).pvalue
    assert found[1] == pytest.approx(dunnett[1], abs=0.002)


@pytest.mark.parametrize("data", NORMAL)
def test_errors_of_a_family_with_a_shared_control(data: str) -> None:
    """None of three arms is better: any that is said to be is an error."""
    found = rejections(simulations.any_arm, SCENARIOS[data], 5, 200)
    assert found <= LEVEL + OVER + 3.5 * math.sqrt(LEVEL * (1 - LEVEL) / 200)


@pytest.mark.parametrize("data", NORMAL)
def test_errors_where_one_arm_is_far_better(data: str) -> None:
    """The steps after the first one hold too."""
    found = rejections(simulations.any_other_arm, SCENARIOS[data], 5, 200)
    assert found <= LEVEL + OVER + 3.5 * math.sqrt(LEVEL * (1 - LEVEL) / 200)


@pytest.mark.slow
def test_one_variance_for_all_arms_would_be_caught() -> None:
    wide = SCENARIOS["normal, 86 against 26"]
    assert rejections(simulations.any_arm_by_scipy, wide, 5, 1_000) > LEVEL + OVER


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("data", NORMAL)
def test_errors_of_many_families(data: str, n: int) -> None:
    for simulate in (simulations.any_arm, simulations.any_other_arm):
        found = rejections(simulate, SCENARIOS[data], n, 2_000)
        assert found <= LEVEL + OVER + 2 * math.sqrt(LEVEL * (1 - LEVEL) / 2_000)
