"""Embedding and paths with a generator that is known to the last number."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.evaluation.latent import (
    WINDOW,
    asymmetry,
    embed,
    linear,
    outside,
    path_lengths,
    spherical,
)


class Plain(nn.Module):
    """Images (N, 3, 4, 4) that are a fixed linear map of codes (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(48, 4, generator=torch.Generator().manual_seed(0)) / 4
        self.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T).view(-1, 3, 4, 4)


def codes(count: int, seed: int) -> Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_what_the_generator_can_make_is_found_and_what_it_cannot_is_not() -> None:
    generator, wanted = Plain(), codes(6, seed=1)
    images = generator(wanted).detach()
    found = embed(generator, images, codes(6, seed=2), 1000)
    assert found.errors.max() < 0.02
    assert found.settled.all()
    torch.testing.assert_close(found.codes, wanted, rtol=0, atol=0.05)
    torch.testing.assert_close(found.images, generator(found.codes))
    noise = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    assert embed(generator, images + noise, codes(6, seed=2), 300).errors.min() > 0.3
    assert generator.weight.grad is None


def test_errors_are_means_over_pixels_and_the_best_step_is_kept() -> None:
    generator, start = Plain(), codes(3, seed=2)
    images = generator(codes(3, seed=1)).detach()
    first = embed(generator, images, start, 1)
    assert torch.equal(first.codes, start)
    by_hand = [
        float(sum((x - y).abs() for x, y in zip(a.flatten(), b.flatten(), strict=True))) / 48
        for a, b in zip(images, generator(start).detach(), strict=True)
    ]
    assert first.errors == pytest.approx(by_hand, rel=1e-5)
    later = [embed(generator, images, start, steps).errors for steps in (5, 20, 60)]
    for before, after in zip([first.errors, *later], later, strict=False):
        assert (after <= before).all()


def test_each_code_is_found_as_if_alone() -> None:
    generator, start = Plain(), codes(4, seed=2)
    images = generator(codes(4, seed=1)).detach()
    together = embed(generator, images, start, 25).codes
    alone = [embed(generator, images[[i]], start[[i]], 25).codes for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_each_code_is_searched_for_until_its_own_plateau() -> None:
    """One that begins at its image's code is done at once; a far one goes on, as it would alone."""
    generator, wanted = Plain(), codes(3, seed=1)
    images = generator(wanted).detach() + 0.5  # a part that no code reaches
    near = embed(generator, images, codes(3, seed=2), 5000)
    assert near.settled.all()
    start = near.codes.clone()
    start[1] += 20.0  # 400 of Adam's steps away
    found = embed(generator, images, start, 5000)
    assert found.steps[0] == found.steps[2] == 2 * WINDOW  # the first window has none before it
    assert found.steps[1] >= 4 * WINDOW
    assert found.steps[1] % WINDOW == 0
    alone = embed(generator, images[[1]], start[[1]], 5000)
    assert alone.steps == found.steps[1]
    assert found.errors[1] == pytest.approx(float(alone.errors[0]), rel=1e-3)
    # With a bound before the plateau it is counted as not settled.
    short = embed(generator, images, start, 250)
    assert short.settled.tolist() == [True, False, True]
    assert short.steps.tolist() == [200, 250, 200]
    # The one step after the first window cannot show a plateau.
    assert not embed(generator, images, codes(3, seed=2), WINDOW + 1).settled.any()
    assert embed(generator, images, near.codes, 2 * WINDOW).settled.all()


def test_coordinates_outside_the_prior_are_counted_in_each_dimension() -> None:
    prior = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])
    inside = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    assert outside(inside, prior) == 0
    assert outside(torch.tensor([[0.0, -0.5], [1.5, 1.0]]), prior) == 0.5


def test_a_symmetric_image_has_no_asymmetry() -> None:
    image = torch.zeros(2, 3, 4, 4)
    image[1, :, :, 0] = 100.0  # one column of four, so that two of four differ from their mirror
    assert asymmetry(image).tolist() == [0, 50]


def test_lines_and_arcs_by_hand() -> None:
    first, last = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    assert linear(first, last, 3)[:, 0].tolist() == [[1, 0], [0.5, 1.5], [0, 3]]
    half = math.sqrt(0.5)
    arc = spherical(first, last, 3)[:, 0]
    torch.testing.assert_close(arc, torch.tensor([[1, 0], [half, 3 * half], [0, 3]]))
    third = spherical(first, torch.tensor([[0.0, 1.0]]), 4)[1, 0]
    torch.testing.assert_close(third, torch.tensor([math.cos(math.pi / 6), 0.5]))


@pytest.mark.parametrize("share", [1.0, 2.0, -1.0])
def test_codes_in_one_direction_or_opposite_are_joined_by_a_line(share: float) -> None:
    first = torch.tensor([[0.3, -0.4]])
    assert torch.equal(spherical(first, share * first, 5), linear(first, share * first, 5))


def test_path_length_and_longest_step_by_hand() -> None:
    straight = [[0.0, 0], [3, 4], [6, 8]]  # two steps of 5
    jump = [[0.0, 0], [0, 0], [0, 7]]  # one of 0, one of 7
    still = [[1.0, 1]] * 3
    length, longest = path_lengths(np.array([straight, jump, still]).transpose(1, 0, 2))
    assert length.tolist() == [10, 7, 0]
    assert longest.tolist() == [0.5, 1, 1]
