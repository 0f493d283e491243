"""BEGAN between its updates: what is watched, what is saved, what batch norm keeps."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.methods.began import BEGAN
from benchmark.methods.method import Batch
from benchmark.training import checkpoint
from benchmark.training.checkpoint import Progress
from benchmark.training.learning_rate import RateState
from tests.methods.began_by_hand import FixedDraw, began, decode, encode, generate, images

pytestmark = pytest.mark.usefixtures("double")


def test_watch_is_m_global_over_fixed_images_and_codes() -> None:
    method = began(gamma=0.3, eta=2, shared_z=True)
    x, z = images(), FixedDraw().uniform("z_heldout", 2, 4)

    def energy(v: torch.Tensor) -> float:
        decoder, settings = method.discriminator.decoder, method.settings
        rebuilt = decode(decoder, settings, encode(method, v), 16, 0.0)
        return (v - rebuilt).square().mean().item()

    l_real, l_fake = energy(x), energy(generate(method, z))
    wanted = {
        "l_real": l_real,
        "l_fake": l_fake,
        "m_global": l_real + abs(0.3 * l_real - l_fake),
        "balance": abs(0.3 * l_real - l_fake),
        "ratio": l_fake / l_real,
    }
    with torch.no_grad():
        found = method.watch(Batch(x), FixedDraw())
    assert tuple(found) == BEGAN.heldout
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, abs=1e-10)


def test_watch_changes_nothing() -> None:
    method = began(batch_norm=True, carry_steps=9, kl_weight=0.1, noise_sd=0.1).eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with torch.no_grad():
        first, second = (method.watch(Batch(images()), FixedDraw()) for _ in range(2))
    assert first == second
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_denoising_rebuilds_clean_images_from_noisy_ones() -> None:
    """An auto-encoder that gave its input back would have an energy of the noise alone."""
    method, x = began(noise_sd=0.4), images()
    method.discriminator.encoder.forward = lambda v, carry: v.flatten(1)  # type: ignore[method-assign]
    method.discriminator.decoder.forward = lambda code, carry: code.reshape(x.shape)  # type: ignore[method-assign]
    noise = FixedDraw().normal("noise_real", *x.shape)
    seen = method.reconstruct(x, FixedDraw(), "real").energy.item()
    assert seen == pytest.approx(0.4 * noise.abs().mean().item(), abs=1e-12)
    assert method.reconstruct(x).energy.item() == 0.0  # watched without noise


def test_variational_kl_by_hand() -> None:
    """N(1, 4) and N(0, 1): KL = (1 + 4 - 1 - log 4) / 2 = 1.3069, and 0 for the others."""
    method, x = began(kl_weight=0.2, h=4, z=4), images(1)
    mean, log_variance = torch.tensor([1.0, 0, 0, 0]), torch.tensor([4.0, 1, 1, 1]).log()
    codes = []
    method.discriminator.encoder.forward = lambda v, carry: torch.cat([mean, log_variance])[None]  # type: ignore[method-assign]
    method.discriminator.decoder.forward = lambda code, carry: codes.append(code) or x  # type: ignore
    judged = method.reconstruct(x, FixedDraw(), "real")
    weight, kl = method.terms(judged, judged, torch.zeros(1, 4))["kl"]
    assert (weight, kl.item()) == (0.2, pytest.approx(1.306853 / 4, abs=1e-6))
    eps = FixedDraw().normal("code_real", 1, 4)
    torch.testing.assert_close(codes[0], mean + torch.tensor([2.0, 1, 1, 1]) * eps)
    method.reconstruct(x)
    torch.testing.assert_close(codes[1], mean[None])  # watched at the mean


def test_a_plain_encoder_has_no_variance() -> None:
    assert began(kl_weight=0.1, h=3).discriminator.encoder.code.out_features == 6
    assert began(h=3).reconstruct(images()).log_variance is None


@pytest.mark.parametrize(
    "settings", [{"k_0": 0.3}, {"carry_steps": 5}, {"batch_norm": True, "updates": "alternating"}]
)
def test_a_resumed_method_goes_on_to_the_same_bits(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    through = _trained(began(lambda_k=0.1, **settings), steps=range(2))
    rate = RateState(lr=0.01)
    checkpoint.write(tmp_path, through, Progress(step=2, rate=rate, wall_s=0.0, cpu_s=0.0))
    resumed = began(seed=1, lambda_k=0.1, **settings)
    assert checkpoint.read_latest(tmp_path, resumed) is not None
    for method in (through, resumed):
        _trained(method, steps=range(2, 4))
    for (name, value), other in zip(
        through.state_dict().items(), resumed.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), name
    if "carry_steps" in settings:
        carry = resumed.carry()
        assert carry is not None
        assert carry.item() == pytest.approx(1 / 5)


def _trained(method: BEGAN, steps: range) -> BEGAN:
    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] = 0.01
    for step in steps:
        method.update(Batch(images(seed=step)), FixedDraw())
    return method
