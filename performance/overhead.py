"""The share of a run's time that is not training, read off finished runs' metrics.

    python -m performance.overhead RUNS

A row of metrics says when it was written. Two training rows with neither a snapshot nor a
checkpoint between them bound a stretch of pure training; what passed between the first row and the
last beyond so many of those is snapshots, evaluation, sample grids and checkpoints. Runs that were
interrupted, or that others kept from the processor, are left out. Reads only. Writes
performance/measured/overhead.json.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from benchmark.runs.directory import RunDirectory
from performance.measured import keep

LONGEST_GAP_S = 120.0  # between two rows; beyond it the run was stopped and continued later
LEAST_BUSY = 0.9  # processor over wall seconds; below it the run waited for others


def share(run: RunDirectory) -> float | None:
    """Of the time from the first row to the last; None where the run failed or was held up."""
    result, spec = run.result(), run.spec()
    if result is None or result.state != "done" or result.cpu_s < LEAST_BUSY * result.wall_s:
        return None
    rows = run.rows()
    if len(rows) < 2 or max(b.time - a.time for a, b in pairwise(rows)) > LONGEST_GAP_S:
        return None
    pure = [
        b.time - a.time
        for a, b in pairwise(rows)
        if a.kind == b.kind == "train" and a.step % spec.training.checkpoint_every
    ]
    if not pure:
        return None
    training = mean(pure) * (rows[-1].step - rows[0].step) / spec.training.log_every
    return 1 - training / (rows[-1].time - rows[0].time)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="The folder of all run directories.")
    results = sorted(parser.parse_args().runs.glob("*/result.json"))
    runs = [RunDirectory(path.parent) for path in results]
    shares = [each for each in map(share, runs) if each is not None]
    keep("overhead", {"runs": len(shares), "share": median(shares), "highest": max(shares)})
    print(f"{len(shares)} of {len(runs)} runs: median {median(shares):.3f}, to {max(shares):.3f}")


if __name__ == "__main__":
    main()
