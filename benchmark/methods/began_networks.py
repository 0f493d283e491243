"""BEGAN's networks (arXiv 1703.10717v4, section 3.5), in both known designs.

`figure_1` is the paper's figure to the letter, extended to every resolution: 24.3 M parameters at
128 px with n = 128. `author` follows the author's earlier layers, the only layout whose parameter
count, with skips, matches the paper's 17.3 M (16.4 M without). They differ as follows, at S px with
log2(S / 8) scales:

    encoder   both halve the map scale times, (c, c) then (c, c + n) with stride 2;
              figure_1 adds a pair of convolutions at 8 x 8
    decoder   figure_1: a pair at 8 x 8, then (up, pair) at each scale;
              author: (convolution, up, convolution) at each scale, no pair at 8 x 8
    skips     h_0, the map after the fully connected layer, joins before the first convolution of
              each group but the first
    weights   figure_1: the library's default, as the paper names none; author: a normal of sd 0.01
              cut at two sd, biases 0
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmark.methods.began import BeganSettings

BASE = 8  # pixels of the last map, section 3.5


def scales(size: int) -> int:
    """How many times a map of `size` pixels is halved to reach 8 x 8."""
    return (size // BASE).bit_length() - 1


class BatchNormD(nn.BatchNorm2d):
    """Batch norm of the discriminator, which normalises by the batch in evaluation mode too.

    Its running statistics would mix real and fake batches (see dcgan.BatchNormD). They are kept,
    unused, because checkpoints and digests of weights hold them.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        return nn.functional.batch_norm(
            x, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


Norm = type[nn.BatchNorm2d] | None  # between a convolution and its ELU


class Convolution(nn.Module):
    """A 3 x 3 convolution and an ELU, optionally with batch normalisation between them.

    Vanishing residual (section 3.5.1): where output and input have the same size, the result is
    carry * input + (1 - carry) * output. `carry` is a scalar, None for none.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, *, norm: Norm) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1)
        self.norm = None if norm is None else norm(channels_out)
        self.same_size = channels_in == channels_out and stride == 1

    def forward(self, x: Tensor, carry: Tensor | None = None) -> Tensor:
        y: Tensor = self.convolution(x)
        if self.norm is not None:
            y = self.norm(y)
        y = nn.functional.elu(y, inplace=True)
        return y if carry is None or not self.same_size else torch.lerp(y, x, carry)


class Encoder(nn.Module):
    """(N, 3, S, S) -> (N, outputs). Channels n, 2n, 3n, ..., growing as the map is halved."""

    def __init__(self, settings: "BeganSettings", size: int, outputs: int) -> None:
        super().__init__()
        n, norm = settings.n, BatchNormD if settings.batch_norm else None
        layers = [Convolution(3, n, norm=norm)]
        for scale in range(1, scales(size) + 1):
            layers += [
                Convolution(scale * n, scale * n, norm=norm),
                Convolution(scale * n, (scale + 1) * n, stride=2, norm=norm),
            ]
        width = (scales(size) + 1) * n
        if settings.design == "figure_1":
            layers += [Convolution(width, width, norm=norm) for _ in range(2)]
        self.convolutions = nn.ModuleList(layers)
        self.code = nn.Linear(BASE * BASE * width, outputs)

    def forward(self, x: Tensor, carry: Tensor | None = None) -> Tensor:
        for convolution in self.convolutions:
            x = convolution(x, carry)
        code: Tensor = self.code(x.flatten(1))
        return code


class Decoder(nn.Module):
    """(N, inputs) -> (N, 3, S, S). n channels throughout, nearest-neighbour upsampling.

    `batch_norm` is the class of its norm, if it has one: the generator's by default.
    """

    def __init__(
        self,
        settings: "BeganSettings",
        size: int,
        inputs: int,
        batch_norm: type[nn.BatchNorm2d] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        n, norm = settings.n, batch_norm if settings.batch_norm else None
        self.n, self.skips, self.design = n, settings.skips, settings.design
        self.tanh = settings.output == "tanh"
        self.start = nn.Linear(inputs, BASE * BASE * n)
        layers: list[Convolution] = []
        for group in range(scales(size) + (self.design == "figure_1")):
            joined = 2 * n if self.skips and group > 0 else n
            layers += [Convolution(joined, n, norm=norm), Convolution(n, n, norm=norm)]
        self.convolutions = nn.ModuleList(layers)
        self.end = nn.Conv2d(n, 3, 3, padding=1)

    def forward(self, code: Tensor, carry: Tensor | None = None) -> Tensor:
        x = self.start(code).unflatten(1, (self.n, BASE, BASE))
        if self.skips:  # concatenated with channels-last maps in training; mixed layouts are slow
            x = x.contiguous(memory_format=torch.channels_last)
        h_0 = x
        for group in range(len(self.convolutions) // 2):
            if group > 0 and self.design == "figure_1":
                x = _double(x)
            if group > 0 and self.skips:
                h_0 = _double(h_0)
                x = torch.cat([x, h_0], dim=1)
            x = self.convolutions[2 * group](x, carry)
            if self.design == "author":
                x = _double(x)
            x = self.convolutions[2 * group + 1](x, carry)
        images: Tensor = self.end(x)
        return images.tanh() if self.tanh else images


class AutoEncoder(nn.Module):
    """The discriminator: an encoder and a decoder; a variational encoder outputs 2h numbers."""

    def __init__(self, settings: "BeganSettings", size: int) -> None:
        super().__init__()
        heads = 2 if settings.kl_weight > 0 else 1
        self.encoder = Encoder(settings, size, heads * settings.h)
        self.decoder = Decoder(settings, size, settings.h, BatchNormD)


@torch.no_grad()
def initialise_as_author(network: nn.Module) -> None:
    """Weights from a normal of sd 0.01 truncated at two sd, biases 0, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.01, a=-0.02, b=0.02)
            assert module.bias is not None
            nn.init.zeros_(module.bias)


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
