"""`bench run-one` and `bench run` without torch, so that clusters can be tested in seconds.

    python -m tests.executors.stub FOLDER ray|slurm|local [ADDRESS]

The stub's training is a chain of SHA-256 sums, one a step: a step that is left out, done twice or
done from a wrong checkpoint changes its end. It locks and resumes as a run does.
"""

import hashlib
import signal
import sys
import time
from pathlib import Path

from benchmark.ablation.plan import load
from benchmark.errors import EXIT_STOPPED
from benchmark.executors import local
from benchmark.executors.choice import Asked, choose
from benchmark.executors.executor import unfinished
from benchmark.files import write_atomic
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.sweep.driver import Driver

STEPS, CHECKPOINT_EVERY, STEP_S = 300, 5, 0.05


def run_one(run: RunDirectory, leash: bool) -> int:
    """The exit code that `bench run-one` would have."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda *_: told.append(1))
    if leash:
        local.obey_leash()
    with run.locked():
        if run.result() is not None:
            return 0
        step, state = 0, b""
        if run.reached():
            state = (run.checkpoints / run.reached()).read_bytes()
            step = int(run.reached()[:8])
            print(f"resumed at {step}", flush=True)
        run.cut_after(step)
        while step < STEPS:
            step, state = step + 1, hashlib.sha256(state + bytes([step % 251])).digest()
            time.sleep(STEP_S)
            values = {"m_global": state[0] / 255}
            run.append(Row(step=step, kind="train", time=time.time(), values=values))
            if told or step % CHECKPOINT_EVERY == 0:
                write_atomic(run.checkpoints / f"{step:08d}-0.safetensors", state)
            if told:
                print("stopped with a checkpoint", flush=True)
                return EXIT_STOPPED
        found = {"state": "done", "step": step, "reason": None, "weights_sha256": state.hex()}
        clocks = {"wall_s": 1, "cpu_s": 1, "decays": []}
        run.write_result(Result.model_validate({**found, **clocks}))
    return 0


def drive(folder: Path, asked: Asked) -> int:
    """What `bench run` does between the stores and the tables."""
    plan, runs_root = load(folder / "tiny.yaml", "demo"), folder / "runs"
    runs = [RunDirectory.create(runs_root, planned.spec) for planned in plan.runs]
    driver = Driver.here(plan)

    def tick() -> None:
        if not executor.stopped and driver.is_asked_to_stop(runs_root):
            executor.stop()

    with driver.driving(runs_root):
        executor = choose(asked, plan, runs_root)([], tick, unfinished)
        executor.run(runs)
    return 130 if executor.stopped else int(any(run.result() is None for run in runs))


def main() -> int:
    folder, executor, *address = sys.argv[1:]
    asked = {
        "local": Asked(jobs=2),
        "ray": Asked("ray", address=address[0] if address else None),
        "slurm": Asked("slurm", partition="faces", time=30),
    }[executor]
    return drive(Path(folder), asked)


# Python runs a file of this name and content, found by PYTHONPATH, before anything else: every
# process that would be `bench run-one` is the stub instead, whoever starts it.
SITE = """\
import os, sys
if sys.orig_argv[2:5] == ["-m", "benchmark", "run-one"]:  # after -P
    from pathlib import Path
    from benchmark.runs.directory import RunDirectory
    from tests.executors.stub import run_one
    code = run_one(RunDirectory(Path(sys.orig_argv[-1])), "--leash" in sys.orig_argv)
    sys.stdout.flush()
    os._exit(code)
"""


if __name__ == "__main__":
    sys.exit(main())
