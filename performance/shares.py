"""Where the time of our step goes, by torch's profiler over a few steps.

    python -m performance.shares [--n 16] [--size 32] [--steps 10]

One thread. Shares are of the operations' own time, the profiler's overhead with it, so that of many
small calls looks larger than it is. Writes performance/measured/shares.json.
"""

import argparse

import torch
from torch.profiler import ProfilerActivity, profile

from performance.levers import BATCH
from performance.measured import keep
from performance.stepper import ours

MOST = 10  # operations to name


def shares(n: int, size: int, steps: int, batch: int = BATCH) -> dict[str, float]:
    """Own time of the costliest operations over that of all, the largest first."""
    step = ours(n, size, batch=batch)
    for number in range(2):
        step(number)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for number in range(steps):
            step(number)
    times = {each.key: each.self_cpu_time_total for each in seen.key_averages()}
    total = sum(times.values())
    first = sorted(times, key=lambda key: -times[key])[:MOST]
    return {key: times[key] / total for key in first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("n", 16), ("size", 32), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    found = shares(wanted.n, wanted.size, wanted.steps)
    keep("shares", {"n": wanted.n, "size": wanted.size, "shares": found})
    for key, value in found.items():
        print(f"{value:6.3f}  {key}")


if __name__ == "__main__":
    main()
