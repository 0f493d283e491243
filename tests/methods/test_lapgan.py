"""LAPGAN against equations worked out by hand."""

from math import exp, log
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from benchmark.methods.lapgan import LAPGAN, LapganSettings, down, pyramid, up
from benchmark.methods.method import Batch, has_code
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, flat, goes_on, images

pytestmark = pytest.mark.usefixtures("double")


def lapgan(size: int = 16, **settings: Any) -> LAPGAN:
    torch.manual_seed(0)
    block = {"name": "lapgan", "n": 2, "z": 3, "hidden_g": 5, "hidden_d": 4, **settings}
    method = LAPGAN(LapganSettings.model_validate(block), size)
    set_rate(method, 0.1)
    return method


def set_rate(method: LAPGAN, lr: float) -> None:
    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] = lr


class Judge(nn.Module):
    """D(x) = a mean(x) + a^2 / 2 mean(x)^2."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, images: Tensor, draw: object, use: str) -> Tensor:
        mean = images.mean((1, 2, 3))
        return self.a * mean + self.a.square() / 2 * mean.square()


def sigmoid(y: float) -> float:
    return 1 / (1 + exp(-y))


def mean(values: Any) -> float:
    numbers = list(values)
    return float(sum(numbers)) / len(numbers)


def judged(a: float, v: float) -> float:
    return a * v + a**2 / 2 * v**2


def slope_a(a: float, v: float) -> float:
    return v + a * v**2


def slope_v(a: float, v: float) -> float:
    return a + a**2 * v


def test_losses_gradients_and_order_by_hand() -> None:
    """G_1(z) = g z and G_0(z, l) = r (z + l), on flat images, which d and u leave as they are."""
    lr, a, g, r = 0.1, (0.7, -0.4), 0.9, 0.3
    method = lapgan(z=1, momentum=0, momentum_rise=0)
    method.discriminator = nn.ModuleList(map(Judge, a))
    method.generator = nn.ModuleList(
        [
            OneWeight(g, lambda g, z: g * z[:, :, None, None].expand(-1, 3, 8, 8)),
            OneWeight(r, lambda r, v: r * (v[:, :1] + v[:, 1:])),
        ]
    )
    for name in ("discriminator", "generator"):
        method.optimizers[name] = torch.optim.SGD(getattr(method, name).parameters(), lr)
    x, z_d, z_g = (0.9, 0.2), ((0.5, -0.3), (-0.4, 0.6)), ((-0.6, 0.8), (0.3, -0.1))

    def code(z: tuple[tuple[float, float], ...]) -> Tensor:
        return torch.tensor([[first, *[second] * 256] for first, second in z])

    metrics = method.update(Batch(flat(*x)), GivenDraw(z_D=code(z_d), z_G=code(z_g)))

    def fakes(z: tuple[tuple[float, float], ...]) -> list[list[float]]:
        pairs = zip(x, z, strict=True)
        return [[g * w[0] for w in z], [v + r * (w[1] + v) for v, w in pairs]]

    of_d, losses_d, after = fakes(z_d), [], []
    for weight, fake in zip(a, of_d, strict=True):
        real = mean(-log(sigmoid(judged(weight, v))) for v in x)
        losses_d.append((real + mean(-log(1 - sigmoid(judged(weight, v))) for v in fake)) / 2)
        slope = mean((sigmoid(judged(weight, v)) - 1) * slope_a(weight, v) for v in x)
        slope += mean(sigmoid(judged(weight, v)) * slope_a(weight, v) for v in fake)
        after.append(weight - lr * slope / 2)
    for judge, weight in zip(method.discriminator, after, strict=True):
        assert judge.a.item() == pytest.approx(weight, abs=1e-12)

    # G is judged by D as it is now.
    of_g = fakes(z_g)
    losses_g = [
        mean(-log(sigmoid(judged(weight, v))) for v in fake)
        for weight, fake in zip(after, of_g, strict=True)
    ]
    through = [
        [(sigmoid(judged(weight, v)) - 1) * slope_v(weight, v) for v in fake]
        for weight, fake in zip(after, of_g, strict=True)
    ]
    slope_g = mean(s * w[0] for s, w in zip(through[0], z_g, strict=True))
    slope_r = mean(s * (w[1] + v) for s, w, v in zip(through[1], z_g, x, strict=True))
    first, second = method.generator
    assert first.weight.item() == pytest.approx(g - lr * slope_g, abs=1e-12)
    assert second.weight.item() == pytest.approx(r - lr * slope_r, abs=1e-12)

    wanted = {
        "loss_d": mean(losses_d),
        "loss_g": mean(losses_g),
        "d_real": mean(sigmoid(judged(weight, v)) for weight in a for v in x),
        "d_fake": mean(
            sigmoid(judged(weight, v)) for weight, f in zip(a, of_d, strict=True) for v in f
        ),
        "d_fake_first": mean(sigmoid(judged(a[0], v)) for v in of_d[0]),
        "grad_norm_g": (slope_g**2 + slope_r**2) ** 0.5,
    }
    for name, value in wanted.items():
        assert metrics[name].item() == pytest.approx(value, abs=1e-12), name


def halved(v: Tensor) -> Tensor:
    n, c, side, _ = v.shape
    return v.reshape(n, c, side // 2, 2, side // 2, 2).mean((3, 5))


def doubled(v: Tensor) -> Tensor:
    """Each row and column a quarter and three quarters of its two nearest."""
    side = v.shape[-1]
    matrix = torch.zeros(2 * side, side)
    for row in range(2 * side):
        near, far = row // 2, min(max(row // 2 + (1 if row % 2 else -1), 0), side - 1)
        matrix[row, near] += 0.75
        matrix[row, far] += 0.25
    return matrix @ v @ matrix.T


def test_halving_and_doubling() -> None:
    v = images(2, 16)
    torch.testing.assert_close(down(v), halved(v), rtol=0, atol=1e-12)
    torch.testing.assert_close(up(v), doubled(v), rtol=0, atol=1e-12)
    levels = pyramid(images(2, 64))
    assert [level.shape[-1] for level in levels] == [8, 16, 32, 64]
    torch.testing.assert_close(levels[0], halved(halved(halved(levels[3]))), rtol=0, atol=1e-12)
    # Coarse images and residuals give the image back, equation 4.
    back = levels[0]
    for level in levels[1:]:
        back = doubled(back) + (level - up(down(level)))
    torch.testing.assert_close(back, levels[3], rtol=0, atol=1e-12)


def run_g(method: LAPGAN, z: Tensor, below: list[Tensor]) -> list[Tensor]:
    """Images of every level given those `below` it, by the weights alone."""
    g, (w1, b1, w2, b2, w3, b3) = method.generator, list(method.generator[0].parameters())
    v = (z[:, :3] @ w1.T + b1).clamp(min=0)
    found = [(((v @ w2.T + b2).clamp(min=0)) @ w3.T + b3).reshape(-1, 3, 8, 8)]
    start = 3
    for level, coarse in enumerate(below, 1):
        side = 8 << level
        noise = z[:, start : start + side**2].reshape(-1, 1, side, side)
        start += side**2
        w1, b1, w2, b2, w3, b3 = g[level].parameters()
        v = nnf.conv2d(torch.cat([noise, doubled(coarse)], 1), w1, b1, padding=3).clamp(min=0)
        v = nnf.conv2d(v, w2, b2, padding=3).clamp(min=0)
        found.append(doubled(coarse) + nnf.conv2d(v, w3, b3, padding=2))
    assert start == z.shape[1]
    return found


def run_d(method: LAPGAN, level: int, v: Tensor, draw: FixedDraw, use: str) -> Tensor:
    """(N, 3, S, S) -> probabilities (N,)."""

    def dropped(v: Tensor, index: int) -> Tensor:
        chance = (draw.uniform(f"dropout_{use}_{8 << level}_{index}", *v.shape) + 1) / 2
        return torch.where(chance < 0.5, 0.0, 2 * v)

    weights = list(method.discriminator[level].parameters())
    if level == 0:
        w1, b1, w2, b2, w3, b3 = weights
        v = (v.reshape(len(v), -1) @ w1.T + b1).clamp(min=0)
        v = (dropped(v, 1) @ w2.T + b2).clamp(min=0)
        return (dropped(v, 2) @ w3.T + b3).flatten().sigmoid()
    w1, b1, w2, b2, w3, b3 = weights
    v = nnf.conv2d(nnf.conv2d(v, w1, b1).clamp(min=0), w2, b2, stride=2).clamp(min=0)
    return (dropped(v.reshape(len(v), -1), 1) @ w3.T + b3).flatten().sigmoid()


@pytest.mark.parametrize("size", [16, 32])
def test_the_step_against_one_written_out(size: int) -> None:
    method, again = (lapgan(size) for _ in range(2))
    x, levels = images(4, size), size.bit_length() - 4
    method.update(Batch(x), FixedDraw(1))
    grads = {p: [w.grad for w in getattr(method, p).parameters()] for p in method.optimizers}
    real, fresh = [x], FixedDraw(1)
    while real[0].shape[-1] > 8:
        real.insert(0, halved(real[0]))
    numbers = 3 + sum((8 << level) ** 2 for level in range(1, levels + 1))

    fake = run_g(again, fresh.uniform("z_D", 4, numbers), real[:-1])
    loss = torch.zeros(())
    for level in range(levels + 1):
        seen = torch.cat([real[level], fake[level].detach()])
        p = run_d(again, level, seen, fresh, "D")
        loss = loss - torch.cat([p[:4], 1 - p[4:]]).log().mean()
    wanted = torch.autograd.grad(loss, list(again.discriminator.parameters()))
    for found, gradient in zip(grads["discriminator"], wanted, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-15)

    again.discriminator.load_state_dict(method.discriminator.state_dict())
    fake = run_g(again, fresh.uniform("z_G", 4, numbers), real[:-1])
    loss = torch.zeros(())
    for level, made in enumerate(fake):
        loss = loss - run_d(again, level, made, fresh, "G").log().mean()
    wanted = torch.autograd.grad(loss, list(again.generator.parameters()))
    for found, gradient in zip(grads["generator"], wanted, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-15)


def test_samples_go_up_the_pyramid_on_what_was_made() -> None:
    method = lapgan(32)
    z = method.latent(3, FixedDraw(), "z_eval")
    first = run_g(method, z[:, :3], [])[-1]
    second = run_g(method, z[:, : 3 + 16**2], [first])[-1]
    third = run_g(method, z, [first, second])[-1]
    torch.testing.assert_close(method.generate(z), third, rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.1])
def test_momentum_rises_and_is_damped(start: float) -> None:
    method = lapgan(momentum=start, momentum_rise=0.15, momentum_end=0.4)
    set_rate(method, 0.05)
    players = [method.discriminator, method.generator]
    weights = [weight for player in players for weight in player.parameters()]
    steps: list[Tensor] = []
    for step in range(5):
        before = [weight.detach().clone() for weight in weights]
        method.update(Batch(images(seed=step)), FixedDraw(step))
        momentum = min(start + 0.15 * step, 0.4)
        gradients = [weight.grad for weight in weights]
        if not steps or (start == 0 and step == 1):  # the first with any momentum
            steps = [gradient.clone() for gradient in gradients]
        else:
            pairs = zip(steps, gradients, strict=True)
            steps = [momentum * old + (1 - momentum) * new for old, new in pairs]
        for weight, old, way in zip(weights, before, steps, strict=True):
            torch.testing.assert_close(weight.detach(), old - 0.05 * way, rtol=0, atol=1e-14)


def test_the_count_of_updates_is_saved() -> None:
    block = {"momentum": 0.0, "momentum_rise": 0.2, "momentum_end": 0.7}
    goes_on(lambda: lapgan(**block), steps=6)


def test_all_randomness_is_drawn_by_name() -> None:
    draw = FixedDraw()
    method = lapgan(32)
    method.update(Batch(images(4, 32)), draw)
    streams = [stream for _, stream in draw.streams]
    assert len(set(streams)) == len(streams)
    parts = ("8_1", "8_2", "16_1", "32_1")
    assert set(streams) == {"z_D", "z_G", *(f"dropout_{p}_{part}" for p in "DG" for part in parts)}
    without = FixedDraw()
    lapgan(32, dropout=0).update(Batch(images(4, 32)), without)
    assert without.streams == [("uniform", "z_D"), ("uniform", "z_G")]


def test_the_code_is_the_noise_of_all_levels() -> None:
    method = lapgan(64, z=100)
    assert has_code(method)
    assert method.latent(2, FixedDraw(), "z_G").shape == (2, 100 + 16**2 + 32**2 + 64**2)
    settings = LapganSettings(name="lapgan")
    assert LAPGAN(settings, 32).latent(2, FixedDraw(), "z_G").shape == (2, 1380)


def test_in_evaluation_nothing_is_dropped_and_images_are_judged_one_by_one() -> None:
    method = lapgan(32)
    method.eval()
    x, draw = images(6, 32), FixedDraw()
    for d, level in zip(method.discriminator, pyramid(x), strict=True):
        torch.testing.assert_close(d(level, draw, "")[:2], d(level[:2], draw, ""))
    assert draw.streams == []
    z = method.latent(6, FixedDraw(), "z_eval")
    torch.testing.assert_close(method.generate(z)[:2], method.generate(z[:2]))


def test_layers_are_those_of_the_authors() -> None:
    torch.set_default_dtype(torch.float32)
    method = LAPGAN(LapganSettings(name="lapgan"), 32)

    def layers(network: nn.Module) -> list[tuple[int, ...]]:
        return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]

    first_g, *others_g = map(layers, method.generator)
    first_d, *others_d = map(layers, method.discriminator)
    assert first_g == [(1200, 100), (1200, 1200), (192, 1200)]
    assert first_d == [(600, 192), (600, 600), (1, 600)]
    assert others_g == [[(64, 4, 7, 7), (64, 64, 7, 7), (3, 64, 5, 5)]] * 2
    sides = {16: 4, 32: 12}
    assert others_d == [
        [(64, 3, 5, 5), (64, 64, 5, 5), (1, 64 * side**2)] for side in sides.values()
    ]
    assert all(layer.bias is not None for layer in method.modules() if hasattr(layer, "bias"))
    for network, sd in ((method.generator[0], 0.05), (method.discriminator[0], 0.005)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                assert layer.weight.std().item() == pytest.approx(sd, rel=0.1)
                assert not layer.bias.any()
    # Uniform within 1 / sqrt(inputs), as the authors' library had it, too.
    bound = (4 * 7 * 7) ** -0.5
    weight = method.generator[1][0].weight
    assert 0.98 * bound < weight.abs().max().item() <= bound
    assert sum(p.numel() for p in method.parameters()) == pytest.approx(2.93e6, rel=0.01)


def test_settings_are_the_papers() -> None:
    settings = LapganSettings(name="lapgan")
    assert (settings.momentum, settings.momentum_end, settings.dropout) == (0.5, 0.7, 0.5)
    assert settings.momentum_rise * 703 == pytest.approx(0.0008, rel=0.05)
    for optimizer in lapgan().optimizers.values():
        assert type(optimizer) is torch.optim.SGD
        assert not optimizer.param_groups[0]["nesterov"]
