"""What the harness itself costs at thousands of runs, on stub runs made up here.

    python -m performance.scale scheduler --runs 10000
    python -m performance.scale writer --runs 64
    python -m performance.scale tables --runs 10000 --tidy-only
    python -m performance.scale tables --runs 100
    python -m performance.scale mlflow --runs 1000

Every figure is printed with the machine's load, for the processor time says more than the clock on
a machine that is shared.
"""

import io
import json
import math
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.metrics import METRICS, parameters
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.executors.executor import Pack
from benchmark.executors.local import Pool
from benchmark.methods import heldout_columns, train_columns
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.evaluations import Evaluations, JudgeRecord, new_row
from benchmark.spec import RunSpec
from benchmark.sweep.output import Output

SEEDS, TRAIN_ROWS, EVALUATIONS = 5, 20, 4
MADE_UP = "00"  # digest of the weights of runs that nobody trained
PROVENANCE = json.dumps(
    {
        "code": {"commit": "c0ffee", "dirty": None},
        "device": "cpu",
        "parameters": 1000,
        "data": {"title": "stub faces", "subject": "faces", "fingerprint": "ab" * 32, "broken": []},
    }
)
EVALUATION = EvaluationSettings.model_validate(
    {"every": 250, "repeats": 0, "judges": {"efficientnet_lite0": {"samples": 60}}}
)
JUDGE = JudgeRecord(
    digest="ab" * 32,
    settings=EVALUATION.judges["efficientnet_lite0"].identity(),
    network={"name": "efficientnet_lite0", "version": "1", "width": 1280},
    parameters=parameters(60),
    reference="ab" * 32,
    floor={"real": dict.fromkeys(METRICS, 1.0)},
    made=1.0,
)


@contextmanager
def cost(what: str, count: int, unit: str) -> Iterator[None]:
    """Print the clock's and the processor's time, by item too, and the most memory so far."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    click.echo(
        f"{what}: {wall:.1f} s, {cpu:.1f} s of processor ({1000 * cpu / count:.2f} ms per {unit}, "
        f"{count / wall:.0f} {unit}s/s by the clock), {memory:.2f} GiB, load "
        f"{os.getloadavg()[0]:.0f}",
    )


def plan(count: int) -> Plan:
    """`count` runs: five seeds a cell, gamma swept."""
    base: dict[str, dict[str, Any]] = {
        "method": {"name": "began", "n": 2, "h": 4, "z": 4},
        "data": {"name": "faces", "size": 16, "count": 1000},
        "training": {"steps": 1000, "batch": 4},
    }
    runs = []
    for at in range(count):
        gamma = round(0.1 + 0.8 * (at // SEEDS) / max(1, count // SEEDS), 6)
        method = {**base["method"], "gamma": gamma}
        spec = RunSpec.model_validate({**base, "method": method, "seed": at % SEEDS})
        runs.append(PlannedRun(spec, {"method.gamma": gamma}))
    return Plan(
        "scale", "What do ten thousand runs cost?", None, "demo", (), (), EVALUATION, tuple(runs)
    )


def rows(spec: RunSpec, rng: np.random.Generator) -> Iterator[Row]:
    trained = train_columns(spec.method)
    watched = heldout_columns(spec.method)
    every, judge_every = 1000 // TRAIN_ROWS, 1000 // EVALUATIONS
    for step in range(every, 1001, every):
        values = dict(zip(trained, rng.random(len(trained)).tolist(), strict=True))
        yield Row(step=step, kind="train", time=1e9 + step, values=values)
        if step % judge_every == 0:
            values = dict(zip(watched, rng.random(len(watched)).tolist(), strict=True))
            yield Row(step=step, kind="heldout", time=1e9 + step, values=values)


def evaluations(rng: np.random.Generator) -> Iterator[str]:
    """Lines of what the judge says."""
    for step in range(1000 // EVALUATIONS, 1001, 1000 // EVALUATIONS):
        values = dict(zip(METRICS, rng.random(len(METRICS)).tolist(), strict=True))
        versions = {name: METRICS[name].version for name in values}
        row = new_row(step, 0, "0" * 16, JUDGE.reference, versions, values)
        yield row.model_dump_json() + "\n"


def finish(run: RunDirectory, spec: RunSpec, rng: np.random.Generator) -> None:
    """What a run leaves behind, without the syncs to the disk that a real one waits for."""
    lines = [row.model_dump_json() + "\n" for row in rows(spec, rng)]
    (run.path / "metrics.jsonl").write_text("".join(lines))
    (run.path / "provenance.json").write_text(PROVENANCE)
    said = Evaluations(run.path, "efficientnet_lite0", JUDGE.digest).path
    said.parent.mkdir()
    said.write_text("".join(evaluations(rng)))
    said.with_suffix(".json").write_text(JUDGE.model_dump_json())
    result = Result(
        state="done",
        step=1000,
        reason=None,
        weights_sha256=MADE_UP,
        wall_s=1,
        cpu_s=1,
        decays=[],
    )
    (run.path / "result.json").write_text(result.model_dump_json())


def made(root: Path, found: Plan, finished: bool) -> list[RunDirectory]:
    rng, runs = np.random.default_rng(0), []
    for planned in found.runs:
        run = RunDirectory(root / planned.run_id)
        run.path.mkdir(parents=True)
        (run.path / "spec.json").write_text(planned.spec.to_json())
        if finished:
            finish(run, planned.spec, rng)
        runs.append(run)
    return runs


@dataclass
class Stubs(Pool):
    """The local pool with a worker that does nothing: what is left is the scheduler."""

    specs: Mapping[str, RunSpec] | None = None
    spent: float = 0.0  # processor time of making results up, which is not the scheduler's

    def _start(self, packs: Sequence[Pack]) -> dict[str, subprocess.Popen[bytes]]:
        began, runs = time.process_time(), [run for pack in packs for run in pack]
        for run in runs:
            assert self.specs is not None
            finish(run, self.specs[run.run_id], np.random.default_rng(0))
        self.spent += time.process_time() - began
        return {run.run_id: subprocess.Popen(["true"]) for run in runs}


@click.group()
def scale() -> None:
    """What the harness itself costs at thousands of runs."""


@scale.command()
@click.option("--runs", "count", default=10_000, show_default=True)
@click.option("--jobs", default=64, show_default=True)
def scheduler(count: int, jobs: int) -> None:
    """The pool and the live table, drawn into nothing; a process for each run."""
    found = plan(count)
    with folder() as root:
        runs = made(root, found, finished=False)
        console = Console(file=io.StringIO(), force_terminal=True, height=50)
        shown = list(zip(found.runs, runs, strict=True))
        with Output(console).progress(found, shown) as progress:
            specs = {planned.run_id: planned.spec for planned in found.runs}
            pool = Stubs(jobs, [], progress.update, specs=specs)
            began = time.process_time()
            with cost("scheduler, the stubs' own work included", count, "run"):
                pool.run(runs)
            cpu = time.process_time() - began - pool.spent
            made_up = [run.result() for run in runs]
            assert all(each and each.weights_sha256 == MADE_UP for each in made_up)  # none trained
        click.echo(f"scheduler alone: {1000 * cpu / count:.2f} ms of processor per run")


@scale.command()
@click.option("--runs", "count", default=64, show_default=True)
@click.option("--rows", "rounds", default=50, show_default=True, help="Each run logs, in turn.")
def writer(count: int, rounds: int) -> None:
    """The writer into SQLite: points a second, and a round in which every run logged one row."""
    from benchmark.tracking.tracker import Tracker

    found = plan(count)
    with folder() as root:
        runs = made(root / "runs", found, finished=False)
        tracker = Tracker(f"sqlite:///{root}/mlflow.db", found, root / "runs")
        columns = train_columns(found.runs[0].spec.method)

        def log(first: int, last: int) -> int:
            for run in runs:
                with (run.path / "metrics.jsonl").open("a") as file:
                    for step in range(first, last):
                        values = dict.fromkeys(columns, 1 / step)
                        row = Row(step=step, kind="train", time=1e9 + step, values=values)
                        file.write(row.model_dump_json() + "\n")
            return (last - first) * len(columns) * len(runs)

        points = log(1, rounds + 1)
        with cost(f"writer, {rounds} rows of each of {count} runs at once", points, "point"):
            tracker.sync()
        points = log(rounds + 1, rounds + 2)
        with cost(f"writer, one row of each of {count} runs", points, "point"):
            tracker.sync()
        with cost("writer, nothing new", count, "run"):
            tracker.sync()


@scale.command()
@click.option("--runs", "count", default=10_000, show_default=True)
@click.option("--tidy-only", is_flag=True, help="Without the evidence and the report.")
def tables(count: int, tidy_only: bool) -> None:
    """Tidy tables, the evidence and the report."""
    from benchmark.claims.evidence import write_evidence
    from benchmark.report.markdown import build
    from benchmark.results.writer import write_results

    found = plan(count)
    with folder() as root:
        made(root / "runs", found, finished=True)
        with cost("bench sync, tidy tables", count, "run"):
            written = write_results(found, root / "runs", root / "results")
        if tidy_only:
            return
        with cost("bench sync, evidence", count, "run"):
            write_evidence(written)
        with cost("bench report", count, "run"):
            build(root / "results", root / "REPORT.md")
        size = (root / "REPORT.md").stat().st_size
        click.echo(f"REPORT.md: {size / 1e6:.2f} MB, figures aside")


@scale.command()
@click.option("--runs", "count", default=1000, show_default=True)
def mlflow(count: int) -> None:
    """A new MLflow store from finished runs, and a look at one that is up to date."""
    from benchmark.tracking.tracker import Tracker

    found = plan(count)
    with folder() as root:
        made(root / "runs", found, finished=True)
        uri = f"sqlite:///{root}/mlflow.db"
        with cost("bench sync, a new MLflow store", count, "run"):
            Tracker(uri, found, root / "runs").close()
        with cost("bench sync, MLflow that is up to date", count, "run"):
            Tracker(uri, found, root / "runs").close()
        size = sum(file.stat().st_size for file in root.glob("mlflow.db*"))
        click.echo(f"mlflow.db: {math.ceil(size / count / 1000)} kB per run")


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


if __name__ == "__main__":
    scale()
