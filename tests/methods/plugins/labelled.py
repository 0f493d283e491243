"""A conditional GAN (arXiv 1411.1784): both players see the attributes of each image."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmark.column import Column
from benchmark.methods.method import Batch, Draw, LabelledSettings, Method, adam, gradient_norm
from benchmark.methods.settings import Width


class ConditionalSettings(LabelledSettings):
    """A conditional GAN."""

    n: Width = 16
    """Numbers of each hidden layer."""
    z: Width = 8
    """Dimensions of the code."""


class Conditional(Method):
    Settings = ConditionalSettings
    columns = {  # noqa: RUF012
        "loss_d": Column("cross-entropy of real against fake, given the labels", "nats"),
        "loss_g": Column("-log D(G(z, labels), labels)", "nats", "lower"),
        "grad_norm_g": Column("L2 norm of the gradient over the generator's weights"),
    }
    heldout = ("loss_d", "loss_g")
    signal = "loss_g"
    sampled_by = ("generator", "shares")
    labelled = True

    shares: Tensor  # (A,) of the training images that have each attribute

    def __init__(self, settings: ConditionalSettings, size: int) -> None:
        super().__init__()
        n, labels, pixels = settings.n, len(settings.attributes), 3 * size**2
        self.z = settings.z
        self.generator = nn.Sequential(
            *(nn.Linear(self.z + labels, n), nn.ELU(), nn.Linear(n, pixels), nn.Tanh()),
            nn.Unflatten(1, (3, size, size)),
        )
        self.discriminator = nn.Sequential(nn.Linear(pixels + labels, n), nn.ELU(), nn.Linear(n, 1))
        self.register_buffer("shares", torch.full((labels,), 0.5))
        self.optimizers = {
            "discriminator": adam(self.discriminator, (0.5, 0.999)),
            "generator": adam(self.generator, (0.5, 0.999)),
        }

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """z and labels (count, Z + A), each attribute as often as in training."""
        uniform = (draw.uniform(f"{stream}_labels", count, len(self.shares)) + 1) / 2
        return torch.cat([draw.normal(stream, count, self.z), (uniform < self.shares).float()], 1)

    def generate(self, z: Tensor) -> Tensor:
        return self.generator(z)

    def losses(self, batch: Batch, fake: Tensor, labels: Tensor) -> dict[str, Tensor]:
        assert batch.labels is not None
        real = self.discriminator(torch.cat([batch.images.flatten(1), batch.labels], 1))
        made = self.discriminator(torch.cat([fake.flatten(1), labels], 1))
        loss_d = softplus(-real).mean() + softplus(made).mean()
        return {"loss_d": loss_d, "loss_g": softplus(-made).mean()}

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        assert batch.labels is not None
        self.shares.lerp_(batch.labels.mean(0), 0.1)
        code, found = self.latent(len(batch.images), draw, "z"), {}
        for name, player in (("loss_d", "discriminator"), ("loss_g", "generator")):
            losses = self.losses(batch, self.generate(code), code[:, self.z :])
            self.zero_grad()
            losses[name].backward()
            self.optimizers[player].step()
            found[name] = losses[name].detach()
        return {**found, "grad_norm_g": gradient_norm(self.generator)}

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        code = self.latent(len(batch.images), draw, "z_heldout")
        return self.losses(batch, self.generate(code), code[:, self.z :])
