"""How alike runs of one seed are, and what five seeds show: the figures of docs and notes.

    python performance/alike.py results/gamma/small

Of BEGAN's runs, two-way intraclass correlations of M_global and of the distance over the cells of
an ablation (Shrout and Fleiss 1979, ICC(3,1)), each cell's spread being taken for 1; then how often
an exact test at 0.05 of five runs against five sees a shift, runs being normal with the distance's
standard deviation over results/tracking/short.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from benchmark.results.tables import read_tables

TRACKING = Path(__file__).parents[1] / "results" / "tracking" / "short"
SHIFTS, STUDIES, SEEDS = (100.0, 170.0), 600, 5


def alike(folder: Path) -> None:
    tables = read_tables(folder).networks
    points = tables.points.merge(tables.runs[["run_id", "seed", "method"]], "left", "run_id")
    points = points[(points["method"] == "began") & (points["state"] == "done")]
    for step, here in points.groupby("step"):
        for column in ("signal", "distance"):
            x = here.pivot_table(index="cell", columns="seed", values=column).dropna().to_numpy()
            x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
            cells, seeds = x.shape
            of_seeds = cells * (x.mean(axis=0) ** 2).sum() / (seeds - 1)
            rest = ((x - x.mean(axis=0)) ** 2).sum() / ((cells - 1) * (seeds - 1))
            found = (of_seeds - rest) / (of_seeds + (cells - 1) * rest)
            print(f"step {step}: {column} {found:.2f} ({cells} cells, {seeds} seeds)")


def power() -> None:
    spread = float(read_tables(TRACKING).values("distance").std())
    rng = np.random.default_rng(0)
    for shift in SHIFTS:
        seen = 0
        for _ in range(STUDIES):
            pair = rng.normal(0, spread, SEEDS), rng.normal(shift, spread, SEEDS)
            test = stats.permutation_test(
                pair,
                lambda x, y, axis: x.mean(axis) - y.mean(axis),
                vectorized=True,
                n_resamples=np.inf,
            )
            seen += test.pvalue <= 0.05
        print(f"a shift of {shift:g}, sd {spread:.1f}: seen in {seen / STUDIES:.0%}")


if __name__ == "__main__":
    alike(Path(sys.argv[1]))
    power()
