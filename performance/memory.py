"""The peak resident memory of a whole worker at 64 px, n = 64: training, checkpoint, evaluation.

    python -m performance.memory [--n 64] [--size 64] [--steps 3]

A few steps on procedural faces reach the peak: every step allocates the same. Writes
performance/measured/memory.json.
"""

import argparse
import os
import tempfile
from pathlib import Path

from benchmark.evaluation.settings import EvaluationSettings
from benchmark.executors.local import last_lines, start_worker
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from performance.measured import keep


def peak(spec: RunSpec, samples: int, folder: Path) -> int:
    """Bytes resident at most in the run's process, as the system counts them."""
    run = RunDirectory.create(folder / "runs", spec)
    judge = {"features": "efficientnet_lite0", "samples": samples}
    run.write_evaluation(
        EvaluationSettings.model_validate(
            {"every": spec.training.steps, "judges": {"usual": judge}}
        )
    )
    worker = start_worker(run, ["--cache", str(folder / "cache"), "--device", "cpu"])
    _, status, used = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    if run.result() is None:
        raise RuntimeError("\n".join(last_lines(run.log)))
    return used.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("n", 64), ("size", 64), ("steps", 3), ("samples", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    spec = RunSpec.model_validate(
        {
            "method": {"name": "began", "n": wanted.n},
            "data": {"name": "faces", "size": wanted.size, "count": 2000},
            "training": {
                "steps": wanted.steps,
                "log_every": 1,
                "checkpoint_every": 2,
                "lr_decay": {"on": "never"},
            },
            "seed": 0,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        found = peak(spec, wanted.samples, Path(folder))
    keep("memory", {"n": wanted.n, "size": wanted.size, "peak": found})
    print(f"{found / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
