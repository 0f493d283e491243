"""A method's update from memory that stays where it is, which a GPU replays as one CUDA graph.

At batch 16 a GPU waits for the host, which launches hundreds of kernels a step; a graph launches
them at once. The numbers are those of any other step: drawn on the CPU from (seed, stream, step),
then copied to where the graph reads them. The first updates after every start are launched, and
are steps of the run like any other, so that nothing has to be undone before the capture.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from benchmark.errors import BenchError
from benchmark.methods.method import Batch, Method
from benchmark.training.determinism import ALONE, StepDraw, alone_on

WARM = 4  # updates before a capture: the libraries and Adam set themselves up in the first

Metrics = dict[str, Tensor]


class Graph(Protocol):
    """What was captured."""

    def replay(self) -> None:
        """Do it again, on what lies in its memory now."""


def can_be_captured(method: Method) -> bool:
    """Whether its own class says so: one that inherits an update may have changed it."""
    return bool(vars(type(method)).get("capturable", False))


class StaticDraw:
    """`methods.method.Draw` whose tensors stay where they are and get new numbers every step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device, self._step = seed, device, 0
        self._numbers: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}
        self.complete = False  # no update asks for more than it has

    def advance(self, step: int) -> None:
        """Write the numbers of `step` into every tensor that was given out."""
        self._step = step
        for (kind, stream, shape), numbers in self._numbers.items():
            numbers.copy_(self._fresh(kind, stream, shape), non_blocking=True)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self._given("uniform", stream, shape)

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self._given("normal", stream, shape)

    def _given(self, kind: str, stream: str, shape: tuple[int, ...]) -> Tensor:
        key = kind, stream, shape
        if key not in self._numbers:
            if self.complete:  # else a graph would repeat the numbers of one step for ever
                raise RuntimeError(f"{stream!r} is drawn for the first time in update {WARM + 1}")
            self._numbers[key] = self._fresh(*key).to(self._device)
        return self._numbers[key]

    def _fresh(self, kind: str, stream: str, shape: tuple[int, ...]) -> Tensor:
        draw = StepDraw(self._seed, self._step, torch.device("cpu"))
        return draw.uniform(stream, *shape) if kind == "uniform" else draw.normal(stream, *shape)


class FixedStep:
    """A method's updates in fixed memory, to be called in the order of the run's steps.

    On CUDA it is called within a stream that is not the default one and nobody else's.
    """

    def __init__(self, method: Method, seed: int, device: torch.device, *, graphs: bool) -> None:
        """`graphs`: replay after the first WARM updates; else every one of them is launched."""
        self._method, self._device, self._graphs = method, device, graphs
        self._draw = StaticDraw(seed, device)
        self._launched = 0
        self._batch: Batch | None = None
        self._lr: Tensor | None = None
        self._captured: tuple[Graph, Metrics] | None = None

    def __call__(self, step: int, batch: Batch, lr: float) -> Metrics:
        """Update number `step` on a batch; its training columns, in memory of their own."""
        if self._batch is None:
            labels = None if batch.labels is None else torch.empty_like(batch.labels)
            self._batch = Batch(torch.empty_like(batch.images), labels)
        for fixed, given in zip(self._batch, batch, strict=True):
            if fixed is not None and given is not None:
                fixed.copy_(given, non_blocking=True)
        self._draw.advance(step)
        self._set_rate(lr)
        if self._graphs and self._captured is None and self._launched == WARM:
            self._captured = self._capture(self._batch)
        if self._captured is None:
            self._launched += 1
            with alone_on(self._device):
                metrics = self._method.update(self._batch, self._draw)
        else:
            graph, metrics = self._captured
            graph.replay()
        return {name: value.to(torch.float64, copy=True) for name, value in metrics.items()}

    def _capture(self, batch: Batch) -> tuple[Graph, Metrics]:
        """Raises BenchError where the update is none that a graph can hold."""
        self._draw.complete = True
        try:
            return record(lambda: self._method.update(batch, self._draw))
        except RuntimeError as error:
            first: BaseException = error
            while first.__context__ is not None:  # the end of a capture that broke off fails too
                first = first.__context__
            if isinstance(first, torch.OutOfMemoryError):
                raise first from None
            raise BenchError(
                f"{type(self._method).__name__}: its update cannot be captured as a CUDA graph "
                f"({str(first).splitlines()[0]}); without --graphs every step is launched"
            ) from error

    def _set_rate(self, lr: float) -> None:
        if self._device.type != "cuda":
            for group in self._groups():
                group["lr"] = lr
        elif self._lr is None:
            self._lr = torch.tensor(lr, device=self._device)
            self._to_device(self._lr)
        else:
            self._lr.fill_(lr)

    def _to_device(self, lr: Tensor) -> None:
        """All that Adam counts with: a number of the host would stay in a graph as it was."""
        for group in self._groups():
            group["lr"], group["capturable"] = lr, True
        for optimizer in self._method.optimizers.values():
            for state in optimizer.state.values():  # from a checkpoint
                state["step"] = state["step"].to(self._device)
            # It would warn that the first updates are launched.
            optimizer._warned_capturable_if_run_uncaptured = True

    def _groups(self) -> list[dict[str, object]]:
        optimizers = self._method.optimizers.values()
        return [group for optimizer in optimizers for group in optimizer.param_groups]


def record(update: Callable[[], Metrics]) -> tuple[Graph, Metrics]:
    """`update` captured but not done, on the current stream; and where a replay leaves its metrics.

    Other threads may go on meanwhile, each on its own stream.
    """
    graph = torch.cuda.CUDAGraph()
    here = torch.cuda.current_stream()
    with ALONE, torch.cuda.graph(graph, stream=here, capture_error_mode="thread_local"):
        metrics = update()
    return graph, metrics
