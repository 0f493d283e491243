"""StackGAN against equations worked out by hand."""

from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from benchmark.methods import attributes
from benchmark.methods.method import Batch, has_code, takes_labels
from benchmark.methods.registry import method_class
from benchmark.methods.stackgan import MEMORY, StackGAN, StackGanSettings, _others
from benchmark.training import snapshots
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import Stopped
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, GivenDraw, flat, goes_on, images
from tests.training.test_loop import train, values

pytestmark = pytest.mark.usefixtures("double")

CPU = torch.device("cpu")
BOTH = {"attributes": ["Smiling", "Eyeglasses"]}
FOUR = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])


def stackgan(size: int = 16, **settings: Any) -> StackGAN:
    torch.manual_seed(0)
    block = {"name": "stackgan", "n": 2, "z": 3, "c": 2, "d": 3, "stage_1": 2, **settings}
    return StackGAN(StackGanSettings.model_validate(block), size)


def labels() -> Tensor:
    return FOUR.to(torch.get_default_dtype())


def sigmoid(y: float) -> float:
    return 1 / (1 + exp(-y))


def mean(numbers: Any) -> float:
    found = list(numbers)
    return float(sum(found)) / len(found)


def slopes(f: Callable[..., float], at: tuple[float, ...]) -> list[float]:
    """The partial derivatives, by central differences."""
    step, found = 1e-5, []
    for index in range(len(at)):
        up, down = list(at), list(at)
        up[index] += step
        down[index] -= step
        found.append((f(*up) - f(*down)) / (2 * step))
    return found


class Judge(nn.Module):
    """D(x, t) = a mean(x) + b t + mean(x) t."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(weight)) for weight in (a, b))

    def forward(self, x: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        v = x.mean((1, 2, 3))
        return tuple(self.a * v + self.b * t[:, 0] + v * t[:, 0] for t in labels)


class Stage(nn.Module):
    """Flat images of g v + c, with v z or the image before, and c = m t + exp(s) noise."""

    def __init__(self, side: int, g: float, m: float, s: float) -> None:
        super().__init__()
        self.side = side
        self.g, self.m, self.s = (nn.Parameter(torch.tensor(weight)) for weight in (g, m, s))

    def forward(self, given: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        v = given.flatten(1)[:, :1]
        found, log_sd = self.m * labels, self.s.expand_as(labels)
        value = self.g * v + found + log_sd.exp() * noise
        made = value[:, :, None, None].expand(-1, 3, self.side, self.side)
        return made, found, log_sd


@pytest.mark.parametrize("stage", [1, 2])
def test_losses_gradients_and_order_by_hand(stage: int) -> None:
    lr, weight = 0.1, 2.0
    method = stackgan(z=1, c=1, stage_1=3 - stage, attributes=["Smiling"], kl_weight=weight)
    of_d, of_g = [(0.7, -0.4), (0.3, 0.8)], [(0.9, 0.5, -0.6), (-0.7, 0.4, 0.2)]
    method.discriminator = nn.ModuleList(Judge(*each) for each in of_d)
    method.generator = nn.ModuleList(
        Stage(side, *each) for side, each in zip((8, 16), of_g, strict=True)
    )
    for player in ("discriminator", "generator"):
        for index, network in enumerate(getattr(method, player), 1):
            method.optimizers[f"{player}_{index}"] = torch.optim.SGD(network.parameters(), lr)
    x, t, z = (0.9, 0.2), (1.0, 0.0), ((0.5, -0.3, 0.8), (-0.4, 0.6, -0.2))
    draw = GivenDraw(z=torch.tensor(z), wrong=torch.zeros(2, 2))
    if stage == 2:  # what stage I trains on is another batch
        method._updates = 1
    metrics = method.update(Batch(flat(*x), torch.tensor(t)[:, None]), draw)
    d, (g, m, s) = of_d[stage - 1], of_g[stage - 1]

    def fakes(g: float, m: float, s: float) -> list[float]:
        found = []
        for (first, noise_1, noise_2), label in zip(z, t, strict=True):
            v = first
            if stage == 2:
                before = of_g[0]
                v = before[0] * v + before[1] * label + exp(before[2]) * noise_1
            found.append(g * v + m * label + exp(s) * (noise_1 if stage == 1 else noise_2))
        return found

    def judged(a: float, b: float, v: float, label: float) -> float:
        return sigmoid(a * v + b * label + v * label)

    fake = fakes(g, m, s)

    def loss_d(a: float, b: float) -> float:
        real = mean(-log(judged(a, b, v, label)) for v, label in zip(x, t, strict=True))
        wrong = mean(-log(1 - judged(a, b, v, 1 - label)) for v, label in zip(x, t, strict=True))
        false = mean(-log(1 - judged(a, b, v, label)) for v, label in zip(fake, t, strict=True))
        return real + (wrong + false) / 2

    slope_d = slopes(loss_d, d)
    after = [w - lr * slope for w, slope in zip(d, slope_d, strict=True)]

    def kl(m: float, s: float) -> float:
        return mean(-s + (exp(2 * s) + (m * label) ** 2 - 1) / 2 for label in t)

    def loss_g(g: float, m: float, s: float) -> float:
        pairs = zip(fakes(g, m, s), t, strict=True)
        # Of D as it is now.
        return mean(-log(judged(*after, v, label)) for v, label in pairs) + weight * kl(m, s)

    slope_g = slopes(loss_g, (g, m, s))
    wanted = {
        **{"stage": stage, "loss_d": loss_d(*d), "loss_g": loss_g(g, m, s), "kl": kl(m, s)},
        "d_real": mean(judged(*d, v, label) for v, label in zip(x, t, strict=True)),
        "d_wrong": mean(judged(*d, v, 1 - label) for v, label in zip(x, t, strict=True)),
        "d_fake": mean(judged(*d, v, label) for v, label in zip(fake, t, strict=True)),
        "grad_norm_d": sum(slope**2 for slope in slope_d) ** 0.5,
        "grad_norm_g": sum(slope**2 for slope in slope_g) ** 0.5,
    }
    for name, value in wanted.items():
        assert metrics[name].item() == pytest.approx(value, abs=1e-8), name
    for network, before, gradient in (
        (method.discriminator[stage - 1], d, slope_d),
        (method.generator[stage - 1], (g, m, s), slope_g),
    ):
        found = [p.item() for p in network.parameters()]
        assert found == pytest.approx(
            [w - lr * each for w, each in zip(before, gradient, strict=True)], abs=1e-9
        )


def normed(v: Tensor, norm: Any, *, running: bool = False) -> Tensor:
    """Batch normalisation by the batch, or by the running statistics."""
    centre, variance = v.mean((0, 2, 3)), v.var((0, 2, 3), unbiased=False)
    if running:
        centre, variance = norm.running_mean, norm.running_var
    scale = norm.weight / (variance + 1e-5).sqrt()
    return (v - centre[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


def doubled(v: Tensor) -> Tensor:
    return v.repeat_interleave(2, 2).repeat_interleave(2, 3)


def spread(c: Tensor, side: int) -> Tensor:
    return c.reshape(*c.shape, 1, 1).repeat(1, 1, side, side)


def condition(network: Any, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """c and its KL divergence, a dimension, by torch's distributions."""
    if not t.shape[1]:
        return noise, torch.zeros(())
    layer = network.augmentation.layer
    both = t @ layer.weight.T + layer.bias
    found = torch.distributions.Normal(both[:, :2], both[:, 2:].exp())
    kl = torch.distributions.kl_divergence(found, torch.distributions.Normal(0.0, 1.0)).mean()
    return found.mean + found.stddev * noise, kl


def run_first(
    network: Any, z: Tensor, t: Tensor, noise: Tensor, *, running: bool
) -> tuple[Tensor, Tensor]:
    c, kl = condition(network, t, noise)
    convolutions = [m for m in network.layers if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [m for m in network.layers if isinstance(m, nn.BatchNorm2d)]
    first = convolutions[0].weight  # (Z + c, C, 4, 4)
    v = torch.einsum("nz,zcij->ncij", torch.cat([z, c], 1), first)
    v = normed(v, norms[0], running=running).clamp(min=0)
    for convolution, norm in zip(convolutions[1:-1], norms[1:], strict=True):
        v = nnf.conv2d(doubled(v), convolution.weight, padding=1)
        v = normed(v, norm, running=running).clamp(min=0)
    return nnf.conv2d(doubled(v), convolutions[-1].weight, padding=1).tanh(), kl


def run_second(network: Any, v: Tensor, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    c, kl = condition(network, t, noise)
    conv, norms = (
        [m for m in [*network.down.modules(), *network.up.modules()] if isinstance(m, kind)]
        for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    v = nnf.conv2d(v, conv[0].weight, padding=1).clamp(min=0)
    at = 1
    while v.shape[-1] > 16:
        v = normed(nnf.conv2d(v, conv[at].weight, stride=2, padding=1), norms[at - 1]).clamp(min=0)
        at += 1
    v = torch.cat([v, spread(c, v.shape[-1])], 1)
    v = normed(nnf.conv2d(v, conv[at].weight, padding=1), norms[at - 1]).clamp(min=0)
    for block in range(2):
        one, two = at + 1 + 2 * block, at + 2 + 2 * block
        w = normed(nnf.conv2d(v, conv[one].weight, padding=1), norms[one - 1]).clamp(min=0)
        v = (v + normed(nnf.conv2d(w, conv[two].weight, padding=1), norms[two - 1])).clamp(min=0)
    for index in range(at + 5, len(conv) - 1):
        v = nnf.conv2d(doubled(v), conv[index].weight, padding=1)
        v = normed(v, norms[index - 1]).clamp(min=0)
    return nnf.conv2d(v, conv[-1].weight, padding=1).tanh(), kl


def run_d(network: Any, x: Tensor, t: Tensor) -> Tensor:
    """Probabilities (N,)."""
    first, *rest = [m for m in network.maps if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.maps if isinstance(m, nn.BatchNorm2d)]
    v = nnf.leaky_relu(nnf.conv2d(x, first.weight, first.bias, stride=2, padding=1), 0.2)
    for convolution, norm in zip(rest, norms, strict=True):
        v = normed(nnf.conv2d(v, convolution.weight, stride=2, padding=1), norm)
        v = nnf.leaky_relu(v, 0.2)
    assert v.shape[-1] == 4
    if t.shape[1]:
        shown = t @ network.attributes.weight.T + network.attributes.bias
        weight = network.joint[0].weight[:, :, 0, 0]
        v = torch.einsum("oc,ncij->noij", weight, torch.cat([v, spread(shown, 4)], 1))
        v = nnf.leaky_relu(normed(v, network.joint[1]), 0.2)
    return ((v * network.last.weight).sum((1, 2, 3)) + network.last.bias).sigmoid()


@pytest.mark.parametrize("block", [{}, BOTH], ids=["plain", "attributes"])
@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize("stage", [1, 2])
def test_the_step_against_one_written_out(stage: int, size: int, block: dict[str, Any]) -> None:
    method, again = (stackgan(size, stage_1=1, **block) for _ in range(2))
    given = labels() if block else None
    if stage == 2:  # once before it, so that running statistics are no longer 0 and 1
        for each in (method, again):
            each.update(Batch(images(4, size, seed=1), given), FixedDraw())
    x = images(4, size)
    metrics = method.update(Batch(x, given), FixedDraw(1))
    grads = {
        player: [w.grad for w in getattr(method, player)[stage - 1].parameters()]
        for player in ("discriminator", "generator")
    }

    t = x.new_zeros(4, 0) if given is None else given
    fresh, c = FixedDraw(1), 2 if block else 0
    z, noise_1, noise_2 = fresh.normal("z", 4, 3 + 2 * c).split([3, c, c], 1)
    fake, kl = run_first(again.generator[0], z, t, noise_1, running=stage == 2)
    if stage == 2:
        fake, kl = run_second(again.generator[1], fake.detach(), t, noise_2)
    else:
        x = x.reshape(4, 3, size // 2, 2, size // 2, 2).mean((3, 5))
    d = again.discriminator[stage - 1]
    on_real, on_fake = run_d(d, x, t), run_d(d, fake.detach(), t)
    loss_d = -on_real.log().mean() - (1 - on_fake).log().mean()
    if block:
        numbers = fresh.uniform("wrong", 4, 4).fill_diagonal_(-2)  # all four labels differ
        on_wrong = run_d(d, x, t[numbers.argmax(1)])
        against = (1 - on_wrong).log().mean() + (1 - on_fake).log().mean()
        loss_d = -on_real.log().mean() - against / 2
        assert metrics["d_wrong"].item() == pytest.approx(on_wrong.mean().item(), abs=1e-10)
    assert metrics["loss_d"].item() == pytest.approx(loss_d.item(), abs=1e-10)
    wanted = torch.autograd.grad(loss_d, list(d.parameters()))
    for found, gradient in zip(grads["discriminator"], wanted, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-7, atol=1e-11)

    d.load_state_dict(method.discriminator[stage - 1].state_dict())
    loss_g = -run_d(d, fake, t).log().mean() + 2 * kl
    assert metrics["loss_g"].item() == pytest.approx(loss_g.item(), abs=1e-10)
    wanted = torch.autograd.grad(loss_g, list(again.generator[stage - 1].parameters()))
    for found, gradient in zip(grads["generator"], wanted, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-7, atol=1e-11)


def state(network: nn.Module) -> list[Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def test_each_stage_trains_in_its_time_and_stands_still_in_the_others() -> None:
    method = stackgan(stage_1=3, **BOTH)
    for step in range(1, 7):
        before = [(state(method.generator[i]), state(method.discriminator[i])) for i in range(2)]
        metrics = method.update(Batch(images(seed=step), labels()), FixedDraw(step))
        stage = 1 if step <= 3 else 2
        assert metrics["stage"].item() == stage
        for index in range(2):
            after = state(method.generator[index]), state(method.discriminator[index])
            for found, old in zip(after, before[index], strict=True):
                same = [a.equal(b) for a, b in zip(found, old, strict=True)]
                assert all(same) == (index != stage - 1)
    assert all(network.training for network in method.generator.modules())


def test_samples_are_stage_i_s_enlarged_until_stage_ii_has_begun(tmp_path: Path) -> None:
    method = stackgan(stage_1=2, **BOTH)
    for step in range(3):
        method.eval()
        with torch.no_grad():
            code = method.latent(4, FixedDraw(), "z_eval")
            made = method.generate(code)
            z, noise_1, noise_2, t = code.split([3, 2, 2, 2], 1)
            coarse = method.generator[0](z, t, noise_1)[0]
            refined = method.generator[1](coarse, t, noise_2)[0]
            large = nnf.interpolate(coarse, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(made, large)
        assert not made.allclose(refined)
        method.train()
        method.update(Batch(images(seed=step), labels()), FixedDraw(step))
    method.eval()
    with torch.no_grad():
        coarse = method.generator[0](z, t, noise_1)[0]
        refined = method.generator[1](coarse, t, noise_2)[0]
        torch.testing.assert_close(method.generate(code), refined)
    fresh = stackgan(stage_1=2, **BOTH)
    snapshots.write(tmp_path, 3, method).load_into(fresh)
    fresh.eval()
    sampled = [each.sample(4, FixedDraw(), "z_eval") for each in (method, fresh)]
    assert sampled[0].equal(sampled[1])


def test_wrong_attributes_are_always_unequal() -> None:
    draw = StepDraw(0, 1, CPU)
    given = (torch.rand(300, 2) < torch.tensor([0.5, 0.9])).double()  # mostly alike
    others, weights = _others(given, draw)
    assert (others != given).any(1).all()
    assert weights.sum().item() == pytest.approx(1)
    # As common as among the unequal ones.
    given = torch.cat([FOUR[:1].expand(100, 2), FOUR[1:2].expand(150, 2), FOUR[3:].expand(50, 2)])
    others, _ = _others(given.double(), draw)
    share = (others[:100] == FOUR[1]).all(1).double().mean().item()
    assert share == pytest.approx(0.75, abs=0.15)
    assert not others[:100].eq(FOUR[0]).all(1).any()


def test_an_image_without_an_unequal_one_has_no_wrong_pair() -> None:
    alike = torch.tensor([[1.0, 0.0]] * 4)
    others, weights = _others(alike, FixedDraw())
    assert others.equal(alike)
    assert weights.tolist() == [0, 0, 0, 0]
    metrics = stackgan(**BOTH).update(Batch(images(), alike), FixedDraw())
    assert metrics["d_wrong"].item() == 0
    assert metrics["loss_d"].isfinite()


def test_samples_have_attributes_as_in_training() -> None:
    """Smiling and Eyeglasses never together, three times as many of the one."""
    method = stackgan(stage_1=100, **BOTH)
    given = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    method.update(Batch(images(), given), FixedDraw())
    found = method.latent(4000, StepDraw(0, 0, CPU), "z_eval")[:, -2:]
    assert found.sum(1).eq(1).all()
    assert found[:, 0].mean().item() == pytest.approx(0.75, abs=0.03)


def test_the_last_training_attributes_are_remembered() -> None:
    method = stackgan(stage_1=1, **BOTH)
    batches = [torch.randint(2, (300, 2), dtype=torch.float64) for _ in range(5)]
    for index, batch in enumerate(batches):
        method._updates = index
        method._remember(batch)
    last = torch.cat(batches)[-MEMORY:]
    rows = [sorted(each.tolist()) for each in (method.seen, last)]
    assert rows[0] == rows[1]


def test_without_attributes_there_is_no_condition() -> None:
    method, draw = stackgan(), FixedDraw()
    names = dict(method.named_parameters())
    assert not [name for name in names if "augmentation" in name or "joint" in name]
    metrics = method.update(Batch(images()), draw)
    assert (metrics["kl"].item(), metrics["d_wrong"].item()) == (0, 0)
    assert draw.streams == [("normal", "z")]
    assert method.latent(5, FixedDraw(), "z_eval").shape == (5, 3)
    assert not method.labelled
    assert attributes(method.settings) == ()


def test_with_attributes_it_is_labelled() -> None:
    method, draw = stackgan(**BOTH), FixedDraw()
    assert method.labelled
    assert method_class("stackgan").labelled
    assert attributes(method.settings) == ("Smiling", "Eyeglasses")
    method.update(Batch(images(), labels()), draw)
    assert draw.streams == [("normal", "z"), ("uniform", "wrong")]
    draw.streams.clear()
    assert has_code(method)
    assert method.latent(5, draw, "z_eval").shape == (5, 3 + 2 * 2 + 2)
    assert draw.streams == [("normal", "z_eval"), ("uniform", "z_eval_attributes")]


def test_samples_can_be_asked_for_by_their_labels() -> None:
    method, draw = stackgan(**BOTH).eval(), FixedDraw()
    assert takes_labels(method)
    found = method.sample_with(labels(), draw, "z_asked")
    noise = FixedDraw().normal("z_asked", len(labels()), 3 + 2 * 2)
    torch.testing.assert_close(found, method.generate(torch.cat([noise, labels()], 1)))
    other = method.sample_with(1 - labels(), FixedDraw(), "z_asked")
    assert not torch.allclose(found, other)


@pytest.mark.parametrize("block", [{}, BOTH], ids=["plain", "attributes"])
def test_what_a_checkpoint_holds_is_enough(block: dict[str, Any]) -> None:
    goes_on(lambda: stackgan(stage_1=3, **block), steps=6, labels=labels() if block else None)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_with_attributes_equals_uninterrupted(
    precision: str, tmp_path: Path, cache: Path
) -> None:
    torch.set_default_dtype(torch.float32)
    settings = stackgan(stage_1=5, **BOTH).settings
    spec = tiny_spec(training={"precision": precision, "lr_decay": {"on": "never"}})
    spec = spec.model_copy(update={"method": settings})
    whole = train(spec, tmp_path / "whole", cache)
    for _ in range(4):
        with pytest.raises(Stopped):
            train(spec, tmp_path / "cut", cache, stop_at=1)
    resumed = train(spec, tmp_path / "cut", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


def test_layers_are_those_of_section_3_4() -> None:
    torch.set_default_dtype(torch.float32)
    method = StackGAN(StackGanSettings(name="stackgan", attributes=("Male", "Young")), 128)
    first, second = method.generator
    assert shapes(first) == [
        *((256, 2), (228, 512, 4, 4), (256, 512, 3, 3), (128, 256, 3, 3), (64, 128, 3, 3)),
        (3, 64, 3, 3),
    ]
    assert shapes(second) == [
        *((256, 2), (64, 3, 3, 3), (128, 64, 4, 4), (256, 128, 4, 4), (256, 384, 3, 3)),
        *[(256, 256, 3, 3)] * 4,
        *((128, 256, 3, 3), (64, 128, 3, 3), (32, 64, 3, 3), (3, 32, 3, 3)),
    ]
    maps = [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
    for discriminator, more in zip(method.discriminator, ([], [(1024, 512, 4, 4)]), strict=True):
        wide = 1024 if more else 512
        joint = [(128, 2), (wide, wide + 128, 1, 1), (1, wide, 4, 4)]
        assert shapes(discriminator) == [*maps, *more, *joint]
    for layer in method.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.2)
    code = method.latent(2, FixedDraw(), "z_eval")
    assert code.shape == (2, 100 + 2 * 128 + 2)
    assert method._first(code).images.shape == (2, 3, 64, 64)
    assert method._second(torch.zeros(2, 3, 64, 64), code).images.shape == (2, 3, 128, 128)


def test_settings_are_the_papers() -> None:
    settings = StackGanSettings(name="stackgan")
    assert (settings.z, settings.c, settings.d, settings.blocks) == (100, 128, 128, 2)
    assert (settings.kl_weight, settings.beta_1, settings.beta_2) == (2, 0.5, 0.999)
    method = StackGAN(StackGanSettings(name="stackgan", n=32, attributes=("Male", "Young")), 32)
    counts = [
        [sum(p.numel() for p in network.parameters()) / 1e6 for network in pair]
        for pair in zip(method.generator, method.discriminator, strict=True)
    ]
    assert sum(counts[0]) == pytest.approx(0.30, abs=0.005)
    assert sum(counts[1]) == pytest.approx(0.29, abs=0.005)
