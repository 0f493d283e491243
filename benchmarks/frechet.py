"""The Fréchet distance against the two usual ways to compute it, on one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.frechet [--images 10000] [--features 2048] [--rounds 3]

Prints a markdown table and writes benchmarks/measured/frechet.json: processor seconds (so that a
busy machine matters less), medians over interleaved rounds, and medians of the rounds' ratios. The
real side's share is computed before, by all three, as it is in a run.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy starts its own

import numpy as np
import scipy.linalg
from torch_fidelity.metric_fid import fid_statistics_to_metric

from benchmark.evaluation.frechet import Floats, Gaussian, congruent, root_trace
from benchmarks.measured import keep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 10_000), ("features", 2048), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    fake, real = (synthetic(wanted.images, wanted.features, seed) for seed in (1, 2))
    gaussian = Gaussian(real)
    statistics = {"mu": real.mean(0), "sigma": np.cov(real, rowvar=False)}
    covariance = np.cov(fake, rowvar=False)
    gaussian.distance(fake)  # the real side's factor
    product_ways: dict[str, Callable[[], float]] = {
        "SciPy's general square root": lambda: float(
            np.trace(scipy.linalg.sqrtm(covariance @ statistics["sigma"])).real
        ),
        "eigenvalues of the plain product (torch-fidelity)": lambda: float(
            np.sqrt(np.linalg.eigvals(covariance @ statistics["sigma"]).astype(complex)).real.sum()
        ),
        "ours": lambda: root_trace(congruent(gaussian.factor, covariance)),
    }
    whole_ways: dict[str, Callable[[], float]] = {
        "SciPy's general square root": lambda: by_square_root(fake, statistics),
        "eigenvalues of the plain product (torch-fidelity)": lambda: by_plain_product(
            fake, statistics
        ),
        "ours": lambda: gaussian.distance(fake),
    }
    print(
        f"{wanted.images:,} images, {wanted.features:,} features, float64, {wanted.rounds} rounds"
    )
    tables = {"whole distance, from features": whole_ways}
    if wanted.images > wanted.features:
        tables = {"trace term, from covariances": product_ways, **tables}
    found = {title.split()[0]: table(title, ways, wanted.rounds) for title, ways in tables.items()}
    keep("frechet", found)


def table(title: str, ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Time each way in turn, `rounds` times, and print a markdown table.

    Returns the median ratio of ours to each, by a word for it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            found[name] = way()
            seconds[name].append(time.process_time() - start)
    ours = np.array(seconds["ours"])
    ratios: dict[str, float] = {}
    print(f"\n| {title} | s | ours over it | its value over ours, less 1 |")
    print("| --- | --- | --- | --- |")
    for name, taken in seconds.items():
        ratio = float(np.median(ours / np.array(taken)))
        ratios[name.split("'")[0].split()[0].lower()] = ratio
        print(
            f"| {name} | {np.median(taken):.2f} | {ratio:.3f} | "
            f"{found[name] / found['ours'] - 1:.0e} |",
            flush=True,
        )
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


def by_plain_product(fake: Floats, real: dict[str, Floats]) -> float:
    found = {"mu": fake.mean(0), "sigma": np.cov(fake, rowvar=False)}
    return float(fid_statistics_to_metric(found, real, verbose=False).popitem()[1])


if __name__ == "__main__":
    main()
