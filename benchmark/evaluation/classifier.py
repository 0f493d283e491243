"""A small binary classifier that measures the value of training images.

It is deterministic given its seed.
"""

import math

import torch
from torch import Tensor, nn

from benchmark.precision import full_precision

BATCH = 32
RATE = 1e-3
DEGREES = 10.0  # maximum rotation to either side
_SCORING_BATCH = 256


class SmallCNN(nn.Module):
    """Three 3 x 3 convolutions, 57,000 weights: (N, 3, S, S) in [-1, 1] -> logits (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        )
        self.last = nn.Linear(64 * 16, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layers(images)
        # Not adaptive pooling, whose gradient on a GPU is not deterministic.
        pooled = nn.functional.avg_pool2d(maps, maps.shape[-1] // 4)
        logits: Tensor = self.last(pooled.flatten(1))[:, 0]
        return logits


def trained(
    images: Tensor, labels: Tensor, seed: int, steps: int, *, augmented: bool = False
) -> SmallCNN:
    """Train a classifier on uint8 `images` (N, 3, S, S) with labels (N,) of 0 and 1.

    Adam minimises the cross entropy for a fixed number of steps, on batches drawn with replacement,
    however many images there are. If `augmented`, images are mirrored with probability one half,
    and all are slightly rotated.
    """
    device = images.device
    draws = torch.Generator().manual_seed(seed)
    network = _new(draws).to(device)
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    with full_precision():
        for _ in range(steps):
            rows = torch.randint(len(images), (BATCH,), generator=draws)
            batch = _floats(images[rows.to(device)])
            if augmented:
                batch = moved(batch, draws)
            logits, targets = network(batch), labels[rows.to(device)].float()
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    return network.eval()


def _new(draws: torch.Generator) -> SmallCNN:
    """A network with torch's default weights and zero biases, drawn from `draws`.

    Torch's global generator is left alone because others may be using it.
    """
    with torch.device("meta"):
        network = SmallCNN()
    network.to_empty(device="cpu")
    for layer in (*network.layers, network.last):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=draws)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network


def balanced_accuracy(network: SmallCNN, images: Tensor, labels: Tensor) -> float:
    """Balanced accuracy on uint8 images (N, 3, S, S) with labels (N,)."""
    with torch.no_grad(), full_precision():
        logits = torch.cat([network(_floats(part)) for part in torch.split(images, _SCORING_BATCH)])
    correct, positive = (logits > 0) == (labels > 0), labels > 0
    return float((correct[positive].double().mean() + correct[~positive].double().mean()) / 2)


def moved(images: Tensor, draws: torch.Generator) -> Tensor:
    """Mirror images (N, 3, S, S) with probability one half, and rotate all by up to DEGREES.

    Pixels that a rotation brings in from outside repeat the border.
    """
    count = len(images)
    side = torch.randint(2, (count,), generator=draws).float() * 2 - 1
    angle = torch.deg2rad((torch.rand(count, generator=draws) * 2 - 1) * DEGREES)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(count)
    turn = torch.stack([side * cos, -sin, zero, side * sin, cos, zero], dim=1).view(count, 2, 3)
    grid = nn.functional.affine_grid(turn, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(
        images, grid.to(images.device), padding_mode="border", align_corners=False
    )


def _floats(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
