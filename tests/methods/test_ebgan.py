"""EBGAN against equations worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.methods.ebgan import EBGAN, EbganSettings, pulling_away
from benchmark.methods.method import Batch
from tests.methods.fixed import FixedDraw, GivenDraw, OneWeight, images, with_norms

pytestmark = pytest.mark.usefixtures("double")


def ebgan(size: int = 16, **settings: Any) -> EBGAN:
    torch.manual_seed(0)
    block = {"name": "ebgan", "n": 2, "z": 3, **settings}
    method = EBGAN(EbganSettings.model_validate(block), size)
    for module in method.discriminator.modules():  # the paper's 0.002 leaves nothing to see here
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.1)
    return method


def toy(a: float, b: float, **settings: Any) -> EBGAN:
    """Dec(Enc(v)) = a v and G(z) = b z, so that D(v) = (1 - a) ||v|| for a < 1."""
    method = ebgan(**{"z": 768, **settings})
    method.discriminator.encoder = OneWeight(a, lambda a, v: a * v)  # type: ignore[assignment]
    method.discriminator.decoder = nn.Sequential()
    method.generator = OneWeight(b, lambda b, z: b * z.view(-1, 3, 16, 16))  # type: ignore[assignment]
    method.optimizers = {
        "discriminator": torch.optim.SGD(method.discriminator.parameters(), lr=0.1),
        "generator": torch.optim.SGD(method.generator.parameters(), lr=0.1),
    }
    return method


def gradients(player: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in player.parameters()]
    assert all(gradient is not None for gradient in found)
    return found  # type: ignore[return-value]


def errors(method: EBGAN, error: Tensor) -> Tensor:
    """D's energies of images that it rebuilds with the given error."""
    method.discriminator.encoder = nn.Sequential()
    method.discriminator.decoder = OneWeight(1.0, lambda _, v: v + error)  # type: ignore[assignment]
    energy, _ = method.energy(torch.zeros_like(error))
    return energy


def test_energy_is_the_norm_of_each_image_s_error() -> None:
    error = torch.zeros(2, 3, 16, 16)
    error[0, 0, 0, 0], error[0, 2, 5, 7], error[1, 1, 3, 3] = 3.0, -4.0, 12.0
    assert errors(ebgan(), error).tolist() == pytest.approx([5.0, 12.0], abs=1e-12)
    mean = errors(ebgan(energy="pixel_mean"), error).tolist()
    assert mean == pytest.approx([25 / 768, 144 / 768], abs=1e-12)
    assert errors(ebgan(energy="batch_l2"), error).tolist() == pytest.approx([13.0], abs=1e-12)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_the_same_error_a_pixel_meets_the_margin_at_every_size(size: int) -> None:
    method = ebgan(size)
    error = torch.full((1, 3, size, size), 20 / 12288**0.5)  # ||error|| is 20 at 64 px
    error[:, :, ::2] *= -1
    assert errors(method, error).item() == pytest.approx(method.m, abs=1e-9)
    assert ebgan(64).m == 20.0


@pytest.mark.parametrize("size", [16, 64])
def test_a_mean_a_pixel_never_closes_the_unscaled_margin(size: int) -> None:
    method = ebgan(size, energy="pixel_mean")
    worst = errors(method, torch.full((1, 3, size, size), 2.0))  # black rebuilt as white
    assert worst.item() == pytest.approx(4.0)
    assert method.m - worst.item() == pytest.approx(16.0)


def test_margin_gradient_of_each_fake_by_its_own_hinge() -> None:
    # m = 20 * 16 / 64 = 5. Energies (1 - a) b ||z||: 4 leaves the hinge open, 9 closes it.
    method = toy(a=0.5, b=2.0)
    x, z = with_norms(6.0, 8.0), with_norms(4.0, 9.0, seed=4)
    metrics = method.update(Batch(x), GivenDraw(z_D=z, z_G=with_norms(1.0, 3.0, seed=5)))
    assert metrics["energy_real"].item() == pytest.approx(3.5, abs=1e-12)
    assert metrics["hinge"].item() == pytest.approx((1.0 + 0.0) / 2, abs=1e-12)
    assert metrics["loss_d"].item() == pytest.approx(4.0, abs=1e-12)
    assert metrics["energy_fake"].item() == pytest.approx(0.5 * 2 * 2, abs=1e-12)
    assert metrics["loss_g"].item() == pytest.approx(2.0, abs=1e-12)
    # dL_D/da = -mean ||x|| + (b ||z_1|| + 0) / 2, and dL_G/db = (1 - a) mean ||z_G||.
    assert gradients(method.discriminator.encoder)[0].item() == pytest.approx(-7.0 + 4.0, abs=1e-12)
    assert gradients(method.generator)[0].item() == pytest.approx(1.0, abs=1e-12)
    assert metrics["grad_norm_d"].item() == pytest.approx(3.0, abs=1e-12)
    assert metrics["grad_norm_g"].item() == pytest.approx(1.0, abs=1e-12)
    # Both steps were taken, the generator's at the old discriminator.
    assert method.discriminator.encoder.weight.item() == pytest.approx(0.5 + 0.3, abs=1e-12)
    assert method.generator.weight.item() == pytest.approx(2.0 - 0.1, abs=1e-12)


def test_without_the_hinge_the_discriminator_gains_beyond_the_margin() -> None:
    method = toy(a=0.5, b=2.0, hinge=False)
    z = with_norms(4.0, 9.0, seed=4)
    metrics = method.update(Batch(with_norms(6.0, 8.0)), GivenDraw(z_D=z, z_G=z))
    assert metrics["hinge"].item() == pytest.approx((1.0 - 4.0) / 2, abs=1e-12)
    assert gradients(method.discriminator.encoder)[0].item() == pytest.approx(
        -7.0 + (8 + 18) / 2, abs=1e-12
    )


def test_a_shared_z_serves_both_players() -> None:
    method = toy(a=0.5, b=2.0, shared_z=True)
    metrics = method.update(
        Batch(with_norms(6.0, 8.0)), GivenDraw(z_G=with_norms(4.0, 9.0, seed=4))
    )
    assert metrics["energy_fake"].item() == pytest.approx(6.5, abs=1e-12)
    assert metrics["hinge"].item() == pytest.approx(0.5, abs=1e-12)
    assert gradients(method.discriminator.encoder)[0].item() == pytest.approx(-3.0, abs=1e-12)
    assert gradients(method.generator)[0].item() == pytest.approx(0.5 * 6.5, abs=1e-12)


@pytest.mark.parametrize("margin", [0.001, 20.0])
@pytest.mark.parametrize("shared_z", [False, True])
@pytest.mark.parametrize("form", ["squared", "unsquared", "pixels", "dimensions"])
@pytest.mark.parametrize("weight", [0.0, 30.0])
def test_the_step_equals_the_textbook_s(
    weight: float, form: str, shared_z: bool, margin: float
) -> None:
    """Each loss by a graph of its own, over its own player's weights."""
    settings = {"pulling_away": weight, "pulling_away_form": form, "shared_z": shared_z}
    method = ebgan(32, margin=margin, **settings)
    x, draw = images(size=32), FixedDraw()
    fake = method.generate(draw.normal("z_G", 4, 3))
    fake_d = fake if shared_z else method.generate(draw.normal("z_D", 4, 3))
    on_fake_d = norms(method, fake_d.detach())
    loss_d = norms(method, x).mean() + relu(margin / 2 - on_fake_d).mean()
    wanted_d = torch.autograd.grad(loss_d, list(method.discriminator.parameters()))
    seen = fake if form == "pixels" else method.discriminator.encoder(fake)
    term = pairs(seen.flatten(1), form)
    loss_g = norms(method, fake).mean() + weight * term
    wanted_g = torch.autograd.grad(loss_g, list(method.generator.parameters()))

    used = FixedDraw()
    metrics = method.update(Batch(x), used)
    assert {stream for _, stream in used.streams} == ({"z_G"} if shared_z else {"z_G", "z_D"})
    for player, wanted in ((method.discriminator, wanted_d), (method.generator, wanted_g)):
        for gradient, other in zip(gradients(player), wanted, strict=True):
            torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-10)
    assert metrics["pulling_away"].item() == pytest.approx(term.item(), abs=1e-10)
    assert metrics["loss_g"].item() == pytest.approx(loss_g.item(), abs=1e-9)
    assert metrics["loss_d"].item() == pytest.approx(loss_d.item(), abs=1e-9)


def norms(method: EBGAN, v: Tensor) -> Tensor:
    return (method.discriminator(v)[0] - v).square().sum((1, 2, 3)).sqrt()


def pairs(codes: Tensor, form: str) -> Tensor:
    """PT pair by pair, as section 2.4 writes it."""
    rows = codes.T if form == "dimensions" else codes
    lengths = rows.square().sum(1).sqrt().clamp_min(1e-12)
    cosines = rows @ rows.T / lengths[:, None] / lengths[None, :]
    if form != "unsquared":
        cosines = cosines**2
    return cosines[~torch.eye(len(rows), dtype=torch.bool)].mean()


def test_pulling_away_by_hand() -> None:
    codes = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    # cos^2 of the pairs: 1/2, 0, 1/2. Of the columns (1, 1, 0) and (0, 1, 2): 1 / (2 * 5).
    assert pulling_away(codes, "squared").item() == pytest.approx(1 / 3, abs=1e-12)
    assert pulling_away(codes, "unsquared").item() == pytest.approx(2**0.5 / 3, abs=1e-12)
    assert pulling_away(codes, "dimensions").item() == pytest.approx(0.1, abs=1e-12)
    assert pulling_away(3 * codes, "squared").item() == pytest.approx(1 / 3, abs=1e-12)


@pytest.mark.parametrize("form", ["squared", "unsquared", "dimensions"])
def test_pulling_away_s_gradient_against_finite_differences(form: str) -> None:
    codes = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: pulling_away(c, form), (codes,))


def test_pulling_away_survives_empty_codes() -> None:
    """ReLU can leave a code, or one of its dimensions, all zero."""
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], requires_grad=True)
    for form in ("squared", "unsquared", "dimensions"):
        (gradient,) = torch.autograd.grad(pulling_away(codes, form), codes)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("size", "encoder", "generator"),
    [
        (16, [2], [4, 2, 3]),
        (32, [2, 4], [8, 4, 2, 3]),
        (64, [2, 4, 8], [16, 8, 4, 2, 3]),  # the paper's (64)-(128)-(256) with n = 64
        (128, [2, 4, 8, 16], [32, 16, 8, 4, 2, 3]),
    ],
)
def test_map_sizes(size: int, encoder: list[int], generator: list[int]) -> None:
    method = ebgan(size)
    sides = {"conv": [], "up": []}
    for part, key in ((method.discriminator.encoder, "conv"), (method.generator, "up")):
        for layer in part:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.register_forward_hook(
                    lambda _, __, out, key=key: sides[key].append(tuple(out.shape[1:]))
                )
    v = method.generate(torch.randn(2, 3))
    assert method.discriminator(v)[0].shape == v.shape == (2, 3, size, size)
    assert sides["conv"] == [(c, size >> i, size >> i) for i, c in enumerate(encoder, start=1)]
    assert sides["conv"][-1][1] == 8
    assert sides["up"] == [(c, 4 << i, 4 << i) for i, c in enumerate(generator)]
    mirrored = [
        m.in_channels for m in method.discriminator.decoder if isinstance(m, nn.ConvTranspose2d)
    ]
    assert mirrored == encoder[::-1]


def test_initial_weights_and_where_the_norms_are() -> None:
    torch.manual_seed(0)
    method = EBGAN(EbganSettings(name="ebgan", n=32), 64)
    for player, sd in ((method.discriminator, 0.002), (method.generator, 0.02)):
        convolutions = [
            m for m in player.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
        ]
        for layer in convolutions:
            weights = layer.weight.detach()
            assert weights.std().item() == pytest.approx(sd, rel=0.1)
            assert weights.mean().abs().item() < 0.1 * sd
            assert layer.bias is None or not layer.bias.any()
        norms = [m for m in player.modules() if isinstance(m, nn.BatchNorm2d)]
        assert len(norms) == 4  # all but D's first and last convolution; all but G's last
    assert not isinstance(method.discriminator.encoder[1], nn.BatchNorm2d)
    assert isinstance(method.generator[-1], nn.Tanh)


def test_the_prior() -> None:
    for prior in ("normal", "uniform"):
        draw = FixedDraw()
        ebgan(prior=prior).latent(5, draw, "z_G")
        assert draw.streams == [(prior, "z_G")]
    assert EbganSettings(name="ebgan").prior == "normal"
