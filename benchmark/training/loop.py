"""The training loop: one flat loop for every method, resumable at any step."""

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.batches import batch_positions, first_positions
from benchmark.data.store import FaceStore
from benchmark.errors import BenchError, InputError
from benchmark.methods import signal
from benchmark.methods.method import Batch, Method, takes_labels
from benchmark.methods.registry import build, method_class
from benchmark.precision import full_precision
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.seeds import derive
from benchmark.spec import RunSpec
from benchmark.training import checkpoint, snapshots
from benchmark.training.captured import FixedStep, can_be_captured
from benchmark.training.checkpoint import End, Progress
from benchmark.training.determinism import ALONE, StepDraw, alone_on, fix, seeded
from benchmark.training.learning_rate import LearningRate, RateState
from benchmark.training.precision import choose
from benchmark.training.resident import Batches
from benchmark.training.snapshots import Snapshot

Sampler = Callable[[int, int], Tensor]
# Validation images on which a method's own measures are evaluated at every snapshot.
HELDOUT = 64


class Stopped(Exception):  # noqa: N818 - not an error: the run was asked to stop
    """The run stopped where it was asked to, with a checkpoint written."""


def new_method(spec: RunSpec, device: torch.device) -> Method:
    """The method, initialised from (seed of initialisation, "init") alone.

    Raises InputError if its constructor seeds torch's generator.
    """
    seed = spec.seed_of("initialisation")
    kind = method_class(spec.method.name)
    with ALONE, torch.random.fork_rng(devices=[]), seeded(kind, seed, "init", 0, device):
        own = derive(seed, "init")
        torch.manual_seed(own)
        method = build(spec.method, spec.data.size)
        if torch.initial_seed() != own:
            raise InputError(
                f"{spec.method.name}: its constructor seeds torch's generator, so that every seed "
                "would begin with the same weights; leave that to the training loop"
            )
    return method.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def sampler(
    method: Method,
    seed: int,
    stream: str,
    device: torch.device,
    labels: NDArray[np.uint8] | None = None,
) -> Sampler:
    """sample(start, count) -> uint8 images (count, 3, S, S) fixed by (seed, stream, start).

    With `labels` (N, A), of a method that takes them, the images have those from `start` on.
    """

    def sample(start: int, count: int) -> Tensor:
        with evaluating(method), seeded(type(method), seed, stream, start, device):
            draw = StepDraw(seed, start, device)
            if labels is None:
                return to_uint8(method.sample(count, draw, stream))
            assert takes_labels(method)
            asked = torch.from_numpy(labels[start : start + count]).to(device, torch.float32)
            return to_uint8(method.sample_with(asked, draw, stream))

    return sample


@contextmanager
def evaluating(method: Method) -> Iterator[None]:
    """Evaluation mode in float32 without gradients: sampling changes nothing in a method."""
    method.eval()
    try:
        with torch.no_grad(), full_precision():
            yield
    finally:
        method.train()


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] floats to the nearest of 256 levels; NaN becomes grey."""
    return ((images.nan_to_num(0.0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_floats(pixels: NDArray[np.uint8] | Tensor, device: torch.device) -> Tensor:
    """256 levels to [-1, 1], (N, 3, S, S) in the networks' memory format."""
    x = torch.as_tensor(pixels).to(device)
    return (x.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


class Step:
    """A method's update at a given step and learning rate."""

    def __init__(
        self, spec: RunSpec, store: FaceStore, device: torch.device, *, graphs: bool
    ) -> None:
        """`graphs`: use CUDA graphs, for a capturable method on a GPU."""
        fix(spec.training.threads)
        self._spec, self._store, self._device = spec, store, device
        self._batches = Batches(store, device)
        self.method = new_method(spec, device)
        choose(spec.training.precision, self.method, device)
        self._latents = spec.seed_of("latents")
        self._update = self._launched
        if device.type == "cuda" and can_be_captured(self.method):
            self._update = FixedStep(self.method, self._latents, device, graphs=graphs)

    def __call__(self, step: int, lr: float) -> dict[str, Tensor]:
        """Update number `step`, from 1; the method's training columns."""
        seed, batch = self._spec.seed_of("order"), self._spec.training.batch
        positions = batch_positions(self._store.splits["train"], seed, step - 1, batch)
        x = to_floats(self._batches.batch(positions, seed, step), self._device)
        labels = labels_of(self._store, positions, self.method, x)
        with seeded(type(self.method), self._latents, "update", step, self._device):
            return self._update(step, Batch(x, labels), lr)

    def _launched(self, step: int, batch: Batch, lr: float) -> dict[str, Tensor]:
        for optimizer in self.method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = lr
        with alone_on(self._device):
            metrics = self.method.update(batch, StepDraw(self._latents, step, self._device))
        return {name: value.double() for name, value in metrics.items()}


def labels_of(
    store: FaceStore, positions: NDArray[np.int64], method: Method, like: Tensor
) -> Tensor | None:
    """Labels (N, A), 0 or 1, for a labelled method."""
    if not method.labelled:
        return None
    if store.labels is None:
        raise BenchError(f"{store.title}: opened without labels, and this method needs labels")
    return torch.from_numpy(store.labels[positions]).to(like)


class Trainer:
    """One run from wherever it stands to its end."""

    def __init__(
        self,
        run: RunDirectory,
        store: FaceStore,
        device: torch.device,
        *,
        every: int | None = None,
        clock: Callable[[], float] = time.process_time,
        graphs: bool = False,
    ) -> None:
        """`every`: steps between snapshots; the last step always has one.

        `clock` gives the processor seconds that the run has used.
        """
        self.run, self.device, self._store, self._every = run, device, store, every
        self.spec = run.spec()
        step = Step(self.spec, store, device, graphs=graphs)
        self.method = step.method
        found = checkpoint.read_latest(run.checkpoints, self.method)
        self.progress = found or Progress(
            step=0, rate=RateState(lr=self.spec.training.lr), wall_s=0.0, cpu_s=0.0
        )
        self._signal = signal(self.spec.method)
        self.rate = LearningRate(self.spec.training, self.progress.rate)
        run.cut_after(self.progress.step)
        self._update = step
        self._cpu_clock = clock
        self._began = time.monotonic() - self.progress.wall_s
        self._cpu_began = self._cpu_clock() - self.progress.cpu_s

    def train(
        self, should_stop: Callable[[], bool], on_snapshot: Callable[[Snapshot], None]
    ) -> Result:
        """Train to the last step; raises Stopped when asked to stop, after writing a checkpoint.

        `on_snapshot` is called after every snapshot but the last.
        """
        training = self.spec.training
        if self.progress.ended is not None:
            return self._finish(self.progress.step, self.progress.ended, self.progress.reason)
        sums: dict[str, Tensor] = {}
        for step in range(self.progress.step + 1, training.steps + 1):
            for name, value in self._update(step, self.rate.state.lr).items():
                sums[name] = sums[name] + value if name in sums else value
            if step % training.log_every == 0:
                means = {name: float(value) / training.log_every for name, value in sums.items()}
                sums = {}
                check_columns(self.method, "update", means, self.method.columns)
                if not all(map(math.isfinite, means.values())):
                    return self._finish(step, "failed", _not_finite(means))
                self._log(step, means)
            last = step == training.steps
            if last or (self._every is not None and step % self._every == 0):
                snapshot, values = self._snapshot(step)
                if not all(map(math.isfinite, values.values())):
                    return self._finish(step, "failed", _not_finite(values))
                self.run.append(Row(step=step, kind="heldout", time=time.time(), values=values))
                if not last:
                    with self._off_the_clock():
                        on_snapshot(snapshot)
            stopping = step % training.log_every == 0 and should_stop()
            due = stopping or step % training.checkpoint_every == 0
            if due and step < training.steps:
                self._checkpoint(step)
                if stopping:
                    raise Stopped
        return self._finish(training.steps, "done", None)

    def _snapshot(self, step: int) -> tuple[Snapshot, dict[str, float]]:
        """Save the generator's weights and the method's measures on held-out images."""
        with alone_on(self.device):
            snapshot = snapshots.write(self.run.snapshots, step, self.method)
            return snapshot, self._watch()

    def _watch(self) -> dict[str, float]:
        """The method's own measures over the same images and codes at every snapshot.

        Codes are drawn with the run's own seed, as a judge's are: they only measure and do not
        train.
        """
        part = self._store.splits["validation"]
        positions = np.array(first_positions(part, min(HELDOUT, len(part))))
        x = to_floats(self._store.fixed(positions), self.device)
        batch = Batch(x, labels_of(self._store, positions, self.method, x))
        seed = self.spec.seed
        with evaluating(self.method), seeded(type(self.method), seed, "watch", 0, self.device):
            values = self.method.watch(batch, StepDraw(seed, 0, self.device))
        check_columns(self.method, "watch", values, self.method.heldout)
        return {f"heldout_{name}": float(value) for name, value in values.items()}

    def _log(self, step: int, means: dict[str, float]) -> None:
        values = {**means, "lr": self.rate.state.lr}
        self.run.append(Row(step=step, kind="train", time=time.time(), values=values))
        if self.rate.observe(step, means[self._signal]):
            print(f"step {step}: learning rate lowered to {self.rate.state.lr:g}", flush=True)

    @contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Work done within this context does not count as part of the run, nor of its time."""
        began, cpu_began = time.monotonic(), self._cpu_clock()
        yield
        self._began += time.monotonic() - began
        self._cpu_began += self._cpu_clock() - cpu_began

    def _clocks(self) -> tuple[float, float]:
        return time.monotonic() - self._began, self._cpu_clock() - self._cpu_began

    def _checkpoint(self, step: int, ended: End | None = None, reason: str | None = None) -> None:
        wall_s, cpu_s = self._clocks()
        progress = Progress(
            step=step,
            rate=self.rate.state,
            wall_s=wall_s,
            cpu_s=cpu_s,
            ended=ended,
            reason=reason,
        )
        checkpoint.write(self.run.checkpoints, self.method, progress)

    def _finish(self, step: int, state: End, reason: str | None) -> Result:
        self._checkpoint(step, state, reason)
        wall_s, cpu_s = self._clocks()
        result = Result(
            state=state,
            step=step,
            reason=reason,
            weights_sha256=checkpoint.weights_digest(self.method),
            wall_s=wall_s,
            cpu_s=cpu_s,
            decays=list(self.rate.state.decays),
        )
        self.run.write_result(result)
        return result


def check_columns(
    method: Method, function: str, found: Collection[str], wanted: Collection[str]
) -> None:
    """Raise BenchError where a method does not return the columns that it declares."""
    if set(found) != set(wanted):
        raise BenchError(
            f"{type(method).__name__}.{function} returns {_listed(found)}, but the class declares "
            f"{_listed(wanted)}"
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _not_finite(means: dict[str, float]) -> str:
    bad = ", ".join(name for name, value in means.items() if not math.isfinite(value))
    return f"not finite: {bad}"
