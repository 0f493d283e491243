"""One run's training step as a GPU likes it: fixed memory, and the whole step as one CUDA graph.

The numbers are those of the harness: drawn on the CPU from (seed, stream, step), then copied into
the memory that the captured step reads.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from benchmark.methods.method import Method
from benchmark.training.determinism import StepDraw

WARM = 4  # steps before a capture; libraries and Adam set themselves up in them


class StaticDraw:
    """`methods.method.Draw` whose tensors stay where they are and get new numbers every step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device, self._step = seed, device, 0
        self._numbers: dict[tuple[str, str], Tensor] = {}

    def advance(self, step: int) -> None:
        """Write the numbers of `step` into every tensor that was given out."""
        self._step = step
        for (kind, stream), numbers in self._numbers.items():
            fresh: Tensor = getattr(self._fresh(), kind)(stream, *numbers.shape)
            numbers.copy_(fresh, non_blocking=True)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self._given("uniform", stream, shape)

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self._given("normal", stream, shape)

    def _given(self, kind: str, stream: str, shape: tuple[int, ...]) -> Tensor:
        key = kind, stream
        if key not in self._numbers:
            self._numbers[key] = getattr(self._fresh(), kind)(stream, *shape).to(self._device)
        return self._numbers[key]

    def _fresh(self) -> StepDraw:
        return StepDraw(self._seed, self._step, torch.device("cpu"))


class Lane:
    """A run that steps on its own stream; `captured` replays a graph instead of launching."""

    def __init__(
        self, method: Method, x: Tensor, seed: int, *, lr: float, bf16: bool, captured: bool
    ) -> None:
        self.method, self.x, self._bf16 = method, x, bf16
        self._draw = StaticDraw(seed, x.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream() if x.device.type == "cuda" else None
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                # A captured number stays what it was; a tensor can be lowered between replays.
                group["lr"] = torch.tensor(lr, device=x.device) if captured else lr
                group["capturable"] = captured
        if captured:
            self._capture()

    def step(self, number: int, x: Tensor | None = None) -> None:
        """One update, launched but not waited for, on x or on the images that are there."""
        with self._on_stream():
            if x is not None:
                self.x.copy_(x, non_blocking=True)
            self._draw.advance(number)
            if self._graph is not None:
                self._graph.replay()
            else:
                self._update()

    def _update(self) -> dict[str, Tensor]:
        with torch.autocast(self.x.device.type, torch.bfloat16, enabled=self._bf16):
            return self.method.update(self.x, self._draw)

    def _capture(self) -> None:
        for number in range(WARM):
            self.step(number)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            self.metrics = self._update()
        self._graph = graph

    def _on_stream(self) -> AbstractContextManager[object]:
        return torch.cuda.stream(self._stream) if self._stream else nullcontext()
