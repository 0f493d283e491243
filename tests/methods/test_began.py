"""BEGAN against equations worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.began import BEGAN
from benchmark.methods.began_networks import Decoder, Encoder
from benchmark.methods.settings import BeganSettings


class FixedDraw:
    """Draws with a generator of their own per stream name, so that streams differ."""

    def __init__(self) -> None:
        self.streams: list[str] = []

    def uniform(self, stream: str, *shape: int) -> Tensor:
        self.streams.append(stream)
        seed = sum(map(ord, stream))
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    def normal(self, stream: str, *shape: int) -> Tensor:
        raise AssertionError("BEGAN draws uniform codes")


def began(seed: int = 0, **settings: float) -> BEGAN:
    torch.manual_seed(seed)
    method = BEGAN(
        BeganSettings.model_validate({"name": "began", "n": 2, "h": 3, "z": 3, **settings}), 16
    )
    return method.double()


def images(count: int = 2) -> Tensor:
    return (
        torch.rand(
            count, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(9)
        )
        - 0.5
    )


@pytest.fixture(autouse=True)
def _double() -> None:
    torch.set_default_dtype(torch.float64)
    yield  # type: ignore[misc]
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("eta", "expected"), [(1, (0.5 + 1.5) / 2), (2, (0.25 + 2.25) / 2)])
def test_energy_is_the_mean_error_to_the_power_eta(eta: int, expected: float) -> None:
    method = began(eta=eta)
    v = torch.ones(1, 3, 16, 16)
    v[..., :8] = 2.0  # half of the pixels
    decoder = method.discriminator.decoder
    decoder.forward = lambda *_: torch.full((1, 3, 16, 16), 0.5)  # type: ignore[method-assign]
    assert method.judge(v).energy.item() == pytest.approx(expected, abs=1e-12)


def test_losses_measure_and_k_follow_equation_5() -> None:
    method = began(gamma=0.5, lambda_k=0.1)
    method.k.fill_(0.3)
    x, draw = images(), FixedDraw()
    z = FixedDraw()
    l_real = method.judge(x).energy.item()
    l_fake = method.judge(method.generate(z.uniform("z_G", 2, 3))).energy.item()
    l_fake_d = method.judge(method.generate(z.uniform("z_D", 2, 3))).energy.item()
    metrics = method.update(x, draw)
    assert metrics["l_real"].item() == pytest.approx(l_real, abs=1e-9)
    assert metrics["l_fake"].item() == pytest.approx(l_fake, abs=1e-9)
    assert metrics["l_fake_d"].item() == pytest.approx(l_fake_d, abs=1e-9)
    assert metrics["m_global"].item() == pytest.approx(
        l_real + abs(0.5 * l_real - l_fake), abs=1e-9
    )
    assert metrics["k"].item() == pytest.approx(0.3, abs=1e-9)
    assert method.k.item() == pytest.approx(0.3 + 0.1 * (0.5 * l_real - l_fake), abs=1e-9)
    assert sorted(set(draw.streams)) == ["z_D", "z_G"]  # separate draws


def test_gradients_reach_only_their_player() -> None:
    method = began()
    method.k.fill_(0.7)
    x, z = images(), FixedDraw()
    fake_d = method.generate(z.uniform("z_D", 2, 3)).detach()
    loss_d = method.judge(x).energy - 0.7 * method.judge(fake_d).energy
    discriminator, generator = (
        list(method.discriminator.parameters()),
        list(method.generator.parameters()),
    )
    wanted_d = torch.autograd.grad(loss_d, discriminator)
    wanted_g = torch.autograd.grad(
        method.judge(method.generate(z.uniform("z_G", 2, 3))).energy, generator
    )
    for group in method.optimizers.values():
        group.param_groups[0]["lr"] = 0.0  # keep the weights, look at the gradients
    method.update(x, FixedDraw())
    for parameter, wanted in zip([*discriminator, *generator], [*wanted_d, *wanted_g], strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, wanted, rtol=0, atol=1e-10)


def test_k_stays_between_0_and_1() -> None:
    low, high = began(gamma=0.0, lambda_k=1.0), began(gamma=1.0, lambda_k=1.0)
    high.k.fill_(1.0)
    low.update(images(), FixedDraw())
    assert low.k.item() == 0.0  # gamma 0 drives k down, the clip holds it
    for parameter in high.generator.parameters():
        nn.init.zeros_(parameter)  # black images cost nearly nothing, so k is driven up
    high.update(images(), FixedDraw())
    assert high.k.item() == 1.0


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_map_sizes_and_linear_codes(size: int) -> None:
    settings = BeganSettings(name="began", n=2)
    code = Encoder(settings, size, 5)(torch.zeros(1, 3, size, size))
    assert code.shape == (1, 5)
    assert Decoder(settings, size, 5)(code).shape == (1, 3, size, size)


def test_parameter_count_of_figure_1_at_128_px() -> None:
    settings = BeganSettings(name="began", n=128)
    with torch.device("meta"):
        method = BEGAN(settings, 128)
    assert method.parameter_count() / 1e6 == pytest.approx(24.3, abs=0.05)  # a literal extension
