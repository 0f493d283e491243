"""EBGAN: energy-based generative adversarial networks (arXiv 1609.03126).

The discriminator is an auto-encoder and its energy is the L2 norm of each image's reconstruction
error (section 2.3),

    D(x) = ||Dec(Enc(x)) - x||,

and the players' losses, equations 1 and 2 (section 2.1), are

    L_D = D(x) + max(0, m - D(G(z)))
    L_G = D(G(z)) + weight * PT(Enc(G(z))).

PT is the pulling-away term (section 2.4), the mean over pairs i != j of a batch of the squared
cosine similarity of their codes; EBGAN-PT is EBGAN with a weight of 0.1. It enters L_G only.

The paper does not specify the order of the players' updates. Here both gradients are taken at the
same weights, so that `shared_z` changes the codes and nothing else.

From memory of the paper's appendix, not rechecked: the layers of 64 px faces, batch norm everywhere
but at G's output and D's input, ReLU in both players, weights N(0, 0.002) in D and N(0, 0.02) in G.
Our own choices: the decoder's output is linear, and gains start at 1 in D.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Work, layers, two_players, work
from benchmark.methods.dcgan import BatchNormD, Generator, initialise
from benchmark.methods.method import GRADIENTS, Batch, Draw, FromPrior, gradient_norm, players
from benchmark.methods.settings import Beta, MethodSettings, Prior, Width

BASE = 8  # pixels of the code's map

_NORM = "image range [-1, 1], L2 over an image at the run's resolution"
_COLUMNS = {
    "energy_real": Column("D(x): error in rebuilding real images", _NORM, "", "EBGAN, eq. 1"),
    "energy_fake": Column("D(G(z)): the same of fakes", _NORM, "", "EBGAN, equation 2"),
    "loss_d": Column("L_D: energy_real + hinge", _NORM, "lower", "EBGAN, equation 1"),
    "loss_g": Column("L_G: energy_fake + weighted pulling_away", _NORM, "", "EBGAN, equation 2"),
    "hinge": Column(
        "max(0, m - D(G(z))); 0 says that fakes lie beyond the margin", _NORM, "", "EBGAN, eq. 1"
    ),
    "pulling_away": Column(
        "mean squared cosine between the fakes' codes, without its weight; 1: all alike",
        better="lower",
        source="EBGAN, section 2.4",
    ),
    **GRADIENTS,
}


class EbganSettings(MethodSettings):
    """EBGAN (arXiv 1609.03126); with a pulling-away weight it is EBGAN-PT."""

    name: Literal["ebgan"]
    n: Width = 64
    """Channels of the first convolution of 64 px networks: (64)-(128)-(256)."""
    z: Width = 100
    """Dimensions of the generator's input."""
    margin: Annotated[float, Field(gt=0)] = 20.0
    """The margin m at 64 px. The L2 norm of an error grows with the square root of the pixels, so
    the method uses m * size / 64: the same per-pixel error closes the hinge at every resolution."""
    pulling_away: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the pulling-away term in L_G; the paper's EBGAN-PT has 0.1."""
    energy: Literal["l2", "pixel_mean", "batch_l2"] = "l2"
    """||D(x) - x|| a sample, as in the paper. Departures: its mean square a pixel under the same,
    unscaled margin (the hinge never closes), or one norm over the whole batch."""
    hinge: bool = True
    """Departure: L_D without max(0, .), so that it is unbounded below."""
    pulling_away_form: Literal["squared", "unsquared", "pixels", "dimensions"] = "squared"
    """Departures: cosine similarities not squared; taken between images instead of codes; between
    the code's dimensions instead of the batch's samples."""
    shared_z: bool = False
    """Departure: one draw of z for both players."""
    prior: Prior = "normal"
    beta_1: Beta = 0.5
    beta_2: Beta = 0.999


def widths(size: int, n: int) -> list[int]:
    """Channels n, 2n, 4n, ... of the encoder's maps, the last of 8 x 8 pixels.

    At 64 px that is the paper's (64)-(128)-(256). Depth follows the resolution, so that a cell of
    the code sees as large a part of the face at every one (22 pixels of 64, 10 of 32). At 16 px the
    one layer left reconstructs nearly anything.
    """
    return [n << scale for scale in range((size // BASE).bit_length() - 1)]


class AutoEncoder(nn.Module):
    """(N, 3, S, S) -> the reconstructions, (N, 3, S, S), and their codes (N, C, 8, 8).

    4x4 convolutions of stride 2 and the decoder as their mirror image.
    """

    def __init__(self, size: int, n: int) -> None:
        super().__init__()
        channels = widths(size, n)
        down: list[nn.Module] = [nn.Conv2d(3, n, 4, 2, 1), nn.ReLU(inplace=True)]
        for narrow, wide in pairwise(channels):
            down.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            down += [BatchNormD(wide), nn.ReLU(inplace=True)]
        up: list[nn.Module] = []
        for wide, narrow in pairwise(channels[::-1]):
            up.append(nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False))
            up += [BatchNormD(narrow), nn.ReLU(inplace=True)]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(n, 3, 4, 2, 1))
        initialise(self, 0.002, sd_gains=0)

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.encoder(v)
        return self.decoder(codes), codes


def pulling_away(codes: Tensor, form: str) -> Tensor:
    """PT of codes (N, K), section 2.4: the mean over i != j of cos(S_i, S_j)^2.

    `form` is as in EbganSettings; "pixels" is "squared" applied to images instead of codes.
    """
    if form == "dimensions":
        # Pairs of the K columns. The sum of squares of the K x K matrix A'A is that of the N x N
        # matrix AA', which is far smaller.
        unit = normalize(codes, dim=0)
        everyone = (unit @ unit.T).square().sum()
        themselves, count = unit.square().sum(0).square().sum(), codes.shape[1]
    else:
        unit = normalize(codes, dim=1)
        cosines = unit @ unit.T
        cosines = cosines if form == "unsquared" else cosines.square()
        everyone, themselves, count = cosines.sum(), cosines.trace(), len(codes)
    return (everyone - themselves) / (count * (count - 1))


class EBGAN(FromPrior):
    """Both players. `m` is the margin in force at this resolution."""

    Settings = EbganSettings
    columns = _COLUMNS
    heldout = ("energy_real", "energy_fake", "loss_d")
    signal = "loss_d"
    capturable = True

    settings: EbganSettings

    def __init__(self, settings: EbganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        # The L2 norm of an error with a given root mean square e a pixel is e sqrt(3 S^2), which
        # grows with S: the paper's 20 at 64 px closes the hinge at e = 0.18, and so does this m.
        scale = 1.0 if settings.energy == "pixel_mean" else size / 64
        self.m = settings.margin * scale
        self.discriminator = AutoEncoder(size, settings.n)
        self.generator = Generator(size, settings.n, settings.z)
        self.optimizers = players(settings, self.discriminator, self.generator)

    def energy(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """D(v) of each image of v (N, 3, S, S), as (N,), and the codes (N, K).

        With `batch_l2` there is a single energy for the whole batch, (1,).
        """
        rebuilt, codes = self.discriminator(v)
        error = rebuilt - v
        if self.settings.energy == "pixel_mean":
            energy = error.square().mean((1, 2, 3))
        elif self.settings.energy == "batch_l2":
            energy = torch.linalg.vector_norm(error).reshape(1)
        else:
            energy = torch.linalg.vector_norm(error, dim=(1, 2, 3))
        return energy, codes.flatten(1)

    @classmethod
    def cost(cls, settings: EbganSettings, size: int) -> Work:
        d = layers(AutoEncoder(size, settings.n), torch.empty(1, 3, size, size))
        g = layers(Generator(size, settings.n, settings.z), torch.empty(1, settings.z))
        return work(d, g, two_players(shared_z=settings.shared_z), STRIDED_RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Equations 1 and 2: both gradients at the same weights, then both steps."""
        x = batch.images
        self.zero_grad()

        shared = self.settings.shared_z
        fake = self.generate(self.latent(len(x), draw, "z_G"))
        on_fake, codes = self.energy(fake)
        if shared:  # one pass over the fakes serves both players
            on_fake_d = on_fake
        else:
            with torch.no_grad():
                fake_d = self.generate(self.latent(len(x), draw, "z_D"))
            on_fake_d, _ = self.energy(fake_d)
        energy_real, hinge = self.energy(x)[0].mean(), self._hinge(on_fake_d)
        loss_d = energy_real + hinge
        # `inputs` keeps L_D out of G, and L_G with its pulling-away term out of D.
        loss_d.backward(inputs=list(self.discriminator.parameters()), retain_graph=shared)  # type: ignore[no-untyped-call]

        term = self._pulling_away(fake, codes)
        loss_g = on_fake.mean() + self.settings.pulling_away * term
        loss_g.backward(inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call]

        norms = {
            "grad_norm_d": gradient_norm(self.discriminator),
            "grad_norm_g": gradient_norm(self.generator),
        }
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {
            "energy_real": energy_real.detach(),
            "energy_fake": on_fake.detach().mean(),
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "hinge": hinge.detach(),
            "pulling_away": term.detach(),
            **norms,
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Mean energies of real images and of fakes, and L_D."""
        fake = self.generate(self.latent(len(batch.images), draw, "z_heldout"))
        on_real, on_fake = self.energy(batch.images)[0], self.energy(fake)[0]
        return {
            "energy_real": on_real.mean(),
            "energy_fake": on_fake.mean(),
            "loss_d": on_real.mean() + self._hinge(on_fake),
        }

    def _hinge(self, energies: Tensor) -> Tensor:
        """The mean over images of max(0, m - D(G(z))), the hinge being applied per image."""
        gap = self.m - energies
        return (relu(gap) if self.settings.hinge else gap).mean()

    def _pulling_away(self, fake: Tensor, codes: Tensor) -> Tensor:
        """Unweighted PT; without a gradient where the weight is 0, when it is only logged."""
        form = self.settings.pulling_away_form
        with torch.set_grad_enabled(self.settings.pulling_away > 0):
            return pulling_away(fake.flatten(1) if form == "pixels" else codes, form)
