"""The small classifier: it learns what is there to learn, by its seed alone."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.evaluation import classifier
from benchmark.evaluation.classifier import SmallCNN, balanced_accuracy, moved, trained


def planted(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise of 16 px; those of class 1 have a bright square in the middle."""
    draws = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 200, (count, 3, 16, 16), generator=draws, dtype=torch.uint8)
    labels = (torch.arange(count) % 3 == 0).to(torch.uint8)
    images[labels > 0, :, 6:10, 6:10] = 255
    return images, labels


def test_it_learns_a_planted_class() -> None:
    network = trained(*planted(200, 1), seed=3, steps=60)
    assert balanced_accuracy(network, *planted(150, 2)) > 0.95
    images, labels = planted(200, 1)
    blind = trained(images, labels[torch.randperm(200)], seed=3, steps=60)
    assert balanced_accuracy(blind, *planted(150, 2)) < 0.7


def test_it_is_a_function_of_its_seed_and_touches_no_other_randomness() -> None:
    state = torch.get_rng_state()
    torch.manual_seed(5)
    first = trained(*planted(40, 1), seed=3, steps=4, augmented=True).state_dict()
    torch.manual_seed(6)
    again = trained(*planted(40, 1), seed=3, steps=4, augmented=True).state_dict()
    other = trained(*planted(40, 1), seed=4, steps=4, augmented=True).state_dict()
    assert torch.equal(torch.get_rng_state(), torch.Generator().manual_seed(6).get_state())
    torch.set_rng_state(state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["last.weight"], other["last.weight"])


def test_balanced_accuracy_is_the_mean_over_both_classes() -> None:
    class Bright(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0, 0, 0]

    images = torch.zeros(10, 3, 16, 16, dtype=torch.uint8)
    images[:3] = 255
    labels = torch.tensor([1, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    assert balanced_accuracy(Bright(), images, labels) == pytest.approx((2 / 3 + 6 / 7) / 2)


def test_half_are_mirrored_and_all_are_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    turned = moved(images, torch.Generator().manual_seed(1))
    assert not torch.isclose(turned, images, atol=1e-4).flatten(1).all(1).any()
    monkeypatch.setattr(classifier, "DEGREES", 0.0)
    plain = moved(images, torch.Generator().manual_seed(1))
    same = torch.isclose(plain, images, atol=1e-4).flatten(1).all(1)
    mirrored = torch.isclose(plain, images.flip(3), atol=1e-4).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 16 < same.sum() < 48


def test_every_size_of_images_fits() -> None:
    for side in (16, 32, 64):
        assert SmallCNN()(torch.zeros(2, 3, side, side)).shape == (2,)
    assert sum(p.numel() for p in SmallCNN().parameters()) == 57_345
    assert isinstance(SmallCNN().last, nn.Linear)
