"""A mixture of learnt images and white noise: it has samples, and no code that they come from."""

import torch
from torch import Tensor, nn, optim

from benchmark.column import Column
from benchmark.methods.method import Batch, Draw, Method, MethodSettings
from benchmark.methods.settings import Width


class MixtureSettings(MethodSettings):
    """A mixture of images."""

    images: Width = 8
    """How many images it has."""


class Mixture(Method):
    Settings = MixtureSettings
    columns = {  # noqa: RUF012
        "error": Column("mean square a pixel to the nearest image", "of [-1, 1]", "lower"),
        "noise": Column("the noise's variance a pixel", "of [-1, 1]"),
    }
    heldout = ("error",)
    signal = "error"
    sampled_by = ("images", "noise")

    noise: Tensor

    def __init__(self, settings: MixtureSettings, size: int) -> None:
        super().__init__()
        self.images = nn.Parameter(0.1 * torch.randn(settings.images, 3, size, size))
        self.register_buffer("noise", torch.zeros(()))
        self.optimizers = {"images": optim.Adam([self.images])}

    def error(self, x: Tensor) -> Tensor:
        distances = (x[:, None] - self.images).square().mean((2, 3, 4))
        return distances.min(1).values.mean()

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        error = self.error(batch.images)
        self.optimizers["images"].zero_grad()
        error.backward()
        self.optimizers["images"].step()
        self.noise.lerp_(error.detach(), 0.1)
        return {"error": error.detach(), "noise": self.noise.clone()}

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return {"error": self.error(batch.images)}

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        which = (draw.uniform(f"{stream}_which", count) + 1) / 2 * len(self.images)
        chosen = self.images[which.long().clamp(max=len(self.images) - 1)]
        return chosen + self.noise.sqrt() * draw.normal(f"{stream}_noise", *chosen.shape)
