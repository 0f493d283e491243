"""What a step has to do and what this processor can do: operations, bytes, measured ceilings.

    python -m performance.roofline

One thread. Operations are counted by torch's own counter over one step; bytes are those of every
operation's tensors, as if nothing stayed in a cache. Ceilings: a matrix product, the convolutions
that the networks are made of, and a copy. Writes performance/measured/roofline.json.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmark.training.determinism import fix
from performance.levers import BATCH
from performance.measured import keep
from performance.stepper import made

SCALES = (16, 32), (64, 64)  # n, size
WAYS = "textbook", "ours", "ours+shared_z"


class Bytes(TorchDispatchMode):
    """Adds up what operations read and write; views move nothing."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            self.total += sum(t.numel() * t.element_size() for t in tensors)
        return out


def work(way: str, n: int, size: int, batch: int = BATCH) -> dict[str, float]:
    """Floating-point operations and bytes of one step.

    Convolutions grow with the batch, so both are counted at one and two images and extended.
    """
    counted = []
    for images in (1, 2):
        step = made(way, n, size, images)
        step(0)
        with FlopCounterMode(display=False) as operations, Bytes() as moved:
            step(1)
        counted.append((operations.get_total_flops(), moved.total))
    (flop_1, bytes_1), (flop_2, bytes_2) = counted
    return {
        "flop": flop_1 + (batch - 1) * (flop_2 - flop_1),
        "bytes": bytes_1 + (batch - 1) * (bytes_2 - bytes_1),
    }


def rate(call: Callable[[], object], amount: float, repeats: int = 5) -> float:
    """Amount per processor second, the median."""
    call()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        found.append(amount / (time.process_time() - began))
    return median(found)


def convolution(channels: int, size: int) -> dict[str, float]:
    """FLOP/s of a 3 x 3 convolution at batch 16, forward and backward."""
    layer = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(BATCH, channels, size, size).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    flop = 2 * 9 * channels**2 * BATCH * size**2
    y = layer(x)
    gradient = torch.randn_like(y)

    def backward() -> None:
        torch.autograd.grad(y, [x, *layer.parameters()], gradient, retain_graph=True)

    return {"forward": rate(lambda: layer(x), flop), "backward": rate(backward, 2 * flop)}


def ceilings() -> dict[str, float]:
    """FLOP/s of a float32 matrix product, bytes/s of a copy (read and written)."""
    a = torch.randn(1024, 1024)
    source, target = torch.randn(2, 16_000_000)
    return {
        "matmul": rate(lambda: a @ a, 2 * 1024**3),
        "copy": rate(lambda: target.copy_(source), 2 * 4 * source.numel()),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    fix(1)
    figures: dict[str, Any] = {
        "ceilings": ceilings(),
        "convolutions": {f"{n}@{size}": convolution(n, size) for n, size in SCALES},
        "work": {f"{n}@{size}": {way: work(way, n, size) for way in WAYS} for n, size in SCALES},
    }
    keep("roofline", figures)
    print(figures)


if __name__ == "__main__":
    main()
