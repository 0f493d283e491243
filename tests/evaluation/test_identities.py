"""The birthday test, on points of which is known how many there are."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from benchmark.evaluation import pairs
from benchmark.evaluation.identities import ALIKE, identities, threshold


def points(support: int, draws: int, seed: int) -> np.ndarray:
    """Draws of equally likely places far apart, each with a little noise of its own."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(0).normal(size=(support, 30)) * 100
    return places[random.integers(0, support, draws)] + random.normal(size=(draws, 30)) * 0.01


@pytest.mark.parametrize("support", [20, 300, 3000])
def test_a_known_support_is_found(support: int) -> None:
    found = [identities(points(support, 1000, seed), nearer=1.0) for seed in range(1, 6)]
    assert np.mean(found) == pytest.approx(support, rel=0.1)


def test_the_first_collision_comes_when_that_many_would_have_one() -> None:
    """Arora and Zhang: among s samples two are the same as often as not where s^2 is about n."""
    first = []
    for seed in range(1, 60):
        draws = points(300, 200, seed)
        first.append(next(s for s in range(2, 200) if pairs.nearer(draws[:s], 1.0)))
    assert np.mean(first) == pytest.approx(np.sqrt(np.pi * 300 / 2), rel=0.15)
    assert np.median(first) ** 2 / (2 * np.log(2)) == pytest.approx(300, rel=0.3)


def test_no_collision_is_a_lower_bound() -> None:
    assert identities(np.eye(50) * 9, nearer=1.0) == 50 * 49 / 2


def test_the_threshold_is_that_of_one_pair_in_a_thousand() -> None:
    heldout = np.random.default_rng(3).normal(size=(900, 10))
    near, every = pairs.nearer(heldout, threshold(heldout)), 900 * 899 / 2
    assert near / every == pytest.approx(ALIKE, rel=0.01)
    assert identities(heldout, threshold(heldout)) == pytest.approx(1 / ALIKE, rel=0.01)


def test_the_threshold_of_many_images_is_that_of_all_whatever_their_order() -> None:
    """As of a folder that is ordered by class, of which the first 2,000 are the most alike."""
    spread = np.repeat([0.1, 1.0], 2000)[:, None]
    heldout = np.random.default_rng(5).normal(size=(4000, 3)) * spread
    assert threshold(heldout) == pytest.approx(np.quantile(pdist(heldout), ALIKE), rel=0.1)


def test_pairs_are_counted_once_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(4).normal(size=(70, 5))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    expected = int((distances[np.triu_indices(70, 1)] <= 2.5).sum())
    assert pairs.nearer(features, 2.5) == expected > 100
    monkeypatch.setattr(pairs, "_ROWS", 16)
    assert pairs.nearer(features, 2.5) == expected
