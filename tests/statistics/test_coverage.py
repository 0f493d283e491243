"""Intervals hold the truth as often as they say, by simulation: docs/explanation/intervals.md.

The quick tests allow for the chance of their few studies; the slow ones make the page's tables.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.hypotheses import change_p, least_p
from benchmark.statistics.intervals import (
    contrast,
    deviation,
    jackknife,
    mean,
    mean_rank_correlation,
    rank_correlation,
    share,
)
from tests.statistics import simulations
from tests.statistics.simulations import (
    CORRELATIONS,
    INTERVALS,
    RHOS,
    SCENARIOS,
    SEEDS,
    SLOW,
    Coverage,
    improvement,
    percentile_bootstrap,
)

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "intervals.md"
LEVEL, LEAST, WITHIN = 0.95, 0.88, 0.02
SIGMAS = 3.5
# Of few ranks coverage goes in steps, and the intervals err to the safe side, up to this.
RANKED, RANKS = {"probability of improvement, Newcombe", *CORRELATIONS}, 0.985
USED = {name: each for name, each in INTERVALS.items() if "not used" not in name}


def _holds(method: str, data: str, held: float, studies: int) -> bool:
    """Whether so many studies of a coverage within the bounds may show this one; so may none."""
    low, high = (LEVEL - WITHIN, LEVEL + WITHIN) if data.startswith("normal") else (LEAST, 1.0)
    if method in RANKED:
        low, high = (LEAST if data.startswith("exponential") else LEVEL - WITHIN), RANKS
    chance = SIGMAS * math.sqrt(low * (1 - low) / studies)
    return math.isnan(held) or low - chance <= held <= high + chance


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("data", SCENARIOS)
@pytest.mark.parametrize("method", USED)
def test_intervals_cover(method: str, data: str, n: int) -> None:
    studies = 100 if USED[method] in SLOW else 2_000
    found = USED[method](np.random.default_rng(n), SCENARIOS[data], n, studies)
    assert _holds(method, data, found.held, studies)


def test_a_bootstrap_of_percentiles_would_be_caught() -> None:
    found = percentile_bootstrap(np.random.default_rng(0), SCENARIOS["normal"], 5, 2_000)
    assert not _holds("the same", "normal", found.held, 2_000)


@pytest.mark.parametrize("n", [10, 24])
@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("method", CORRELATIONS)
def test_intervals_of_correlations_cover(method: str, rho: float, n: int) -> None:
    found = CORRELATIONS[method](np.random.default_rng(n), rho, n, 800)
    assert _holds(method, f"rho {rho}", found.held, 800)


@pytest.mark.parametrize("lasting", [0.0, 1.0])
def test_steps_may_be_strangers_or_copies(lasting: float) -> None:
    found = simulations.between(np.random.default_rng(0), 0.3, 10, 800, lasting)
    assert _holds("mean of six steps' rhos, jackknife", "rho 0.3", found.held, 800)


@pytest.mark.parametrize("chance", [0.9, 0.95])
def test_improvement_covers_where_groups_hardly_overlap(chance: float) -> None:
    found = improvement(np.random.default_rng(0), SCENARIOS["normal"], 5, 200, chance)
    assert _holds("probability of improvement, Newcombe", "normal", found.held, 200)


@pytest.mark.parametrize("chance", [0.05, 0.2, 0.5])
def test_shares_of_seeds_are_never_short_of_the_level(chance: float) -> None:
    for n in SEEDS:
        assert simulations.failures(np.random.default_rng(n), chance, n, 4_000).held >= 0.94


def test_too_few_seeds_have_no_interval() -> None:
    assert mean(np.arange(2.0)) is None
    assert contrast([{0: np.arange(2.0), 1: np.arange(5.0)}]) is None
    assert contrast([]) is None
    assert jackknife(0.5, np.arange(2) / 4) is None
    assert rank_correlation(0.5, 9) is None
    assert mean_rank_correlation(0.5, np.arange(9) / 9) is None
    assert share(0, 0) is None


def test_seeds_that_do_not_differ_have_no_interval() -> None:
    found = contrast([{0: np.zeros(5), 1: np.ones(5)}])
    assert found is not None
    assert found.interval() is None
    assert found.p_above() == 1


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3])
@pytest.mark.parametrize("n", [3, 5, 7])
def test_equal_seeds_have_no_spread_however_their_mean_is_rounded(value: float, n: int) -> None:
    same, other = np.full(n, value), np.full(n, 3 * value)
    for found in (mean(same), contrast([{0: same, 1: other}])):
        assert found is not None
        assert (found.error, found.interval(), found.p_above()) == (0, None, 1)
    assert deviation(same) == 0
    assert change_p([{0: same, 1: other}]) == least_p([[n, n]])  # by permutation alone


def test_two_groups_are_welch_s() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(3, 9, 4), rng.normal(0, 1, 9)
    found = contrast([{0: b, 1: a}])
    assert found is not None
    expected = stats.ttest_ind(a, b, equal_var=False)
    ends = expected.confidence_interval()
    assert found.df == pytest.approx(expected.df)
    assert found.interval() == pytest.approx((ends.low, ends.high))
    greater = stats.ttest_ind(a - 2, b, equal_var=False, alternative="greater")
    assert found.p_above(2) == pytest.approx(greater.pvalue)
    assert found.p_below(2) == pytest.approx(1 - greater.pvalue)


def test_a_slope_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    groups = {0: rng.normal(size=3), 0.5: rng.normal(size=5), 1: rng.normal(size=4)}
    place = np.concatenate([np.full(v.size, at) for at, v in groups.items()])
    found = contrast([groups])
    assert found is not None
    line = stats.linregress(place, np.concatenate(list(groups.values())))
    assert found.value == pytest.approx(line.slope)


def test_a_stratum_s_own_level_is_no_change() -> None:
    rng = np.random.default_rng(0)
    one = {0: rng.normal(size=5), 1: rng.normal(size=5)}
    other = {place: values + 100 for place, values in one.items()}
    alone, both = contrast([one]), contrast([one, other])
    assert alone is not None
    assert both is not None
    assert both.value == pytest.approx(alone.value)
    assert both.error == pytest.approx(alone.error / math.sqrt(2))
    assert both.df == pytest.approx(2 * alone.df)


def test_fisher_s_three_by_hand() -> None:
    found = rank_correlation(0.0, 28)
    assert found is not None
    assert found.error == pytest.approx(1 / 5)
    # z 0.5493, its variance (1 + 0.5^2 / 2) / 9 = 0.125.
    found = rank_correlation(0.5, 12)
    assert found is not None
    assert found.interval() == pytest.approx((-0.1426, 0.8461), abs=2e-4)
    assert found.p_above(0.5) == pytest.approx(0.5)


def test_a_perfect_order_has_an_interval() -> None:
    found = rank_correlation([-1.0, 1.0], 10)
    assert found is not None
    low, high = found.interval()  # type: ignore[misc]
    assert -1 < low[0] < high[0] < -0.8
    assert 0.8 < low[1] < high[1] < 1


def test_a_jackknife_of_a_mean_is_student_s() -> None:
    values = np.random.default_rng(0).normal(size=7) / 9
    without = np.array([np.delete(values, i).mean() for i in range(7)])
    found, known = jackknife(values.mean(), without), mean(values)
    assert found is not None
    assert known is not None
    assert found.df == known.df
    assert found.error * (1 - values.mean() ** 2) == pytest.approx(known.error)
    both = jackknife(values.mean(), without, without)
    assert both is not None
    assert both.df == 12
    assert both.error == pytest.approx(found.error * math.sqrt(2))


def test_a_share_s_ends_by_hand() -> None:
    assert share(0, 5) == pytest.approx((0, 1 - 0.025**0.2))


def _documented(text: str) -> dict[tuple[str, str], list[float]]:
    """The page's shares by method and data, in points; NaN for "none"."""
    measured = text.split("## Measured")[1].splitlines()
    rows = [line.strip("| ").split(" | ") for line in measured if line.startswith("| ")]
    return {
        (method, data): [math.nan if c == "none" else float(c.split()[0]) for c in cells]
        for method, data, *cells in rows
        if not cells[0].startswith("n =")
    }


def test_the_page_has_every_method() -> None:
    rows = _documented(PAGE.read_text())
    few = {*simulations.FAMILIES, *simulations.LEADS}
    assert {method for method, _ in rows} >= {*INTERVALS, *CORRELATIONS, *simulations.TESTS, *few}


def test_the_page_s_intervals_hold() -> None:
    rows = _documented(PAGE.read_text())
    for (method, data), shares in rows.items():
        if method in {*USED, *CORRELATIONS}:
            assert all(_holds(method, data, held / 100, 2_000) for held in shares), (method, data)


def test_the_page_s_intervals_of_streams_hold() -> None:
    rows = _documented(PAGE.read_text())
    for (method, data), shares in rows.items():
        if method in simulations.LEADS and "not used" not in method:
            least = 93 if data.startswith("normal") else 88
            assert all(math.isnan(held) or least <= held <= 97 for held in shares), data


def test_the_page_s_errors_are_within_the_level_and_a_point() -> None:
    rows = _documented(PAGE.read_text())
    for (method, data), shares in rows.items():
        if method in {*simulations.TESTS, *simulations.FAMILIES} and "not used" not in method:
            assert max(shares) <= 6 or data == "exponential, 86 against 26", (method, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rows",
    [simulations.interval_rows, simulations.rejection_rows, simulations.family_rows],
)
def test_the_page_s_tables_are_these(rows: Callable[[int], Any]) -> None:
    page = _documented(PAGE.read_text())
    for method, data, found in rows(simulations.LONG):
        shares = [100 * (each.held if isinstance(each, Coverage) else each) for each in found]
        assert page[method, data] == pytest.approx(shares, abs=0.5, nan_ok=True), (method, data)
