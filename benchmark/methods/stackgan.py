"""StackGAN: stacked generative adversarial networks (arXiv 1612.03242).

Stage I generates images of half the size, which stage II turns into full-size ones. Both are
conditioned on t, a text in the paper and here an image's attributes, by conditioning augmentation
(section 3.2): a code c is drawn from N(mu(t), sigma(t)^2), with each stage's own mu and sigma, and

    KL(N(mu, sigma^2) || N(0, 1))        (equation 2)

keeps its distribution near a standard normal. With D before its sigmoid, so that -log D =
softplus(-D), x of the stage's size and t* the attributes of another image, unequal to t (equations
3 to 6):

    L_D = E softplus(-D(x, t)) + 1/2 (E softplus(D(x, t*)) + E softplus(D(G, t)))
    L_G = E softplus(-D(G, t)) + lambda KL,

with G = G_1(z, c_1) in stage I and G = G_2(G_1(z, c_1), c_2) in stage II, which has no z of its
own. The first `stage_1` steps of a run train stage I. All later ones train stage II, with stage I
frozen in evaluation mode, its batch norms using running statistics. Until stage II has begun,
samples are stage I's, upsampled.

Taken from the authors' code, where the paper is silent or differs: the wrong pairs (x, t*) and the
halves; lambda = 2 of a KL that is a mean over dimensions, where the paper has 1 (remembered); the
same fakes for D's and G's updates, as in their PyTorch code (the one in TensorFlow draws anew). The
code takes any other image's text for t*; with only a few attributes many of those would match.

Without attributes there is no condition: no c, no KL, no wrong pairs, and fakes have full weight.
The second version does the same without labels (arXiv 1710.10916), but trains its stages jointly
and passes features, not images, between them.

A code is z, the noise for both stages' c, and attributes, 0 or 1 each. A sample's attributes are a
whole row drawn from the last 1,024 training images, so that their frequencies and co-occurrence
match the data: with any other mixture the samples' distribution would differ, and judges would
penalise it.

Layers are those of section 3.4: in stage I nearest upsampling and 3x3 convolutions, from 4x4; in D
4x4 convolutions of stride 2 down to 4x4, then a 1x1 convolution over its maps and N_d numbers for
the attributes; in stage II downsampling to 16x16, if needed, residual blocks and upsampling; from
4x4 maps it made the same four faces of every input. Chosen or changed: stage II doubles the size,
where the paper goes from 64 to 256 px; mu, log sigma and D's N_d numbers are linear in the
attributes, without the leaky ReLUs of the authors' code, and with torch's default initialisation; G
and D share one width n, where the paper has 128 and 64. The paper halves the rate every 100 of 600
epochs, restarting in each stage; `lr_decay` runs through both.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Layers, Work, layers, macs, work
from benchmark.methods.dcgan import BASE, BatchNormD, initialise, widths
from benchmark.methods.method import GRADIENTS, Batch, Counting, Draw, adam, gradient_norm
from benchmark.methods.settings import Beta, LabelledSettings, Width
from benchmark.strict import Names

_NATS = "nats"
_COLUMNS = {
    "stage": Column("the stage in training, to which the other columns belong", "1 or 2"),
    "loss_d": Column(
        "cross-entropy of real pairs against fake and wrong ones", _NATS, "", "StackGAN, 3 and 5"
    ),
    "loss_g": Column(
        "-log D(G, t) and the weighted KL", _NATS, "lower", "StackGAN, equations 4 and 6"
    ),
    "kl": Column(
        "of a code's distribution from the normal, a dimension; 0 without attributes",
        _NATS,
        "",
        "StackGAN, equation 2",
    ),
    "d_real": Column("D(x, t): mean probability of a real pair, on real ones", source="StackGAN"),
    "d_wrong": Column("D(x, t*): the same where attributes are not the image's; 0 without any"),
    "d_fake": Column("D(G, t): the same on fakes; near 0 the generator has lost"),
    **GRADIENTS,
}
JOINT = 16  # M_g: pixels of stage II's smallest maps, where attributes join; or of stage I's images
MEMORY = 1024  # training images whose attributes are kept for samples


class StackGanSettings(LabelledSettings):
    """StackGAN (arXiv 1612.03242): stage I at half the size, then stage II, which refines it."""

    name: Literal["stackgan"]
    attributes: Names = ()
    """Data attributes in place of the paper's text, as in [Male, Young]. Without any the method is
    unconditional, as in arXiv 1710.10916 without labels."""
    stage_1: Annotated[int, Field(ge=1)] = 100_000
    """Steps of stage I; all later ones are stage II's. The paper has 600 epochs of each."""
    n: Width = 64
    """Channels of the first convolution of either discriminator and of stage II; they double as the
    maps halve. Stage I's generator has its discriminator's widths in reverse."""
    z: Width = 100
    """Dimensions of the noise, N_z."""
    c: Width = 128
    """Dimensions of the conditioning code c, N_g."""
    d: Width = 128
    """Dimensions to which a discriminator projects the attributes, N_d."""
    blocks: Annotated[int, Field(ge=0, le=16)] = 2
    """Residual blocks of stage II; the paper has 2 for 128 px and 4 for 256 px."""
    kl_weight: Annotated[float, Field(ge=0)] = 2.0
    """lambda, the weight of the KL divergence per dimension in L_G."""
    beta_1: Beta = 0.5
    beta_2: Beta = 0.999


class Made(NamedTuple):
    """A stage's output for given codes."""

    images: Tensor  # (N, 3, S, S) in [-1, 1]
    mean: Tensor  # (N, c); (N, 0) without attributes
    log_sd: Tensor


def convolution(narrow: int, wide: int) -> nn.Conv2d:
    """3x3, without a bias."""
    return nn.Conv2d(narrow, wide, 3, padding=1, bias=False)


def upsampling(wide: int, narrow: int) -> list[nn.Module]:
    return [
        *(nn.Upsample(scale_factor=2), convolution(wide, narrow)),
        *(nn.BatchNorm2d(narrow), nn.ReLU(inplace=True)),
    ]


class Residual(nn.Module):
    """(N, C, S, S) -> (N, C, S, S)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(convolution(width, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
            *(convolution(width, width), nn.BatchNorm2d(width)),
        )

    def forward(self, v: Tensor) -> Tensor:
        return nn.functional.relu(v + self.layers(v))


class Augmentation(nn.Module):
    """Conditioning augmentation: attributes (N, A) and noise (N, c) -> c, its mean and log sigma.

    Without attributes all three are empty.
    """

    def __init__(self, attributes: int, c: int) -> None:
        super().__init__()
        self.width = c if attributes else 0
        if attributes:
            self.layer = nn.Linear(attributes, 2 * c)

    def forward(self, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.width:
            return noise, noise, noise
        mean, log_sd = self.layer(labels).chunk(2, 1)
        return mean + log_sd.exp() * noise, mean, log_sd


class StageOne(nn.Module):
    """z (N, Z), attributes (N, A) and noise for c (N, c) -> `Made`, images of half the size."""

    def __init__(self, settings: StackGanSettings, size: int) -> None:
        super().__init__()
        channels = widths(size, settings.n)[::-1]
        self.augmentation = Augmentation(len(settings.attributes), settings.c)
        narrow, wide = settings.z + self.augmentation.width, channels[0]
        layers: list[nn.Module] = [
            *(nn.Unflatten(1, (narrow, 1, 1)), nn.ConvTranspose2d(narrow, wide, BASE, bias=False)),
            *(nn.BatchNorm2d(wide), nn.ReLU(inplace=True)),
        ]
        for one, other in pairwise(channels):
            layers += upsampling(one, other)
        layers += [nn.Upsample(scale_factor=2), convolution(channels[-1], 3), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self, 0.02)

    def forward(self, z: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c, mean, log_sd = self.augmentation(labels, noise)
        return self.layers(torch.cat([z, c], 1)), mean, log_sd


def refined(size: int, n: int) -> list[int]:
    """Stage II's channels n, 2n, ... of maps of `size`, size / 2, ..., M_g = 16 pixels."""
    return [n << scale for scale in range(max(1, (size // JOINT).bit_length()))]


class StageTwo(nn.Module):
    """Images of half the size, attributes (N, A) and noise for c (N, c) -> `Made`, whole images."""

    def __init__(self, settings: StackGanSettings, size: int) -> None:
        """`size`: of the input images."""
        super().__init__()
        self.augmentation = Augmentation(len(settings.attributes), settings.c)
        channels = refined(size, settings.n)
        down: list[nn.Module] = [convolution(3, channels[0]), nn.ReLU(inplace=True)]
        for narrow, wide in pairwise(channels):
            down.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            down += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        self.down, wide = nn.Sequential(*down), channels[-1]
        up: list[nn.Module] = [convolution(wide + self.augmentation.width, wide)]
        up += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        up += [Residual(wide) for _ in range(settings.blocks)]
        last = max(1, settings.n // 2)
        for one, other in pairwise([*channels[::-1], last]):
            up += upsampling(one, other)
        self.up = nn.Sequential(*up, convolution(last, 3), nn.Tanh())
        initialise(self, 0.02)

    def forward(
        self, coarse: Tensor, labels: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, mean, log_sd = self.augmentation(labels, noise)
        v = self.down(coarse)
        return self.up(torch.cat([v, _spread(c, v)], 1)), mean, log_sd


def _spread(c: Tensor, v: Tensor) -> Tensor:
    """(N, C) repeated at every position of v's maps."""
    return c[:, :, None, None].expand(-1, -1, *v.shape[2:])


class Discriminator(nn.Module):
    """Images (N, 3, S, S) and attributes (N, A), once or more -> (N,) for each of those, before the
    sigmoid. No norm in the first layer.
    """

    def __init__(self, settings: StackGanSettings, size: int) -> None:
        super().__init__()
        channels = widths(size, settings.n)
        layers: list[nn.Module] = [
            nn.Conv2d(3, channels[0], 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for narrow, wide in pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            layers += [BatchNormD(wide), nn.LeakyReLU(0.2, inplace=True)]
        self.maps, wide = nn.Sequential(*layers), channels[-1]
        if settings.attributes:
            self.attributes = nn.Linear(len(settings.attributes), settings.d)
            self.joint = nn.Sequential(
                nn.Conv2d(wide + settings.d, wide, 1, bias=False),
                *(BatchNormD(wide), nn.LeakyReLU(0.2, inplace=True)),
            )
        self.last = nn.Conv2d(wide, 1, BASE)
        initialise(self, 0.02)

    def forward(self, images: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        maps = self.maps(images)
        return tuple(self.last(self._with(each, maps)).flatten() for each in labels)

    def _with(self, labels: Tensor, maps: Tensor) -> Tensor:
        """Feature maps joined with the attributes, if any."""
        if not labels.shape[1]:
            return maps
        joint: Tensor = self.joint(torch.cat([maps, _spread(self.attributes(labels), maps)], 1))
        return joint


class StackGAN(Counting):
    """Both players of both stages; one stage is in training at a time."""

    Settings = StackGanSettings
    columns = _COLUMNS
    heldout = ("loss_d", "loss_g", "d_real", "d_fake")
    signal = "loss_g"
    sampled_by = ("generator", "seen", "refining")
    labelled = True

    seen: Tensor  # (MEMORY, A): attributes of the last training images
    refining: Tensor  # 1 once stage II has begun

    def __init__(self, settings: StackGanSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.labelled = bool(settings.attributes)
        self.discriminator = nn.ModuleList(
            Discriminator(settings, side) for side in (size // 2, size)
        )
        self.generator = nn.ModuleList(
            [StageOne(settings, size // 2), StageTwo(settings, size // 2)]
        )
        if self.labelled:
            self.register_buffer("seen", torch.zeros(MEMORY, len(settings.attributes)))
        self.register_buffer("refining", torch.zeros(()))
        betas = (settings.beta_1, settings.beta_2)
        self.optimizers = {
            f"{player}_{stage + 1}": adam(getattr(self, player)[stage], betas)
            for stage in range(2)
            for player in ("discriminator", "generator")
        }
        # `refining` on the host, to avoid waiting for the device; None: not read yet.
        self._stage: int | None = None
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            lambda method, _: setattr(method, "_stage", None)
        )

    def _reached(self) -> int:
        """The stage that samples end in, 0 or 1."""
        if self._stage is None:
            self._stage = int(self.refining)
        return self._stage

    @classmethod
    def cost(cls, settings: StackGanSettings, size: int) -> Work:
        """The mean cost of both stages' steps."""
        small, count = size // 2, len(settings.attributes)
        labels, noise = torch.empty(1, count), torch.empty(1, settings.c if count else 0)
        coarse, refining = torch.empty(1, 3, small, small), StageTwo(settings, small)
        first = layers(StageOne(settings, small), torch.empty(1, settings.z), labels, noise)
        second = layers(refining, coarse, labels, noise)
        # G runs once forward and once backward in full, plus stage I once forward for stage II. D's
        # layers for images and for pairs run as many passes, each with a full backward pass, and
        # one to the inputs for L_G.
        total = 4 * macs(first) + 3 * macs(second) - macs(layers(refining.down, coarse)[:1])
        d = Layers()
        for side in (small, size):
            images, judge = torch.empty(1, 3, side, side), Discriminator(settings, side)
            seen, of_images = layers(judge, images, labels), layers(judge.maps, images)
            of_pairs = macs(seen) - macs(of_images)
            total += 8 * macs(of_images) - 2 * macs(of_images[:1]) + (11 if count else 8) * of_pairs
            d += seen
        both = work(d, [*first, *second], (0, 0), STRIDED_RATE)
        return replace(both, macs=total / 2)

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """Normal noise for z and both c, and attributes of past training images."""
        code = self._noise(count, draw, stream)
        if not self.labelled:
            return code
        share = (draw.uniform(f"{stream}_attributes", count) + 1) / 2
        rows = (share * MEMORY).long().clamp(max=MEMORY - 1)
        return torch.cat([code, self.seen[rows]], 1)

    def sample_with(self, labels: Tensor, draw: Draw, stream: str) -> Tensor:
        noise = self._noise(len(labels), draw, stream)
        return self.generate(torch.cat([noise, labels.to(noise)], 1))

    def _noise(self, count: int, draw: Draw, stream: str) -> Tensor:
        c = self.settings.c if self.labelled else 0
        return draw.normal(stream, count, self.settings.z + 2 * c)

    def _parts(self, code: Tensor) -> tuple[Tensor, ...]:
        """z, the noise of stage I's c and of stage II's, and attributes."""
        c = self.settings.c if self.labelled else 0
        return torch.split(code, [self.settings.z, c, c, len(self.settings.attributes)], 1)

    def _first(self, code: Tensor) -> Made:
        z, noise, _, labels = self._parts(code)
        return Made(*self.generator[0](z, labels, noise))

    def _second(self, coarse: Tensor, code: Tensor) -> Made:
        _, _, noise, labels = self._parts(code)
        return Made(*self.generator[1](coarse, labels, noise))

    def generate(self, z: Tensor) -> Tensor:
        coarse = self._first(z).images
        if self._reached():
            return self._second(coarse, z).images
        return interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)

    def _frozen(self, code: Tensor) -> Tensor:
        """Stage I's images, as in sampling."""
        self.generator[0].eval()
        with torch.no_grad():
            images = self._first(code).images
        self.generator[0].train(self.training)
        return images

    def _made(self, stage: int, code: Tensor) -> Made:
        """The output of a stage, 0 or 1, for a code."""
        return self._second(self._frozen(code), code) if stage else self._first(code)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One step of each player of one stage, D before G, on the same fakes."""
        stage = int(self._updates >= self.settings.stage_1)
        x, labels = _given(batch, stage)
        if self.labelled:
            self._remember(labels)
        d, g = self.discriminator[stage], self.generator[stage]
        self.zero_grad()

        made = self._made(stage, torch.cat([self._noise(len(x), draw, "z"), labels], 1))
        loss_d, found = self._loss_d(stage, x, made.images.detach(), labels, draw)
        loss_d.backward()  # type: ignore[no-untyped-call]
        self.optimizers[f"discriminator_{stage + 1}"].step()

        loss_g, kl = self._loss_g(stage, made, labels)
        # Through D, but not into its weights' gradients.
        loss_g.backward(inputs=list(g.parameters()))  # type: ignore[no-untyped-call]
        self.optimizers[f"generator_{stage + 1}"].step()
        self.refining.fill_(stage)
        self._stage = stage
        self._updates += 1

        return {
            "stage": self.refining + 1,
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "kl": kl.detach(),
            **{name: value.detach() for name, value in found.items()},
            "grad_norm_d": gradient_norm(d),
            "grad_norm_g": gradient_norm(g),
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Both losses, and D over real pairs and over fakes, of the stage that samples end in."""
        stage = self._reached()
        x, labels = _given(batch, stage)
        made = self._made(stage, torch.cat([self._noise(len(x), draw, "z_heldout"), labels], 1))
        loss_d, found = self._loss_d(stage, x, made.images, labels, draw)
        loss_g, _ = self._loss_g(stage, made, labels)
        values = {"loss_d": loss_d, "loss_g": loss_g, **found}
        return {name: values[name] for name in self.heldout}

    def _loss_d(
        self, stage: int, x: Tensor, fake: Tensor, labels: Tensor, draw: Draw
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Equations 3 and 5, and D's mean probabilities."""
        d = self.discriminator[stage]
        (on_fake,) = d(fake, labels)
        if self.labelled:
            others, weights = _others(labels, draw)
            on_real, on_wrong = d(x, labels, others)
            d_wrong = weights @ on_wrong.sigmoid()
            against = (weights @ softplus(on_wrong) + softplus(on_fake).mean()) / 2
        else:
            (on_real,) = d(x, labels)
            d_wrong, against = on_real.new_zeros(()), softplus(on_fake).mean()
        return softplus(-on_real).mean() + against, {
            "d_real": on_real.sigmoid().mean(),
            "d_wrong": d_wrong,
            "d_fake": on_fake.sigmoid().mean(),
        }

    def _loss_g(self, stage: int, made: Made, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 4 and 6, and the KL divergence of equation 2, a dimension."""
        (on_fake,) = self.discriminator[stage](made.images, labels)
        kl = on_fake.new_zeros(())
        if self.labelled:
            mean, log_sd = made.mean, made.log_sd
            kl = (mean.square() + (2 * log_sd).exp() - 1).mean() / 2 - log_sd.mean()
        return softplus(-on_fake).mean() + self.settings.kl_weight * kl, kl

    def _remember(self, labels: Tensor) -> None:
        """Store in a ring buffer of MEMORY rows; the first call fills all of it."""
        count = MEMORY if self._updates == 0 else min(len(labels), MEMORY)
        at = torch.arange(count, device=labels.device)
        self.seen[(at + self._updates * len(labels)) % MEMORY] = labels[at % len(labels)]


def _given(batch: Batch, stage: int) -> tuple[Tensor, Tensor]:
    """Images of the stage's size and their attributes (N, A)."""
    x = batch.images if stage else avg_pool2d(batch.images, 2)
    return x, x.new_zeros(len(x), 0) if batch.labels is None else batch.labels


def _others(labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """For each image, the attributes of another one in the batch that differ from its own.

    (N, A), and weights (N,) that turn a sum into a mean over the images that have such a partner.
    """
    unequal = (labels[:, None] != labels[None]).any(2)
    chances = torch.where(unequal, draw.uniform("wrong", len(labels), len(labels)), -2.0)
    having = unequal.any(1).to(labels)
    return labels[chances.argmax(1)], having / having.sum().clamp(min=1)
