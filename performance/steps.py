"""A training step of ours against the textbook's, in turn, on one thread.

    python -m performance.steps --n 16 --size 32 --rounds 6 --steps 4 [--amx]

Processor seconds, so that a busy machine matters less; medians, and medians of the rounds' ratios
to the textbook step under the system's allocator. A way is stepped in the same process as the
textbook; a process for each allocator. Writes performance/measured/steps_<n>_<size>.json, or
steps_<n>_<size>_amx.json with `--amx`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from benchmark.executors import allocator
from benchmark.executors.instructions import has, here
from performance.levers import BATCH
from performance.measured import keep, scaled

# Beside the defaults: what each allocator's process has in its environment.
ALLOCATORS = {
    "system": {},
    "thresholds": {k: v for k, v in allocator.variables().items() if k != "LD_PRELOAD"},
    "tcmalloc": allocator.variables(),
    "huge pages": {**allocator.variables(), "THP_MEM_ALLOC_ENABLE": "1"},
}
# A way and its allocator.
WAYS = (
    "textbook@system",
    "textbook@tcmalloc",
    "ours@system",
    "ours@thresholds",
    "ours@tcmalloc",
    "ours+fill@system",
    "ours+loop@system",
    "ours+contiguous@system",
    "ours+fused@system",
    "ours+shared_z@tcmalloc",
)
AMX_WAYS = (
    "textbook@system",
    "ours@tcmalloc",
    "ours+bfloat16@system",
    "ours+bfloat16@thresholds",
    "ours+bfloat16@tcmalloc",
    "ours+bfloat16@huge pages",
    "ours+bfloat16+contiguous@tcmalloc",
    "ours+bfloat16+fused@tcmalloc",
    "ours+bfloat16+joined@tcmalloc",
    "ours+bfloat16+relu@tcmalloc",
    "ours+bfloat16+shared_z@tcmalloc",
)


@dataclass
class Stepper:
    """A process of performance/stepper.py under one allocator."""

    n: int
    size: int
    batch: int
    environment: dict[str, str]
    threads: int = 1
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        wanted = {"n": self.n, "size": self.size, "batch": self.batch, "threads": self.threads}
        options = [f"--{name}={value}" for name, value in wanted.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "performance.stepper", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(self.threads), **self.environment},
        )

    def seconds(self, way: str, steps: int) -> float:
        """Processor seconds of one step, the mean over `steps`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{way} {steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline()) / steps

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(
    ways: list[str], n: int, size: int, batch: int, *, rounds: int, steps: int
) -> Iterator[dict[str, list[float]]]:
    """Seconds a step of each way, by rounds; given after every round, with one more each time."""
    names = dict.fromkeys(way.partition("@")[2] for way in ways)
    steppers = {name: Stepper(n, size, batch, ALLOCATORS[name]) for name in names}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    try:
        for number in range(rounds + 1):
            for way in ways:
                what, _, name = way.partition("@")
                seconds = steppers[name].seconds(what, steps if number else 1)
                if number:  # the first round builds the networks and warms up
                    taken[way].append(seconds)
            if number:
                yield taken
    finally:
        for stepper in steppers.values():
            stepper.close()


def summary(taken: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median seconds, and the median and extremes of the rounds' ratios to the first way."""
    first = next(iter(taken.values()))
    ratios = {
        way: [a / b for a, b in zip(found, first, strict=True)] for way, found in taken.items()
    }
    return {
        way: {
            "seconds": median(taken[way]),
            "ratio": median(found),
            "lowest": min(found),
            "highest": max(found),
        }
        for way, found in ratios.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("n", 16), ("size", 32), ("batch", BATCH), ("rounds", 6), ("steps", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--amx", action="store_true", help="bfloat16, on a processor with AMX.")
    parser.add_argument("--ways", nargs="+", help="The first is the yardstick.")
    wanted = parser.parse_args()
    if wanted.amx and not has("AMX"):
        parser.error(f"--amx: this processor does not have it ({here()})")
    ways = wanted.ways or list(AMX_WAYS if wanted.amx else WAYS)
    scale = {"n": wanted.n, "size": wanted.size, "batch": wanted.batch}
    repeats = {"rounds": wanted.rounds, "steps": wanted.steps}
    for taken in measure(ways, **scale, **repeats):
        found = summary(taken)
        done = {**repeats, "rounds": len(taken[ways[0]])}
        keep(
            scaled("steps", wanted.n, wanted.size, amx=wanted.amx), {**scale, **done, "ways": found}
        )
        print(f"after round {done['rounds']} of {wanted.rounds}")
        for way, row in found.items():
            print(f"{way:28} {row['seconds'] * 1e3:9.1f} ms {row['ratio']:7.3f}", flush=True)


if __name__ == "__main__":
    main()
