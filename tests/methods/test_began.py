"""BEGAN's objective, gradients and control against equations worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.began import BEGAN
from benchmark.methods.method import Batch
from tests.methods.began_by_hand import (
    FixedDraw,
    began,
    energy,
    generate,
    images,
    players,
)

pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize(("eta", "expected"), [(1, (0.5 + 1.5) / 2), (2, (0.25 + 2.25) / 2)])
def test_energy_is_the_mean_error_to_the_power_eta(eta: int, expected: float) -> None:
    method = began(eta=eta)
    v = torch.ones(1, 3, 16, 16)
    v[..., :8] = 2.0  # half of the pixels
    _answer(method, lambda code: torch.full((1, 3, 16, 16), 0.5))
    assert method.reconstruct(v).energy.item() == pytest.approx(expected, abs=1e-12)


def _answer(method: BEGAN, rebuilt: Callable[[Tensor], Tensor]) -> None:
    """D gives `rebuilt(code)` for whatever it is shown."""
    method.discriminator.decoder.forward = lambda code, carry: rebuilt(code)  # type: ignore[method-assign]


def _step_by_hand(method: BEGAN, x: Tensor, k: float) -> dict[str, Any]:
    """Losses and gradients of one simultaneous step, from L_D and L_G as the paper writes them."""
    settings, draw = method.settings, FixedDraw()
    numbers = draw.uniform if settings.prior == "uniform" else draw.normal
    names = ("z", "z") if settings.shared_z else ("z_D", "z_G")
    z_d, z_g = (numbers(name, len(x), settings.z) for name in names)
    uses = ("fake", "fake") if settings.shared_z else ("fake_d", "fake")

    def reconstructd(v: Tensor, use: str) -> tuple[Tensor, Tensor]:
        noise, eps = draw.normal(f"noise_{use}", *v.shape), draw.normal(f"code_{use}", len(v), 3)
        return energy(method, v, noise, eps)

    discriminator, generator = players(method)
    l_real, kl = reconstructd(x, "real")
    l_fake_d, _ = reconstructd(generate(method, z_d).detach(), uses[0])
    l_fake, _ = reconstructd(generate(method, z_g), uses[1])
    grads_d = torch.autograd.grad(
        l_real - k * l_fake_d + settings.kl_weight * kl, discriminator, retain_graph=True
    )
    if settings.leak:
        leaked = torch.autograd.grad(l_fake, discriminator, retain_graph=True)
        grads_d = tuple(a + b for a, b in zip(grads_d, leaked, strict=True))
    return {
        "l_real": l_real.item(),
        "l_fake": l_fake.item(),
        "l_fake_d": l_fake_d.item(),
        "d": grads_d,
        "g": torch.autograd.grad(l_fake, generator),
    }


VARIANTS: list[dict[str, Any]] = [
    {},
    {"eta": 2, "skips": True},
    {"shared_z": True},
    {"shared_z": True, "leak": True},
    {"leak": True},
    {"prior": "normal", "output": "tanh"},
    {"noise_sd": 0.4},
    {"kl_weight": 0.3},
    {"kl_weight": 0.3, "noise_sd": 0.4, "shared_z": True},
]


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_losses_and_gradients_are_those_of_the_textbook_step(settings: dict[str, Any]) -> None:
    method, x = began(**settings), images()
    method.k.fill_(0.7)
    wanted = _step_by_hand(method, x, 0.7)
    metrics = method.update(Batch(x), FixedDraw())
    for name in ("l_real", "l_fake", "l_fake_d"):
        assert metrics[name].item() == pytest.approx(wanted[name], abs=1e-10)
    for player, name in zip(players(method), "dg", strict=True):
        for parameter, gradient in zip(player, wanted[name], strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-10)
        norm = sum(g.square().sum() for g in wanted[name]) ** 0.5
        assert metrics[f"grad_norm_{name}"].item() == pytest.approx(float(norm), abs=1e-10)
    assert all(p.requires_grad for p in method.parameters())


def test_one_pass_over_shared_fakes_equals_two() -> None:
    """L_G and L_D by a pass each, as equation 5 has it, against the pass that serves both."""
    passes: list[str] = []
    method, x = began(shared_z=True), images()
    method.k.fill_(0.7)
    reconstruct = method.reconstruct
    method.reconstruct = lambda v, draw, use: passes.append(use) or reconstruct(v, draw, use)  # type: ignore
    method.update(Batch(x), FixedDraw())
    assert sorted(passes) == ["fake", "real"]
    z = FixedDraw().uniform("z", 2, 4)
    discriminator, generator = players(method)
    loss_d = reconstruct(x).energy - 0.7 * reconstruct(method.generate(z).detach()).energy
    wanted_d = torch.autograd.grad(loss_d, discriminator)
    wanted_g = torch.autograd.grad(reconstruct(method.generate(z)).energy, generator)
    for parameter, wanted in zip([*discriminator, *generator], [*wanted_d, *wanted_g], strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("leak", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_alternating_shows_the_generator_the_discriminator_already_updated(
    shared: bool, leak: bool
) -> None:
    settings = {"updates": "alternating", "shared_z": shared, "leak": leak, "noise_sd": 0.1}
    method, other, x = began(**settings), began(**settings), images()
    for each in (method, other):
        each.k.fill_(0.7)
        for optimizer in each.optimizers.values():
            optimizer.param_groups[0]["lr"] = 0.01
    draw = FixedDraw()
    z_d, z_g = (draw.uniform("z" if shared else name, 2, 4) for name in ("z_D", "z_G"))
    noise = {use: draw.normal(f"noise_{use}", 2, 3, 16, 16) for use in ("real", "fake_d", "fake")}
    l_real, _ = energy(other, x, noise["real"])
    l_fake_d, _ = energy(other, generate(other, z_d).detach(), noise["fake_d"])
    loss_d = l_real - 0.7 * l_fake_d
    if leak:
        loss_d = loss_d + energy(other, generate(other, z_g).detach(), noise["fake"])[0]
    discriminator, generator = players(other)
    grads_d = torch.autograd.grad(loss_d, discriminator)
    for parameter, gradient in zip(discriminator, grads_d, strict=True):
        parameter.grad = gradient
    torch.optim.Adam(discriminator, lr=0.01).step()
    l_fake, _ = energy(other, generate(other, z_g), noise["fake"])
    grads_g = torch.autograd.grad(l_fake, generator)

    metrics = method.update(Batch(x), FixedDraw())
    assert metrics["l_fake"].item() == pytest.approx(l_fake.item(), abs=1e-8)
    found_d, found_g = players(method)
    for parameter, gradient in zip([*found_d, *found_g], [*grads_d, *grads_g], strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-8)
    for parameter, wanted in zip(found_d, discriminator, strict=True):
        torch.testing.assert_close(parameter, wanted, rtol=0, atol=1e-8)


def test_streams_of_separate_and_shared_codes() -> None:
    separate, shared, normal = FixedDraw(), FixedDraw(), FixedDraw()
    began().update(Batch(images()), separate)
    began(shared_z=True, updates="alternating").update(Batch(images()), shared)
    began(kl_weight=0.1, noise_sd=0.1).update(Batch(images()), normal)
    assert sorted(separate.streams) == ["z_D", "z_G"]
    assert shared.streams == ["z"]
    assert sorted(normal.streams) == [
        *("code_fake", "code_fake_d", "code_real"),
        *("noise_fake", "noise_fake_d", "noise_real", "z_D", "z_G"),
    ]


@pytest.mark.parametrize(("k_from", "loss"), [("generator", 0.6), ("discriminator", 0.2)])
@pytest.mark.parametrize("gamma", [0.3, 0.7])
def test_k_and_m_global_follow_equation_5(gamma: float, k_from: str, loss: float) -> None:
    # D answers with nothing, so a loss is a mean of |pixels|: 0.8, 0.2 and 0.6 by construction.
    method = began(gamma=gamma, lambda_k=0.1, k_0=0.4, k_from=k_from)
    _answer(method, lambda code: 0 * code.sum() * torch.ones(2, 3, 16, 16))
    made = iter([0.2, 0.6])
    method.generate = lambda z: torch.full((2, 3, 16, 16), next(made), requires_grad=True)  # type: ignore[method-assign]
    metrics = method.update(Batch(torch.full((2, 3, 16, 16), -0.8)), FixedDraw())
    drive = gamma * 0.8 - 0.6
    wanted = {
        "l_real": 0.8,
        "l_fake": 0.6,
        "l_fake_d": 0.2,
        "k": 0.4,
        "m_global": 0.8 + abs(drive),
        "balance": abs(drive),
        "ratio": 0.75,
    }
    for name, value in wanted.items():
        assert metrics[name].item() == pytest.approx(value, abs=1e-12)
    assert method.k.item() == pytest.approx(0.4 + 0.1 * (gamma * 0.8 - loss), abs=1e-12)


@pytest.mark.parametrize(("clip", "low", "high"), [(True, 0.0, 1.0), (False, None, None)])
def test_k_stays_between_0_and_1_unless_unclipped(
    clip: bool, low: float | None, high: float | None
) -> None:
    falling, rising = (began(gamma=g, lambda_k=1.0, k_0=g, k_clip=clip) for g in (0.0, 1.0))
    for parameter in rising.generator.parameters():
        nn.init.zeros_(parameter)  # grey images cost nearly nothing, so k is driven up
    falling.update(Batch(images()), FixedDraw())
    rising.update(Batch(images()), FixedDraw())
    if clip:
        assert (falling.k.item(), rising.k.item()) == (low, high)
    else:
        assert falling.k.item() < -0.01
        assert rising.k.item() > 1.01


def test_k_begins_at_k_0_and_stays_there_without_control() -> None:
    assert began().k.item() == 0.0
    method = began(k_0=0.25, lambda_k=0.0)
    method.update(Batch(images()), FixedDraw())
    assert method.k.item() == 0.25


class _Constant(nn.Module):
    """Gives one learnt number for every pixel, whatever it is given."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))

    def forward(self, given: Tensor, carry: None) -> Tensor:
        return self.number.expand(len(given), 3, 16, 16)


@pytest.mark.parametrize(("gamma", "k"), [(0.3, 0.2602), (0.7, 0.5596)])
def test_a_fixed_generator_is_driven_to_the_ratio_gamma(gamma: float, k: float) -> None:
    """D answers b, real pixels fill [-1, 1] and fakes are 0.1: L(x) = (1 + b^2) / 2 and, b being
    above, L(G) = b - 0.1. L_D is least at b = k, so L(G) = gamma L(x) holds where
    k - 0.1 = gamma (1 + k^2) / 2: k = 0.2602 for gamma 0.3 and 0.5596 for 0.7."""
    method = began(gamma=gamma, lambda_k=0.01)
    method.discriminator.encoder.forward = lambda v, carry: v.flatten(1)  # type: ignore[method-assign]
    method.discriminator.decoder, method.generator = _Constant(0.5), _Constant(0.1)  # type: ignore[assignment]
    learnt = method.discriminator.decoder.parameters()
    method.optimizers["discriminator"] = torch.optim.Adam(learnt, lr=0.003)
    x, seen = torch.linspace(-1, 1, 4 * 3 * 16 * 16).reshape(4, 3, 16, 16), []
    for _ in range(1500):
        seen.append(method.update(Batch(x), FixedDraw()))
    late = {name: torch.stack([m[name] for m in seen[-500:]]).mean().item() for name in seen[0]}
    assert late["ratio"] == pytest.approx(gamma, abs=0.01)
    assert late["k"] == pytest.approx(k, abs=0.01)


def test_adam_gets_the_betas_and_the_defaults_are_adams() -> None:
    for optimizer in began().optimizers.values():
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    for optimizer in began(beta_1=0.5, beta_2=0.9).optimizers.values():
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.9)
    parameters = [set(p["params"]) for o in began().optimizers.values() for p in o.param_groups]
    assert not parameters[0] & parameters[1]
