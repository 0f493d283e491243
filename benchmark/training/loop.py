"""The training loop: one flat loop for every method, resumable at any step."""

import math
import time
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from benchmark.data.batches import batch_positions
from benchmark.data.store import FaceStore
from benchmark.methods import signal
from benchmark.methods.method import Method
from benchmark.methods.registry import build
from benchmark.runs import Result, Row, RunDirectory
from benchmark.seeds import derive
from benchmark.spec import RunSpec
from benchmark.training import checkpoint
from benchmark.training.checkpoint import Progress
from benchmark.training.determinism import StepDraw, fix
from benchmark.training.learning_rate import LearningRate, RateState

Sampler = Callable[[int, int], Tensor]


class Judge(Protocol):
    """Scores a generator and draws its grid without disturbing training."""

    def __call__(self, step: int, sample: Sampler) -> dict[str, float]: ...


class Stopped(Exception):  # noqa: N818 - not an error: the run was asked to stop
    """The run stopped where it was asked to, with a checkpoint written."""


def new_method(spec: RunSpec, device: torch.device) -> Method:
    """The method, initialised from (seed, "init") alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(spec.seed, "init"))
        method = build(spec.method, spec.data.size)
    return method.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def sampler(method: Method, seed: int, stream: str, device: torch.device) -> Sampler:
    """sample(start, count) -> uint8 images (count, 3, S, S) from codes fixed by (seed, stream)."""

    @torch.no_grad()
    def sample(start: int, count: int) -> Tensor:
        codes = method.latent(count, StepDraw(seed, start, device), stream)
        return to_uint8(method.generate(codes))

    return sample


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] floats to the nearest of 256 levels."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


class Trainer:
    """One run from wherever it stands to its end."""

    def __init__(self, run: RunDirectory, store: FaceStore, device: torch.device) -> None:
        self.run, self.store, self.device = run, store, device
        self.spec = run.spec()
        fix(self.spec.training.threads)
        self.method = new_method(self.spec, device)
        found = checkpoint.read_latest(run.checkpoints, self.method)
        self.progress = found or Progress(
            step=0, rate=RateState(lr=self.spec.training.lr), wall_s=0.0, cpu_s=0.0
        )
        self._signal = signal(self.spec.method)
        self.rate = LearningRate(self.spec.training, self.progress.rate)
        self._began = time.monotonic() - self.progress.wall_s
        self._cpu_began = time.process_time() - self.progress.cpu_s
        run.cut_after(self.progress.step)

    def train(self, judge: Judge, should_stop: Callable[[], bool]) -> Result:
        """Run to the last step; raises Stopped when asked to stop, after a checkpoint."""
        training, evaluation = self.spec.training, self.spec.evaluation
        sums: dict[str, Tensor] = {}
        for step in range(self.progress.step + 1, training.steps + 1):
            for name, value in self._update(step).items():
                sums[name] = sums[name] + value if name in sums else value
            if step % training.log_every == 0:
                means = {name: float(value) / training.log_every for name, value in sums.items()}
                sums = {}
                if not all(map(math.isfinite, means.values())):
                    return self._finish(step, "failed", _not_finite(means))
                self._log(step, means)
            if step % evaluation.every == 0 or step == training.steps:
                scores = judge(step, sampler(self.method, self.spec.seed, "z_eval", self.device))
                self.run.append(Row(step=step, kind="eval", time=time.time(), values=scores))
            stopping = step % training.log_every == 0 and should_stop()
            due = stopping or step % training.checkpoint_every == 0
            if due and step < training.steps:
                self._checkpoint(step)
                if stopping:
                    raise Stopped
        return self._finish(training.steps, "done", None)

    def _update(self, step: int) -> dict[str, Tensor]:
        for optimizer in self.method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.rate.state.lr
        positions = batch_positions(
            self.store.splits["train"], self.spec.seed, step - 1, self.spec.training.batch
        )
        pixels = torch.from_numpy(self.store.batch(positions, self.spec.seed, step)).to(self.device)
        x = (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        metrics = self.method.update(x, StepDraw(self.spec.seed, step, self.device))
        return {name: value.double() for name, value in metrics.items()}

    def _log(self, step: int, means: dict[str, float]) -> None:
        values = {**means, "lr": self.rate.state.lr}
        self.run.append(Row(step=step, kind="train", time=time.time(), values=values))
        if self.rate.observe(step, means[self._signal]):
            print(f"step {step}: learning rate lowered to {self.rate.state.lr:g}", flush=True)

    def _clocks(self) -> tuple[float, float]:
        return time.monotonic() - self._began, time.process_time() - self._cpu_began

    def _checkpoint(self, step: int) -> None:
        wall_s, cpu_s = self._clocks()
        progress = Progress(step=step, rate=self.rate.state, wall_s=wall_s, cpu_s=cpu_s)
        checkpoint.write(self.run.checkpoints, self.method, progress)

    def _finish(self, step: int, state: str, reason: str | None) -> Result:
        self._checkpoint(step)
        wall_s, cpu_s = self._clocks()
        result = Result(
            state="done" if state == "done" else "failed",
            step=step,
            reason=reason,
            weights_sha256=checkpoint.weights_digest(self.method),
            wall_s=wall_s,
            cpu_s=cpu_s,
            decays=list(self.rate.state.decays),
        )
        self.run.write_result(result)
        return result


def _not_finite(means: dict[str, float]) -> str:
    bad = ", ".join(name for name, value in means.items() if not math.isfinite(value))
    return f"not finite: {bad}"
