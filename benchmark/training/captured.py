"""A method's update in fixed memory, which a GPU replays as one CUDA graph.

At batch 16 a GPU waits for the host, which launches hundreds of kernels a step; a graph launches
them at once. Random numbers are the same as without graphs: drawn on the CPU from (seed, stream,
step), then copied to where the graph reads them. The first updates after every start run eagerly,
as ordinary steps of the run, so that nothing has to be undone before the capture.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.errors import BenchError
from benchmark.methods.method import Batch, Method
from benchmark.training.determinism import ALONE, StepDraw, alone_on

WARM = 4  # eager updates before a capture: the first ones initialise the libraries and Adam

Metrics = dict[str, Tensor]


def can_be_captured(method: Method) -> bool:
    """Whether its own class declares it: a subclass may have changed the inherited update."""
    return bool(vars(type(method)).get("capturable", False))


class StaticDraw:
    """`methods.method.Draw` whose tensors keep their addresses and are refilled every step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device, self._step = seed, device, 0
        self._numbers: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}
        self.complete = False  # then no update may ask for further tensors

    def advance(self, step: int) -> None:
        """Refill every tensor handed out with the numbers of `step`."""
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
            if self.complete:  # otherwise a graph would repeat one step's numbers for ever
                raise RuntimeError(f"{stream!r} is drawn for the first time in update {WARM + 1}")
            self._numbers[key] = self._fresh(*key).to(self._device)
        return self._numbers[key]

    def _fresh(self, kind: str, stream: str, shape: tuple[int, ...]) -> Tensor:
        draw = StepDraw(self._seed, self._step, torch.device("cpu"))
        return draw.uniform(stream, *shape) if kind == "uniform" else draw.normal(stream, *shape)


class FixedStep:
    """A method's updates in fixed memory, to be called in the order of the run's steps.

    On CUDA it must be called on a non-default stream that nobody else uses.
    """

    def __init__(self, method: Method, seed: int, device: torch.device, *, graphs: bool) -> None:
        """`graphs`: replay after the first WARM updates; otherwise every update runs eagerly."""
        self._method, self._device, self._graphs = method, device, graphs
        self._draw = StaticDraw(seed, device)
        self._launched = 0
        self._batch: Batch | None = None
        self._lr: Tensor | None = None
        self._captured: tuple[torch.cuda.CUDAGraph, Metrics] | None = None

    def __call__(self, step: int, batch: Batch, lr: float) -> Metrics:
        """Update number `step` on a batch; its training columns, in newly allocated memory."""
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

    def _capture(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Metrics]:
        """Raises BenchError where the update cannot be captured."""
        self._draw.complete = True
        try:
            return record(lambda: self._method.update(batch, self._draw))
        except RuntimeError as error:
            first: BaseException = error
            while first.__context__ is not None:  # ending a failed capture fails too
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
        """Move Adam's step counts and rates to the device: a graph would freeze host values."""
        for group in self._groups():
            group["lr"], group["capturable"] = lr, True
        for optimizer in self._method.optimizers.values():
            for state in optimizer.state.values():  # from a checkpoint
                state["step"] = state["step"].to(self._device)
            # It would warn that the first updates are not captured.
            optimizer._warned_capturable_if_run_uncaptured = True

    def _groups(self) -> list[dict[str, object]]:
        optimizers = self._method.optimizers.values()
        return [group for optimizer in optimizers for group in optimizer.param_groups]


def record(update: Callable[[], Metrics]) -> tuple[torch.cuda.CUDAGraph, Metrics]:
    """`update`, captured without being executed, on the current stream; and the tensors where a
    replay leaves its metrics.

    Other threads may go on meanwhile, each on its own stream.
    """
    graph = torch.cuda.CUDAGraph()
    here = torch.cuda.current_stream()
    with ALONE, torch.cuda.graph(graph, stream=here, capture_error_mode="thread_local"):
        metrics = update()
    return graph, metrics
