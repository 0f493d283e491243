"""Measures of two groups by hand counts and by SciPy."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.nonparametric import rank_compare_2indep

from benchmark.statistics.comparison import (
    interquartile_mean,
    probability_of_improvement,
)


def test_improvement_is_counted_with_ties_by_half() -> None:
    found = probability_of_improvement([{0: [1, 2, 3], 1: [2, 3, 4]}])
    assert found.value == pytest.approx((1.5 + 2.5 + 3) / 9)
    assert found.interval is None


def test_improvement_is_averaged_over_strata() -> None:
    up, down = {0: np.arange(5), 1: np.arange(5) + 9}, {0: np.arange(5) + 9, 1: np.arange(5)}
    both = probability_of_improvement([up, down])
    assert both.value == 0.5
    assert both.interval is not None
    assert both.interval[0] == pytest.approx(1 - both.interval[1])
    twice, once = (probability_of_improvement([up] * k).interval for k in (2, 1))
    assert twice is not None
    assert once is not None
    assert once[0] < twice[0] < 1
    assert once[1] == twice[1] == 1


def test_improvement_is_the_same_seen_from_the_other_side() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=6), rng.normal(1, 2, size=8)
    one, other = (probability_of_improvement([{0: x, 1: y}]).interval for x, y in ((a, b), (b, a)))
    assert one is not None
    assert other is not None
    assert one == pytest.approx((1 - other[1], 1 - other[0]))


def test_improvement_solves_newcombe_s_equation() -> None:
    against, of = np.arange(5.0), np.arange(5) + 3.5
    value, interval = probability_of_improvement([{0: against, 1: of}])
    assert interval is not None
    for p in interval:
        variance = p * (1 - p) * (1 + 4 * ((1 - p) / (2 - p) + p / (1 + p))) / 25
        assert (value - p) ** 2 == pytest.approx(1.959964**2 * variance, rel=1e-5)


def test_improvement_allows_for_unequal_spreads() -> None:
    against, of = np.array([-9.0, -8, 8.5, 9, 10]), np.arange(5.0)
    value, interval = probability_of_improvement([{0: against, 1: of}])
    assert interval is not None
    munzel = rank_compare_2indep(of, against).var_prob
    assert value == rank_compare_2indep(of, against).prob1
    p, v = interval[0], value
    newcombe = [q * (1 - q) * (1 + 4 * ((1 - q) / (2 - q) + q / (1 + q))) / 25 for q in (p, v)]
    assert munzel > newcombe[1]
    expected = 1.959964**2 * newcombe[0] * munzel / newcombe[1]
    assert (value - p) ** 2 == pytest.approx(expected, rel=1e-5)


def test_the_interquartile_mean_trims_a_quarter_on_each_side() -> None:
    found = interquartile_mean([-99, 1, 2, 3, 4, 5, 6, 99])
    assert found.value == 3.5
    assert found.interval is not None
    assert found.interval[0] < 3.5 < found.interval[1]
    assert interquartile_mean([1, 2, 3, 4]).interval is None
    assert interquartile_mean(np.ones(9)).interval is None
    assert interquartile_mean([0, 0, 0, 0, 0.1]).interval is None  # its middle does not differ


def test_the_interquartile_mean_has_tukey_and_mclaughlin_s_error() -> None:
    """By hand: one of five seeds is trimmed on each side, three are left."""
    found = interquartile_mean([1, 2, 4, 5, 9])
    squares = 2 * (2 - 3.6) ** 2 + (4 - 3.6) ** 2 + 2 * (5 - 3.6) ** 2  # of 2, 2, 4, 5, 5
    reach = stats.t.ppf(0.975, 2) * (squares / (3 * 2)) ** 0.5
    assert found.value == pytest.approx(11 / 3)
    assert found.interval == pytest.approx((11 / 3 - reach, 11 / 3 + reach))


@pytest.mark.parametrize("n", [6, 7, 8, 11])
def test_intervals_of_interquartile_means_cover_between_the_tabled_numbers_of_seeds(n: int) -> None:
    rng, studies = np.random.default_rng(n), 4000
    inside = 0
    for _ in range(studies):
        interval = interquartile_mean(rng.normal(size=n)).interval
        assert interval is not None
        inside += interval[0] < 0 < interval[1]
    assert 0.925 < inside / studies < 0.965
