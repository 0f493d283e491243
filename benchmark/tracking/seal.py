"""A tag on an ended run in MLflow: that it holds all of the run directory, and of which.

With it a writer knows, without asking for a single history, that nothing has changed.
"""

from pathlib import Path

from benchmark.evaluation.settings import EvaluationSettings
from benchmark.files import sha256
from benchmark.runs.directory import RunDirectory, State
from benchmark.runs.evaluations import Evaluations, digest_of
from benchmark.runs.weights import listed
from benchmark.tracking.labels import NAMES

SEAL = "bench.seal"
ENDED: tuple[State, ...] = ("done", "failed")


def seal_of(
    run: RunDirectory, state: State, evaluation: EvaluationSettings, signal: str
) -> str | None:
    """A digest of what MLflow's points are made from, and of its files; None until the run ends."""
    if state not in ENDED:
        return None
    named = {"names": NAMES, "signal": signal, "evaluation": evaluation.model_dump_json()}
    judges = [Evaluations.of(run.path, each) for each in evaluation.judges.values()]
    read = [run.metrics, *(each.path for each in judges if each is not None)]
    rows = {path.name: sha256(path) for path in read if path.exists()}
    files = {name: mark(path) for name, path in files_of(run, state).items()}
    return digest_of([named, rows, files])


def files_of(run: RunDirectory, state: State) -> dict[str, Path]:
    """The files of a run that MLflow shows, by their names there."""
    found = {f"samples/{path.name}": path for path in sorted(run.samples.glob("[0-9]*.png"))}
    if state == "done":
        found |= {name: run.path / name for name in ("spec.json", "provenance.json", "result.json")}
        found |= {f"checkpoint/{path.name}": path for path in listed(run.checkpoints)[-1:]}
    return {name: path for name, path in found.items() if path.exists()}


def mark(path: Path) -> str:
    """What tells a file from the one that it replaced, without reading it."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"
