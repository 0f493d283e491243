"""ALI against equations worked out by hand."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.ali import ALI, AliSettings, Maxout, layout
from benchmark.methods.method import Batch, has_code, has_encoder
from benchmark.training.determinism import StepDraw
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, flat, images

pytestmark = pytest.mark.usefixtures("double")

CPU = torch.device("cpu")


def ali(size: int = 16, **settings: Any) -> ALI:
    torch.manual_seed(0)
    block = {"name": "ali", "n": 2, "z": 3, **settings}
    return ALI(AliSettings.model_validate(block), size)


def sigmoid(y: float) -> float:
    return 1 / (1 + exp(-y))


class Judge(nn.Module):
    """D(x, z) = a mean(x) + b z + mean(x) z."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(weight)) for weight in (a, b))

    def forward(self, x: Tensor, z: Tensor, draw: object) -> Tensor:
        mean = x.mean((1, 2, 3))
        return self.a * mean + self.b * z[:, 0] + mean * z[:, 0]


class Code(nn.Module):
    """Mean m * mean(x), log sigma s."""

    def __init__(self, m: float, s: float) -> None:
        super().__init__()
        self.m, self.s = (nn.Parameter(torch.tensor(weight)) for weight in (m, s))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean((1, 2, 3))[:, None]
        return self.m * mean, self.s.expand_as(mean)


def test_losses_gradients_and_simultaneity_by_hand() -> None:
    """G(z) = g z, so everything is a formula of five weights."""
    method, lr = ali(z=1), 0.1
    a, b, m, s, g = 0.7, -0.4, 1.2, -0.5, 0.9
    method.discriminator = Judge(a, b)
    method.encoder = Code(m, s)
    method.generator = OneWeight(g, lambda g, z: g * z.reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16))
    makers = [*method.generator.parameters(), *method.encoder.parameters()]
    method.optimizers = {
        "discriminator": torch.optim.SGD(method.discriminator.parameters(), lr),
        "generator": torch.optim.SGD(makers, lr),
    }
    x, z, epsilon = (0.9, 0.2), (0.5, -0.4), (-0.6, 0.3)
    draw = GivenDraw(z=torch.tensor(z), epsilon=torch.tensor(epsilon))
    metrics = method.update(Batch(flat(*x)), draw)

    codes = [m * v + exp(s) * e for v, e in zip(x, epsilon, strict=True)]
    real = [a * v + b * c + v * c for v, c in zip(x, codes, strict=True)]
    fake = [a * g * w + b * w + g * w * w for w in z]
    loss_d = -sum(log(sigmoid(y)) for y in real) / 2 - sum(log(1 - sigmoid(y)) for y in fake) / 2
    loss_g = -sum(log(1 - sigmoid(y)) for y in real) / 2 - sum(log(sigmoid(y)) for y in fake) / 2
    wanted = {
        **{"loss_d": loss_d, "loss_g": loss_g, "code_sd": exp(s)},
        "d_real": sum(map(sigmoid, real)) / 2,
        "d_fake": sum(map(sigmoid, fake)) / 2,
    }
    for name, value in wanted.items():
        assert metrics[name].item() == pytest.approx(value, abs=1e-12), name

    # d loss_d / d D is sigmoid - 1 on real pairs and sigmoid on fakes; of loss_g the other way.
    d_real, d_fake = [sigmoid(y) - 1 for y in real], [sigmoid(y) for y in fake]
    slope_a = sum(d * v for d, v in zip(d_real, x, strict=True)) / 2
    slope_a += sum(d * g * w for d, w in zip(d_fake, z, strict=True)) / 2
    slope_b = sum(d * c for d, c in zip(d_real, codes, strict=True)) / 2
    slope_b += sum(d * w for d, w in zip(d_fake, z, strict=True)) / 2
    to_code = [sigmoid(y) * (b + v) for y, v in zip(real, x, strict=True)]
    slope_m = sum(d * v for d, v in zip(to_code, x, strict=True)) / 2
    slope_s = sum(d * exp(s) * e for d, e in zip(to_code, epsilon, strict=True)) / 2
    slope_g = sum((sigmoid(y) - 1) * (a + w) * w for y, w in zip(fake, z, strict=True)) / 2
    # All of them at the weights before the step.
    moved = {
        method.discriminator.a: a - lr * slope_a,
        method.discriminator.b: b - lr * slope_b,
        method.encoder.m: m - lr * slope_m,
        method.encoder.s: s - lr * slope_s,
        method.generator.weight: g - lr * slope_g,
    }
    for weight, after in moved.items():
        assert weight.item() == pytest.approx(after, abs=1e-12)
    norm_d, norm_g = metrics["grad_norm_d"].item(), metrics["grad_norm_g"].item()
    assert norm_d == pytest.approx((slope_a**2 + slope_b**2) ** 0.5, abs=1e-12)
    assert norm_g == pytest.approx((slope_m**2 + slope_s**2 + slope_g**2) ** 0.5, abs=1e-12)


@pytest.mark.parametrize("kind", ["leaky", "maxout"])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_step_against_one_written_out(kind: str, size: int) -> None:
    """The whole networks, with the masks made here: D layer by layer on pairs of both kinds."""
    method, again = (ali(size, discriminator=kind) for _ in range(2))
    x, draw = images(4, size), FixedDraw(1)
    metrics = method.update(Batch(x), draw)

    fresh = FixedDraw(1)
    mean, log_sd = again.encoder.layers(x).chunk(2, 1)
    code = mean + log_sd.exp() * fresh.normal("epsilon", 4, 3)
    z = fresh.normal("z", 4, 3)
    fake = 2 * again.generator.layers(z) - 1

    def dropped(v: Tensor, stream: str) -> Tensor:
        if size == 64 and kind == "leaky" and stream.startswith("dropout_x") and "xz" not in stream:
            return v  # in the paper's table of CelebA
        chance = (fresh.uniform(stream, *v.shape) + 1) / 2
        return torch.where(chance < 0.2, 0.0, v / 0.8)

    d = again.discriminator
    v = torch.cat([x, fake])
    for index, part in enumerate(d.image):
        v = part(dropped(v, f"dropout_x{index}"))
    w = torch.cat([code, z])[:, :, None, None]
    for index, part in enumerate(d.code):
        w = part(dropped(w, f"dropout_z{index}"))
    v = torch.cat([v, w], 1)
    for index, part in enumerate(d.pair):
        v = part(dropped(v, f"dropout_xz{index}"))
    y = d.last(dropped(v, "dropout_last")).flatten()
    on_real, on_fake = y[:4].sigmoid(), y[4:].sigmoid()
    loss_d = -on_real.log().mean() - (1 - on_fake).log().mean()
    loss_g = -(1 - on_real).log().mean() - on_fake.log().mean()
    assert metrics["loss_d"].item() == pytest.approx(loss_d.item(), abs=1e-12)
    assert metrics["loss_g"].item() == pytest.approx(loss_g.item(), abs=1e-12)

    for loss, names in ((loss_d, ["discriminator"]), (loss_g, ["generator", "encoder"])):
        for name in names:
            weights = list(getattr(again, name).parameters())
            wanted = torch.autograd.grad(loss, weights, retain_graph=True)
            for weight, gradient in zip(getattr(method, name).parameters(), wanted, strict=True):
                torch.testing.assert_close(weight.grad, gradient, rtol=1e-9, atol=1e-15)


def test_all_randomness_is_drawn_by_name() -> None:
    draw = FixedDraw()
    ali(32).update(Batch(images(4, 32)), draw)
    streams = [stream for _, stream in draw.streams]
    assert len(set(streams)) == len(streams)
    assert sorted(streams) == sorted(
        [
            *("z", "epsilon", "dropout_last"),
            *(f"dropout_x{index}" for index in range(5)),
            *(f"dropout_{what}{index}" for what in ("z", "xz") for index in range(2)),
        ]
    )
    without = FixedDraw()
    ali(32, dropout=0).update(Batch(images(4, 32)), without)
    assert without.streams == [("normal", "z"), ("normal", "epsilon")]


def test_dropout_keeps_the_mean_and_stops_in_evaluation() -> None:
    d = ali(dropout=0.3).discriminator
    v = torch.ones(50, 400)
    dropped = d._drop(v, StepDraw(0, 1, CPU), "dropout_x0")
    assert (dropped == 0).double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped[dropped != 0].unique().tolist() == pytest.approx([1 / 0.7])
    d.eval()
    assert d._drop(v, StepDraw(0, 1, CPU), "dropout_x0") is v


def test_codes_of_images() -> None:
    method = ali(32, z=5)
    assert has_encoder(method)
    assert has_code(method)
    method.eval()
    x = images(6, 32)
    mean, log_sd = method.encoder(x)
    assert mean.shape == log_sd.shape == (6, 5)
    code = method.encode(x, FixedDraw(2))
    wanted = mean + log_sd.exp() * FixedDraw(2).normal("epsilon", 6, 5)
    torch.testing.assert_close(code, wanted, rtol=0, atol=1e-15)
    zeros = GivenDraw(epsilon=torch.zeros(6, 5))
    torch.testing.assert_close(method.encode(x, zeros), mean, rtol=0, atol=0)


def test_maxout_takes_the_larger_of_neighbours() -> None:
    v = torch.tensor([[1.0, 2.0, 5.0, -1.0], [0.0, -3.0, 2.0, 2.5]])
    assert Maxout()(v).tolist() == [[2.0, 5.0], [0.0, 2.5]]
    assert Maxout()(torch.randn(2, 6, 3, 3)).shape == (2, 3, 3, 3)


# Output channels and kernels, and where batch norms are: those of the paper's tables at n = 32.
IMAGE_32 = [(32, 5, 1), (64, 4, 2), (128, 4, 1), (256, 4, 2), (512, 4, 1)]
IMAGE_64 = [(64, 2, 1), (128, 7, 2), (256, 5, 2), (256, 7, 2), (512, 4, 1)]
TABLES = {
    32: {
        "encoder": [*IMAGE_32, (512, 1, 1), (512, 1, 1)],
        "generator": [
            *[(256, 4, 1), (128, 4, 2), (64, 4, 1), (32, 4, 2), (32, 5, 1), (32, 1, 1), (3, 1, 1)]
        ],
        "discriminator": [*IMAGE_32, *[(512, 1, 1)] * 2, *[(1024, 1, 1)] * 2, (1, 1, 1)],
    },
    64: {
        "encoder": [*IMAGE_64, (512, 1, 1)],
        "generator": [*[(512, 4, 1), (256, 7, 2), (256, 5, 2), (128, 7, 2), (64, 2, 1), (3, 1, 1)]],
        "discriminator": [*IMAGE_64, *[(1024, 1, 1)] * 2, *[(2048, 1, 1)] * 2, (1, 1, 1)],
    },
}
# (leaky, maxout): batch norms of the discriminator.
NORMS = {32: {"encoder": 6, "generator": 6}, 64: {"encoder": 5, "generator": 5}}
NORMS_D = {(32, "leaky"): 4, (64, "leaky"): 5, (32, "maxout"): 0, (64, "maxout"): 0}


@pytest.mark.parametrize("kind", ["leaky", "maxout"])
@pytest.mark.parametrize("size", [32, 64])
def test_layers_are_those_of_the_tables(size: int, kind: str) -> None:
    torch.set_default_dtype(torch.float32)
    method = ali(size, n=32, z=256, discriminator=kind)
    for player, table in TABLES[size].items():
        network = getattr(method, player)
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        found = [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in layers]
        assert found == table, player
        norms = sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())
        wanted = NORMS_D[size, kind] if player == "discriminator" else NORMS[size][player]
        assert norms == wanted
        for m in layers:
            assert m.weight.std().item() == pytest.approx(0.01, rel=0.2)
            assert m.bias is None or not m.bias.any()
        # A bias wherever there is no norm.
        assert sum(m.bias is None for m in layers) == norms
    for m in method.modules():
        if isinstance(m, nn.BatchNorm2d):
            assert m.weight.eq(1).all()
            assert not m.bias.any()


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_the_generators_maps_are_the_encoders_in_reverse(size: int) -> None:
    side, sides = size, [size]
    for kernel, stride, _ in layout(size).down:
        assert (side - kernel) % stride == 0
        side = (side - kernel) // stride + 1
        sides.append(side)
    assert side == 1
    method = ali(size)
    v = torch.randn(2, 3)
    assert method.generate(v).shape == (2, 3, size, size)
    found = []
    for part in method.generator.layers:
        v = part(v)
        if isinstance(part, nn.ConvTranspose2d):
            found.append(v.shape[2])
    assert found == sides[-2::-1]


def test_in_evaluation_image_by_image() -> None:
    method = ali(32)
    for step in range(3):
        method.update(Batch(images(4, 32)), FixedDraw(step))
    x, z, draw = images(6, 32), torch.randn(6, 3), FixedDraw()
    method.eval()
    torch.testing.assert_close(method.generate(z)[:2], method.generate(z[:2]))
    judged = method.discriminator(x, z, draw)
    torch.testing.assert_close(judged[:2], method.discriminator(x[:2], z[:2], draw))
    assert draw.streams == []
    assert method.generate(z).abs().max() <= 1


def test_settings_are_the_papers() -> None:
    settings = AliSettings(name="ali")
    assert (settings.z, settings.dropout, settings.slope) == (256, 0.2, 0.02)
    assert (settings.beta_1, settings.beta_2) == (0.5, 0.999)
    method = ALI(settings, 32)
    assert sum(p.numel() for p in method.parameters()) == pytest.approx(0.92e6, rel=0.01)
