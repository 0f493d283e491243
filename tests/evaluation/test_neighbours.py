"""Nearest training images by hand, and the number for generators that copy or do not."""

import pytest
import torch
from torch import Tensor

from benchmark.evaluation.neighbours import memorisation, nearest


def features(count: int, seed: int) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def test_nearest_by_hand() -> None:
    training = torch.tensor([[0.0, 0], [3, 4], [6, 8], [0, 1]])
    found = nearest(torch.tensor([[0.0, 0], [6, 9]]), training, 3)
    assert found.positions.tolist() == [[0, 3, 1], [2, 1, 3]]
    assert found.distances[0].tolist() == pytest.approx([0, 1, 5], abs=1e-7)
    assert found.distances[1].tolist() == pytest.approx([1, 34**0.5, 10])


def test_many_rows_are_taken_piece_by_piece() -> None:
    images, training = features(2500, 1), features(40, 2)
    found = nearest(images, training, 2)
    smallest = torch.cdist(images.double(), training.double()).topk(2, largest=False)
    assert torch.equal(found.positions, smallest.indices)
    assert torch.allclose(found.distances, smallest.values)


def test_copies_stand_out_from_fresh_samples() -> None:
    training, heldout = features(800, 1), nearest(features(500, 2), features(800, 1), 1)
    every = torch.ones(500, dtype=torch.bool)
    fresh = memorisation(nearest(features(500, 3), training, 1), heldout, every)
    assert fresh[0] == pytest.approx(1, abs=0.05)
    assert fresh[1] == pytest.approx(0.01, abs=0.02)
    copies = memorisation(nearest(training[:500] + 0.01, training, 1), heldout, every)
    assert copies[0] < 0.05
    assert copies[1] == 1
    half = torch.cat([training[:250], features(250, 3)])
    share = memorisation(nearest(half, training, 1), heldout, every)[1]
    assert share == pytest.approx(0.5, abs=0.02)


def test_held_out_copies_of_training_images_hide_no_copies() -> None:
    training, heldout = features(800, 1), features(500, 2)
    heldout[:10] = training[:10]  # 2 %: their distance of 0 is the 1 % quantile
    unseen, usual = torch.arange(500) >= 10, nearest(heldout, training, 1)
    copies = nearest(training[:500] + 0.01, training, 1)
    assert memorisation(copies, usual, unseen)[1] == 1
    assert memorisation(copies, usual, torch.ones(500, dtype=torch.bool))[1] == 0
