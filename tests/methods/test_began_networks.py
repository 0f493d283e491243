"""BEGAN's networks against the paper's counts and against programs read off section 3.5."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.began import BEGAN, BeganSettings
from benchmark.methods.began_networks import BatchNormD, Convolution, Decoder, Encoder
from benchmark.methods.method import Batch
from tests.methods.began_by_hand import FixedDraw, began, decode, encode, generate, images

pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize(
    ("size", "n", "design", "skips", "millions"),
    [
        (128, 128, "author", True, 17.268),  # the paper's 17.3 M
        (128, 128, "figure_1", False, 24.348),  # a literal extension of figure 1
        (128, 128, "figure_1", True, 25.527),
        (32, 64, "author", True, 2.173),
        (32, 128, "author", True, 6.042),
        (64, 64, "author", True, 3.431),
        (64, 128, "author", True, 10.549),
        (128, 64, "author", True, 5.243),
    ],
)
def test_parameter_counts_of_both_designs(
    size: int, n: int, design: str, skips: bool, millions: float
) -> None:
    settings = {"name": "began", "n": n, "design": design, "skips": skips}
    with torch.device("meta"):
        method = BEGAN(BeganSettings.model_validate(settings), size)
    count = sum(weights.numel() for weights in method.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.001)


def test_unequal_codes_shape_encoder_decoder_and_generator() -> None:
    method = began(h=3, z=5)
    assert method.discriminator.encoder.code.out_features == 3
    assert method.discriminator.decoder.start.in_features == 3
    assert method.generator.start.in_features == 5
    assert method.latent(7, FixedDraw(), "z").shape == (7, 5)


@pytest.mark.parametrize("design", ["figure_1", "author"])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("size", [16, 32])
def test_networks_are_the_programs_of_section_3_5(size: int, skips: bool, design: str) -> None:
    method = began(size=size, design=design, skips=skips)
    if design == "author":  # its weights are small; larger ones show every layer
        for parameter in method.parameters():
            nn.init.normal_(parameter, std=0.3)
    x, z = images(size=size), FixedDraw().uniform("z", 2, 4)
    code = encode(method, x)
    rebuilt = decode(method.discriminator.decoder, method.settings, code, size, 0.0)
    assert code.std() > 1e-3
    torch.testing.assert_close(method.discriminator.encoder(x), code, rtol=0, atol=1e-10)
    torch.testing.assert_close(method.discriminator.decoder(code), rebuilt, rtol=0, atol=1e-10)
    fakes = generate(method, z, size)
    torch.testing.assert_close(method.generate(z), fakes, rtol=0, atol=1e-10)


def test_tanh_ends_decoder_and_generator() -> None:
    method = began(output="tanh")
    for network in (method.generator, method.discriminator.decoder):
        nn.init.constant_(network.end.bias, 3.0)
    z, x = FixedDraw().uniform("z", 2, 4), images()
    torch.testing.assert_close(method.generate(z), generate(method, z), rtol=0, atol=1e-10)
    assert 0.9 < method.generate(z).max() < 1
    # D's output is about tanh(3), so the energy is about the mean distance to it.
    expected = (0.9951 - x).abs().mean().item()
    assert method.reconstruct(x).energy.item() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("design", ["figure_1", "author"])
def test_batch_norm_stands_between_every_convolution_but_the_last_and_its_elu(design: str) -> None:
    method = began(batch_norm=True, design=design, skips=True, size=32)
    z = FixedDraw().uniform("z", 2, 4)
    for module in method.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.2)
            nn.init.normal_(module.bias, std=0.2)
    torch.testing.assert_close(method.generate(z), generate(method, z, 32), rtol=0, atol=1e-8)
    x = images(size=32)
    torch.testing.assert_close(
        method.discriminator.encoder(x), encode(method, x), rtol=0, atol=1e-8
    )
    for network in (method.generator, method.discriminator):
        kinds = [
            sum(isinstance(m, k) for m in network.modules()) for k in (nn.Conv2d, nn.BatchNorm2d)
        ]
        assert kinds[0] == kinds[1] + 1  # each network ends in one bare convolution


def test_the_discriminator_normalises_by_the_batch_in_evaluation_too() -> None:
    """Its running statistics would mix real and fake images; the generator's are of fakes alone."""
    method = began(batch_norm=True, skips=True)
    x, z = images(4), FixedDraw().uniform("z", 4, 4)
    method.reconstruct(x - 5.0)
    trained = method.reconstruct(x).energy
    fakes, before = method.generate(z), {k: v.clone() for k, v in method.state_dict().items()}
    method.eval()
    assert torch.equal(method.reconstruct(x).energy, trained)
    assert not torch.equal(method.generate(z), fakes)
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name])
    # As without them, so that earlier checkpoints load and weights keep their digests.
    assert "discriminator.encoder.convolutions.0.norm.running_mean" in before


def test_its_norm_trains_as_the_library_s_does() -> None:
    states = []
    for norm in (BatchNormD, nn.BatchNorm2d):
        method = began(batch_norm=True, skips=True)
        for module in method.discriminator.modules():
            if isinstance(module, BatchNormD):
                module.__class__ = norm
        for optimizer in method.optimizers.values():
            optimizer.param_groups[0]["lr"] = 0.01
        for seed in range(3):
            method.update(Batch(images(seed=seed)), FixedDraw())
        states.append(method.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_no_batch_norm_by_default() -> None:
    assert not any(isinstance(module, nn.BatchNorm2d) for module in began().modules())


def _map_sizes(network: nn.Module, given: Tensor) -> list[tuple[int, int]]:
    """(channels, pixels) of what every convolution but the last gives."""
    seen: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, Convolution):
            module.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[1:3])))
    network(given)
    return list(seen)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_figure_1_halves_to_eight_pixels_and_back(size: int) -> None:
    settings, scales = BeganSettings(name="began", n=4, skips=True), size.bit_length() - 4
    with torch.device("meta"):
        encoder, decoder = Encoder(settings, size, 5), Decoder(settings, size, 5)
        down = _map_sizes(encoder, torch.empty(2, 3, size, size))
        up = _map_sizes(decoder, torch.empty(2, 5))
        assert decoder(encoder(torch.empty(2, 3, size, size))).shape == (2, 3, size, size)
    expected = [(4, size)]
    for scale in range(1, scales + 1):
        expected += [(4 * scale, size >> (scale - 1)), (4 * scale + 4, size >> scale)]
    assert down == [*expected, (4 * scales + 4, 8), (4 * scales + 4, 8)]
    assert up == [(4, 8 << scale) for scale in range(scales + 1) for _ in range(2)]


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_author_has_no_pair_at_eight_pixels(size: int) -> None:
    settings = BeganSettings(name="began", n=4, skips=True, design="author")
    scales = size.bit_length() - 4
    with torch.device("meta"):
        encoder, decoder = Encoder(settings, size, 5), Decoder(settings, size, 5)
        down = _map_sizes(encoder, torch.empty(2, 3, size, size))
        up = _map_sizes(decoder, torch.empty(2, 5))
        assert decoder(encoder(torch.empty(2, 3, size, size))).shape == (2, 3, size, size)
    assert len(down) == 1 + 2 * scales
    assert down[-1] == (4 * scales + 4, 8)
    # The first convolution of each scale stands before its upsampling.
    assert up == [(4, pixels) for scale in range(scales) for pixels in (8 << scale, 16 << scale)]


def test_figure_1_begins_as_the_library_does_in_the_order_of_the_networks() -> None:
    torch.manual_seed(5)
    conv: Any = lambda i, o: nn.Conv2d(i, o, 3, padding=1)  # noqa: E731
    encoder = [conv(3, 2), conv(2, 2), conv(2, 4), conv(4, 4), conv(4, 4), nn.Linear(256, 3)]
    decoders = [
        [nn.Linear(inputs, 128), *(conv(2, 2) for _ in range(4)), conv(2, 3)] for inputs in (3, 4)
    ]
    expected = [layer.weight for layer in [*encoder, *decoders[0], *decoders[1]]]
    method = began(seed=5)
    found = [p for p in method.parameters() if p.dim() > 1]
    for weight, other in zip(found, expected, strict=True):
        assert torch.equal(weight, other.double())


def test_author_begins_with_a_cut_normal_and_no_bias() -> None:
    method = began(design="author", n=24, h=64, z=64)
    weights = torch.cat([p.detach().flatten() for p in method.parameters() if p.dim() > 1])
    assert all((p == 0).all() for p in method.parameters() if p.dim() == 1)
    assert weights.abs().max() <= 0.02
    # A normal cut at two sd keeps 0.87963 of its sd (1 - 4 phi(2) / (2 Phi(2) - 1), its root).
    assert weights.std().item() == pytest.approx(0.0087963, rel=0.01)
    fourth = (weights / weights.std()).pow(4).mean()
    assert 2.2 < fourth < 2.5  # 1.8 were uniform, 3 normal


@pytest.mark.parametrize(("done", "carry"), [(0, 1.0), (2, 0.5), (3, 0.25), (4, 0.0), (9, 0.0)])
@pytest.mark.parametrize("design", ["figure_1", "author"])
def test_the_carry_falls_from_1_to_0_and_blends_maps_of_one_size(
    design: str, done: int, carry: float
) -> None:
    method = began(design=design, carry_steps=4, size=32, skips=True)
    for parameter in method.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, z = images(size=32), FixedDraw().uniform("z", 2, 4)
    method.updates_done.fill_(done)
    now = method.carry()
    assert now is not None
    assert now.item() == pytest.approx(carry)
    fakes = generate(method, z, 32, carry)
    torch.testing.assert_close(method.generate(z), fakes, rtol=0, atol=1e-10)
    code = encode(method, x, carry)
    rebuilt = decode(method.discriminator.decoder, method.settings, code, 32, carry)
    expected = (x - rebuilt).abs().mean().item()
    assert method.reconstruct(x).energy.item() == pytest.approx(expected, abs=1e-10)


def test_every_update_moves_the_carry_on() -> None:
    method, carries = began(carry_steps=3), []
    for _ in range(5):
        carries.append(float(method.carry()))  # type: ignore[arg-type]
        method.update(Batch(images()), FixedDraw())
    assert carries == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert began().carry() is None
