"""What the committed answers leave open: figures of README and notes that no table shows.

    python performance/caveats.py

From results/ alone: the first answers of baselines without seed 0, which had been seen before they
were registered; in how many runs M_global falls at every evaluation, by the steps that it is
averaged over; and whether the longer tries of the search of tuned were the better ones.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.claims.seeds import difference
from benchmark.results.tables import read_tables

RESULTS = Path(__file__).parents[1] / "results"
PAIRS = (("EBGAN", "distance"), ("EBGAN-PT", "distance"), ("DCGAN", "recall"))
WINDOWS = (2500, 1000, 500, 250, 100)


def without_seed_0() -> None:
    runs = read_tables(RESULTS / "baselines" / "small").done
    fresh = runs[runs["seed"] != 0]
    for other, column in PAIRS:
        own, theirs = (
            fresh.loc[fresh["cell"] == cell, column].tolist() for cell in ("BEGAN", other)
        )
        found = difference(own, theirs)
        print(f"seeds 1 to 4, BEGAN minus {other}, {column}: {found.value:.3f} {found.interval}")


def falls() -> None:
    folder = RESULTS / "convergence" / "small"
    rows = pd.read_csv(folder / "train.csv.gz").pivot_table("m_global", "step", "run_id")
    runs = rows[read_tables(folder).done["run_id"]]
    for window in WINDOWS:
        ends = range(2500, int(runs.index.max()) + 1, 2500)
        means = np.array([runs.loc[end - window + 1 : end].mean() for end in ends])
        always = int((np.diff(means, axis=0) < 0).all(axis=0).sum())
        print(
            f"M_global over {window} steps falls at every evaluation in {always} of {len(runs.T)}"
        )


def tries() -> None:
    found = pd.read_csv(RESULTS / "tuned" / "short" / "search" / "runs.csv")
    for arm, each in found.groupby("variant"):
        rho = stats.spearmanr(each["step"], each["distance_validation"], nan_policy="omit")
        steps = f"{each['step'].min():.0f} to {each['step'].max():.0f} steps"
        print(f"{arm}: {steps}; rho of steps and validation distance {rho.statistic:.2f}")


if __name__ == "__main__":
    without_seed_0()
    falls()
    tries()
