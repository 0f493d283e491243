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
    """Codes whose images approximate given ones."""

    codes: Tensor  # (N, Z)
    images: Tensor  # (N, 3, S, S), what the generator makes of the codes
    errors: Floats  # (N,) mean absolute difference over pixels in [-1, 1]
    steps: NDArray[np.int64]  # (N,) Adam steps on each; 0 if an encoder gave the code
    settled: NDArray[np.bool_]  # (N,) whether its error had stopped falling


def embed(generate: Generate, images: Tensor, start: Tensor, most: int) -> Embedding:
    """Find the codes whose images are nearest to `images` (N, 3, S, S) in [-1, 1], by Adam.

    BEGAN, figure 4: e_r = |x_r - G(z_r)|. The paper gives neither the number of steps nor the
    rate. Each code begins at `start` (N, Z) and is optimised until its error falls by less than
    LEAST_GAIN in WINDOW steps, or for `most` steps. It may leave the prior's range, as in the
    paper, and its best step counts. Only the codes get gradients.
    """
    best, least = start.clone(), torch.full((len(start),), torch.inf, device=start.device)
    steps = np.zeros(len(start), np.int64)
    settled = np.zeros(len(start), bool)
    active = torch.arange(len(start), device=start.device)  # codes still being optimised
    codes = start.clone().requires_grad_()
    adam = torch.optim.Adam([codes], lr=RATE)
    for done in range(0, most, WINDOW):
        before, targets = least[active], images[active]
        for _ in range(min(WINDOW, most - done)):
            errors = (targets - generate(codes)).abs().mean((1, 2, 3))
            (codes.grad,) = torch.autograd.grad(errors.sum(), codes)
            with torch.no_grad():
                better = errors < least[active]
                least[active[better]] = errors[better]
                best[active[better]] = codes[better]
            adam.step()
        steps[active.cpu().numpy()] = min(done + WINDOW, most)
        falling = least[active] < (1 - LEAST_GAIN) * before
        # An error that falls little in a cut-off window might have fallen further in a whole one.
        settled[active[~falling].cpu().numpy()] = done + WINDOW <= most
        if not falling.any():
            break
        active, (codes, adam) = active[falling], _restricted(falling, codes, adam)
    with torch.no_grad():
        return Embedding(best, generate(best), _floats(least), steps, settled)


def _restricted(
    rows: Tensor, codes: Tensor, adam: torch.optim.Adam
) -> tuple[Tensor, torch.optim.Adam]:
    """The search restricted to some rows of the codes, otherwise unchanged."""
    chosen = codes.detach()[rows].requires_grad_()
    smaller = torch.optim.Adam([chosen], lr=RATE)
    smaller.state[chosen] = {
        name: value[rows] if value.shape == codes.shape else value
        for name, value in adam.state[codes].items()
    }
    return chosen, smaller


def encoded(generate: Generate, images: Tensor, codes: Tensor) -> Embedding:
    """The embedding by the codes (N, Z) that an encoder assigns to `images`."""
    with torch.no_grad():
        rebuilt = generate(codes)
        errors = _floats((images - rebuilt).abs().mean((1, 2, 3)))
    count = len(codes)
    return Embedding(codes, rebuilt, errors, np.zeros(count, np.int64), np.ones(count, bool))


def _floats(values: Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy())


def outside(codes: Tensor, prior: Tensor) -> float:
    """The share of coordinates of codes (N, Z) outside the range of those of `prior` (M, Z).

    Further codes from the prior are expected to have 2 / (M + 1).
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
    """Lengths (N,) of paths through features (points, N, F), and the longest steps' shares (N,).

    A length is the sum of the steps. A share is 1 / (points - 1) if all steps are equal, and 1 if
    all the change happens at once, or if nothing changes, which does not count as even.
    """
    steps = np.linalg.norm(np.diff(features, axis=0), axis=2)
    length = steps.sum(0)
    return length, np.divide(steps.max(0), length, out=np.ones_like(length), where=length > 0)


def asymmetry(images: Tensor) -> Tensor:
    """(N,) |x - flipped x| of images (N, 3, S, S), mean over pixels."""
    return (images.float() - images.float().flip(3)).abs().mean((1, 2, 3))
