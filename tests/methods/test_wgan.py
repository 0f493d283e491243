"""WGAN against equations worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.method import Batch
from benchmark.methods.wgan import WGAN, WganSettings
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, flat, goes_on, images

pytestmark = pytest.mark.usefixtures("double")


def wgan(size: int = 16, **settings: Any) -> WGAN:
    torch.manual_seed(0)
    block = {"name": "wgan", "n": 2, "z": 3, **settings}
    return WGAN(WganSettings.model_validate(block), size)


def of_one_weight(a: float, b: float, lr: float, **settings: Any) -> WGAN:
    """f(x) = a * mean(x) + a^2 / 2 * mean(x)^2 and G(z) = b * z."""
    method = wgan(z=1, **settings)

    def critic(a: Tensor, v: Tensor) -> Tensor:
        mean = v.mean((1, 2, 3))
        return a * mean + a.square() / 2 * mean.square()

    method.critic = OneWeight(a, critic)
    method.generator = OneWeight(b, lambda b, z: b * z.reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16))
    for name in ("critic", "generator"):
        weights = getattr(method, name).parameters()
        method.optimizers[name] = torch.optim.RMSprop(weights, lr)
    return method


def value(a: float, v: float) -> float:
    return a * v + a**2 / 2 * v**2


def mean(values: Any) -> float:
    numbers = list(values)
    return float(sum(numbers)) / len(numbers)


def rmsprop(lr: float, gradient: float) -> float:
    """The first step: the mean of the squares is a hundredth of this one."""
    return lr * gradient / (0.1 * abs(gradient) + 1e-8)


@pytest.mark.parametrize("when", ["before", "after"])
def test_losses_gradients_and_order_by_hand(when: str) -> None:
    a, b, lr, c = 0.5, -0.8, 0.004, 0.3
    method = of_one_weight(a, b, lr, clip=c, clip_when=when, critic=1, long_critic=1)
    x, z_d, z_g = (0.9, 0.2), (0.5, -0.4), (-0.6, 0.3)
    draw = GivenDraw(z_D=torch.tensor(z_d), z_G=torch.tensor(z_g))
    metrics = method.update(Batch(flat(*x)), draw)

    if when == "before":
        a = c  # clipped first
    real, fake = mean(value(a, v) for v in x), mean(value(a, b * z) for z in z_d)
    assert metrics["critic_real"].item() == pytest.approx(real, abs=1e-12)
    assert metrics["critic_fake"].item() == pytest.approx(fake, abs=1e-12)
    assert metrics["wasserstein"].item() == pytest.approx(real - fake, abs=1e-12)
    assert metrics["loss_d"].item() == pytest.approx(fake - real, abs=1e-12)
    slope = mean(b * z + a * (b * z) ** 2 for z in z_d) - mean(v + a * v**2 for v in x)
    assert metrics["grad_norm_d"].item() == pytest.approx(abs(slope), abs=1e-12)

    after = a - rmsprop(lr, slope)
    if when == "after":
        after = c  # 0.5 and a bit
    else:
        assert after > c  # the generator sees a critic beyond its bounds
    assert method.critic.weight.item() == pytest.approx(after, abs=1e-12)
    loss_g = -mean(value(after, b * z) for z in z_g)
    slope_b = -mean(after * z + after**2 * b * z**2 for z in z_g)
    assert metrics["loss_g"].item() == pytest.approx(loss_g, abs=1e-12)
    assert metrics["grad_norm_g"].item() == pytest.approx(abs(slope_b), abs=1e-12)
    assert method.generator.weight.item() == pytest.approx(b - rmsprop(lr, slope_b), abs=1e-9)


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_weight_of_the_critic_and_no_other_is_clipped(when: str) -> None:
    method = wgan(clip_when=when, critic=1, long_critic=1)
    gains = [m.weight for m in method.critic.modules() if isinstance(m, nn.BatchNorm2d)]
    assert gains
    assert all(weight.min() > 0.9 for weight in gains)
    method.update(Batch(images()), FixedDraw())
    # RMSprop's first step is ten times the rate; before it, all were within.
    bound = 0.01 if when == "after" else 0.01 + 10 * 5e-5
    assert all(weight.abs().max() <= bound + 1e-12 for weight in method.critic.parameters())
    assert any(weight.abs().max() > 0.5 for weight in method.generator.parameters())


def counted(steps: int, critic: int, long_critic: int, warm_up: int, every: int) -> list[int]:
    """Generator updates after each step, counted down as the authors' loop does."""
    done, left, found = 0, long_critic, []
    for _ in range(steps):
        left -= 1
        if left == 0:
            done += 1
            left = long_critic if done < warm_up or done % every == 0 else critic
        found.append(done)
    return found


SCHEDULES = [(5, 100, 25, 500), (5, 100, 0, 500), (2, 3, 1, 4), (1, 1, 0, 1), (4, 2, 7, 3)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_the_schedule_is_a_function_of_the_step(schedule: tuple[int, int, int, int]) -> None:
    names = ("critic", "long_critic", "warm_up", "long_every")
    method = wgan(**dict(zip(names, schedule, strict=True)))
    found = [method.generator_updates(step) for step in range(8001)]
    assert found == [0, *counted(8000, *schedule)]


def test_the_schedule_of_the_authors() -> None:
    method = wgan()
    moves = [
        step
        for step in range(1, 5100)
        if method.generator_updates(step) > method.generator_updates(step - 1)
    ]
    assert moves[:26] == [*range(100, 2600, 100), 2505]
    assert moves[499:502] == [2500 + 475 * 5, 2500 + 475 * 5 + 100, 2500 + 475 * 5 + 105]


def test_the_generator_moves_when_it_is_its_turn() -> None:
    method = wgan(critic=2, long_critic=3, warm_up=1, long_every=3)
    moved, losses = [], []
    for step in range(1, 12):
        before = [p.clone() for p in method.generator.parameters()]
        draw = FixedDraw(step)
        metrics = method.update(Batch(images(seed=step)), draw)
        after = method.generator.parameters()
        moved.append(any(not a.equal(b) for a, b in zip(after, before, strict=True)))
        used = [("normal", "z_D")]
        assert draw.streams == ([*used, ("normal", "z_G")] if moved[-1] else used)
        losses.append(metrics["loss_g"].item())
        if step < 3:  # G stands still: its loss is that of the critic's fakes
            assert metrics["loss_g"].item() == pytest.approx(-metrics["critic_fake"].item())
            assert metrics["grad_norm_g"].item() == 0
    # Three before the first update, two before the next two, three before the fourth.
    assert [step for step, did in enumerate(moved, 1) if did] == [3, 5, 7, 10]
    assert losses[2] == losses[3] != losses[4] == losses[5] != losses[6]


def test_the_generators_gradient_is_its_own() -> None:
    method = wgan(critic=1, long_critic=1)
    method.update(Batch(images()), FixedDraw())
    got = [p.grad.clone() for p in method.generator.parameters()]
    of_critic = [p.grad.clone() for p in method.critic.parameters()]

    again = wgan(critic=1, long_critic=1)  # batch norms, so the whole batch at once
    with torch.no_grad():
        for weight in again.critic.parameters():
            weight.clamp_(-0.01, 0.01)
    fake = again.generate(FixedDraw().normal("z_D", 4, 3)).detach()
    loss_d = again.critic(fake).mean() - again.critic(images()).mean()
    wanted_d = torch.autograd.grad(loss_d, list(again.critic.parameters()))
    again.critic.load_state_dict(method.critic.state_dict())
    loss_g = -again.critic(again.generate(FixedDraw().normal("z_G", 4, 3))).mean()
    wanted_g = torch.autograd.grad(loss_g, list(again.generator.parameters()))
    for found, wanted in ((of_critic, wanted_d), (got, wanted_g)):
        for gradient, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(gradient, other, rtol=0, atol=1e-12)


def test_the_count_of_updates_is_saved() -> None:
    block = {"critic": 2, "long_critic": 3, "warm_up": 1, "long_every": 2}
    goes_on(lambda: wgan(**block), steps=11)


def test_settings_are_the_papers() -> None:
    settings = WganSettings(name="wgan")
    assert (settings.clip, settings.critic, settings.z, settings.prior) == (0.01, 5, 100, "normal")
    assert (settings.long_critic, settings.warm_up, settings.long_every) == (100, 25, 500)
    for optimizer in wgan().optimizers.values():
        assert type(optimizer) is torch.optim.RMSprop
        (group,) = optimizer.param_groups
        assert (group["alpha"], group["momentum"], group["centered"]) == (0.99, 0, False)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_the_prior(prior: str) -> None:
    draw = FixedDraw()
    wgan(prior=prior).latent(5, draw, "z_G")
    assert draw.streams == [(prior, "z_G")]
