"""ALI: Adversarially learned inference (arXiv 1606.00704).

A generator maps codes to images, an encoder maps images to codes, and the discriminator tells which
of the two produced a pair (equation 1):

    q(x, z): x real, z = mu(x) + sigma(x) eps, eps normal        (equation 2)
    p(x, z): z normal, x = G(z).

The losses are those of Algorithm 1, with D before its sigmoid, so that -log D = softplus(-D):

    L_D = E_q softplus(-D(x, z)) + E_p softplus(D(x, z))
    L_G = E_q softplus(D(x, z)) + E_p softplus(-D(x, z)),

Generator and encoder minimise L_G together, with both of its terms. Both gradients are taken at the
same weights, from one pass through D, before either side is updated, as in the authors' code.

The layers follow the paper's appendix: at 32 px its SVHN networks, which the authors' code also
uses for CelebA; at 64 px its CelebA networks. Other sizes are ours: 16 px drops the first stride-2
layer of the 32 px networks and has a first kernel of 4, not 5, and above 64 px each doubling adds a
stride-2 convolution. No convolution is padded, so the generator's feature maps are the encoder's in
reverse.

Chosen or changed: images are in [-1, 1], so outputs are 2 sigmoid - 1 and dropped pixels are grey.
The output bias starts at 0, as in the tables, with one per channel; the authors' code has one per
pixel, initialised from the data mean. Every layer without a norm has a bias; their code omits some.
z has 256 dimensions at 64 px too; the table has 512, but its encoder has only 512 outputs, for mean
and log sigma together. The tables' beta_2 of 0.001 is what their library calls 0.999.
"""

from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Work, layers, parameters, work
from benchmark.methods.dcgan import initialise
from benchmark.methods.method import (
    GRADIENTS,
    Batch,
    Draw,
    Method,
    dropped,
    gradient_norm,
    players,
)
from benchmark.methods.settings import Beta, MethodSettings, Rate, Width

_NATS = "nats"
_COLUMNS = {
    "loss_d": Column("cross-entropy of (x, E(x)) against (G(z), z)", _NATS, "", "ALI, Algorithm 1"),
    "loss_g": Column("the same with the pairs exchanged", _NATS, "lower", "ALI, Algorithm 1"),
    "d_real": Column("D(x, E(x)): mean probability of a real image with its code", source="ALI"),
    "d_fake": Column("D(G(z), z): the same of fakes; where both are 1/2, D cannot tell"),
    "code_sd": Column(
        "sigma(x), mean over code dimensions; 1 where a code says nothing", "of the prior's", ""
    ),
    **GRADIENTS,
}
SD = 0.01  # of the initial weights; gains begin at 1
MEMORY = 0.05  # batch norm momentum, as in the authors' code
PIECES = 2  # of a maxout


class AliSettings(MethodSettings):
    """ALI (arXiv 1606.00704): an encoder and a generator against a discriminator of pairs."""

    name: Literal["ali"]
    n: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 8
    """Channels of the first convolution at 32 px, and the unit of all other widths. The paper's
    networks have 32: 10.4 M parameters at 32 px, where 8 has 0.9 M."""
    z: Width = 256
    """Dimensions of the code."""
    discriminator: Literal["leaky", "maxout"] = "leaky"
    """Leaky ReLU, with batch norm in the layers for images, as in the paper for faces and SVHN; or
    two-piece maxouts without any norm, as for CIFAR-10. A maxout's width counts both pieces."""
    dropout: Rate = 0.2
    """Dropout rate before each of the discriminator's layers, except, at 64 px and above, before
    the leaky ReLU layers for images. (For CIFAR-10 it is 0.5 after the inputs.)"""
    slope: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Negative slope of the leaky ReLUs: the paper's for faces; it has 0.01 for SVHN, 0.1 for
    CIFAR-10."""
    beta_1: Beta = 0.5
    beta_2: Beta = 0.999


class Layout(NamedTuple):
    """Kernels, strides and widths at one size; widths are multiples of n."""

    down: tuple[tuple[int, int, int], ...]  # kernel, stride, width: encoder and D's image layers
    up: tuple[int, ...]  # the generator's widths; its kernels and strides are `down`'s reversed
    pointwise: bool  # one more 1x1 layer at the end of encoder and generator
    pair: int  # width of D's layers for pairs; those for codes have half
    image_dropout: bool  # before D's image layers; the first then has no norm


_32 = Layout(
    down=((5, 1, 1), (4, 2, 2), (4, 1, 4), (4, 2, 8), (4, 1, 16)),
    up=(8, 4, 2, 1, 1),
    pointwise=True,
    pair=32,
    image_dropout=True,
)
_16 = _32._replace(down=((4, 1, 1), (4, 1, 4), (4, 2, 8), (4, 1, 16)), up=(8, 4, 2, 1))
_64 = Layout(
    down=((2, 1, 2), (7, 2, 4), (5, 2, 8), (7, 2, 8), (4, 1, 16)),
    up=(16, 8, 8, 4, 2),
    pointwise=False,
    pair=64,
    image_dropout=False,
)


def layout(size: int) -> Layout:
    """For images of `size` pixels; every size ends at 1 x 1."""
    if size <= 64:
        return {16: _16, 32: _32, 64: _64}[size]
    half = layout(size // 2)
    return half._replace(down=((2, 2, 2), *half.down), up=(*half.up, 2))


class Maxout(nn.Module):
    """(N, C, ...) -> (N, C / 2, ...): the larger of each pair of neighbours."""

    def forward(self, v: Tensor) -> Tensor:
        return torch.maximum(v[:, ::2], v[:, 1::2])


def layer(
    convolution: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module, *, norm: bool
) -> list[nn.Module]:
    """A convolution, batch norm (replacing the bias) if any, and the activation."""
    if not norm:
        return [convolution, activation]
    convolution.register_parameter("bias", None)
    return [convolution, nn.BatchNorm2d(convolution.out_channels, momentum=MEMORY), activation]


class Encoder(nn.Module):
    """(N, 3, S, S) -> mean and log sigma of each image's code, (N, Z) both."""

    def __init__(self, size: int, n: int, z: int, slope: float) -> None:
        super().__init__()
        shape, layers, channels = layout(size), list[nn.Module](), 3
        for kernel, stride, width in shape.down:
            convolution = nn.Conv2d(channels, width * n, kernel, stride)
            layers += layer(convolution, nn.LeakyReLU(slope, inplace=True), norm=True)
            channels = width * n
        if shape.pointwise:
            convolution = nn.Conv2d(channels, channels, 1)
            layers += layer(convolution, nn.LeakyReLU(slope, inplace=True), norm=True)
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 2 * z, 1), nn.Flatten())
        initialise(self, SD, sd_gains=0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sd = self.layers(x).chunk(2, 1)
        return mean, log_sd


class Generator(nn.Module):
    """(N, Z) -> (N, 3, S, S) in [-1, 1]."""

    def __init__(self, size: int, n: int, z: int, slope: float) -> None:
        super().__init__()
        shape, channels = layout(size), z
        layers: list[nn.Module] = [nn.Unflatten(1, (z, 1, 1))]
        for (kernel, stride, _), width in zip(reversed(shape.down), shape.up, strict=True):
            convolution = nn.ConvTranspose2d(channels, width * n, kernel, stride)
            layers += layer(convolution, nn.LeakyReLU(slope, inplace=True), norm=True)
            channels = width * n
        if shape.pointwise:
            pointwise = nn.Conv2d(channels, channels, 1)
            layers += layer(pointwise, nn.LeakyReLU(slope, inplace=True), norm=True)
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 3, 1), nn.Sigmoid())
        initialise(self, SD, sd_gains=0)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = 2 * self.layers(z) - 1
        return images


class Discriminator(nn.Module):
    """Images (N, 3, S, S) and their codes (N, Z) -> (N,), before the sigmoid.

    Each passes through its own layers, then both through joint ones. Dropout masks come from
    `draw`, in streams named by layer number; evaluation mode has no dropout.
    """

    def __init__(self, size: int, settings: AliSettings) -> None:
        super().__init__()
        shape, n = layout(size), settings.n
        maxout = settings.discriminator == "maxout"
        self.dropout = settings.dropout
        self.image_dropout = maxout or shape.image_dropout

        def seen(convolution: nn.Conv2d, *, norm: bool = False) -> nn.Sequential:
            activation = Maxout() if maxout else nn.LeakyReLU(settings.slope, inplace=True)
            return nn.Sequential(*layer(convolution, activation, norm=norm and not maxout))

        kept = PIECES if maxout else 1  # a maxout's width counts its pieces
        self.image, channels = nn.ModuleList(), 3
        for index, (kernel, stride, width) in enumerate(shape.down):
            norm = index > 0 or not shape.image_dropout
            self.image.append(seen(nn.Conv2d(channels, width * n, kernel, stride), norm=norm))
            channels = width * n // kept
        wide = shape.pair * n
        self.code = nn.ModuleList(
            seen(nn.Conv2d(narrow, wide // 2, 1)) for narrow in (settings.z, wide // 2 // kept)
        )
        self.pair = nn.ModuleList(
            seen(nn.Conv2d(narrow, wide, 1))
            for narrow in (channels + wide // 2 // kept, wide // kept)
        )
        self.last = nn.Conv2d(wide // kept, 1, 1)
        initialise(self, SD, sd_gains=0)

    def forward(self, x: Tensor, z: Tensor, draw: Draw) -> Tensor:
        v, w = x, z[:, :, None, None]
        for index, part in enumerate(self.image):
            v = part(self._drop(v, draw, f"dropout_x{index}") if self.image_dropout else v)
        for index, part in enumerate(self.code):
            w = part(self._drop(w, draw, f"dropout_z{index}"))
        v = torch.cat([v, w], 1)
        for index, part in enumerate(self.pair):
            v = part(self._drop(v, draw, f"dropout_xz{index}"))
        judged: Tensor = self.last(self._drop(v, draw, "dropout_last"))
        return judged.flatten()

    def _drop(self, v: Tensor, draw: Draw, stream: str) -> Tensor:
        if not self.training or self.dropout == 0:
            return v
        return dropped(v, self.dropout, draw, stream)


class ALI(Method):
    """Encoder and generator on one side, the discriminator of pairs on the other."""

    Settings = AliSettings
    columns = _COLUMNS
    heldout = ("loss_d", "loss_g", "d_real", "d_fake", "code_sd")
    signal = "loss_g"
    capturable = True

    def __init__(self, settings: AliSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(size, settings.n, settings.z, settings.slope)
        self.generator = Generator(size, settings.n, settings.z, settings.slope)
        self.discriminator = Discriminator(size, settings)
        self.optimizers = players(settings, self.discriminator, self._makers())

    def _makers(self) -> nn.Module:
        """Generator and encoder, which produce the pairs."""
        return nn.ModuleList([self.generator, self.encoder])

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """z standard normal."""
        return draw.normal(stream, count, self.settings.z)

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z)
        return images

    def encode(self, images: Tensor, draw: Draw) -> Tensor:
        """One draw of q(z | x), equation 2, with noise from the stream "epsilon"."""
        return self._encode(images, draw)[0]

    def _encode(self, images: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Codes, and sigma of each of their dimensions."""
        mean, log_sd = self.encoder(images)
        sd = log_sd.exp()
        return mean + sd * draw.normal("epsilon", *mean.shape), sd

    @classmethod
    def cost(cls, settings: AliSettings, size: int) -> Work:
        images, codes = torch.empty(1, 3, size, size), torch.empty(1, settings.z)
        shape = (size, settings.n, settings.z, settings.slope)
        encoder, generator = layers(Encoder(*shape), images), layers(Generator(*shape), codes)
        # D runs forward on both kinds of pairs, then backward in full for L_D and to its inputs
        # only for L_G; generator and encoder run once forward and once backward in full.
        judge = layers(Discriminator(size, settings), images, codes, None)
        both = work(judge, [*generator, *encoder], (8, 3), STRIDED_RATE)
        return replace(both, generator=parameters(generator))  # the encoder makes no samples

    def _judged(self, x: Tensor, z: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Both losses, mean D over each kind of pair, and sigma; D sees all pairs in one pass."""
        code, sd = self._encode(x, draw)
        images, codes = torch.cat([x, self.generate(z)]), torch.cat([code, z])
        on_real, on_fake = self.discriminator(images, codes, draw).chunk(2)
        return {
            "loss_d": softplus(-on_real).mean() + softplus(on_fake).mean(),
            "loss_g": softplus(on_real).mean() + softplus(-on_fake).mean(),
            "d_real": on_real.sigmoid().mean(),
            "d_fake": on_fake.sigmoid().mean(),
            "code_sd": sd.mean(),
        }

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One simultaneous step of both sides, Algorithm 1."""
        x, makers = batch.images, self._makers()
        self.zero_grad()
        found = self._judged(x, self.latent(len(x), draw, "z"), draw)
        for name, side in (("loss_d", self.discriminator), ("loss_g", makers)):
            # Backpropagate through the other side without touching its weights' gradients.
            loss, weights = found[name], list(side.parameters())
            torch.autograd.backward(loss, inputs=weights, retain_graph=True)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {
            **{name: value.detach() for name, value in found.items()},
            "grad_norm_d": gradient_norm(self.discriminator),
            "grad_norm_g": gradient_norm(makers),
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Both losses, mean D over each kind of pair, and sigma, without dropout."""
        return self._judged(batch.images, self.latent(len(batch.images), draw, "z_heldout"), draw)
