"""The best of n tries: against every choice of them, and against what it estimates."""

from itertools import combinations

import numpy as np
import pytest

from benchmark.claims.tuning import expected_best


@pytest.mark.parametrize("values", [[3.0], [5.0, 1.0], [4.0, 9.0, 2.0, 7.0, 7.0, 1.5]])
def test_it_is_the_mean_over_all_choices(values: list[float]) -> None:
    by_hand = [
        np.mean([min(chosen) for chosen in combinations(values, n)])
        for n in range(1, len(values) + 1)
    ]
    np.testing.assert_allclose(expected_best(values), by_hand, rtol=1e-12)


def test_it_is_unbiased() -> None:
    """Of n uniform numbers the least is 1 / (n + 1) in the mean."""
    drawn = np.random.default_rng(0).random((20_000, 8))
    found = np.mean([expected_best(each) for each in drawn], axis=0)
    np.testing.assert_allclose(found, 1 / (np.arange(1, 9) + 1), atol=0.005)


def test_its_ends_are_the_mean_and_the_least() -> None:
    found = expected_best([8.0, 2.0, 5.0])
    assert (found[0], found[-1]) == (5.0, 2.0)
