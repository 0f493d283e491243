"""DCGAN against equations worked out by hand."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.methods.dcgan import DCGAN, DcganSettings
from benchmark.methods.method import Batch
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, flat, images

pytestmark = pytest.mark.usefixtures("double")


def dcgan(size: int = 16, **settings: Any) -> DCGAN:
    torch.manual_seed(0)
    block = {"name": "dcgan", "n": 2, "z": 3, **settings}
    return DCGAN(DcganSettings.model_validate(block), size)


def sigmoid(y: float) -> float:
    return 1 / (1 + exp(-y))


def test_losses_gradients_and_order_by_hand() -> None:
    """Logits a * (mean of the image), G(z) = b * z: everything is a formula of a and b."""
    method = dcgan(z=1)
    a, b, lr = 0.5, -0.8, 0.1
    method.discriminator = OneWeight(a, lambda a, v: a * v.mean((1, 2, 3)))  # type: ignore[assignment]
    method.generator = OneWeight(  # type: ignore[assignment]
        b, lambda b, z: b * z.reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    )
    method.optimizers = {
        "discriminator": torch.optim.SGD(method.discriminator.parameters(), lr),
        "generator": torch.optim.SGD(method.generator.parameters(), lr),
    }
    x, z_d, z_g = (0.9, 0.2), (0.5, -0.4), (-0.6, 0.3)
    metrics = method.update(
        Batch(flat(*x)), GivenDraw(z_D=torch.tensor(z_d), z_G=torch.tensor(z_g))
    )

    real, fake = [a * v for v in x], [a * b * z for z in z_d]
    loss_d = -sum(log(sigmoid(y)) for y in real) / 2 - sum(log(1 - sigmoid(y)) for y in fake) / 2
    slope_a = sum((sigmoid(a * v) - 1) * v for v in x) / 2
    slope_a += sum(sigmoid(a * b * z) * b * z for z in z_d) / 2
    assert metrics["loss_d"].item() == pytest.approx(loss_d, abs=1e-12)
    assert metrics["d_real"].item() == pytest.approx(sum(map(sigmoid, real)) / 2, abs=1e-12)
    assert metrics["d_fake"].item() == pytest.approx(sum(map(sigmoid, fake)) / 2, abs=1e-12)
    assert method.discriminator.weight.grad.item() == pytest.approx(slope_a, abs=1e-12)
    assert metrics["grad_norm_d"].item() == pytest.approx(abs(slope_a), abs=1e-12)

    after = a - lr * slope_a  # the generator sees the discriminator already updated
    assert method.discriminator.weight.item() == pytest.approx(after, abs=1e-12)
    loss_g = -sum(log(sigmoid(after * b * z)) for z in z_g) / 2
    slope_b = -sum((1 - sigmoid(after * b * z)) * after * z for z in z_g) / 2  # non-saturating
    assert metrics["loss_g"].item() == pytest.approx(loss_g, abs=1e-12)
    assert method.generator.weight.grad.item() == pytest.approx(slope_b, abs=1e-12)
    assert metrics["grad_norm_g"].item() == pytest.approx(abs(slope_b), abs=1e-12)
    assert method.generator.weight.item() == pytest.approx(b - lr * slope_b, abs=1e-12)


def test_each_player_draws_its_own_codes() -> None:
    for prior in ("uniform", "normal"):
        draw = FixedDraw()
        dcgan(prior=prior).update(Batch(images()), draw)
        assert draw.streams == [(prior, "z_D"), (prior, "z_G")]
    assert DcganSettings(name="dcgan").prior == "uniform"


def test_confident_logits_stay_finite() -> None:
    method = dcgan()
    nn.init.constant_(method.discriminator[-2].bias, 1e4)
    metrics = method.update(Batch(images()), FixedDraw())
    assert metrics["loss_d"].item() == pytest.approx(1e4, rel=1e-3)
    assert all(value.isfinite() for value in metrics.values())


@pytest.mark.parametrize(("size", "depth"), [(16, 2), (32, 3), (64, 4), (128, 5)])
def test_map_sizes(size: int, depth: int) -> None:
    method = dcgan(size)
    v = method.generate(torch.randn(2, 3))
    assert v.shape == (2, 3, size, size)
    assert method.discriminator(v).shape == (2,)
    down = [m for m in method.discriminator if isinstance(m, nn.Conv2d)]
    up = [m for m in method.generator if isinstance(m, nn.ConvTranspose2d)]
    assert [m.out_channels for m in down] == [*(2 << i for i in range(depth)), 1]
    assert [m.in_channels for m in up] == [3, *(2 << i for i in reversed(range(depth)))]
    strides = [m.stride[0] for m in up]
    assert strides == [1, *[2] * depth]


def test_initial_weights_and_where_the_norms_are() -> None:
    method = dcgan(64, n=32, z=100)
    for player in (method.discriminator, method.generator):
        for layer in player:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert layer.bias is None or not layer.bias.any()
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1.0, abs=0.02)
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.5)
                assert not layer.bias.any()
    assert isinstance(method.discriminator[1], nn.LeakyReLU)  # no norm at D's input
    assert isinstance(method.discriminator[-2], nn.Conv2d)
    assert isinstance(method.generator[-1], nn.Tanh)
    assert isinstance(method.generator[-2], nn.ConvTranspose2d)  # nor at G's output
    assert sum(isinstance(m, nn.BatchNorm2d) for m in method.discriminator) == 3
    assert sum(isinstance(m, nn.BatchNorm2d) for m in method.generator) == 4


def test_in_evaluation_d_judges_as_in_training_and_g_image_by_image() -> None:
    method = dcgan()
    for step in range(3):
        method.update(Batch(images()), FixedDraw(step))
    x, z = images(6), torch.randn(6, 3)
    trained = method.discriminator(x)
    method.eval()
    torch.testing.assert_close(method.discriminator(x), trained, rtol=0, atol=0)
    torch.testing.assert_close(method.generate(z)[:2], method.generate(z[:2]))
