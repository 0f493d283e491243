"""Whether samples are copies of training images: feature distances to the nearest ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK = 1024  # rows of features at a time: all distances at once would not fit


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of some images."""

    positions: Tensor  # (N, k) rows of the training features, nearest first
    distances: Tensor  # (N, k) Euclidean, float64


def nearest(features: Tensor, training: Tensor, count: int) -> Neighbours:
    """The `count` nearest rows of `training` (M, F) for each row of `features` (N, F)."""
    known = training.double()
    chunks = [
        torch.cdist(rows.double(), known).topk(count, largest=False)
        for rows in torch.split(features, _CHUNK)
    ]
    return Neighbours(
        torch.cat([each.indices for each in chunks]), torch.cat([each.values for each in chunks])
    )


def memorisation(samples: Neighbours, heldout: Neighbours, unseen: Tensor) -> tuple[float, float]:
    """Median distance of samples to their nearest training image over that of held-out images.

    If it is near 1, the samples are as far from the training images as images never trained on; if
    far below 1, they are copies, or merely plainer than photographs. The second number is the share
    of samples nearer than all but 1 % of the `unseen` (N,) held-out images, those without a copy
    among the training images: 0.01 if nothing is copied.
    """
    near, usual = samples.distances[:, 0], heldout.distances[:, 0]
    closer = (near < usual[unseen].quantile(0.01)).double().mean()
    return float(near.quantile(0.5) / usual.quantile(0.5)), float(closer)
