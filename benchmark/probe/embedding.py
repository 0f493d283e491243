"""Codes of given images, by a method's encoder or by search, and the images generated from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ttest_ind
from torch import Tensor

from benchmark.evaluation import latent
from benchmark.evaluation.frechet import Floats
from benchmark.evaluation.latent import Embedding
from benchmark.evaluation.samples import save_grid
from benchmark.methods.method import Coded, has_encoder
from benchmark.probe.record import Gap
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import to_floats, to_uint8

CHUNK = 64  # images at a time
POINTS = 9  # images on a path between two codes, ends included
PRIOR = 1000  # codes from the prior, whose range embedded ones are compared with
STRIPS = 3  # pairs shown, besides one image with its mirror image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """A finished generator, in evaluation mode."""

    method: Coded
    seed: int
    device: torch.device

    def codes(self, count: int, stream: str) -> Tensor:
        return self.method.latent(count, StepDraw(self.seed, 0, self.device), stream)

    def images(self, codes: Tensor) -> Tensor:
        """Images uint8 (N, 3, S, S) from codes (N, Z)."""
        with torch.no_grad():
            parts = [to_uint8(self.method.generate(part)) for part in torch.split(codes, CHUNK)]
        return torch.cat(parts).cpu()

    def encoded(self, images: Pixels) -> Embedding | None:
        """Embed by the method's encoder; None if it has none, or it returns no codes."""
        encoder, targets = self.method, to_floats(images, self.device)
        if not has_encoder(encoder):
            return None
        with torch.no_grad():
            codes = encoder.encode(targets, StepDraw(self.seed, 0, self.device))
        return None if codes is None else latent.encoded(self.method.generate, targets, codes)

    def searched(self, images: Pixels, most: int) -> Embedding | None:
        """Embed by Adam, starting from the prior; None if samples are not differentiable."""
        targets, start = to_floats(images, self.device), self.codes(len(images), "z_embed")
        if not self.method.generate(start[:2].clone().requires_grad_()).requires_grad:
            return None
        parts = [
            latent.embed(self.method.generate, *part, most)
            for part in zip(torch.split(targets, CHUNK), torch.split(start, CHUNK), strict=True)
        ]
        return Embedding(
            codes=torch.cat([each.codes for each in parts]),
            images=torch.cat([each.images for each in parts]),
            errors=np.concatenate([each.errors for each in parts]),
            steps=np.concatenate([each.steps for each in parts]),
            settled=np.concatenate([each.settled for each in parts]),
        )


@dataclass(frozen=True)
class Targets:
    """Real images to embed, the same for every run."""

    heldout: Pixels  # (N, 3, S, S)
    training: Pixels  # (N, 3, S, S)

    @property
    def mirrored(self) -> Pixels:
        """(N / 2, 3, S, S): the first half of the held-out images, flipped."""
        return np.ascontiguousarray(self.heldout[: len(self.heldout) // 2, :, :, ::-1])

    def all(self) -> Pixels:
        return np.concatenate([self.heldout, self.training, self.mirrored])


@dataclass(frozen=True)
class EmbeddedImages:
    """The codes of `Targets.all()`, and the images generated from them; uint8 on the CPU."""

    way: str  # "encoder" or "search"
    embedding: Embedding
    count: int  # N: number of held-out images, and of training images
    rebuilt: Tensor  # (2.5 N, 3, S, S), generated from the codes
    linear: Tensor  # (POINTS, N / 2, 3, S, S) from one held-out image to another
    spherical: Tensor  # the same along great arcs
    mirrored: Tensor  # (POINTS, N / 2, 3, S, S) from an image to its mirror image
    middles: Tensor  # (M, 3, S, S) half-way between pairs of held-out images

    @property
    def heldout(self) -> Tensor:
        return self.rebuilt[: self.count]

    @property
    def mirror_asymmetry(self) -> float:
        """Asymmetry half-way to the mirror image, over that of the ends; 1 if these have none.

        Below 1, a face turns to the front on its way.
        """
        ends = latent.asymmetry(self.mirrored[[0, -1]].flatten(0, 1)).mean()
        middle = latent.asymmetry(self.mirrored[POINTS // 2]).mean()
        return float(middle / ends) if ends > 0 else 1.0

    def strip(self, ends: Pixels | None) -> Tensor:
        """Rows of paths, the last from an image to its mirror image.

        `ends`, if they may be shown, are the held-out images put before and after each path.
        """
        rows = torch.cat([self.linear[:, :STRIPS], self.mirrored[:, :1]], dim=1)
        if ends is not None:
            half, pixels = self.count // 2, torch.from_numpy(ends)
            first = torch.cat([pixels[:STRIPS], pixels[:1]])
            last = torch.cat([pixels[half : half + STRIPS], pixels[:1].flip(3)])
            rows = torch.cat([first[None], rows, last[None]])
        return rows.transpose(0, 1)


def find(subject: Subject, targets: Targets, most: int, middles: int) -> Iterator[EmbeddedImages]:
    """Embed the targets in each way that the method supports, by its encoder first."""
    images = targets.all()
    for way, embedding in (
        ("encoder", subject.encoded(images)),
        ("search", subject.searched(images, most)),
    ):
        if embedding is not None:
            yield _generate_from(subject, way, embedding, len(targets.heldout), middles)


def _generate_from(
    subject: Subject, way: str, embedding: Embedding, count: int, most: int
) -> EmbeddedImages:
    half = count // 2
    codes, flipped = embedding.codes[:count], embedding.codes[2 * count :]
    ends = codes[:half], codes[half : 2 * half]

    def walk(path: latent.Path, first: Tensor, last: Tensor) -> Tensor:
        images = subject.images(path(first, last, POINTS).flatten(0, 1))
        return images.view(POINTS, half, *images.shape[1:])

    pairs = torch.from_numpy(all_pairs(count, most)).to(codes.device)
    return EmbeddedImages(
        way=way,
        embedding=embedding,
        count=count,
        rebuilt=to_uint8(embedding.images).cpu(),
        linear=walk(latent.linear, *ends),
        spherical=walk(latent.spherical, *ends),
        mirrored=walk(latent.linear, codes[:half], flipped),
        middles=subject.images(codes[pairs].mean(1)),
    )


def all_pairs(count: int, most: int) -> NDArray[np.int64]:
    """Positions (M, 2) of pairs of `count` images: all pairs, or `most` of them, evenly spaced."""
    pairs = np.array(list(combinations(range(count), 2)))
    return pairs[np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(np.int64)]


def blends(images: Pixels, pairs: NDArray[np.int64]) -> Pixels:
    """Averages (M, 3, S, S) of pairs of photographs, the baseline for any path."""
    return np.asarray(images[pairs].mean(1).round().astype(np.uint8))


def gap(heldout: Floats, training: Floats) -> Gap:
    """Compare the errors (N,) of embedded held-out and training images."""
    low = high = difference = float(heldout.mean() - training.mean())
    if np.ptp(heldout) > 0 or np.ptp(training) > 0:
        welch = ttest_ind(heldout, training, equal_var=False).confidence_interval(0.95)
        low, high = float(welch.low), float(welch.high)
    return Gap(
        heldout=float(heldout.mean()),
        heldout_sd=float(heldout.std(ddof=1)),
        training=float(training.mean()),
        training_sd=float(training.std(ddof=1)),
        gap=difference,
        gap_low=low,
        gap_high=high,
    )


def draw(
    embedded: EmbeddedImages, targets: Targets, folder: Path, suffix: str, *, show_ends: bool
) -> None:
    """Draw the figures of one way of embedding.

    `embedded_*` show real images. So does the strip with `show_ends`, which is meant for images
    that show no real person.
    """
    real = np.concatenate([targets.heldout, targets.training])
    pairs = torch.stack([torch.from_numpy(real), embedded.rebuilt[: len(real)]], dim=1)
    parts = {"heldout": pairs[: embedded.count], "training": pairs[embedded.count :]}
    for name, part in parts.items():
        save_grid(part.flatten(0, 1), 8, folder / f"embedded_{name}{suffix}.png")
    kinds = {
        "linear": embedded.linear,
        "spherical": embedded.spherical,
        "mirrored": embedded.mirrored,
    }
    for name, paths in kinds.items():
        rows = paths.transpose(0, 1).flatten(0, 1)
        save_grid(rows, POINTS, folder / f"path_{name}{suffix}.png")
    strip = embedded.strip(targets.heldout if show_ends else None)
    save_grid(strip.flatten(0, 1), strip.shape[1], folder / f"strip{suffix}.png")
