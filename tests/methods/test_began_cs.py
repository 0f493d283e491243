"""BEGAN-CS: the constraint, and whom it trains."""

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.methods.began_cs import BeganCsSettings, ConstrainedBEGAN
from benchmark.methods.method import Batch
from benchmark.methods.registry import build
from tests.methods.began_by_hand import (
    FixedDraw,
    encode,
    energy,
    generate,
    images,
    players,
    still,
)
from tests.methods.fixed import GivenDraw

pytestmark = pytest.mark.usefixtures("double")


def constrained(**settings: Any) -> ConstrainedBEGAN:
    torch.manual_seed(0)
    described = BeganCsSettings.model_validate({"name": "began_cs", "n": 2, "h": 3, **settings})
    method = build(described, 16).double()
    assert isinstance(method, ConstrainedBEGAN)
    still(method)
    return method


def test_gradients_are_those_of_the_papers_losses() -> None:
    method, x, draw = constrained(alpha=0.25), images(), FixedDraw()
    method.k.fill_(0.7)
    z_d, z_g = draw.uniform("z_D", 2, 3), draw.uniform("z_G", 2, 3)
    fake_d = generate(method, z_d).detach()
    constraint = (z_d - encode(method, fake_d)).abs().mean()
    loss_d = energy(method, x)[0] - 0.7 * energy(method, fake_d)[0] + 0.25 * constraint
    loss_g = energy(method, generate(method, z_g))[0]
    discriminator, generator = players(method)
    wanted = [*torch.autograd.grad(loss_d, discriminator), *torch.autograd.grad(loss_g, generator)]

    metrics = method.update(Batch(x), FixedDraw())
    assert list(metrics) == list(ConstrainedBEGAN.columns)
    assert metrics["constraint"].item() == pytest.approx(constraint.item(), abs=1e-10)
    for parameter, gradient in zip([*discriminator, *generator], wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-10)


def test_the_constraint_is_the_mean_distance_of_codes() -> None:
    method = constrained()
    z = torch.tensor([[1.0, -1.0, 0.0], [0.5, 0.0, 0.0]])
    method.discriminator.encoder.forward = lambda v, carry: torch.zeros(2, 3)  # type: ignore[method-assign]
    found = method.watch(Batch(images()), GivenDraw(z_heldout=z))
    assert tuple(found) == ConstrainedBEGAN.heldout
    assert found["constraint"].item() == pytest.approx(2.5 / 6, abs=1e-12)


def test_without_weight_it_is_began() -> None:
    def gradients(alpha: float) -> list[Tensor]:
        method = constrained(alpha=alpha)
        method.update(Batch(images()), FixedDraw())
        return [p.grad for p in players(method)[0] if p.grad is not None]

    pairs = zip(gradients(0.0), gradients(0.5), strict=True)
    differ = [not torch.equal(a, b) for a, b in pairs]
    encoder = len(list(constrained().discriminator.encoder.parameters()))
    assert all(differ[:encoder])  # the encoder is trained to find the code
    assert not any(differ[encoder:])  # the decoder is not


def test_settings_reach_began() -> None:
    method = constrained(gamma=0.3, lambda_k=0.2, beta_1=0.5, beta_2=0.9, h=6)
    settings = method.settings
    assert (settings.gamma, settings.lambda_k, settings.h, settings.z) == (0.3, 0.2, 6, 6)
    assert method.optimizers["generator"].param_groups[0]["betas"] == (0.5, 0.9)
    assert (settings.design, settings.eta, settings.shared_z) == ("figure_1", 1, False)
