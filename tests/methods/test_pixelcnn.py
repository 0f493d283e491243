"""PixelCNN: causal, cached as naive, its distributions by hand, its bits known."""

from math import exp, inf, log, log2
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import conv2d

from benchmark.methods.method import Batch, has_code, has_encoder
from benchmark.methods.pixelcnn import (
    ConditionalPixelCNN,
    PixelCNN,
    PixelCnnSettings,
    categorical,
    discretised_logistic,
    level_of,
    quantised,
    value_of,
)
from benchmark.training import snapshots
from tests.methods.fixed import FixedDraw, GivenDraw, goes_on, images

pytestmark = pytest.mark.usefixtures("double")

SMALL: dict[str, Any] = {"n": 4, "layers": 3, "kernel": 3, "mixtures": 2}
KINDS: list[dict[str, Any]] = [
    {},
    {"code": 3, "coordinates": True, "kernel": 5, "layers": 2},
    {"output": "softmax", "levels": 16, "layers": 2},
]
EVERY = pytest.mark.parametrize("block", KINDS, ids=str)


def settings_of(**block: Any) -> PixelCnnSettings:
    return PixelCnnSettings.model_validate({"name": "pixelcnn", **SMALL, **block})


def pixelcnn(size: int = 8, **block: Any) -> PixelCNN:
    torch.manual_seed(0)
    return PixelCNN(settings_of(**block), size)


def levels_of(method: PixelCNN, count: int = 3) -> Tensor:
    return quantised(images(count, method.size), method.settings.levels)


def code_of(method: PixelCNN, count: int = 3) -> Tensor | None:
    z = method.settings.code
    return torch.randn(count, z, generator=torch.Generator().manual_seed(1)) if z else None


@EVERY
def test_cached_samples_are_the_naive_ones(block: dict[str, Any]) -> None:
    """The naive ones ask the whole network for every pixel."""
    method = pixelcnn(**block)
    network, code = method.generator, code_of(method)
    uniform = torch.rand(3, network.head.uniforms, 8, 8, generator=torch.Generator().manual_seed(2))
    features: list[Tensor] = []
    network.hidden.register_forward_hook(lambda _, __, made: features.append(made.relu()))
    naive = torch.zeros(3, 3, 8, 8)
    with torch.no_grad():
        for y in range(8):
            for x in range(8):
                network(naive, code)
                at = features[-1][:, :, y, x]
                naive[:, :, y, x] = network.head.pixel(at, uniform[:, :, y, x])
    assert naive.std() > 0.1
    cached = network.sample(uniform, code)
    torch.testing.assert_close(cached, naive, rtol=0, atol=1e-12)


def test_cached_distributions_are_the_naive_ones_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any rounding to levels could hide a difference."""
    torch.set_default_dtype(torch.float32)
    method = pixelcnn(code=3, kernel=5)
    network, code = method.generator, code_of(method)
    seen: list[Tensor] = []
    pixel = network.head.pixel

    def watched(features: Tensor, uniform: Tensor) -> Tensor:
        seen.append(network.head(features, features))
        return pixel(features, uniform)

    monkeypatch.setattr(network.head, "pixel", watched)
    made = network.sample(torch.rand(3, 4, 8, 8), code)
    cached = torch.stack(seen, 2).view(3, -1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(cached, network(made, code), rtol=0, atol=2e-6)


@EVERY
def test_a_pixel_depends_on_those_before_it_alone(block: dict[str, Any]) -> None:
    """In the order of rows, then columns; on every one that the kernels reach."""
    method = pixelcnn(**block)
    x, code = levels_of(method, 1).requires_grad_(), code_of(method, 1)
    features: list[Tensor] = []
    method.generator.layers[-1].register_forward_hook(lambda _, __, made: features.append(made[1]))
    method.generator(x, code)
    for y, column in ((0, 0), (3, 4), (5, 0), (7, 7), (4, 7)):
        at = features[0][0, :, y, column].square().sum()
        (gradient,) = torch.autograd.grad(at, x, retain_graph=True, allow_unused=True)
        felt = gradient[0].abs().sum(0).flatten() > 0
        here = 8 * y + column
        assert not felt[here:].any()
        steps = method.settings.layers * (method.settings.kernel // 2)
        for before in range(here):
            up, right = y - before // 8, before % 8 - column
            # A row more lets the horizontal stack turn to the vertical one, a column wider.
            reached = up <= steps and right <= steps if up else -right <= steps
            if -steps <= right:
                assert felt[before] == reached, (y, column, before)


def test_a_channels_logits_depend_on_the_channels_before_it_alone() -> None:
    method = pixelcnn(output="softmax", levels=4, n=16)
    x = levels_of(method, 1).requires_grad_()
    features = torch.randn(1, 16, 8, 8)
    found = method.generator.head(features, x).unflatten(1, (3, 4))
    for channel in range(3):
        at = found[0, channel, :, 5, 5].square().sum()
        (gradient,) = torch.autograd.grad(at, x, retain_graph=True, allow_unused=True)
        felt = gradient[0, :, 5, 5] != 0 if channel else torch.zeros(3, dtype=torch.bool)
        assert felt.tolist() == [before < channel for before in range(3)]
        assert channel == 0 or int((gradient != 0).sum()) == channel  # nor on another pixel


def test_the_mixture_is_that_of_the_docstring() -> None:
    """Two distributions of a pixel, in plain numbers."""
    head = pixelcnn().generator.head
    logits, pixel = (0.3, -0.7), (100, 180, 255)
    means = ((-0.2, 0.5), (0.1, 0.3), (0.9, 0.4))
    log_s = ((-2.0, -1.0), (-3.0, -1.5), (-9.0, -2.5))  # the least is -7
    raw = ((0.5, -1.0), (0.2, 0.8), (-0.4, 2.0))
    found = torch.tensor([*logits, *sum(means + log_s + raw, ())]).view(1, 20, 1, 1)
    x = [level / 127.5 - 1 for level in pixel]
    (nats,) = head.nats(found, torch.tensor(x).view(1, 3, 1, 1)).flatten().tolist()

    def tanh(y: float) -> float:
        return (exp(2 * y) - 1) / (exp(2 * y) + 1)

    def sigmoid(y: float) -> float:
        return 1 / (1 + exp(-y))

    total = 0.0
    for k in range(2):
        a, b, c = (tanh(each[k]) for each in raw)
        mean = (
            means[0][k],
            means[1][k] + a * x[0],
            means[2][k] + b * x[0] + c * x[1],
        )
        s = [exp(max(each[k], -7.0)) for each in log_s]
        p = 1.0
        for v, mu, scale, level in zip(x, mean, s, pixel, strict=True):
            high = 1.0 if level == 255 else sigmoid((v + 1 / 255 - mu) / scale)
            p *= high - sigmoid((v - 1 / 255 - mu) / scale)
        total += exp(logits[k]) / (exp(logits[0]) + exp(logits[1])) * p
    assert nats == pytest.approx(-log(total), rel=1e-9)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_the_probabilities_of_all_colours_sum_to_1(output: str) -> None:
    """And a pixel is drawn as often as they say."""
    method = pixelcnn(output=output, levels=4, n=16)
    head, one = method.generator.head, value_of(torch.arange(4.0), 4)
    colours = torch.cartesian_prod(one, one, one)[:, :, None, None]
    features = 0.3 * torch.randn(1, 16, 1, 1)
    with torch.no_grad():
        for weight in head.parameters():
            weight.mul_(4)
        given = features.expand(len(colours), -1, -1, -1)
        p = (-head.nats(head(given, colours), colours)).exp().view(4, 4, 4)
        assert p.sum().item() == pytest.approx(1, abs=1e-12)
        uniform = torch.rand(20_000, head.uniforms, generator=torch.Generator().manual_seed(1))
        drawn = head.pixel(features.flatten(1).expand(len(uniform), -1), uniform)
    level = level_of(drawn, 4).long()
    assert value_of(level, 4).equal(drawn)
    often = torch.bincount(level @ torch.tensor([16, 4, 1]), minlength=64).view(4, 4, 4) / 20_000
    torch.testing.assert_close(often, p, rtol=0, atol=0.012)
    # Which is no product of the three channels' own distributions.
    apart = torch.einsum("r,g,b->rgb", p.sum((1, 2)), p.sum((0, 2)), p.sum((0, 1)))
    assert (p - apart).abs().max() > 2 * 0.012


@pytest.mark.parametrize("levels", [2, 32, 256])
@pytest.mark.parametrize("mean", [-3.0, -1.0, 0.1234, 0.999, 40.0])
@pytest.mark.parametrize("log_s", [-7.0, -2.0, 3.0])
def test_the_discretised_logistic_sums_to_1(levels: int, mean: float, log_s: float) -> None:
    x = value_of(torch.arange(float(levels)), levels)
    log_p = discretised_logistic(x, torch.tensor(mean), torch.tensor(log_s), levels)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_discretised_logistic_is_a_difference_of_sigmoids() -> None:
    def sigmoid(y: float) -> float:
        return 1 / (1 + exp(-y)) if y > -700 else 0.0

    mean, s = 0.2, 0.05
    for pixel in (0, 1, 100, 152, 153, 254, 255):
        x = pixel / 127.5 - 1
        high = 1.0 if pixel == 255 else sigmoid((x + 1 / 255 - mean) / s)
        low = 0.0 if pixel == 0 else sigmoid((x - 1 / 255 - mean) / s)
        found = discretised_logistic(torch.tensor(x), torch.tensor(mean), torch.tensor(log(s)), 256)
        assert found.item() == pytest.approx(log(high - low), rel=1e-8)
    # Far out, where the difference of sigmoids is 0, it still has digits, and a gradient.
    far = torch.tensor(-0.5, requires_grad=True)
    log_p = discretised_logistic(torch.tensor(0.5), far, torch.tensor(-7.0), 256)
    log_p.backward()
    assert -1200 < log_p.item() < -1000
    assert far.grad is not None
    assert far.grad.item() == pytest.approx(exp(7))


def test_levels_are_the_pixels_of_the_data() -> None:
    pixels = torch.arange(256.0)
    x = pixels / 127.5 - 1
    assert level_of(x, 256).equal(pixels)
    torch.set_default_dtype(torch.float32)
    as_read = torch.arange(256, dtype=torch.uint8).float() / 127.5 - 1
    assert quantised(as_read, 256).equal(as_read)  # to the bit
    assert [int((level_of(x, 4) == level).sum()) for level in range(4)] == [64] * 4
    middles = value_of(torch.arange(4.0), 4)
    torch.testing.assert_close((middles + 1) * 127.5, torch.tensor([31.5, 95.5, 159.5, 223.5]))
    assert level_of(torch.tensor([-inf, -1.2, 1.2, inf]), 256).tolist() == [0, 0, 255, 255]


def test_choices_follow_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.0, 0.25, 0.25]).log().expand(7, -1)
    uniform = torch.tensor([0.0, 0.49, 0.51, 0.74, 0.76, 0.99, 1.0])
    assert categorical(logits, uniform).tolist() == [0, 0, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_a_uniform_distribution_has_8_bits(levels: int) -> None:
    """Whatever the levels: those that are told apart no more are equally likely."""
    method = pixelcnn(output="softmax", levels=levels)
    with torch.no_grad():
        for weight in method.parameters():
            weight.zero_()
    metrics = method.update(Batch(images(3, 8)), FixedDraw())
    assert metrics["bits_per_dim"].item() == pytest.approx(8, abs=1e-12)


def test_bits_of_a_known_logistic() -> None:
    """All images white, and one logistic with its mean there: half of the tail's mass."""
    method = pixelcnn(mixtures=1)
    with torch.no_grad():
        for weight in method.parameters():
            weight.zero_()
        method.generator.head.last.bias[1:7] = torch.tensor([1.0, 1.0, 1.0, -2.0, -2.0, -2.0])
    p = 1 - 1 / (1 + exp(exp(2) / 255))
    metrics = method.watch(Batch(torch.ones(2, 3, 8, 8)), FixedDraw())
    assert metrics["bits_per_dim"].item() == pytest.approx(-log2(p), rel=1e-12)


def gated(v: Tensor) -> Tensor:
    half = v.shape[1] // 2
    return torch.tanh(v[:, :half]) * torch.sigmoid(v[:, half:])


@pytest.mark.parametrize("block", [{}, {"code": 3}], ids=str)
def test_the_step_against_one_written_out(block: dict[str, Any]) -> None:
    """With masked kernels, as the paper has them, and Adam by hand."""
    method, again = (pixelcnn(kernel=3, **block) for _ in range(2))
    x, lr = levels_of(method), 1e-3  # Adam's default
    metrics = method.update(Batch(x), FixedDraw())

    network, n = again.generator, 4
    code = again.encoder(x) if again.encoder is not None else None

    def masked(v: Tensor, layer: nn.Conv2d, rows: int, columns: int) -> Tensor:
        """Its weights in the upper left of a whole kernel of 3 x 3, the rest 0."""
        weight = layer.weight.new_zeros(*layer.weight.shape[:2], 3, 3)
        weight[:, :, rows, columns] = layer.weight
        return conv2d(v, weight, layer.bias, padding=1)

    rows, both = slice, slice(0, 3)
    v = h = x
    for index, layer in enumerate(network.layers):
        if index == 0:
            # Strictly above, and strictly to the left.
            v = masked(v, layer.vertical, rows(0, 1), both)
            made = masked(h, layer.horizontal, rows(1, 2), slice(0, 1))
        else:
            # v holds what is above already: of its own row it may see all.
            inner = gated(v if code is None else v + layer.code_v(code)[:, :, None, None])
            v = masked(inner, layer.vertical, rows(0, 2), both)
            made = masked(h, layer.horizontal, rows(1, 2), slice(0, 2))
        across = layer.across.weight[:, :, 0, 0]
        made = made + torch.einsum("oc,nchw->nohw", across, v) + layer.across.bias[:, None, None]
        if code is not None:
            made = made + layer.code_h(code)[:, :, None, None]
        out = conv2d(gated(made), layer.out.weight, layer.out.bias)
        h = out if index == 0 else h + out
    features = conv2d(h.relu(), network.hidden.weight, network.hidden.bias).relu()
    found = conv2d(features, network.head.last.weight, network.head.last.bias)

    # Two mixtures; this channel order is the head's.
    pi = found[:, :2].softmax(1)
    mean, log_s, raw = found[:, 2:].view(3, 3, 3, 2, 8, 8).unbind(1)
    a, b, c = raw.tanh().unbind(1)
    r, g, _ = (channel[:, None] for channel in x.unbind(1))
    means = [mean[:, 0], mean[:, 1] + a * r, mean[:, 2] + b * r + c * g]
    p = pi
    for channel in range(3):
        at, s = x[:, channel, None], log_s[:, channel].clamp(min=-7).exp()
        high = torch.sigmoid((at + 1 / 255 - means[channel]) / s)
        low = torch.sigmoid((at - 1 / 255 - means[channel]) / s)
        low = torch.where(at < -1 + 1 / 256, 0.0, low)
        high = torch.where(at > 1 - 1 / 256, 1.0, high)
        p = p * (high - low)
    bits = -p.sum(1).log2().mean() / 3
    assert metrics["bits_per_dim"].item() == pytest.approx(bits.item(), rel=1e-9)

    weights = [*network.parameters(), *(again.encoder.parameters() if again.encoder else [])]
    gradients = torch.autograd.grad(bits, weights)
    norm = sum(gradient.square().sum() for gradient in gradients) ** 0.5
    assert metrics["grad_norm_g"].item() == pytest.approx(float(norm), rel=1e-7)
    trained = [*method.generator.parameters()]
    trained += [*(method.encoder.parameters() if method.encoder else [])]
    for now, before, gradient in zip(trained, weights, gradients, strict=True):
        # The first step of Adam is the sign, but for its epsilon.
        wanted = before - lr * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(now, wanted, rtol=1e-6, atol=1e-9)
    assert n == network.hidden.in_channels


def test_what_each_can_do_it_says() -> None:
    plain, conditional = pixelcnn(), pixelcnn(code=3)
    assert type(plain) is PixelCNN
    assert not has_code(plain)
    assert not has_encoder(plain)
    assert type(conditional) is ConditionalPixelCNN
    assert has_code(conditional)
    assert has_encoder(conditional)
    assert conditional.encode(images(2, 8), FixedDraw()).shape == (2, 3)
    with pytest.raises(ValidationError, match="average must be 0 with a code"):
        settings_of(code=3, average=0.9)


def test_codes_are_drawn_as_those_of_training_images_were() -> None:
    """Their running mean and covariance, after each update."""
    method = pixelcnn(code=3)
    mean, covariance = torch.zeros(3), torch.eye(3)
    for step in range(3):
        with torch.no_grad():
            codes = method.encoder(images(5, 8, seed=step))
        method.update(Batch(images(5, 8, seed=step)), FixedDraw(step))
        mean = 0.99 * mean + 0.01 * codes.mean(0)
        off = codes - mean
        covariance = 0.99 * covariance + 0.01 * torch.stack([e.outer(e) for e in off]).mean(0)
    torch.testing.assert_close(method.codes.mean, mean)
    torch.testing.assert_close(method.codes.covariance, covariance)

    mixing = torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.5, 0.0], [1.0, 0.5, 0.0]])  # of rank 2
    method.codes.covariance.copy_(mixing @ mixing.T)
    drawn = method.latent(50_000, FixedDraw(), "z_eval")
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.T.cov(), mixing @ mixing.T, rtol=0, atol=0.1)


def test_generated_images_differ_by_their_codes_alone() -> None:
    method = pixelcnn(code=3)
    z = torch.randn(1, 3).expand(2, -1)
    one, other = method.generate(z)
    assert one.equal(other)
    assert not method.generate(z + 1)[0].equal(one)
    drawn = method.generator.sample(method._uniform(2, FixedDraw(), "z_eval"), z)
    assert not drawn[0].equal(drawn[1])  # numbers of their own


def test_samples_draw_by_name() -> None:
    plain, conditional = FixedDraw(), FixedDraw()
    pixelcnn().sample(2, plain, "z_eval")
    pixelcnn(code=3).sample(2, conditional, "z_eval")
    assert plain.streams == [("uniform", "z_eval_pixels")]
    assert conditional.streams == [("normal", "z_eval"), ("uniform", "z_eval_pixels")]
    lowest = GivenDraw(z_eval_pixels=-torch.ones(2, 4, 8, 8))
    assert pixelcnn().sample(2, lowest, "z_eval").eq(-1).all()  # logit(0) is minus infinity


def test_training_draws_nothing() -> None:
    for block in ({}, {"code": 3}):
        draw = FixedDraw()
        method = pixelcnn(**block)
        method.update(Batch(images(3, 8)), draw)
        method.watch(Batch(images(3, 8)), draw)
        assert draw.streams == []


@pytest.mark.parametrize("block", [{"code": 3}, {"average": 0.9}], ids=str)
def test_goes_on_from_its_state(block: dict[str, Any]) -> None:
    torch.set_default_dtype(torch.float32)
    goes_on(lambda: pixelcnn(16, **block), 4)


def test_the_average_of_the_weights_makes_the_samples(tmp_path: Any) -> None:
    torch.set_default_dtype(torch.float32)
    method, plain = pixelcnn(average=0.9), pixelcnn()
    names = [name for name, _ in plain.generator.named_parameters()]
    kept = dict(method.generator.named_buffers())
    wanted = [kept[name].clone() for name in names]
    for step in range(3):
        x = Batch(images(3, 8, seed=step))
        assert method.update(x, FixedDraw()) == plain.update(x, FixedDraw())
        now = [weight.detach() for weight in plain.generator.parameters()]
        wanted = [0.9 * old + 0.1 * new for old, new in zip(wanted, now, strict=True)]
    for name, weight in zip(names, wanted, strict=True):
        torch.testing.assert_close(kept[name], weight)
    assert sum(p.numel() for p in method.parameters()) == sum(p.numel() for p in plain.parameters())
    # What is watched and drawn is of the average, and so is what a snapshot keeps.
    assert method.watch(x, FixedDraw()) != plain.watch(x, FixedDraw())
    fresh = pixelcnn(average=0.9)
    snapshots.write(tmp_path, 3, method).load_into(fresh)
    made = method.sample(2, FixedDraw(), "z_eval")
    assert made.equal(fresh.sample(2, FixedDraw(), "z_eval"))
    assert set(snapshots.tensors(method)) == {f"generator.{name}" for name in names}


def test_a_network_that_sees_the_image_ends_at_its_border() -> None:
    """Any size works, and without coordinates there is no parameter that knows it."""
    small, large = pixelcnn(8), pixelcnn(16)
    assert {k: v.shape for k, v in small.state_dict().items()} == {
        k: v.shape for k, v in large.state_dict().items()
    }
    where = pixelcnn(8, coordinates=True).generator.where
    assert where[0, 0, :, 3].tolist() == where[0, 1, 3].tolist()
    assert where[0, 0, [0, -1], 0].tolist() == [-1, 1]


def test_settings_are_the_papers() -> None:
    settings = PixelCnnSettings(name="pixelcnn")
    assert (settings.kernel, settings.output, settings.mixtures) == (5, "logistic", 10)
    assert (settings.beta_1, settings.beta_2) == (0.95, 0.9995)
    method = PixelCNN(settings, 32)
    assert sum(p.numel() for p in method.parameters()) == 180_836
    assert all(weight.grad is None for weight in method.parameters())
    method.update(Batch(images(2, 32)), FixedDraw())
    assert all(weight.grad is not None for weight in method.parameters())
