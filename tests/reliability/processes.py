"""What the tests start in processes of their own, to be killed, starved and stopped."""

import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_evaluation, tiny_spec

Server = ForkServerContext


def wait(until: Callable[[], bool], seconds: float = 600) -> None:
    """For what another process does; a loaded machine has the time it needs."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def plan(steps: int) -> Plan:
    training = {"steps": steps, "checkpoint_every": 10, "lr_decay": {"on": "never"}}
    spec = tiny_spec(training=training)
    run = PlannedRun(spec, {"method.gamma": spec.method.gamma})
    evaluation = tiny_evaluation(every=20, repeats=1)
    return Plan("killed", "Does it live?", None, "demo", (), (), evaluation, (run,))


def train(run: Path, cache: Path) -> None:
    """In a process of its own: what `bench run-one` does."""
    from benchmark.training.loop import Stopped
    from benchmark.worker import Where, run_one

    try:
        run_one(RunDirectory(run), Where(None, cache, "cpu"))
    except Stopped:
        raise SystemExit(75) from None


def sweep(folder: Path, cache: Path, steps: int, mlflow: str) -> None:
    """In a process of its own: what `bench run` does, MLflow at every tick."""
    from functools import partial

    from rich.console import Console

    from benchmark.executors.local import Pool
    from benchmark.sweep import run as sweep
    from benchmark.sweep.output import Output

    sweep.SYNC_EVERY_S = 0.0
    places = sweep.Places(
        folder / "runs", cache, folder / "results", folder / "REPORT.md", None, mlflow
    )
    with (folder / "said.txt").open("a") as said:
        output = Output(Console(file=said))
        raise SystemExit(
            sweep.run_plan(plan(steps), places, partial(Pool, 1), sweep.Work("cpu"), output)
        )


def store(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow/mlflow.db"
