"""The Fréchet distance against the two usual ways to compute it, on one thread.

    python -m performance.frechet [--images 10000] [--features 2048] [--rounds 3]

Prints markdown tables and writes performance/measured/frechet.json: processor seconds (so that a
busy machine matters less), medians over interleaved rounds, and medians of the rounds' ratios. The
real side's share is computed before, by all three, as it is in a run. All of it twice, in a process
under the system's allocator and in one under that of a run's worker.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from benchmark.evaluation.frechet import Floats, Gaussian, congruent, root_trace
from benchmark.executors import allocator
from performance.measured import keep

ALLOCATORS: dict[str, dict[str, str]] = {"system": {}, "worker": allocator.variables()}
FLOOR = "floor: the product A^T A and the eigenvalues alone"
Way = Callable[[], float | None]  # the value, of a way that has one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 10_000), ("features", 2048), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--here", action="store_true", help="In this process; keeps nothing.")
    wanted = parser.parse_args()
    if wanted.here:
        print(json.dumps(measure(wanted.images, wanted.features, wanted.rounds)))
        return
    print(
        f"{wanted.images:,} images, {wanted.features:,} features, float64, {wanted.rounds} rounds"
    )
    found = {}
    for name, variables in ALLOCATORS.items():
        print(f"\nallocator: {name}", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        command = [sys.executable, "-m", "performance.frechet", "--here", *sys.argv[1:]]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        found[name] = json.loads(done.stdout)
    keep("frechet", found)


def measure(images: int, features: int, rounds: int) -> dict[str, Any]:
    """Ratios of the trace term, where `images` are more, and of the whole; tables to stderr."""
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    fake, real = (synthetic(images, features, seed) for seed in (1, 2))
    gaussian = Gaussian(real)
    statistics = {"mu": real.mean(0), "sigma": np.cov(real, rowvar=False)}
    gaussian.distance(fake)  # the real side's factor

    def by_plain_product() -> float:
        found = {"mu": fake.mean(0), "sigma": np.cov(fake, rowvar=False)}
        return float(fid_statistics_to_metric(found, statistics, verbose=False).popitem()[1])

    whole: dict[str, Way] = {
        "SciPy's general square root": lambda: by_square_root(fake, statistics),
        "eigenvalues of the plain product (torch-fidelity)": by_plain_product,
        "ours": lambda: gaussian.distance(fake),
    }
    if images <= features:
        return {"whole": table("whole distance, from features", whole, rounds)}
    covariance = np.cov(fake, rowvar=False)
    inner = congruent(gaussian.factor, covariance)
    trace: dict[str, Way] = {
        "SciPy's general square root": lambda: float(
            np.trace(scipy.linalg.sqrtm(covariance @ statistics["sigma"])).real
        ),
        "eigenvalues of the plain product (torch-fidelity)": lambda: float(
            np.sqrt(np.linalg.eigvals(covariance @ statistics["sigma"]).astype(complex)).real.sum()
        ),
        "ours": lambda: root_trace(congruent(gaussian.factor, covariance)),
    }
    whole[FLOOR] = lambda: floor(fake, inner)
    return {
        "trace": table("trace term, from covariances", trace, rounds),
        "whole": table("whole distance, from features", whole, rounds),
    }


def floor(rows: Floats, symmetric: Floats) -> None:
    """What no way by a covariance can spare: its product, and symmetric eigenvalues."""
    rows.T @ rows
    np.linalg.eigvalsh(symmetric)


def table(title: str, ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Time each way in turn, `rounds` times, and print a markdown table.

    Returns the median ratio of ours to each, by a word for it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, float | None] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            values[name] = way()
            seconds[name].append(time.process_time() - start)
    ours = np.array(seconds["ours"])
    ratios: dict[str, float] = {}
    lines = [f"\n| {title} | s | ours over it | its value over ours, less 1 |"]
    lines.append("| --- | --- | --- | --- |")
    for name, taken in seconds.items():
        ratio = float(np.median(ours / np.array(taken)))
        ratios[name.split("'")[0].split()[0].lower().rstrip(":")] = ratio
        value, own = values[name], values["ours"]
        off = "" if value is None or own is None else f"{value / own - 1:.0e}"
        lines.append(f"| {name} | {np.median(taken):.2f} | {ratio:.3f} | {off} |")
    print(*lines, sep="\n", file=sys.stderr, flush=True)
    return ratios


def synthetic(images: int, features: int, seed: int) -> Floats:
    """Rows (images, features) with a falling spectrum, as real features have."""
    draws = np.random.default_rng(seed)
    spectrum = np.arange(1, features + 1) ** -0.6
    return np.asarray(draws.normal(size=(images, features)) * spectrum + 0.01 * seed)


def by_square_root(fake: Floats, real: dict[str, Floats]) -> float:
    mean, covariance = fake.mean(0), np.cov(fake, rowvar=False)
    gap = mean - real["mu"]
    root = scipy.linalg.sqrtm(covariance @ real["sigma"])
    return float(gap @ gap + np.trace(covariance + real["sigma"] - 2 * root.real))


if __name__ == "__main__":
    main()
