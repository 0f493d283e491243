"""A process that takes training steps when told to; its environment decides the allocator.

    python -m performance.stepper --n 16 --size 32

Reads lines "WAY STEPS", answers each with the processor seconds that the steps took. Every way
lives in the same process, so that two of them can be told to step in turn. WAY is "textbook", or
"ours", or "ours" with levers: "ours+fill" (an adopted one undone) or "ours+fused" (another added).
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import relu

from benchmark.methods.began import BEGAN, BeganSettings, Reconstruction, Terms
from benchmark.methods.method import Batch, Draw
from benchmark.training.determinism import StepDraw, fix
from benchmark.training.loop import to_floats
from benchmark.training.precision import choose
from performance.levers import ADDED, BATCH, UNDONE
from performance.textbook import Textbook

CPU = torch.device("cpu")

Step = Callable[[int], None]


def textbook(n: int, size: int, batch: int = BATCH) -> Step:
    """The port's step under torch's defaults."""
    method = Textbook(n, size)

    def step(number: int) -> None:
        torch.use_deterministic_algorithms(False)
        torch.set_flush_denormal(False)
        codes = torch.rand(2, batch, 64) * 2 - 1
        method.update(pixels(size, number, batch).float() / 127.5 - 1, codes[0], codes[1])

    return step


def ours(n: int, size: int, levers: frozenset[str] = frozenset(), batch: int = BATCH) -> Step:
    """The harness's own step, as its loop takes it."""
    settings = BeganSettings(name="began", n=n, shared_z="shared_z" in levers)
    method = (Joined if "joined" in levers else BEGAN)(settings, size)
    if "contiguous" not in levers:
        method = method.to(memory_format=torch.channels_last)
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            fused = "fused" in levers
            group.update(lr=1e-4, fused=fused, foreach=not fused and "loop" not in levers)
    if "bfloat16" in levers:
        choose("bfloat16", method, CPU)
    if "compiled" in levers:
        method.discriminator.compile()
        method.generator.compile()

    def step(number: int) -> None:
        fix(torch.get_num_threads())
        torch.utils.deterministic.fill_uninitialized_memory = "fill" in levers
        x = to_floats(pixels(size, number, batch), CPU)
        if "contiguous" in levers:
            x = x.contiguous()
        with patch("torch.nn.functional.elu", relu) if "relu" in levers else nullcontext():
            values = method.update(Batch(x), StepDraw(0, number, CPU))
        for value in values.values():
            value.double()

    return step


class Joined(BEGAN):
    """D's passes over x and G(z_D) in one, for the paper's settings; simultaneous updates only."""

    def _backward_textbook(
        self, x: Tensor, draw: Draw
    ) -> tuple[Reconstruction, Reconstruction, Reconstruction, Terms]:
        with torch.no_grad():
            images_d = self.generate(self.latent(len(x), draw, "z_D"))
        both = torch.cat([x, images_d])
        code = self.discriminator.encoder(both)
        errors = (both - self.discriminator.decoder(code)).abs().flatten(1).mean(1)
        real, fake_d = (
            Reconstruction(errors[part].mean(), code[part], None)
            for part in (slice(len(x)), slice(len(x), None))
        )
        (real.energy - self.k * fake_d.energy).backward()
        self.discriminator.requires_grad_(False)
        fake = self.reconstruct(self.generate(self.latent(len(x), draw, "z_G")), draw, "fake")
        fake.energy.backward()
        self.discriminator.requires_grad_(True)
        return real, fake_d, fake, {}


def pixels(size: int, number: int, batch: int) -> Tensor:
    """Images (batch, 3, size, size) uint8 of one step."""
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, 256, (batch, 3, size, size), generator=generator, dtype=torch.uint8)


def made(way: str, n: int, size: int, batch: int = BATCH) -> Step:
    """The step of a way; raises ValueError for a lever that is unknown."""
    name, *levers = way.split("+")
    if unknown := set(levers) - UNDONE.keys() - ADDED.keys():
        raise ValueError(f"no lever is called {', '.join(unknown)}")
    return (
        textbook(n, size, batch) if name == "textbook" else ours(n, size, frozenset(levers), batch)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    steps: dict[str, Step] = {}
    for line in sys.stdin:
        way, count = line.split()
        if way not in steps:
            steps[way] = made(way, wanted.n, wanted.size, wanted.batch)
        began = time.process_time()
        for number in range(int(count)):
            steps[way](number)
        print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    main()
