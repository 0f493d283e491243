"""The linear probe on features with a planted attribute."""

import numpy as np
import pytest

from benchmark.evaluation.attributes import Labels, Share, probe
from benchmark.evaluation.frechet import Floats


def planted(count: int, share: float, seed: int) -> tuple[Floats, Labels]:
    """Features whose 4th coordinate is 8 higher for the share that has the attribute."""
    draws = np.random.default_rng(seed)
    having = np.arange(count) < round(share * count)
    features = draws.normal(size=(count, 20))
    features[:, 3] += 8 * having
    return features * 10 + 5, having


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_a_planted_share_is_found(share: float) -> None:
    training, labels = planted(600, 0.4, seed=1)
    heldout, truth = planted(400, 0.5, seed=2)
    found = probe(training, labels, heldout, truth, planted(500, share, seed=3)[0])
    assert found is not None
    assert (found.training, found.heldout) == (0.4, 0.5)
    assert found.samples_probed == pytest.approx(share, abs=0.05)
    assert found.heldout_probed == pytest.approx(0.5, abs=0.05)
    assert found.samples_corrected == pytest.approx(share, abs=0.05)
    assert found.samples_low is not None
    assert found.samples_high is not None
    assert found.samples_low - 0.01 <= share <= found.samples_high + 0.01
    assert found.accuracy > 0.95


def test_a_probe_that_overlooks_many_is_corrected() -> None:
    """A third of those that have it do not look it, among held-out images and samples alike."""
    training, labels = planted(2000, 0.5, seed=1)
    heldout, truth = planted(2000, 0.5, seed=2)
    samples, having = planted(2000, 0.6, seed=3)
    for features, of in ((heldout, truth), (samples, having)):
        hidden = of & (np.arange(len(of)) % 3 == 0)
        features[hidden, 3] -= 80
    found = probe(training, labels, heldout, truth, samples)
    assert found is not None
    assert found.samples_probed == pytest.approx(0.4, abs=0.02)
    assert found.samples_corrected == pytest.approx(0.6, abs=0.02)


def test_accuracy_beside_it_says_when_nothing_was_learnt() -> None:
    training, labels = planted(600, 0.3, seed=1)
    heldout, truth = planted(400, 0.3, seed=2)
    shuffled = np.random.default_rng(5).permutation(labels)
    found = probe(training, shuffled, heldout, truth, heldout)
    assert isinstance(found, Share)
    assert found.balanced_accuracy == pytest.approx(0.5, abs=0.1)


def test_balanced_accuracy_is_the_mean_over_both_kinds() -> None:
    """A probe that learnt the rare kind's place, checked where truth was flipped for some."""
    training, labels = planted(600, 0.5, seed=1)
    heldout, truth = planted(100, 0.2, seed=2)
    truth[:10] = False  # half of those that look like having it
    found = probe(training, labels, heldout, truth, heldout)
    assert found is not None
    assert found.accuracy == pytest.approx(0.9, abs=0.03)
    assert found.balanced_accuracy == pytest.approx((1 + 80 / 90) / 2, abs=0.03)


def test_one_kind_only_gives_nothing() -> None:
    training, labels = planted(60, 0.5, seed=1)
    assert probe(training, labels, training, np.ones(60, bool), training) is None
    assert probe(training, np.zeros(60, bool), training, labels, training) is None
