"""Sharpness by hand, on blurred images and in passing."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from benchmark.evaluation.sharpness import Watched, laplacian_variance


def grey(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.uint8).expand(1, 3, -1, -1)


def test_by_hand() -> None:
    """A dot of 10 in 4 x 4: Laplacians -40 at it, 10 at two neighbours, 0 at the diagonal one."""
    image = grey([[0, 0, 0, 0], [0, 10, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    mean = (-40 + 10 + 10 + 0) / 4
    wanted = ((-40 - mean) ** 2 + 2 * (10 - mean) ** 2 + (0 - mean) ** 2) / 4
    assert laplacian_variance(image).tolist() == [pytest.approx(wanted, rel=1e-12)]


def test_colours_count_by_their_luma() -> None:
    dot = grey([[0, 0, 0, 0], [0, 10, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    whole = laplacian_variance(dot).item()
    for channel, share in enumerate((0.299, 0.587, 0.114)):
        one = torch.zeros_like(dot)
        one[:, channel] = dot[:, channel]
        assert laplacian_variance(one).item() == pytest.approx(whole * share**2, rel=1e-12)


def test_a_ramp_is_not_sharp_and_blur_lowers_it() -> None:
    ramp = torch.arange(0, 160, 10, dtype=torch.uint8).expand(1, 3, 16, 16)
    assert laplacian_variance(ramp).tolist() == [0]
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (4, 3, 32, 32), generator=generator).float()
    found = []
    for _ in range(4):
        found.append(laplacian_variance(image.round().to(torch.uint8)))
        image = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1)
    for sharper, softer in pairwise(found):
        assert (softer < 0.7 * sharper).all()


def test_images_pass_unchanged_and_the_mean_is_over_images_not_parts() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 3, 8, 8), generator=generator).to(torch.uint8)
    images[:5] //= 3
    watched = Watched(images.split([5, 2]))
    assert torch.equal(torch.cat(list(watched)), images)
    assert watched.mean == pytest.approx(laplacian_variance(images).mean().item(), rel=1e-12)
