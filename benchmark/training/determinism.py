"""Same description, same bits: threads, deterministic kernels and random numbers by name."""

import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from benchmark.methods.method import Method
from benchmark.seeds import derive

# A lock for lanes, which are threads: held by whoever changes process-wide state or needs it
# unchanged. Such state is torch's default generator, which initialises networks; cuDNN's precision,
# which the judge raises; and CUDA graph capture, of which only one may run at a time.
ALONE = threading.RLock()


def alone_on(device: torch.device) -> AbstractContextManager[object]:
    """ALONE on a GPU, where precision and captures matter; a CPU's kernels know neither."""
    return ALONE if device.type == "cuda" else nullcontext()


def fix(threads: int) -> None:
    """Pin what affects the bits of results: thread count and choice of kernels.

    Some of it applies to the calling thread only, so every lane calls it.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory with NaN only exposes operations that read it, and costs 4 % of a step.
    # (torch's annotations do not know this switch.)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Subnormal numbers slow a CPU down many times over as energies fall; flushing them affects
    # results.
    torch.set_flush_denormal(True)


@contextmanager
def seeded(
    method: type[Method], seed: int, stream: str, step: int, device: torch.device
) -> Iterator[None]:
    """For an external method: fix its draws from global generators by (seed, step).

    Dropout, torch.rand, numpy.random and random use these. Lanes share them, so each lane holds
    ALONE meanwhile. The package's own methods draw from their `Draw`, and run side by side.
    """
    if method.__module__.startswith(f"{Method.__module__.rpartition('.')[0]}."):
        yield
        return
    with ALONE:
        number = derive(seed, f"global/{stream}", step)
        torch.default_generator.manual_seed(number)
        if device.type == "cuda":
            torch.cuda.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)
        yield


class StepDraw:
    """`methods.method.Draw` for one (seed, step).

    Numbers are drawn on the CPU whatever the device, so that a seed gives the same ones everywhere.
    """

    def __init__(self, seed: int, step: int, device: torch.device) -> None:
        self._seed, self._step, self._device = seed, step, device

    def _generator(self, stream: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive(self._seed, stream, self._step))

    def uniform(self, stream: str, *shape: int) -> Tensor:
        numbers = torch.rand(shape, generator=self._generator(stream))
        return (numbers * 2 - 1).to(self._device)

    def normal(self, stream: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator(stream)).to(self._device)
