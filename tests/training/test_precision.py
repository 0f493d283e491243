"""`training.precision`: another arithmetic of the same run, told apart, resumable, judged alike."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import BenchError
from benchmark.methods.method import Batch, Draw, Method
from benchmark.methods.registry import built_in
from benchmark.spec import RunSpec
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import Stopped, evaluating, new_method, sampler
from benchmark.training.precision import choose
from tests.conftest import tiny_spec
from tests.methods.fixed import images
from tests.methods.test_every_method import settings_of
from tests.training.test_loop import train, values

CPU = torch.device("cpu")


class Plain(Method):
    """A method that knows nothing of precision."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = nn.Linear(3, 3)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        raise NotImplementedError

    watch = update


EVERY = pytest.mark.parametrize("name", built_in())
# bfloat16 has 8 bits: a number is off by 1/256 of itself at most, and sums by less.
NEAR = 0.05
# The batch norms of StackGAN's stage II divide by the spread of stage I's images. Here those are of
# an untrained one, all but flat, and a rounding of them becomes larger.
LESS_NEAR = {"stackgan": 0.2}


def spec_of(name: str, precision: str = "bfloat16", **training: Any) -> RunSpec:
    spec = tiny_spec(training={"precision": precision, **training})
    return spec.model_copy(update={"method": settings_of(name)})


def started(name: str, precision: str) -> Method:
    spec = spec_of(name, precision)
    method = new_method(spec, CPU)
    choose(spec.training.precision, method, CPU)
    return method


def stepped(method: Method, step: int) -> dict[str, Tensor]:
    return method.update(Batch(images(seed=step)), StepDraw(3, step, CPU))


@EVERY
def test_bfloat16_differs_and_stays_near(name: str) -> None:
    rounded, plain = started(name, "bfloat16"), started(name, "float32")
    for step in range(1, 6):  # WGAN-GP's generator moves in the fifth
        found, wanted = stepped(rounded, step), stepped(plain, step)
        assert all(value.dtype == torch.float32 for value in found.values())
        assert found != wanted
        for column, value in wanted.items():
            # Of a loss that is a difference of larger ones its size says little.
            near = LESS_NEAR.get(name, NEAR) * max(1.0, abs(float(value)))
            assert float(found[column]) == pytest.approx(float(value), abs=near), (step, column)
    kept = [*rounded.parameters(), *rounded.buffers()]
    for optimizer in rounded.optimizers.values():
        kept += [moment for state in optimizer.state.values() for moment in state.values()]
    assert {each.dtype for each in kept if each.is_floating_point()} == {torch.float32}


@EVERY
def test_bfloat16_resumed_equals_uninterrupted(name: str, tmp_path: Path, cache: Path) -> None:
    spec = spec_of(name)
    whole = train(spec, tmp_path / "whole", cache)
    for _ in range(2):
        with pytest.raises(Stopped):
            train(spec, tmp_path / "cut", cache, stop_at=2)
    resumed = train(spec, tmp_path / "cut", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)
    plain = train(spec_of(name, "float32"), tmp_path / "plain", cache)
    assert plain.weights_sha256 != whole.weights_sha256


def test_the_networks_alone_compute_in_bfloat16() -> None:
    """In training; what a loss and the judge see is float32."""
    method = started("began", "bfloat16")
    inside: list[torch.dtype] = []
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, made: inside.append(made.dtype))
    stepped(method, 1)
    assert set(inside) == {torch.bfloat16}
    inside.clear()
    codes = method.latent(2, StepDraw(3, 1, CPU), "z_G")
    assert method.generate(codes).dtype == torch.float32
    assert set(inside) == {torch.bfloat16}
    inside.clear()
    with evaluating(method):
        method.watch(Batch(images()), StepDraw(3, 0, CPU))
    assert set(inside) == {torch.float32}


@EVERY
def test_samples_are_those_of_the_same_weights_in_float32(name: str) -> None:
    rounded, plain = started(name, "bfloat16"), started(name, "float32")
    stepped(rounded, 1)
    plain.load_state_dict(rounded.state_dict())
    found = sampler(rounded, 3, "z_eval", CPU)(0, 4)
    assert found.equal(sampler(plain, 3, "z_eval", CPU)(0, 4))


def test_tf32_is_refused_where_there_is_none(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BenchError) as refused:
        train(spec_of("began", "tf32"), tmp_path, cache)
    assert str(refused.value) == (
        "training.precision: tf32 needs an NVIDIA GPU (Ampere or later), and this run is on cpu; "
        "use float32"
    )


def test_the_precision_is_part_of_the_description() -> None:
    assert spec_of("began", "float32").run_id != spec_of("began").run_id


class Nested(Plain):
    """Its discriminator is a part of another network, and a container has no forward."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"whole": nn.Sequential(self.discriminator, nn.Linear(3, 3))})


@pytest.mark.parametrize("kind", [Plain, Nested])
def test_networks_that_a_plug_in_calls_plainly_compute_in_bfloat16(kind: type[Plain]) -> None:
    method = kind()
    choose("bfloat16", method, CPU)
    x = torch.rand(2, 3)
    networks = [method.discriminator, *getattr(method, "parts", {}).values()]
    for network in networks:
        assert network(x).dtype == torch.float32
        with pytest.raises(RuntimeError):
            network(torch.rand(2, 4))  # and what fails leaves nothing open
        assert not torch.is_autocast_enabled("cpu")
        assert (x @ x.T).dtype == torch.float32
    method.eval()
    exact = method.discriminator(x)
    method.train()
    assert not exact.equal(method.discriminator(x))
