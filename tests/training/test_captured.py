"""Updates from fixed memory: on a CPU the bits of a launched step, with a stand-in for the graph.

The stand-in does what a CUDA graph does: a capture changes nothing, and a replay does the update
on what lies in its memory, and leaves its metrics where the captured update left them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.data.store import FaceStore
from benchmark.errors import BenchError
from benchmark.methods.began import BEGAN
from benchmark.methods.method import Batch, Draw, Method
from benchmark.methods.registry import built_in
from benchmark.training import captured
from benchmark.training.captured import WARM, FixedStep, Metrics, StaticDraw, can_be_captured
from benchmark.training.checkpoint import Progress, read_latest, weights_digest, write
from benchmark.training.determinism import StepDraw, fix
from benchmark.training.learning_rate import RateState
from benchmark.training.loop import to_floats
from benchmark.training.precision import choose
from benchmark.training.resident import Batches
from benchmark.training.settings import Precision
from tests.methods.test_every_method import made

CPU = torch.device("cpu")
SEED, STEPS = 7, WARM + 4
LAUNCHED = ("lapgan", "stackgan", "wgan", "wgan_gp")
CAPTURABLE = [name for name in built_in() if name not in LAUNCHED]


def faces(step: int) -> Batch:
    pixels = np.random.default_rng(step).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
    return Batch(to_floats(pixels, CPU))


def rate(step: int) -> float:
    return 1e-3 if step < WARM + 2 else 5e-4  # lowered after the capture


def started(name: str, precision: Precision = "float32") -> Method:
    fix(1)
    found: Method = made(name).to(memory_format=torch.channels_last)
    choose(precision, found, CPU)
    return found


def launched(method: Method, steps: range) -> list[Metrics]:
    rows = []
    for step in steps:
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
        metrics = method.update(faces(step), StepDraw(SEED, step, CPU))
        rows.append({name: value.double() for name, value in metrics.items()})
    return rows


def state(method: Method) -> list[Tensor]:
    kept = [*method.state_dict().values()]
    for optimizer in method.optimizers.values():
        kept += [value for each in optimizer.state.values() for value in each.values()]
    return kept


@dataclass
class StandIn:
    update: Callable[[], Metrics]
    left: Metrics

    def replay(self) -> None:
        for name, value in self.update().items():
            self.left[name].copy_(value)


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Method]:
    """The methods that were captured, in turn."""
    found: list[Method] = []

    def record(update: Callable[[], Metrics]) -> tuple[StandIn, Metrics]:
        method = found[-1]
        before = [value.clone() for value in state(method)]
        left = {name: value.clone() for name, value in update().items()}
        for value, old in zip(state(method), before, strict=True):
            value.data.copy_(old)
        return StandIn(update, left), left

    monkeypatch.setattr(captured, "record", record)
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("name", CAPTURABLE)
def test_fixed_memory_and_a_replay_keep_the_bits(
    name: str, graphs: bool, precision: Precision, captures: list[Method]
) -> None:
    method, plain = started(name, precision), started(name, precision)
    captures.append(method)
    step = FixedStep(method, SEED, CPU, graphs=graphs)
    rows = [step(number, faces(number), rate(number)) for number in range(1, STEPS + 1)]
    assert (step._captured is not None) == graphs
    assert rows == launched(plain, range(1, STEPS + 1))  # each in memory of its own
    assert weights_digest(method) == weights_digest(plain)


def test_begun_again_it_launches_first_and_keeps_the_bits(
    captures: list[Method], tmp_path: Path
) -> None:
    first, whole = started("began"), started("began")
    captures.append(first)
    step = FixedStep(first, SEED, CPU, graphs=True)
    for number in range(1, WARM + 3):
        step(number, faces(number), rate(number))
    progress = Progress(step=WARM + 2, rate=RateState(lr=1e-3), wall_s=0, cpu_s=0)
    write(tmp_path, first, progress)
    second = started("began")
    assert read_latest(tmp_path, second) == progress
    captures.append(second)
    step = FixedStep(second, SEED, CPU, graphs=True)
    for number in range(WARM + 3, 2 * WARM + 6):
        assert (step._captured is not None) == (number > 2 * WARM + 3)
        step(number, faces(number), rate(number))
    launched(whole, range(1, 2 * WARM + 6))
    assert weights_digest(second) == weights_digest(whole)


def test_a_draw_keeps_its_memory_and_gets_the_numbers_of_the_step() -> None:
    draw = StaticDraw(3, CPU)
    draw.advance(1)
    numbers = draw.uniform("z_D", 2, 3)
    first = numbers.clone()
    draw.advance(2)
    assert draw.uniform("z_D", 2, 3).data_ptr() == numbers.data_ptr()
    assert not torch.equal(numbers, first)
    assert torch.equal(numbers, StepDraw(3, 2, CPU).uniform("z_D", 2, 3))
    assert torch.equal(draw.normal("z_D", 2, 3), StepDraw(3, 2, CPU).normal("z_D", 2, 3))


class Late(BEGAN):
    """Draws something new once the first updates are done."""

    capturable = True

    def update(self, batch: Batch, draw: Draw) -> Metrics:
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > WARM:
            draw.normal("late", 2)
        return super().update(batch, draw)


def test_a_draw_that_a_graph_would_repeat_is_refused(captures: list[Method]) -> None:
    method = started("began")
    method.__class__ = Late
    captures.append(method)
    step = FixedStep(method, SEED, CPU, graphs=True)
    for number in range(1, WARM + 1):
        step(number, faces(number), 1e-3)
    with pytest.raises(BenchError, match=r"Late: .* graph \('late' is drawn .*without --graphs"):
        step(WARM + 1, faces(WARM + 1), 1e-3)


def test_memory_that_runs_out_in_a_capture_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def record(update: Callable[[], Metrics]) -> None:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("capture was invalidated")  # as its end does then

    monkeypatch.setattr(captured, "record", record)
    step = FixedStep(started("began"), SEED, CPU, graphs=True)
    step._launched = WARM
    with pytest.raises(torch.OutOfMemoryError):
        step(1, faces(1), 1e-3)


def test_a_class_says_it_for_itself() -> None:
    class Heir(BEGAN):
        """Whose update nobody looked at."""

    method = started("began")
    assert can_be_captured(method)
    for name in LAUNCHED:
        assert not can_be_captured(started(name))
    method.__class__ = Heir
    assert not can_be_captured(method)


def test_lanes_on_the_same_images_keep_them_once() -> None:
    def store(fingerprint: str) -> FaceStore:
        pixels = np.zeros((4, 3, 8, 8), np.uint8)
        return FaceStore("black", fingerprint, pixels, {"train": np.arange(4)}, ())

    one, other = (Batches(store("a"), CPU, resident=True) for _ in range(2))
    assert one._images is not None
    assert one._images is other._images
    assert Batches(store("b"), CPU, resident=True)._images is not one._images
