"""The interval of a share over people and seeds: Clopper and Pearson's, made wider by clusters."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from benchmark.statistics.clustered import clustered_share


def test_without_clusters_it_is_clopper_and_pearsons() -> None:
    won = np.arange(20) < 13
    exact = binomtest(13, 20).proportion_ci(0.95, method="exact")
    assert clustered_share(won) == pytest.approx((exact.low, exact.high))
    assert clustered_share(won, [0] * 20) == pytest.approx((exact.low, exact.high))
    alone = list(range(20))  # a cluster an answer
    assert clustered_share(won, alone) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_answers_that_always_agree_within_a_person_are_one_each() -> None:
    """Four people with 25 answers each, two of whom always choose one side."""
    people = np.repeat(np.arange(4), 25)
    low, high = clustered_share(people < 2, people.tolist())
    assert high - low > 0.8
    assert pytest.approx((low + high) / 2) == 0.5


def test_agreement_of_all_counts_no_more_than_the_fewest_clusters() -> None:
    people, seeds = np.repeat(np.arange(5), 20), np.tile(np.arange(3), 34)[:100]
    exact = binomtest(3, 3).proportion_ci(0.95, method="exact")
    found = clustered_share(np.ones(100, bool), people.tolist(), seeds.tolist())
    assert found == pytest.approx((exact.low, 1.0))


@pytest.mark.parametrize(
    ("people", "seeds", "answers", "spread"), [(6, 5, 2, 0.7), (8, 8, 1, 1.0), (1, 5, 6, 0.7)]
)
def test_it_covers_what_other_people_and_seeds_would_say(
    people: int, seeds: int, answers: int, spread: float
) -> None:
    """At least its level, of a share that differs by person and by seed; 0.5 by symmetry."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(people), seeds * answers)
    seed = np.tile(np.repeat(np.arange(seeds), answers), people)
    hits = 0
    for _ in range(400):
        by_person = 0.7 * random.standard_normal(people) * (people > 1)
        by_seed = spread * random.standard_normal(seeds)
        won = random.random(len(seed)) < expit(by_person[person] + by_seed[seed])
        low, high = clustered_share(won, person.tolist(), seed.tolist())
        hits += low <= 0.5 <= high
    assert hits / 400 >= 0.94
