"""The generator's latent space: embedded images, and paths between codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.evaluation.frechet import Floats

Generate = Callable[[Tensor], Tensor]
# path(first, last, points): codes (points, N, Z) between codes (N, Z), ends included.
Path = Callable[[Tensor, Tensor, int], Tensor]

# Adam's step on a code whose coordinates are of the order of 1.
RATE = 0.05


@dataclass(frozen=True)
class Embedding:
    """Codes whose images come near given ones."""

    codes: Tensor  # (N, Z)
    images: Tensor  # (N, 3, S, S), what the generator makes of them
    errors: Floats  # (N,) mean absolute difference over pixels, in [-1, 1]'s units


def embed(generate: Generate, images: Tensor, start: Tensor, steps: int) -> Embedding:
    """Codes whose images come nearest to `images` (N, 3, S, S) in [-1, 1], by Adam on each code.

    BEGAN, section 4.4: e_r = |x_r - G(z_r)|. The paper gives neither the number of steps nor the
    rate. Codes begin at `start` (N, Z) and may leave the prior's range, as there; the best step
    counts for each. Only the codes get gradients.
    """
    codes = start.clone().requires_grad_()
    adam = torch.optim.Adam([codes], lr=RATE)
    best = start.clone()
    least = torch.full((len(start),), torch.inf, device=start.device)
    for _ in range(steps):
        errors = (images - generate(codes)).abs().mean((1, 2, 3))
        (codes.grad,) = torch.autograd.grad(errors.sum(), codes)
        with torch.no_grad():
            better = errors < least
            least = torch.where(better, errors, least)
            best[better] = codes[better]
        adam.step()
    with torch.no_grad():
        return Embedding(best, generate(best), np.asarray(least.double().cpu().numpy()))


def encoded(generate: Generate, images: Tensor, codes: Tensor) -> Embedding:
    """The codes (N, Z) that an encoder gives `images`, and how near to them the generator comes."""
    with torch.no_grad():
        made = generate(codes)
        errors = (images - made).abs().mean((1, 2, 3))
    return Embedding(codes, made, np.asarray(errors.double().cpu().numpy()))


def linear(first: Tensor, last: Tensor, points: int) -> Tensor:
    """A Path of straight lines."""
    share = torch.linspace(0, 1, points, device=first.device)[:, None, None]
    return first * (1 - share) + last * share


def spherical(first: Tensor, last: Tensor, points: int) -> Tensor:
    """A Path of great arcs (White 2016, arXiv 1609.04468).

    Codes in nearly the same or opposite directions are joined by a line.
    """
    cosine = torch.nn.functional.cosine_similarity(first, last, dim=1)
    angle = cosine.clamp(-1, 1).acos()[:, None]
    sine = angle.sin()
    share = torch.linspace(0, 1, points, device=first.device)[:, None, None]
    arc = (((1 - share) * angle).sin() * first + (share * angle).sin() * last) / sine
    return torch.where(sine > 1e-3, arc, linear(first, last, points))


def path_lengths(features: Floats) -> tuple[Floats, Floats]:
    """Of paths through features (points, N, F): length (N,) and the longest step's share (N,).

    Length is the sum of the steps. The share is 1 / (points - 1) on a path of equal steps, 1 where
    all changes at once and 0 where nothing does.
    """
    steps = np.linalg.norm(np.diff(features, axis=0), axis=2)
    length = steps.sum(0)
    return length, np.divide(steps.max(0), length, out=np.zeros_like(length), where=length > 0)
