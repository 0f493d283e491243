"""A sweep of 9 runs: ours, one process of one thread per core, against the textbook's in a row.

    python -m performance.sweep --n 16 --size 32 [--amx]    # on a machine that does nothing else

The textbook trains one run after another on all cores. Both are measured in wall seconds, in turn,
so the machine must be idle: it waits for that, and refuses where others use it. Start-up and
evaluation are in neither.
Writes performance/measured/sweep_<n>_<size>.json, with `--amx` (ours in bfloat16)
sweep_<n>_<size>_amx.json.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from benchmark.executors import allocator
from benchmark.executors.instructions import has, here
from performance.measured import keep, scaled
from performance.steps import Stepper

RUNS = 9
IDLE = 0.3  # load on an idle machine at most
FADES_S = 300  # the load is a mean: so long, that of what ran just before may last


def wall(steppers: list[Stepper], way: str, steps: int) -> float:
    """Wall seconds until every stepper has taken its steps, all at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(steppers)) as pool:
        list(pool.map(lambda stepper: stepper.seconds(way, steps), steppers))
    return time.perf_counter() - began


def ratio(ours: float, textbook: float, runs: int, jobs: int) -> float:
    """Of the sweep's time, from wall seconds of a step: of `jobs` runs at once, of one run.

    Runs of equal length go in whole rounds: the last one may leave cores idle.
    """
    rounds = -(-runs // jobs)
    return rounds * ours / (runs * textbook)


def idle() -> float:
    """The load, once it says that the machine is idle or after FADES_S."""
    until = time.monotonic() + FADES_S
    while (load := os.getloadavg()[0]) > IDLE and time.monotonic() < until:
        time.sleep(5)
    return load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("n", 16), ("size", 32), ("batch", 16), ("rounds", 5), ("steps", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--amx", action="store_true", help="Ours in bfloat16, on AMX.")
    wanted = parser.parse_args()
    if wanted.amx and not has("AMX"):
        parser.error(f"--amx: this processor does not have it ({here()})")
    mine = "ours+bfloat16" if wanted.amx else "ours"
    load, jobs = idle(), os.cpu_count() or 1
    if load > IDLE:
        sys.exit(f"the machine is busy (load {load:.1f}): wall seconds would say nothing")
    scale = wanted.n, wanted.size, wanted.batch
    theirs = [Stepper(*scale, {}, threads=jobs)]
    ours = [Stepper(*scale, allocator.variables()) for _ in range(jobs)]
    for way, steppers in (("textbook", theirs), (mine, ours)):
        wall(steppers, way, 2)
    found = [
        (wall(ours, mine, wanted.steps), wall(theirs, "textbook", wanted.steps))
        for _ in range(wanted.rounds)
    ]
    for stepper in (*theirs, *ours):
        stepper.close()
    value = median(ratio(a, b, RUNS, jobs) for a, b in found)
    keep(
        scaled("sweep", wanted.n, wanted.size, amx=wanted.amx),
        {"n": wanted.n, "jobs": jobs, "runs": RUNS, "ratio": value},
    )
    print(f"{value:.3f}")


if __name__ == "__main__":
    main()
