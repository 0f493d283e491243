"""The generator's latent space: embedded images, and paths between codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation.frechet import Floats

Generate = Callable[[Tensor], Tensor]
# path(first, last, points): codes (points, N, Z) between codes (N, Z), ends included.
Path = Callable[[Tensor, Tensor, int], Tensor]

# Adam's learning rate for a code whose coordinates are of order 1.
RATE = 0.05
# A code has reached its plateau when its error has fallen by less than LEAST_GAIN in WINDOW steps.
LEAST_GAIN, WINDOW = 0.01, 100


@dataclass(frozen=True)
class Embedding:
    """Codes whose images come near given ones."""

    codes: Tensor  # (N, Z)
    images: Tensor  # (N, 3, S, S), what the generator makes of them
    errors: Floats  # (N,) mean absolute difference over pixels in [-1, 1]
    steps: NDArray[np.int64]  # (N,) Adam steps on each; 0 if an encoder gave the code
    settled: NDArray[np.bool_]  # (N,) whether its error had stopped falling


def embed(generate: Generate, images: Tensor, start: Tensor, most: int) -> Embedding:
    """Codes whose images come nearest to `images` (N, 3, S, S) in [-1, 1], by Adam on each code.

    BEGAN, figure 4: e_r = |x_r - G(z_r)|. The paper gives neither the number of steps nor the
    rate. Each code begins at `start` (N, Z) and is searched for until its error has fallen by less
    than LEAST_GAIN in WINDOW steps, or for `most` steps; it may leave the prior's range, as in the
    paper, and its best step counts. Only the codes get gradients.
    """
    best, least = start.clone(), torch.full((len(start),), torch.inf, device=start.device)
    steps = np.zeros(len(start), np.int64)
    settled = np.zeros(len(start), bool)
    left = torch.arange(len(start), device=start.device)  # codes still being optimised
    codes = start.clone().requires_grad_()
    adam = torch.optim.Adam([codes], lr=RATE)
    for done in range(0, most, WINDOW):
        before, wanted = least[left], images[left]
        for _ in range(min(WINDOW, most - done)):
            errors = (wanted - generate(codes)).abs().mean((1, 2, 3))
            (codes.grad,) = torch.autograd.grad(errors.sum(), codes)
            with torch.no_grad():
                better = errors < least[left]
                least[left[better]] = errors[better]
                best[left[better]] = codes[better]
            adam.step()
        steps[left.cpu().numpy()] = min(done + WINDOW, most)
        falling = least[left] < (1 - LEAST_GAIN) * before
        # An error that falls little in less than a window may fall on in the rest of it.
        settled[left[~falling].cpu().numpy()] = done + WINDOW <= most
        if not falling.any():
            break
        left, (codes, adam) = left[falling], _only(falling, codes, adam)
    with torch.no_grad():
        return Embedding(best, generate(best), _floats(least), steps, settled)


def _only(rows: Tensor, codes: Tensor, adam: torch.optim.Adam) -> tuple[Tensor, torch.optim.Adam]:
    """The search restricted to some of the codes, otherwise unchanged."""
    kept = codes.detach()[rows].requires_grad_()
    smaller = torch.optim.Adam([kept], lr=RATE)
    smaller.state[kept] = {
        name: value[rows] if value.shape == codes.shape else value
        for name, value in adam.state[codes].items()
    }
    return kept, smaller


def encoded(generate: Generate, images: Tensor, codes: Tensor) -> Embedding:
    """The codes (N, Z) that an encoder assigns to `images`, and the reconstruction errors."""
    with torch.no_grad():
        made = generate(codes)
        errors = (images - made).abs().mean((1, 2, 3))
    count = len(codes)
    return Embedding(codes, made, _floats(errors), np.zeros(count, np.int64), np.ones(count, bool))


def _floats(values: Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy())


def outside(codes: Tensor, prior: Tensor) -> float:
    """The share of the coordinates of codes (N, Z) beyond all of `prior` (M, Z) in their dimension.

    Of further codes of a prior without correlations it is 2 / (M + 1).
    """
    beyond = (codes < prior.amin(0)) | (codes > prior.amax(0))
    return float(beyond.double().mean())


def linear(first: Tensor, last: Tensor, points: int) -> Tensor:
    """A Path of straight lines."""
    share = torch.linspace(0, 1, points, device=first.device)[:, None, None]
    return first * (1 - share) + last * share


def spherical(first: Tensor, last: Tensor, points: int) -> Tensor:
    """A Path of great arcs (White 2016, arXiv 1609.04468).

    Codes in nearly the same or opposite directions are joined by a straight line.
    """
    cosine = torch.nn.functional.cosine_similarity(first, last, dim=1)
    angle = cosine.clamp(-1, 1).acos()[:, None]
    sine = angle.sin()
    share = torch.linspace(0, 1, points, device=first.device)[:, None, None]
    arc = (((1 - share) * angle).sin() * first + (share * angle).sin() * last) / sine
    return torch.where(sine > 1e-3, arc, linear(first, last, points))


def path_lengths(features: Floats) -> tuple[Floats, Floats]:
    """For paths through features (points, N, F): length (N,) and the longest step's share (N,).

    Length is the sum of the steps. The share is 1 / (points - 1) on a path of equal steps, and 1 if
    all the change happens at once, or if nothing changes, which does not count as even.
    """
    steps = np.linalg.norm(np.diff(features, axis=0), axis=2)
    length = steps.sum(0)
    return length, np.divide(steps.max(0), length, out=np.ones_like(length), where=length > 0)


def asymmetry(images: Tensor) -> Tensor:
    """(N,) |x - flipped x| of images (N, 3, S, S), mean over pixels."""
    return (images.float() - images.float().flip(3)).abs().mean((1, 2, 3))
