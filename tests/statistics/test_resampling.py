"""Permutation tests and intervals against hand counts and full enumeration."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.statistics.hypotheses import arrangements
from benchmark.statistics.resampling import (
    RESAMPLES,
    bootstrap_interval,
    least_p,
    permutation_p,
)

Floats = NDArray[np.float64]


@pytest.mark.parametrize(
    ("strata", "ways", "least"),
    [
        ([[3, 3]], 20, 0.1),
        ([[4, 4]], 70, 2 / 70),
        ([[5, 5]], 252, 2 / 252),
        ([[3, 3, 3]], 1680, 2 / 1680),
        ([[1] * 5], 120, 2 / 120),
        ([[3, 3], [3, 3]], 400, 2 / 400),
        ([[1, 1]], 2, 1.0),
        ([[1]], 1, 1.0),
    ],
)
def test_least_p_is_counted(strata: list[list[int]], ways: int, least: float) -> None:
    assert arrangements(strata) == ways
    assert least_p(strata) == pytest.approx(least)


def test_least_p_knows_that_random_orders_are_finitely_many() -> None:
    assert least_p([[20, 20]]) == pytest.approx(2 / (RESAMPLES + 1))


def _enumerated(values: Floats, strata: list[list[int]]) -> float:
    """Two-sided p of the last group's sum over all ways to deal values within strata, by hand."""
    chosen = []
    start = 0
    for sizes in strata:
        numbers = range(start, start + sum(sizes))
        chosen.append(list(itertools.combinations(numbers, sizes[-1])))
        start += sum(sizes)
    sums = np.array([sum(values[list(itertools.chain(*c))]) for c in itertools.product(*chosen)])
    found = _last_groups(values, strata)(np.arange(start))
    above, below = np.mean(sums >= found - 1e-12), np.mean(sums <= found + 1e-12)
    return float(min(1.0, 2 * min(above, below)))


def _last_groups(values: Floats, strata: list[list[int]]):  # type: ignore[no-untyped-def]
    last = np.concatenate([[False] * sum(s[:-1]) + [True] * s[-1] for s in strata])
    return lambda index: (values[index] * last).sum(axis=-1)


def test_one_stratum_is_exact() -> None:
    rng = np.random.default_rng(3)
    for sizes in ([3, 3], [2, 4], [4, 5], [1, 5]):
        values = rng.standard_normal(sum(sizes))
        statistic = _last_groups(values, [sizes])
        assert permutation_p(statistic, [sizes]) == pytest.approx(_enumerated(values, [sizes]))


def test_strata_never_exchange_runs() -> None:
    # Within each stratum the two groups tie; between strata lies a gulf that must not count.
    values = np.array([0.0, 1, 0, 1, 100, 101, 100, 101])
    strata = [[2, 2], [2, 2]]
    assert permutation_p(_last_groups(values, strata), strata) == 1.0
    values = np.array([0.0, 1, 2, 5, 6, 7, 100, 101, 102, 104, 105, 107])
    strata = [[3, 3], [3, 3]]
    exact = _enumerated(values, strata)
    assert exact == pytest.approx(2 / 400)
    assert permutation_p(_last_groups(values, strata), strata) == pytest.approx(exact, abs=0.002)
    mixed = np.array([0.0, 5, 2, 1, 6, 7, 100, 107, 102, 104, 101, 105])
    exact = _enumerated(mixed, strata)
    assert permutation_p(_last_groups(mixed, strata), strata) == pytest.approx(exact, abs=0.02)


def test_same_numbers_at_every_call() -> None:
    values = np.random.default_rng(0).standard_normal(12)
    statistic = _last_groups(values, [[3, 3], [3, 3]])
    assert permutation_p(statistic, [[3, 3], [3, 3]]) == permutation_p(statistic, [[3, 3], [3, 3]])
    assert bootstrap_interval(statistic, [6, 6]) == bootstrap_interval(statistic, [6, 6])


def test_interval_redraws_within_cells() -> None:
    # Two cells of constant value: redrawing within them changes nothing, pooling would.
    values = np.array([1.0, 1, 1, 5, 5, 5])
    assert bootstrap_interval(lambda i: values[i].mean(axis=-1), [3, 3]) == (3.0, 3.0)
    low, high = bootstrap_interval(lambda i: values[i].mean(axis=-1), [6])
    assert low < 2.4
    assert high > 3.6


def test_one_seed_has_no_interval() -> None:
    assert all(map(math.isnan, bootstrap_interval(lambda i: i.mean(axis=-1), [1, 3])))
    assert all(map(math.isnan, bootstrap_interval(lambda i: i.mean(axis=-1), [])))
