"""PixelCNN: images pixel by pixel (gated: arXiv 1606.05328; its output: PixelCNN++, 1701.05517).

No adversary: the network says how likely each pixel is, given those above it and to its left
(equation 1 of the former), and is trained by maximum likelihood,

    p(x) = prod_i p(x_i | x_1, ..., x_{i-1}).

A layer has two stacks (figure 2): the vertical sees the rows above and feeds the horizontal, which
also sees the row's pixels to the left. Each ends in a gate (equation 2), and the horizontal adds
what it was given. Given a code h of the image, the distribution is p(x | h), and each gate has
terms in h that are the same at every position (equations 3 and 4):

    y = tanh(W_f * x + V_f h) sigmoid(W_g * x + V_g h).

h is the output of an encoder, trained jointly (section 2.4: a PixelCNN as the decoder of an
auto-encoder). Kernels are shifted instead of masked (section 2.2).

The output is a mixture of K logistic distributions over a pixel's three channels jointly,
discretised to the levels of the data (PixelCNN++, sections 2.1 and 2.2):

    p(r, g, b) = sum_k pi_k P(r; mu_r, s_r) P(g; mu_g + a r, s_g) P(b; mu_b + b r + c g, s_b),
    P(v; mu, s) = sigmoid((v + w/2 - mu) / s) - sigmoid((v - w/2 - mu) / s),

where w is the distance between levels and the lowest and highest levels absorb the tails; or a
softmax over the levels of each channel, given the channels before it, as in the gated PixelCNN.

The metric is -log2 p(x) per pixel and channel, bits per dimension. With fewer than 256 levels,
log2(256 / levels) is added to keep values comparable: merged levels count as equally likely. With a
code it is conditional on the image's own code, so it is not a likelihood of the image: it measures
the decoder, not how well the model fits faces.

Samples are drawn pixel by pixel, computing only what is new: one row at a time in the vertical
stack, one pixel in the horizontal.

Chosen or changed. The gated paper's networks for 32 px have 20 layers of 384 channels and kernels
of 5 x 5 (remembered), so that the last layer sees the whole image; a smaller network cannot tell
where in a face it is unless given `coordinates`. Channels depend on each other in the output only,
as in PixelCNN++; the gated paper splits every layer's maps in three. Taken from PixelCNN++ are the
output, Adam and weight averaging, but not its downsampling, skips, weight normalisation and
dropout. The paper gives no prior for h: sampling draws it from a normal distribution with the
running mean and covariance of training images' codes. The spatial form of h (equation 5) is not
implemented.
"""

import math
from copy import deepcopy
from dataclasses import replace
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad, softplus

from benchmark.column import Column
from benchmark.methods.cost import RATE, Work, layers, parameters, work
from benchmark.methods.dcgan import BASE, widths
from benchmark.methods.method import Batch, Draw, Method, adam, gradient_norm
from benchmark.methods.settings import Beta, MethodSettings, Width

_COLUMNS = {
    "bits_per_dim": Column(
        "-log2 p(x) a pixel and channel, at 256 levels; given its code where the method has one",
        "bits",
        "lower",
        "PixelCNN++, table 1",
    ),
    "grad_norm_g": Column("L2 norm of the gradient over all weights that are trained"),
}
# Root mean squares at the start: of a pixel, of a gate of two numbers of variance 1, and of one
# such number where it is above 0.
PIXEL, GATED, RECTIFIED = 0.55, 0.34, math.sqrt(0.5)
START = 0.3  # of the head's output: its distributions all start wide, and differ
LEAST_LOG_S = -7.0  # of a logistic distribution, in the authors' code of PixelCNN++
MEMORY = 0.01  # a batch's weight in the codes' running mean and covariance


class PixelCnnSettings(MethodSettings):
    """PixelCNN, gated (arXiv 1606.05328), with the output of PixelCNN++ (arXiv 1701.05517)."""

    name: Literal["pixelcnn"]
    n: Width = 32
    """Channels of each stack; a gate's convolution has twice as many. The paper has 384."""
    layers: Annotated[int, Field(ge=1, le=100)] = 5
    """Gated layers. The paper has 20. Each sees `kernel` // 2 rows more."""
    kernel: Literal[3, 5, 7] = 5
    """Kernel size in pixels, before kernels are cut to already generated pixels."""
    coordinates: bool = False
    """Departure: a pixel's row and column as two extra input channels, for networks whose receptive
    field is smaller than the image."""
    code: Annotated[int, Field(ge=0, le=4096)] = 0
    """Dimensions of the code that images are conditioned on, the output of an encoder; 0: no code
    and no encoder. The paper's auto-encoders have 10 and 100."""
    output: Literal["logistic", "softmax"] = "logistic"
    """A mixture of logistic distributions a pixel (PixelCNN++), or a softmax over the levels of
    each channel (gated PixelCNN)."""
    mixtures: Annotated[int, Field(ge=1, le=100)] = 10
    """Logistic distributions in the mixture."""
    levels: Literal[2, 4, 8, 16, 32, 64, 128, 256] = 256
    """Quantisation levels per channel. Fewer make a softmax smaller and images coarser."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential moving average of the weights, started from the initial ones, that
    samples and held-out bits use; 0: the weights themselves, as in the gated paper. PixelCNN++ has
    0.9995, a window of about 2,000 steps."""
    beta_1: Beta = 0.95
    beta_2: Beta = 0.9995

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.average and self.code:
            raise ValueError("average must be 0 with a code, whose encoder has no average")
        return self


def level_of(x: Tensor, levels: int) -> Tensor:
    """The level that each number in [-1, 1] belongs to, from 0, as a float.

    Of 256 levels they are the pixels' own; of fewer, neighbours are one.
    """
    pixels = 256 // levels
    return (x * (127.5 / pixels) + 128 / pixels).floor().clamp(0, levels - 1)


def value_of(level: Tensor, levels: int) -> Tensor:
    """The centre of each level, in [-1, 1]."""
    pixels = 256 // levels
    return level / (127.5 / pixels) + ((pixels - 1) / 255 - 1)


def quantised(x: Tensor, levels: int) -> Tensor:
    return value_of(level_of(x, levels), levels)


def discretised_logistic(x: Tensor, mean: Tensor, log_s: Tensor, levels: int) -> Tensor:
    """log P(x; mean, s) at level centres x; shapes broadcast."""
    half = 128 / levels / 127.5
    scale = torch.exp(-log_s)
    above, below = (x + half - mean) * scale, (x - half - mean) * scale
    lowest, highest = x - half < -1, x + half > 1
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which avoids cancellation.
    log_p = torch.where(highest, 0.0, -softplus(-above)) - torch.where(lowest, 0.0, softplus(below))
    return log_p + torch.where(lowest | highest, 0.0, (-torch.expm1(-2 * half * scale)).log())


def categorical(logits: Tensor, uniform: Tensor) -> Tensor:
    """(N, K) and numbers (N,) in [0, 1] -> (N,): draws by inverting the cumulative distribution."""
    count = logits.shape[1]
    # cumsum is not deterministic on a GPU.
    until = logits.softmax(1) @ logits.new_ones(count, count).triu()
    return (uniform[:, None] >= until[:, :-1]).sum(1)


def convolution(
    inputs: int, outputs: int, kernel: int | tuple[int, int], rms: float, sd: float = 1.0
) -> nn.Conv2d:
    """A layer whose initial outputs have standard deviation `sd` for inputs of root mean square
    `rms`.

    PixelCNN++ does the same from statistics of a batch. With torch's default initialisation a gate
    passes on a third of its input, and the sixth vertical layer next to nothing.
    """
    layer = nn.Conv2d(inputs, outputs, kernel)
    nn.init.normal_(layer.weight, 0.0, sd / (rms * math.sqrt(layer.weight[0].numel())))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def pointwise(layer: nn.Conv2d, v: Tensor) -> Tensor:
    """A 1x1 convolution of maps (N, C, H, W), or of a single pixel, (N, C)."""
    made: Tensor = linear(v, layer.weight.flatten(1), layer.bias) if v.ndim == 2 else layer(v)
    return made


class Logistic(nn.Module):
    """Features (N, C, ...) -> the mixtures (N, 10 K, ...): logits, means, log s, coefficients."""

    uniforms = 4  # uniform numbers needed per pixel

    def __init__(self, n: int, mixtures: int, levels: int) -> None:
        super().__init__()
        self.mixtures, self.levels = mixtures, levels
        self.last = convolution(n, 10 * mixtures, 1, RECTIFIED, START)

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        return pointwise(self.last, features)

    def nats(self, found: Tensor, x: Tensor) -> Tensor:
        """-log p of each pixel of x (N, 3, H, W), as (N, H, W)."""
        logits, mean, log_s, coefficient = self._split(found)
        r, g, _ = (channel[:, None] for channel in x.unbind(1))  # (N, 1, H, W)
        ar, br, cg = coefficient.unbind(1)  # (N, K, H, W)
        mean = mean + torch.stack([torch.zeros_like(ar), ar * r, br * r + cg * g], 1)
        log_p = discretised_logistic(x[:, :, None], mean, log_s, self.levels).sum(1)
        return -torch.logsumexp(logits.log_softmax(1) + log_p, 1)

    def pixel(self, features: Tensor, uniform: Tensor) -> Tensor:
        """Features (N, C) and numbers (N, 4) in [0, 1] -> a draw of the pixel, (N, 3)."""
        logits, *each = self._split(self(features, features))
        which = categorical(logits, uniform[:, 0])[:, None, None]
        mean, log_s, coefficient = (part.take_along_dim(which, 2)[:, :, 0] for part in each)
        v = mean + log_s.exp() * uniform[:, 1:].logit()
        r = quantised(v[:, 0], self.levels)
        g = quantised(v[:, 1] + coefficient[:, 0] * r, self.levels)
        b = v[:, 2] + coefficient[:, 1] * r + coefficient[:, 2] * g
        return torch.stack([r, g, quantised(b, self.levels)], 1)

    def _split(self, found: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (N, K, ...), and of each channel means, log s and coefficients, (N, 3, K, ...)."""
        k = self.mixtures
        each = found[:, k:].reshape(-1, 3, 3, k, *found.shape[2:])
        mean, log_s, coefficient = each.unbind(1)
        return found[:, :k], mean, log_s.clamp(min=LEAST_LOG_S), coefficient.tanh()


class Softmax(nn.Module):
    """Features (N, C, ...) -> logits of each channel's levels, (N, 3 L, ...).

    Green depends on red, and blue on both, each through its own layer.
    """

    uniforms = 3

    def __init__(self, n: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.hidden = nn.ModuleList(convolution(n + before, n, 1, RECTIFIED) for before in range(3))
        self.last = nn.ModuleList(convolution(n, levels, 1, RECTIFIED, START) for _ in range(3))

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        return torch.cat([self._channel(features, x[:, :before]) for before in range(3)], 1)

    def _channel(self, features: Tensor, before: Tensor) -> Tensor:
        """Logits of a channel, given those before it, (N, 0 to 2, ...)."""
        hidden, last = self.hidden[before.shape[1]], self.last[before.shape[1]]
        assert isinstance(hidden, nn.Conv2d)
        assert isinstance(last, nn.Conv2d)
        return pointwise(last, pointwise(hidden, torch.cat([features, before], 1)).relu())

    def nats(self, found: Tensor, x: Tensor) -> Tensor:
        """-log p of each pixel of x (N, 3, H, W), as (N, H, W)."""
        wanted = level_of(x, self.levels).long()
        logits = found.reshape(-1, 3, self.levels, *found.shape[2:]).movedim(2, -1)
        each = cross_entropy(logits.reshape(-1, self.levels), wanted.reshape(-1), reduction="none")
        return each.view(wanted.shape).sum(1)

    def pixel(self, features: Tensor, uniform: Tensor) -> Tensor:
        """Features (N, C) and numbers (N, 3) in [0, 1] -> a draw of the pixel, (N, 3)."""
        made = features[:, :0]
        for drawn in uniform.unbind(1):
            level = categorical(self._channel(features, made), drawn)
            made = torch.cat([made, value_of(level.to(features), self.levels)[:, None]], 1)
        return made


def gate(v: Tensor) -> Tensor:
    """(N, 2 C, ...) -> (N, C, ...), equation 2."""
    f, g = v.chunk(2, 1)
    return f.tanh() * g.sigmoid()


class Layer(nn.Module):
    """The layer of figure 2: vertical and horizontal stack, (N, C, S, S) each.

    The vertical stack's gate is applied in the next layer, as the last needs none. The first layer,
    whose horizontal stack must not see the pixel itself, has no residual connection.
    """

    def __init__(self, inputs: int, settings: PixelCnnSettings, *, first: bool) -> None:
        super().__init__()
        n, kernel = settings.n, settings.kernel
        self.first, self.side = first, kernel // 2
        self.reach = self.side if first else self.side + 1  # rows or columns of the cut kernel
        self.vertical = convolution(inputs, 2 * n, (self.reach, kernel), PIXEL if first else GATED)
        self.across = convolution(2 * n, 2 * n, 1, 1.0)
        self.horizontal = convolution(inputs, 2 * n, (1, self.reach), PIXEL if first else 1.0)
        # All layers together add as much as the first layer outputs.
        self.out = convolution(n, n, 1, GATED, 1.0 if first else settings.layers**-0.5)
        # V of equation 4.
        self.code_v, self.code_h = (
            nn.Linear(settings.code, 2 * n, bias=False) if wanted else None
            for wanted in (settings.code > 0 and not first, settings.code > 0)
        )

    def forward(self, v: Tensor, h: Tensor, code: Tensor | None) -> tuple[Tensor, Tensor]:
        inputs = self.vertical_input(v, code)
        v = self.vertical(pad(inputs, (self.side, self.side, self.reach - 1, 0)))
        made = self.horizontal(pad(h, (self.reach - 1, 0))) + self.from_above(v, code)
        return v, self.residual(h, gate(made))

    def row(self, above: Tensor, v: Tensor, code: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same for one new row v (N, C, 1, S) of the vertical stack.

        `above` (N, C, reach, S + kernel - 1) are the rows last seen by its kernel; returns the rows
        seen now, and the output row.
        """
        new = pad(self.vertical_input(v, code), (self.side, self.side))
        above = torch.cat([above[:, :, 1:], new], 2)
        return above, self.vertical(above)

    def pixel(self, left: Tensor, h: Tensor, crossed: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one new pixel h (N, C) of the horizontal stack.

        `left` (N, reach, C) are the pixels last seen by its kernel, `crossed` (N, 2 C) the vertical
        stack's contribution; returns the pixels seen now, and the output pixel.
        """
        left = torch.cat([left[:, 1:], h[:, None]], 1)
        weight = self.horizontal.weight.permute(0, 2, 3, 1).flatten(1)
        made = gate(crossed + linear(left.flatten(1), weight, self.horizontal.bias))
        return left, self.residual(h, made)

    def residual(self, h: Tensor, gated: Tensor) -> Tensor:
        """The horizontal stack's output."""
        made = pointwise(self.out, gated)
        return made if self.first else h + made

    def vertical_input(self, v: Tensor, code: Tensor | None) -> Tensor:
        """The vertical stack's input: the gated output of the previous layer."""
        if self.first:
            return v
        return gate(v if self.code_v is None else v + self.code_v(code)[:, :, None, None])

    def from_above(self, v: Tensor, code: Tensor | None) -> Tensor:
        """Other inputs to the horizontal stack's gate: from the vertical stack and the code."""
        given: Tensor = self.across(v)
        return given if self.code_h is None else given + self.code_h(code)[:, :, None, None]


class Network(nn.Module):
    """Quantised images (N, 3, S, S) and their codes (N, Z), if any -> the head's input, (N, P, S,
    S)."""

    head: Logistic | Softmax
    where: Tensor

    def __init__(self, size: int, settings: PixelCnnSettings) -> None:
        super().__init__()
        n, inputs = settings.n, 5 if settings.coordinates else 3
        at = torch.linspace(-1, 1, size)
        where = torch.stack(torch.meshgrid(at, at, indexing="ij"))[None, : inputs - 3]
        self.register_buffer("where", where, persistent=False)  # (1, 0 or 2, S, S)
        self.layers = nn.ModuleList(
            Layer(n if index else inputs, settings, first=index == 0)
            for index in range(settings.layers)
        )
        self.hidden = convolution(n, n, 1, RECTIFIED)
        if settings.output == "logistic":
            self.head = Logistic(n, settings.mixtures, settings.levels)
        else:
            self.head = Softmax(n, settings.levels)

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        where = self.where.expand(len(x), -1, -1, -1)
        # What a pixel sees begins with the row above it and with the column to its left.
        v = torch.cat([pad(x, (0, 0, 1, 0))[:, :, :-1], where], 1)
        h = torch.cat([pad(x, (1, 0))[:, :, :, :-1], where], 1)
        for layer in self.layers:
            v, h = layer(v, h, code)
        found: Tensor = self.head(self._features(h), x)
        return found

    def _features(self, h: Tensor) -> Tensor:
        return pointwise(self.hidden, h.relu()).relu()

    @torch.no_grad()
    def sample(self, uniform: Tensor, code: Tensor | None = None) -> Tensor:
        """Images (N, 3, S, S) from numbers (N, U, S, S) in [0, 1], U being the head's, and codes,
        if any."""
        count, _, _, size = uniform.shape
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        where = self.where.expand(count, -1, -1, -1)
        inputs = [layer.vertical.in_channels for layer in layers]
        images = uniform.new_zeros(count, 3, size, size)
        last = images[:, :, :1]  # the row above, which is not there yet
        aboves = [
            uniform.new_zeros(count, channels, layer.reach, size + 2 * layer.side)
            for layer, channels in zip(layers, inputs, strict=True)
        ]
        for y in range(size):
            v, crossed = torch.cat([last, where[:, :, y : y + 1]], 1), []
            for index, layer in enumerate(layers):
                aboves[index], v = layer.row(aboves[index], v, code)
                given = layer.from_above(v, code)[:, :, 0]
                crossed.append(given.permute(2, 0, 1).contiguous())  # (S, N, 2 C)
            lefts = [
                uniform.new_zeros(count, layer.reach, channels)
                for layer, channels in zip(layers, inputs, strict=True)
            ]
            pixel = uniform.new_zeros(count, 3)
            for x in range(size):
                h = torch.cat([pixel, where[:, :, y, x]], 1)
                for index, layer in enumerate(layers):
                    lefts[index], h = layer.pixel(lefts[index], h, crossed[index][x])
                pixel = self.head.pixel(self._features(h), uniform[:, :, y, x])
                images[:, :, y, x] = pixel
            last = images[:, :, y : y + 1]
        return images


class Encoder(nn.Sequential):
    """(N, 3, S, S) -> codes (N, Z): strided convolutions down to 4 x 4, as in an auto-encoder."""

    def __init__(self, size: int, n: int, code: int) -> None:
        layers, channels = list[nn.Module](), 3
        for width in widths(size, n):
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU(inplace=True)]
            channels = width
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * BASE**2, code))


class Codes(nn.Module):
    """Running statistics of training images' codes, and the random numbers that `generate` turns
    into pixels."""

    mean: Tensor  # (Z,)
    covariance: Tensor  # (Z, Z)
    uniform: Tensor  # (uniforms, S, S) in [0, 1]

    def __init__(self, code: int, uniforms: int, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(code))
        self.register_buffer("covariance", torch.eye(code))
        self.register_buffer("uniform", torch.rand(uniforms, size, size))

    @torch.no_grad()
    def follow(self, codes: Tensor) -> None:
        self.mean.lerp_(codes.mean(0), MEMORY)
        off = codes - self.mean
        self.covariance.lerp_(off.T @ off / len(off), MEMORY)

    def drawn(self, normal: Tensor) -> Tensor:
        """Standard normal numbers (N, Z) -> codes with this mean and covariance."""
        variances, axes = torch.linalg.eigh(self.covariance)
        codes: Tensor = self.mean + normal @ (axes * variances.clamp(min=0).sqrt()) @ axes.T
        return codes


class PixelCNN(Method):
    """The network, and with a code the encoder. Built with a code it is a `ConditionalPixelCNN`."""

    Settings = PixelCnnSettings
    columns = _COLUMNS
    heldout = ("bits_per_dim",)
    signal = "bits_per_dim"
    sampled_by = ("generator", "codes")
    capturable = True

    def __new__(cls, settings: PixelCnnSettings, size: int) -> "PixelCNN":
        # A method's abilities are declared by the functions it defines.
        return super().__new__(ConditionalPixelCNN if settings.code else cls)

    def __init__(self, settings: PixelCnnSettings, size: int) -> None:
        super().__init__()
        self.settings, self.size = settings, size
        self.generator = Network(size, settings)
        self.learner = None
        if settings.average:
            self.learner, self.generator = self.generator, _without_gradients(self.generator)
        self.encoder = Encoder(size, settings.n, settings.code) if settings.code else None
        if settings.code:
            self.codes = Codes(settings.code, self.generator.head.uniforms, size)
        betas = (settings.beta_1, settings.beta_2)
        self.optimizers = {"generator": adam(self._trained(), betas)}

    def _trained(self) -> nn.ModuleList:
        """The network itself, not its average, and the encoder."""
        return nn.ModuleList(
            part for part in (self.learner or self.generator, self.encoder) if part is not None
        )

    @classmethod
    def cost(cls, settings: PixelCnnSettings, size: int) -> Work:
        # One forward pass, one full backward pass.
        images, code = torch.empty(1, 3, size, size), torch.empty(1, settings.code)
        network = layers(Network(size, settings), images, code)
        encoder = layers(Encoder(size, settings.n, settings.code), images) if settings.code else []
        both = work([], [*network, *encoder], (0, 3), RATE)
        return replace(both, generator=parameters(network))  # the encoder makes no samples

    def _bits(self, network: Network, images: Tensor, code: Tensor | None) -> Tensor:
        levels = self.settings.levels
        x = quantised(images, levels)
        nats = network.head.nats(network(x, code), x).mean() / 3
        return nats / math.log(2) + math.log2(256 / levels)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One ascent step on the batch's likelihood, for the network and its encoder together."""
        x, optimizer, trained = batch.images, self.optimizers["generator"], self._trained()
        optimizer.zero_grad(set_to_none=True)
        code = None if self.encoder is None else self.encoder(x)
        bits = self._bits(self.learner or self.generator, x, code)
        torch.autograd.backward(bits)
        optimizer.step()
        if self.learner is not None:
            self._average(self.learner)
        if code is not None:
            self.codes.follow(code.detach())
        return {"bits_per_dim": bits.detach(), "grad_norm_g": gradient_norm(trained)}

    def _average(self, learner: Network) -> None:
        kept, new = dict(self.generator.named_buffers()), dict(learner.named_parameters())
        with torch.no_grad():
            torch._foreach_lerp_(
                [kept[name] for name in new], list(new.values()), 1 - self.settings.average
            )

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Bits per dimension of held-out images, given their own codes, if any."""
        code = None if self.encoder is None else self.encoder(batch.images)
        return {"bits_per_dim": self._bits(self.generator, batch.images, code)}

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        return self.generator.sample(self._uniform(count, draw, stream))

    def _uniform(self, count: int, draw: Draw, stream: str) -> Tensor:
        """In [0, 1], from the stream `stream`_pixels."""
        shape = count, self.generator.head.uniforms, self.size, self.size
        return (draw.uniform(f"{stream}_pixels", *shape) + 1) / 2


class ConditionalPixelCNN(PixelCNN):
    """With a code: models an image given its own encoding."""

    capturable = True

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """h normal, with the mean and covariance of the training images' codes."""
        return self.codes.drawn(draw.normal(stream, count, self.settings.code))

    def generate(self, z: Tensor) -> Tensor:
        """Images from codes, all with the same random numbers, as in the paper's figure 5.

        No gradient flows through: pixels are sampled levels.
        """
        return self.generator.sample(self.codes.uniform.expand(len(z), -1, -1, -1), z)

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        """Images from codes of `latent`, each with its own random numbers."""
        code = self.latent(count, draw, stream)
        return self.generator.sample(self._uniform(count, draw, stream), code)

    def encode(self, images: Tensor, draw: Draw) -> Tensor:
        """h, deterministically."""
        assert self.encoder is not None
        code: Tensor = self.encoder(images)
        return code


def _without_gradients(network: Network) -> Network:
    """A copy whose weights are buffers, so that no optimizer updates them and they are not counted
    as parameters."""
    copy = deepcopy(network)
    for part in copy.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, weight.detach())
    return copy
