"""ALI (arXiv 1606.00704) in small: a discriminator of pairs of an image and a code, an encoder."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmark.column import Column
from benchmark.methods.method import Batch, Draw, Method, MethodSettings, adam
from benchmark.methods.settings import Width


class AliSettings(MethodSettings):
    """ALI: x with E(x) against G(z) with z."""

    n: Width = 8
    z: Width = 8


def encoder(n: int, size: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(n * (size // 2) ** 2, outputs)
    return nn.Sequential(nn.Conv2d(3, n, 4, 2, 1), nn.ELU(), nn.Flatten(), last)


class ALI(Method):
    Settings = AliSettings
    columns = {  # noqa: RUF012
        "loss_d": Column("cross-entropy of (x, E(x)) against (G(z), z)", "nats"),
        "loss_g": Column("the same with the pairs exchanged", "nats", "lower"),
        "error": Column("|x - G(E(x))|", "of [-1, 1]", "lower"),
    }
    heldout, signal = tuple(columns), "error"
    sampled_by = ("generator", "encoder")

    def __init__(self, settings: AliSettings, size: int) -> None:
        super().__init__()
        n, self.z = settings.n, settings.z
        self.generator = nn.Sequential(
            *(nn.Linear(self.z, n * 64), nn.ELU(), nn.Unflatten(1, (n, 8, 8))),
            *(nn.Upsample(scale_factor=size // 8), nn.Conv2d(n, 3, 3, padding=1), nn.Tanh()),
        )
        self.encoder = encoder(n, size, self.z)
        self.image = encoder(n, size, n)
        self.pair = nn.Sequential(nn.Linear(n + self.z, n), nn.ELU(), nn.Linear(n, 1))
        self.optimizers = {
            "discriminator": adam(nn.ModuleList([self.image, self.pair]), (0.5, 0.999)),
            "generator": adam(nn.ModuleList([self.generator, self.encoder]), (0.5, 0.999)),
        }

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        return draw.normal(stream, count, self.z)

    def generate(self, z: Tensor) -> Tensor:
        return self.generator(z)

    def encode(self, images: Tensor, draw: Draw) -> Tensor:
        return self.encoder(images)

    def values(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        """The columns, with their gradients."""
        code, fake = self.encoder(x), self.generate(z)
        on_real = self.pair(torch.cat([self.image(x), code], 1))
        on_fake = self.pair(torch.cat([self.image(fake), z], 1))
        return {
            "loss_d": softplus(-on_real).mean() + softplus(on_fake).mean(),
            "loss_g": softplus(on_real).mean() + softplus(-on_fake).mean(),
            "error": (x - self.generate(code)).abs().mean(),
        }

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        found = self.values(batch.images, self.latent(len(batch.images), draw, "z"))
        for player, optimizer in self.optimizers.items():
            weights = optimizer.param_groups[0]["params"]
            optimizer.zero_grad()
            found[f"loss_{player[0]}"].backward(inputs=weights, retain_graph=True)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {name: value.detach() for name, value in found.items()}

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return self.values(batch.images, self.latent(len(batch.images), draw, "z_heldout"))
