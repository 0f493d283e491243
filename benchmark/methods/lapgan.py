"""LAPGAN: a Laplacian pyramid of adversarial networks (arXiv 1506.05751).

An image I_K of 8 pixels has been halved K times, I_k = d(I_{k-1}); level k of its Laplacian pyramid
is the difference from the next coarser image, upsampled (equation 3):

    l_k = u(I_{k+1}),    h_k = I_k - l_k.

At each level a conditional GAN learns those residuals from noise z_k and l_k. At the coarsest level
an unconditional GAN generates 8 px images. Each has the loss of equation 2, non-saturating for the
generator, with D before its sigmoid, and D sees the sum l + h:

    L_D = 1/2 (E softplus(-D(l + h)) + E softplus(D(l + G(z, l))))
    L_G = E softplus(-D(l + G(z, l))).

The factor 1/2 is from the authors' code, a mean over real images and fakes together; it matters to
SGD. Training uses l_k of real images, so the levels are independent, and a step updates all of
them; sampling goes up the pyramid from the images generated so far (equation 5), with the same d
and u:

    I_K = G_K(z_K),    I_k = u(I_{k+1}) + G_k(z_k, u(I_{k+1})).

A code is the noise of all levels, uniform in [-1, 1]: z numbers for 8 px, then one per pixel of
each further level, which its G sees as a fourth channel. At 32 px that is 1,380 numbers with a z of
100.

Layers, initialisation, SGD and its damped momentum are those of the authors' code for CIFAR-10,
without classes. Chosen or changed: pixels are in [-1, 1], where the code standardises each; d is
the mean of four pixels and u bilinear; D and G of a step see the same real l. At 8 px both hidden
layers have ReLUs, as in the paper's text; the code's generator has a sigmoid in the second. The
code's momentum rises by 0.0008 per epoch, ours a little every step, and ours starts at 0.5 at 8 px
too, where the code's starts at 0. Its learning rate falls by 4 parts in a million an epoch;
`lr_decay` can stay at `never`. Levels above 32 px use the same networks as those below; the paper
has different ones for its 64 px scenes.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from benchmark.column import Column
from benchmark.methods.cost import RATE, Layers, Work, layers, macs, two_players, work
from benchmark.methods.method import GRADIENTS, Batch, Counting, Draw, dropped, gradient_norm
from benchmark.methods.settings import MethodSettings, Rate, Width

_NATS = "nats"
_COLUMNS = {
    "loss_d": Column(
        "cross-entropy of real against fake, mean over the levels; 0.69 where D cannot tell",
        _NATS,
        "",
        "LAPGAN, equation 2",
    ),
    "loss_g": Column(
        "-log D(l + G(z, l)), mean over the levels", _NATS, "lower", "LAPGAN, equation 2"
    ),
    "d_real": Column("D: mean probability of real, on real images of all levels", source="LAPGAN"),
    "d_fake": Column("the same on fakes, which stand on real coarser images", source="LAPGAN"),
    "d_fake_first": Column("the same on the images of 8 px alone", source="LAPGAN"),
    **GRADIENTS,
}
BASE = 8  # pixels of the coarsest level
SD_G, SD_D = 0.05, 0.005  # of the initial weights there; all others use torch's defaults


class LapganSettings(MethodSettings):
    """LAPGAN (arXiv 1506.05751): a pyramid of conditional GANs from 8 px up."""

    name: Literal["lapgan"]
    n: Width = 64
    """Channels of both players' convolutions, at every level above 8 px."""
    z: Width = 100
    """Dimensions of the noise at 8 px; each further level has one number per pixel."""
    hidden_g: Width = 1200
    """Units of both hidden layers of the generator at 8 px."""
    hidden_d: Width = 600
    """Units of both hidden layers of the discriminator at 8 px."""
    dropout: Rate = 0.5
    """Dropout rate before a discriminator's fully connected layers, but not on its input images."""
    momentum: Rate = 0.5
    """Initial momentum m of SGD. A step is along m times the last one plus 1 - m times the
    gradient."""
    momentum_rise: Annotated[float, Field(ge=0, lt=1)] = 1.1e-6
    """Increase of the momentum per step: 0.0008 per epoch of 703 steps."""
    momentum_end: Rate = 0.7
    """Where the momentum stops rising; the paper's text has 0.8 (remembered)."""


def sides(size: int) -> list[int]:
    """Pixels of the levels, the coarsest first: 8, 16, ..., `size`."""
    return [BASE << scale for scale in range((size // BASE).bit_length())]


def down(images: Tensor) -> Tensor:
    """d: (N, 3, S, S) -> (N, 3, S / 2, S / 2)."""
    return avg_pool2d(images, 2)


def up(images: Tensor) -> Tensor:
    """u: (N, 3, S, S) -> (N, 3, 2 S, 2 S)."""
    return interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def pyramid(images: Tensor) -> list[Tensor]:
    """The images of every level, the coarsest first and those given last."""
    levels = [images]
    while levels[0].shape[-1] > BASE:
        levels.insert(0, down(levels[0]))
    return levels


def initialise(network: nn.Module, sd: float) -> None:
    """Weights N(0, sd), biases 0, of the fully connected layers at 8 px."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0.0, sd)
            nn.init.zeros_(part.bias)


class First(nn.Sequential):
    """(N, Z) -> images (N, 3, 8, 8)."""

    def __init__(self, z: int, hidden: int) -> None:
        super().__init__(
            *(nn.Linear(z, hidden), nn.ReLU(inplace=True)),
            *(nn.Linear(hidden, hidden), nn.ReLU(inplace=True)),
            *(nn.Linear(hidden, 3 * BASE**2), nn.Unflatten(1, (3, BASE, BASE))),
        )
        initialise(self, SD_G)


class Residual(nn.Sequential):
    """Noise and a coarse image (N, 1 + 3, S, S) -> residuals (N, 3, S, S)."""

    def __init__(self, n: int) -> None:
        super().__init__(
            *(nn.Conv2d(4, n, 7, padding=3), nn.ReLU(inplace=True)),
            *(nn.Conv2d(n, n, 7, padding=3), nn.ReLU(inplace=True)),
            nn.Conv2d(n, 3, 5, padding=2),
        )


class Discriminator(nn.Module):
    """Images (N, 3, S, S) -> (N,), before the sigmoid.

    Dropout masks between its parts come from `draw`, in streams named by `use` and the part's
    number; evaluation mode has no dropout.
    """

    def __init__(self, dropout: float, *parts: nn.Module) -> None:
        super().__init__()
        self.dropout, self.parts = dropout, nn.ModuleList(parts)

    def forward(self, images: Tensor, draw: Draw, use: str) -> Tensor:
        v = images
        for index, part in enumerate(self.parts):
            if index > 0 and self.training and self.dropout > 0:
                v = dropped(v, self.dropout, draw, f"dropout_{use}_{index}")
            v = part(v)
        return v.flatten()


def discriminator(settings: LapganSettings, side: int) -> Discriminator:
    """The discriminator of one level: fully connected at 8 px, above that two unpadded
    convolutions."""
    if side == BASE:
        hidden = settings.hidden_d
        first = Discriminator(
            settings.dropout,
            nn.Sequential(nn.Flatten(), nn.Linear(3 * BASE**2, hidden), nn.ReLU(inplace=True)),
            nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(inplace=True)),
            nn.Linear(hidden, 1),
        )
        initialise(first, SD_D)
        return first
    n, last = settings.n, (side - 9) // 2 + 1  # pixels of the second's maps
    seen = nn.Sequential(
        *(nn.Conv2d(3, n, 5), nn.ReLU(inplace=True)),
        *(nn.Conv2d(n, n, 5, 2), nn.ReLU(inplace=True), nn.Flatten()),
    )
    return Discriminator(settings.dropout, seen, nn.Linear(n * last**2, 1))


def generator(settings: LapganSettings, side: int) -> nn.Module:
    """The generator of one level."""
    return First(settings.z, settings.hidden_g) if side == BASE else Residual(settings.n)


class LAPGAN(Counting):
    """Both players of every level."""

    Settings = LapganSettings
    columns = _COLUMNS
    heldout = ("loss_d", "loss_g", "d_real", "d_fake", "d_fake_first")
    signal = "loss_g"

    def __init__(self, settings: LapganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.sides = sides(size)
        self.discriminator = nn.ModuleList(discriminator(settings, side) for side in self.sides)
        self.generator = nn.ModuleList(generator(settings, side) for side in self.sides)
        self.optimizers = {
            "discriminator": _sgd(self.discriminator),
            "generator": _sgd(self.generator),
        }

    @property
    def momentum(self) -> float:
        """The momentum of the next update."""
        risen = self.settings.momentum + self.settings.momentum_rise * self._updates
        return min(risen, self.settings.momentum_end)

    @classmethod
    def cost(cls, settings: LapganSettings, size: int) -> Work:
        d, g, unneeded = Layers(), Layers(), 0
        for side in sides(size):
            seen = layers(discriminator(settings, side), torch.empty(1, 3, side, side), None, "")
            noise = torch.empty(1, settings.z) if side == BASE else torch.empty(1, 4, side, side)
            made = layers(generator(settings, side), noise)
            # No gradient reaches real images, the fakes of D's step, noise or coarse images.
            unneeded += 2 * macs(seen[:1]) + macs(made[:1])
            d, g = d + seen, g + made
        whole = work(d, g, two_players(shared_z=False), RATE)
        return replace(whole, macs=whole.macs - unneeded)

    @property
    def _numbers(self) -> list[int]:
        """The shape of each level's noise."""
        return [self.settings.z, *(side**2 for side in self.sides[1:])]

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """The noise of all levels, uniform in [-1, 1]."""
        return draw.uniform(stream, count, sum(self._numbers))

    def _noise(self, z: Tensor) -> list[Tensor]:
        """(N, Z) -> the levels' noise: (N, z), then planes (N, 1, S, S)."""
        first, *planes = torch.split(z, self._numbers, 1)
        squares = zip(planes, self.sides[1:], strict=True)
        return [first, *(plane.reshape(-1, 1, side, side) for plane, side in squares)]

    def _made(self, level: int, noise: Tensor, below: Tensor | None) -> Tensor:
        """The images of one level, given its noise and the images `below` it (none at 8 px)."""
        if below is None:
            first: Tensor = self.generator[level](noise)
            return first
        coarse = up(below)
        residual: Tensor = self.generator[level](torch.cat([noise, coarse], 1))
        return coarse + residual

    def generate(self, z: Tensor) -> Tensor:
        """Sample up the pyramid, each level from the output of the one below."""
        images: Tensor | None = None
        for level, noise in enumerate(self._noise(z)):
            images = self._made(level, noise, images)
        assert images is not None
        return images

    def _fakes(self, z: Tensor, real: list[Tensor]) -> Iterator[Tensor]:
        """The images of every level, each generated from real coarser images."""
        below: Tensor | None = None
        for level, noise in enumerate(self._noise(z)):
            yield self._made(level, noise, below)
            below = real[level]

    def _judged(self, images: list[Tensor], draw: Draw, use: str) -> Tensor:
        """D over the images of every level: (levels, N)."""
        pairs = zip(self.discriminator, images, self.sides, strict=True)
        return torch.stack([d(each, draw, f"{use}_{side}") for d, each, side in pairs])

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One step of each player at every level, D before G, each with its own codes."""
        real, count = pyramid(batch.images), len(batch.images)
        self.zero_grad()
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["momentum"] = group["dampening"] = self.momentum

        with torch.no_grad():
            fake = list(self._fakes(self.latent(count, draw, "z_D"), real))
        pairs = [torch.cat(pair) for pair in zip(real, fake, strict=True)]
        on_real, on_fake = self._judged(pairs, draw, "D").chunk(2, 1)
        losses_d = (softplus(-on_real).mean(1) + softplus(on_fake).mean(1)) / 2
        losses_d.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizers["discriminator"].step()

        fake = list(self._fakes(self.latent(count, draw, "z_G"), real))
        losses_g = softplus(-self._judged(fake, draw, "G")).mean(1)
        # Backpropagate through D without touching its weights' gradients.
        losses_g.sum().backward(inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call]
        self.optimizers["generator"].step()
        self._updates += 1

        return {
            **_measures(losses_d, losses_g, on_real, on_fake),
            "grad_norm_d": gradient_norm(self.discriminator),
            "grad_norm_g": gradient_norm(self.generator),
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Both losses and D over real images and fakes, without dropout."""
        real = pyramid(batch.images)
        fake = list(self._fakes(self.latent(len(batch.images), draw, "z_heldout"), real))
        on_real, on_fake = self._judged(real, draw, ""), self._judged(fake, draw, "")
        losses_d = (softplus(-on_real).mean(1) + softplus(on_fake).mean(1)) / 2
        return _measures(losses_d, softplus(-on_fake).mean(1), on_real, on_fake)


def _sgd(player: nn.Module) -> torch.optim.SGD:
    """One optimiser for all levels: each weight gets the gradient of its own level's loss alone.

    The training loop sets the learning rate, the authors' 0.02.
    """
    return torch.optim.SGD(player.parameters(), lr=0.02, foreach=True)


def _measures(
    losses_d: Tensor, losses_g: Tensor, on_real: Tensor, on_fake: Tensor
) -> dict[str, Tensor]:
    """Means over the levels, of losses (levels,) and of D before its sigmoid (levels, N)."""
    found = {
        "loss_d": losses_d.mean(),
        "loss_g": losses_g.mean(),
        "d_real": on_real.sigmoid().mean(),
        "d_fake": on_fake.sigmoid().mean(),
        "d_fake_first": on_fake[0].sigmoid().mean(),
    }
    return {name: value.detach() for name, value in found.items()}
