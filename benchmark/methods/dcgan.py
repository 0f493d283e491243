"""DCGAN: deep convolutional generative adversarial networks (arXiv 1511.06434).

The losses are those of the first GAN (arXiv 1406.2661), the generator's non-saturating:

    L_D = -E log D(x) - E log(1 - D(G(z_D)))
    L_G = -E log D(G(z_G)).

A step is the first GAN's Algorithm 1 with k = 1: the discriminator moves first, and the generator
is then updated against it with its own codes. So no pass over fakes serves both players.

Layers are those of the authors' Lua code (remembered): 4x4 kernels and normally initialised batch
norm gains, where the paper draws 5x5 kernels and does not mention gains.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Layers, Work, layers, two_players, work
from benchmark.methods.method import GRADIENTS, Batch, Draw, FromPrior, gradient_norm, players
from benchmark.methods.settings import Beta, MethodSettings, Prior, Width

_NATS = "nats"
_COLUMNS = {
    "loss_d": Column("cross-entropy of real against fake", _NATS, "", "Goodfellow et al. 2014"),
    "loss_g": Column(
        "-log D(G(z)), the non-saturating loss", _NATS, "lower", "Goodfellow et al. 2014"
    ),
    "d_real": Column("D(x): mean probability of real, on real images", source="DCGAN"),
    "d_fake": Column("D(G(z)): the same on fakes; near 0 the generator has lost"),
    **GRADIENTS,
}
BASE = 4  # pixels of the smallest map

# A discriminator's batch norm has no running statistics. It only ever judges whole batches, of
# real images or of fakes, and running means would mix the two: evaluation mode would measure
# something other than what is trained. So it normalises by the batch in either mode.
BatchNormD = partial(nn.BatchNorm2d, track_running_stats=False)


class DcganSettings(MethodSettings):
    """DCGAN (arXiv 1511.06434) with the non-saturating loss."""

    name: Literal["dcgan"]
    n: Width = 64
    """Channels of the discriminator's first convolution; they double as the maps halve."""
    z: Width = 100
    """Dimensions of the generator's input."""
    prior: Prior = "uniform"  # section 4
    beta_1: Beta = 0.5
    beta_2: Beta = 0.999


def widths(size: int, n: int) -> list[int]:
    """Channels n, 2n, 4n, ... of the maps of size / 2, size / 4, ..., 4 pixels: 8n at 64 px."""
    return [n << scale for scale in range((size // BASE).bit_length() - 1)]


def initialise(network: nn.Module, sd: float, sd_gains: float = 0.02) -> None:
    """Convolutions N(0, sd), biases 0, batch norms' gains N(1, sd_gains)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, sd)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d) and sd_gains:
            nn.init.normal_(layer.weight, 1.0, sd_gains)


class Generator(nn.Sequential):
    """(N, Z) -> (N, 3, S, S) in [-1, 1]: transposed convolutions, batch norm, ReLU; then tanh."""

    def __init__(self, size: int, n: int, z: int) -> None:
        channels = widths(size, n)[::-1]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (z, 1, 1)),
            nn.ConvTranspose2d(z, channels[0], BASE, bias=False),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
            layers.append(nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(n), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(n, 3, 4, 2, 1), nn.Tanh()]
        super().__init__(*layers)
        initialise(self, 0.02)


class Discriminator(nn.Sequential):
    """(N, 3, S, S) -> (N,), before the sigmoid: strided convolutions, no norm in the first."""

    def __init__(self, size: int, n: int, norm: Callable[[int], nn.Module] = BatchNormD) -> None:
        channels = widths(size, n)
        layers: list[nn.Module] = [nn.Conv2d(3, n, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for narrow, wide in pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            layers += [norm(wide), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Conv2d(channels[-1], 1, BASE), nn.Flatten(0)]
        super().__init__(*layers)
        initialise(self, 0.02)


def both_layers(size: int, n: int, z: int) -> tuple[Layers, Layers]:
    """The discriminator's and the generator's, for estimating a step's cost."""
    images, codes = torch.empty(1, 3, size, size), torch.empty(1, z)
    return layers(Discriminator(size, n), images), layers(Generator(size, n, z), codes)


class DCGAN(FromPrior):
    """Both players; Adam with a beta_1 of 0.5, section 4."""

    Settings = DcganSettings
    columns = _COLUMNS
    heldout = ("loss_d", "loss_g", "d_real", "d_fake")
    signal = "loss_g"
    capturable = True

    def __init__(self, settings: DcganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.discriminator = Discriminator(size, settings.n)
        self.generator = Generator(size, settings.n, settings.z)
        self.optimizers = players(settings, self.discriminator, self.generator)

    @classmethod
    def cost(cls, settings: DcganSettings, size: int) -> Work:
        d, g = both_layers(size, settings.n, settings.z)
        return work(d, g, two_players(shared_z=False), STRIDED_RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One step of each player, D before G."""
        x = batch.images
        self.zero_grad()

        with torch.no_grad():
            fake = self.generate(self.latent(len(x), draw, "z_D"))
        on_real, on_fake = self.discriminator(x), self.discriminator(fake)
        # -log sigmoid(y) = softplus(-y) and -log(1 - sigmoid(y)) = softplus(y).
        loss_d = softplus(-on_real).mean() + softplus(on_fake).mean()
        loss_d.backward()  # type: ignore[no-untyped-call]
        self.optimizers["discriminator"].step()

        on_fake_g = self.discriminator(self.generate(self.latent(len(x), draw, "z_G")))
        loss_g = softplus(-on_fake_g).mean()
        # Backpropagate through D without touching its weights' gradients.
        loss_g.backward(inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call]
        self.optimizers["generator"].step()

        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "d_real": on_real.detach().sigmoid().mean(),
            "d_fake": on_fake.detach().sigmoid().mean(),
            "grad_norm_d": gradient_norm(self.discriminator),
            "grad_norm_g": gradient_norm(self.generator),
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Both losses, and the mean of D over real images and over fakes."""
        fake = self.generate(self.latent(len(batch.images), draw, "z_heldout"))
        on_real, on_fake = self.discriminator(batch.images), self.discriminator(fake)
        return {
            "loss_d": softplus(-on_real).mean() + softplus(on_fake).mean(),
            "loss_g": softplus(-on_fake).mean(),
            "d_real": on_real.sigmoid().mean(),
            "d_fake": on_fake.sigmoid().mean(),
        }
