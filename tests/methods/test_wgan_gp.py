"""WGAN-GP against equations worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.method import Batch
from benchmark.methods.wgan_gp import WGANGP, WganGpSettings
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, goes_on, images, with_norms

pytestmark = pytest.mark.usefixtures("double")


def wgan(size: int = 16, **settings: Any) -> WGANGP:
    torch.manual_seed(0)
    block = {"name": "wgan_gp", "n": 2, "z": 3, **settings}
    return WGANGP(WganGpSettings.model_validate(block), size)


class Linear(nn.Module):
    """D(v) = <w, v>, whose gradient is w everywhere."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, v: Tensor) -> Tensor:
        return (self.w * v).sum((1, 2, 3))


def test_linear_critic_by_hand() -> None:
    method, w = wgan(penalty=7.0), with_norms(3.0)[0]
    method.critic = Linear(w.clone())  # type: ignore[assignment]
    method.optimizers["critic"] = torch.optim.SGD(method.critic.parameters(), lr=0.01)
    x = images()
    with torch.no_grad():
        fake = method.generate(FixedDraw().normal("z_D", 4, 3))
    metrics = method.update(Batch(x), FixedDraw())
    real_mean, fake_mean = (w * x).sum().item() / 4, (w * fake).sum().item() / 4
    assert metrics["critic_real"].item() == pytest.approx(real_mean, abs=1e-9)
    assert metrics["critic_fake"].item() == pytest.approx(fake_mean, abs=1e-9)
    assert metrics["wasserstein"].item() == pytest.approx(real_mean - fake_mean, abs=1e-9)
    assert metrics["penalty"].item() == pytest.approx((3.0 - 1) ** 2, abs=1e-9)
    loss = fake_mean - real_mean + 7 * 4
    assert metrics["loss_d"].item() == pytest.approx(loss, abs=1e-9)
    # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|.
    wanted = fake.mean(0) - x.mean(0) + 7 * 2 * 2 * w / 3
    torch.testing.assert_close(method.critic.w.grad, wanted, rtol=0, atol=1e-9)
    torch.testing.assert_close(method.critic.w.detach(), w - 0.01 * wanted, rtol=0, atol=1e-9)
    assert metrics["grad_norm_d"].item() == pytest.approx(wanted.norm().item(), abs=1e-9)


def test_the_penalty_is_on_points_between_each_pair() -> None:
    """D(v) = a ||v||^2 / 2 has the gradient a v, so the penalty shows where it is taken."""
    method = wgan()
    method.critic = OneWeight(0.3, lambda a, v: a * v.square().sum((1, 2, 3)) / 2)  # type: ignore[assignment]
    x, fake = with_norms(4.0, 5.0, 6.0), with_norms(7.0, 8.0, 9.0, seed=4)
    drawn = torch.tensor([-1.0, 1.0, 0.5])  # eps = 0, 1 and 3/4
    penalty = method.penalty(x, fake, GivenDraw(epsilon=drawn))
    between = (0.75 * x[2] + 0.25 * fake[2]).norm().item()
    lengths = [7.0, 5.0, between]
    wanted = sum((0.3 * length - 1) ** 2 for length in lengths) / 3
    assert penalty.item() == pytest.approx(wanted, abs=1e-9)
    penalty.backward()
    slope = sum(2 * (0.3 * length - 1) * length for length in lengths) / 3
    assert method.critic.weight.grad.item() == pytest.approx(slope, abs=1e-9)


def test_the_penalty_s_gradient_against_finite_differences() -> None:
    method, x, fake = wgan(), images(), images(seed=5)
    for layer in method.critic:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.2)
    weight = method.critic[2].weight
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(method.penalty(x, fake, FixedDraw()), weight)

    def along(step: float) -> float:
        with torch.no_grad():
            weight.add_(step * direction)
        value = method.penalty(x, fake, FixedDraw()).item()
        with torch.no_grad():
            weight.sub_(step * direction)
        return value

    slope = (along(1e-6) - along(-1e-6)) / 2e-6
    assert abs(slope) > 1e-3
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)


def test_the_generator_moves_after_every_critic_th_update() -> None:
    method = wgan(critic=3)
    moved, losses, norms = [], [], []
    for step in range(1, 8):
        before = [p.clone() for p in method.generator.parameters()]
        critic = [p.clone() for p in method.critic.parameters()]
        draw = FixedDraw(step)
        metrics = method.update(Batch(images(seed=step)), draw)
        after = list(method.generator.parameters())
        moved.append(any(not a.equal(b) for a, b in zip(after, before, strict=True)))
        assert any(not a.equal(b) for a, b in zip(method.critic.parameters(), critic, strict=True))
        used = [("normal", "z_D"), ("uniform", "epsilon")]
        assert draw.streams == ([*used, ("normal", "z_G")] if step % 3 == 0 else used)
        losses.append(metrics["loss_g"].item())
        norms.append(metrics["grad_norm_g"].item())
        if step < 3:  # G stands still: its loss is that of the critic's fakes
            assert metrics["loss_g"].item() == pytest.approx(-metrics["critic_fake"].item())
    assert moved == [False, False, True, False, False, True, False]
    assert norms[:2] == [0.0, 0.0]
    assert norms[2] > 0
    for values in (losses, norms):
        assert values[2] == values[3] == values[4] != values[5] == values[6]


def test_the_generator_s_loss_and_gradient_by_hand() -> None:
    method, w = wgan(critic=1), with_norms(3.0)[0]
    method.critic = Linear(w.clone())  # type: ignore[assignment]
    method.optimizers["critic"] = torch.optim.SGD(method.critic.parameters(), lr=0.01)
    start = {k: v.clone() for k, v in method.state_dict().items()}
    metrics = method.update(Batch(images()), FixedDraw())
    got = [p.grad.clone() for p in method.generator.parameters()]
    updated, reached = method.critic.w.detach().clone(), method.critic.w.grad.clone()

    again = wgan(critic=1)
    again.critic = Linear(updated)  # type: ignore[assignment]
    again.load_state_dict({**start, "critic.w": updated})
    loss = -again.critic(again.generate(FixedDraw().normal("z_G", 4, 3))).mean()
    wanted = torch.autograd.grad(loss, list(again.generator.parameters()))
    assert metrics["loss_g"].item() == pytest.approx(loss.item(), abs=1e-9)
    for gradient, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-9)
    # L_G left the critic's gradient as its own update made it.
    torch.testing.assert_close((w - updated) / 0.01, reached, rtol=0, atol=1e-9)


def test_the_count_of_updates_is_saved() -> None:
    goes_on(lambda: wgan(critic=3), steps=7)


def test_the_critic_sees_each_image_by_itself() -> None:
    critic = wgan(32).critic
    x = images(4, 32)
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in critic)


@pytest.mark.parametrize(("size", "depth"), [(16, 2), (32, 3), (64, 4), (128, 5)])
def test_map_sizes_and_start(size: int, depth: int) -> None:
    method = wgan(size, n=8)
    v = method.generate(torch.randn(2, 3))
    assert v.shape == (2, 3, size, size)
    assert method.critic(v).shape == (2,)
    layers = [m for m in method.critic if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [*(8 << i for i in range(depth)), 1]
    assert sum(isinstance(m, nn.GroupNorm) for m in method.critic) == depth - 1
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)


def test_the_prior() -> None:
    draw = FixedDraw()
    wgan(prior="uniform").latent(5, draw, "z_G")
    wgan().latent(5, draw, "z_G")
    assert draw.streams == [("uniform", "z_G"), ("normal", "z_G")]
