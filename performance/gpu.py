"""Every figure of a GPU that docs/performance.md has a place for, in under 10 minutes.

    CUBLAS_WORKSPACE_CONFIG=:4096:8 python -m performance.gpu

Steps of ours against the textbook's, in turn: float32, TF32 and bfloat16 (`training.precision`),
launched and as one CUDA graph; lanes, as graphs on streams of their own and as whole runs by the
code of `bench run --lanes`; the share of the card's measured
bfloat16 rate; batches from the device against batches from the disk; the Fréchet distance in
float64. What is left when the time is up is left out and said. Writes performance/measured/
gpu.json.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from signal import SIGINT, SIGTERM, SIGUSR2
from statistics import median
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts

import numpy as np
import torch
from torch import Tensor

from benchmark.data.store import FaceStore
from benchmark.lanes import run_lanes
from benchmark.methods.began import BEGAN, BeganSettings
from benchmark.methods.method import Batch
from benchmark.precision import round_to_tf32
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.training.captured import WARM, FixedStep
from benchmark.training.determinism import fix
from benchmark.training.loop import to_floats
from benchmark.training.precision import choose
from benchmark.training.resident import Batches
from benchmark.training.settings import Precision
from benchmark.worker import Where
from performance.frechet import by_square_root, synthetic
from performance.levers import BATCH
from performance.measured import keep
from performance.roofline import work
from performance.stepper import pixels
from performance.textbook import Textbook

LANES = 1, 3, 9
SCALES = (16, 32), (64, 64)  # n, size
WIDEST = 128, 64
# Of ours: precision, and whether captured.
WAYS: dict[str, tuple[Precision, bool]] = {
    "float32": ("float32", False),
    "float32, graph": ("float32", True),
    "TF32, graph": ("tf32", True),
    "bfloat16, graph": ("bfloat16", True),
}


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(call: Callable[[int], None], device: torch.device, steps: int) -> float:
    """Wall seconds of one step, the device's work done."""
    wait(device)
    began = time.perf_counter()
    for number in range(steps):
        call(number)
    wait(device)
    return (time.perf_counter() - began) / steps


def lane(
    n: int, size: int, device: torch.device, seed: int, precision: Precision, *, captured: bool
) -> Callable[[int], None]:
    """A run's step, launched but not waited for, on a stream of its own; captured already."""
    torch.manual_seed(seed)
    method = BEGAN(BeganSettings(name="began", n=n), size)
    method = method.to(device, memory_format=torch.channels_last)
    choose(precision, method, device)
    batch = Batch(to_floats(pixels(size, seed, BATCH), device))
    update = FixedStep(method, seed, device, graphs=captured)
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def step(number: int) -> None:
        with torch.cuda.stream(stream) if stream else nullcontext():
            update(number, batch, 1e-4)

    for number in range(WARM + 1 if captured else 0):
        step(number)
    return step


def textbook(n: int, size: int, device: torch.device) -> Callable[[int], None]:
    """Eager and in torch's own precisions: TF32 in convolutions, not in matrix products."""
    method = Textbook(n, size)
    method.discriminator.to(device)
    method.generator.to(device)
    x = pixels(size, 0, BATCH).to(device).float() / 127.5 - 1

    def step(number: int) -> None:
        torch.use_deterministic_algorithms(False)
        if device.type == "cuda":
            torch.backends.cuda.matmul.fp32_precision = "ieee"
            torch.backends.cudnn.conv.fp32_precision = "tf32"
        codes = torch.rand(2, BATCH, 64, device=device) * 2 - 1
        method.update(x, codes[0], codes[1])

    return step


def ours(n: int, size: int, way: str, lanes: int, device: torch.device) -> Callable[[int], None]:
    """One step of every lane."""
    precision, captured = WAYS[way]
    fix(1)
    made = [lane(n, size, device, seed, precision, captured=captured) for seed in range(lanes)]

    def step(number: int) -> None:
        fix(1)
        if device.type == "cuda":  # the ways take turns in one process
            round_to_tf32(precision == "tf32")
        for each in made:
            each(number)

    return step


def steps(
    n: int, size: int, device: torch.device, ways: list[str], rounds: int, count: int
) -> dict[str, Any]:
    """Seconds a step, and ratios to the textbook's: of one run, and a run of each of the lanes."""
    calls: dict[str, tuple[int, Callable[[int], None]]] = {
        "textbook": (1, textbook(n, size, device)),
        **{way: (1, ours(n, size, way, 1, device)) for way in ways},
    }
    for lanes in LANES[1:]:
        calls[f"{ways[-1]}, {lanes} lanes"] = lanes, ours(n, size, ways[-1], lanes, device)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, (lanes, call) in calls.items():
            seconds = timed(call, device, count if number else 2) / lanes
            if number:
                taken[name].append(seconds)
    first = taken["textbook"]
    return {
        name: {
            "seconds": median(found),
            "ratio": median(a / b for a, b in zip(found, first, strict=True)),
        }
        for name, found in taken.items()
    }


def whole_runs(
    n: int, size: int, precision: Precision, lanes: int, device: str, count: int = 400
) -> dict[str, float]:
    """Seconds of a step of one run where so many train as `bench run --lanes --graphs` has them.

    `count` steps on procedural faces, of which the first half, with set-up and capture, is not
    counted, nor is the evaluation at the end.
    """
    written = {
        "method": {"name": "began", "n": n},
        "data": {"name": "faces", "size": size, "count": 500},
        "training": {"steps": count, "log_every": count // 4, "checkpoint_every": count}
        | {"lr_decay": {"on": "never"}, "precision": precision},
    }
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            RunDirectory.create(
                Path(folder) / "runs", RunSpec.model_validate({**written, "seed": seed})
            )
            for seed in range(lanes)
        ]
        fix(1)
        where = Where(None, Path(folder) / "cache", device, graphs=True, allow_slow=True)
        handlers = {number: signal.getsignal(number) for number in (SIGINT, SIGTERM, SIGUSR2)}
        code = run_lanes(runs, where)
        for number, handler in handlers.items():  # lanes heed signals in their own way
            signal.signal(number, handler)
        if code:
            raise RuntimeError(f"{lanes} lanes ended with {code}: {runs[0].log.read_text()[-300:]}")
        times = [[row.time for row in run.rows() if row.kind == "train"] for run in runs]
    seconds = max(each[-1] for each in times) - min(each[1] for each in times)
    return {"lanes": lanes, "seconds": seconds / (count // 2) / lanes}


def used(device: torch.device, lanes: int, count: int) -> dict[str, float]:
    """Model FLOP/s at 64 px, n = 128 over the measured rate of a bfloat16 matrix product."""
    n, size = WIDEST
    seconds = timed(ours(n, size, "bfloat16, graph", lanes, device), device, count)
    a = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    best = 2 * 8192**3 / timed(lambda _: a @ a, device, 20)
    rate = lanes * work("ours", n, size)["flop"] / seconds
    return {"lanes": lanes, "flop_s": rate, "matmul_flop_s": best, "share": rate / best}


def batches(device: torch.device, count: int = 200, images: int = 20_000) -> dict[str, float]:
    """Seconds of a batch from the host's memory and from the device's, and their ratio."""
    pixels_ = np.random.default_rng(0).integers(0, 256, (images, 3, 64, 64), dtype=np.uint8)
    splits = {"train": np.arange(images)}
    store = FaceStore("noise", "", pixels_, splits, ())
    found = {}
    for name, resident in (("host", False), ("device", True)):
        source = Batches(store, device, resident)

        def one(number: int, source: Batches = source) -> None:
            at = np.random.default_rng(number).integers(0, images, BATCH)
            source.batch(at, 0, number)

        found[name] = timed(one, device, count)
    return {**found, "ratio": found["device"] / found["host"]}


def frechet(device: torch.device, images: int = 10_000, width: int = 2048) -> dict[str, float]:
    """The distance in float64 on the device against SciPy's root on the host, from features."""
    fake, real = (synthetic(images, width, seed) for seed in (1, 2))
    statistics = {"mu": real.mean(0), "sigma": np.cov(real, rowvar=False)}
    began = time.perf_counter()
    theirs = by_square_root(fake, statistics)
    seconds = time.perf_counter() - began
    x, y = (torch.from_numpy(each).to(device) for each in (fake, real))
    factor = torch.linalg.qr((y - y.mean(0)) / (images - 1) ** 0.5, mode="r").R.T
    value: list[Tensor] = []

    def one(_: int) -> None:
        rows = (x - x.mean(0)) / (images - 1) ** 0.5
        inner = rows @ factor
        root = torch.linalg.eigvalsh(inner.T @ inner).clamp(min=0).sqrt().sum()
        gap = (x.mean(0) - y.mean(0)).square().sum()
        value[:] = [gap + rows.square().sum() + factor.square().sum() - 2 * root]

    one(0)
    ours = timed(one, device, 3)
    return {"seconds": ours, "ratio": ours / seconds, "off": float(value[0]) / theirs - 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=540, help="Seconds; what is left is said.")
    limit = parser.parse_args().limit
    if not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device here")
    device, began = torch.device("cuda"), time.monotonic()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        **{
            f"steps_{size}": lambda n=n, size=size: steps(n, size, device, list(WAYS), 5, 20)
            for n, size in SCALES
        },
        **{
            f"runs_{size}_{lanes}": lambda n=n, size=size, lanes=lanes: whole_runs(
                n, size, "bfloat16", lanes, "cuda"
            )
            for n, size in SCALES
            for lanes in LANES
        },
        "used": lambda: used(device, 4, 10),
        "batches": lambda: batches(device),
        "frechet": lambda: frechet(device),
    }
    found: dict[str, Any] = {}
    for name, measure in parts.items():
        if time.monotonic() - began > limit:
            found[name] = None
            print(f"{name}: left out, the time is up", flush=True)
            continue
        try:
            found[name] = measure()
        except RuntimeError as error:  # one part that fails must not lose the others
            found[name] = None
            print(f"{name}: failed: {error}", flush=True)
            continue
        print(name, found[name], flush=True)
    keep("gpu", {"seconds": time.monotonic() - began, **found})


if __name__ == "__main__":
    main()
