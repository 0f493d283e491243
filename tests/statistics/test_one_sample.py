"""The mean of one value a seed: exact by SciPy, and its level where nothing is there."""

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.hypotheses import MOST, least_mean_p, mean_p


@pytest.mark.parametrize("margin", [0.0, 0.7])
@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_it_is_the_greater_of_two_known_p(alternative: str, margin: float) -> None:
    values = np.random.default_rng(3).standard_normal(8) + 0.9
    moved = (values - margin,)
    flips = stats.permutation_test(
        moved, np.mean, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    )
    student = stats.ttest_1samp(values, margin, alternative=alternative)
    found = mean_p(values, margin, alternative)  # type: ignore[arg-type]
    assert found == pytest.approx(max(flips.pvalue, student.pvalue))


def test_two_sides_and_the_least_p() -> None:
    values = [5.0, 5.1, 5.2, 5.3, 5.4]
    assert mean_p(values) == least_mean_p(5) == pytest.approx(1 / 32)
    assert mean_p(values, alternative="two-sided") == least_mean_p(5, "two-sided") == 2 / 32
    assert mean_p(values, 6.0, "less") == 1 / 32
    assert least_mean_p(30) == 1 / MOST


def test_values_that_do_not_differ_are_told_by_their_signs_alone() -> None:
    assert mean_p([0.0] * 5) == 1.0
    assert mean_p([2.0] * 5) == 1 / 32


def test_below_three_seeds_there_is_none() -> None:
    assert mean_p([9.0, 9.1]) == least_mean_p(2) == 1.0


def test_many_seeds_are_flipped_at_random() -> None:
    values = np.random.default_rng(0).standard_normal(30) + 0.4
    student = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert mean_p(values) == pytest.approx(student, abs=0.01)


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_its_level_is_held(seeds: int, zeros: float) -> None:
    """Also where two rules stop most runs at the same step: differences of exactly 0."""
    rng = np.random.default_rng(1)
    studies = rng.standard_normal((1000, seeds)) * (rng.random((1000, seeds)) >= zeros)
    rejected = np.mean([mean_p(values) <= 0.05 for values in studies])
    assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
