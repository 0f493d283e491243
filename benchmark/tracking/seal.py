"""A tag on an ended run in MLflow: that it holds all of the run directory, and of which.

With it a writer knows, without asking for a single history, that nothing has changed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmark.evaluation.settings import EvaluationSettings
from benchmark.files import sha256
from benchmark.runs.directory import RunDirectory, State
from benchmark.runs.evaluations import Evaluations, digest_of
from benchmark.runs.weights import listed
from benchmark.tracking.labels import NAMES

SEAL = "bench.seal"


@dataclass(frozen=True)
class Seal:
    """Digests of what MLflow shows of a run: of what its points are made from, and of its files."""

    points: str
    files: str

    @classmethod
    def of(
        cls, run: RunDirectory, state: State, evaluation: EvaluationSettings, signal: str
    ) -> Self:
        """Of the directory as it is now."""
        named = {"names": NAMES, "signal": signal, "evaluation": evaluation.model_dump_json()}
        judges = [Evaluations.of(run.path, each) for each in evaluation.judges.values()]
        read = [run.metrics, *(each.path for each in judges if each is not None)]
        rows = {path.name: sha256(path) for path in read if path.exists()}
        files = {name: mark(path) for name, path in files_of(run, state).items()}
        return cls(digest_of([named, rows]), digest_of([files]))

    @classmethod
    def read(cls, tag: str | None) -> Self | None:
        """The seal that a tag holds, if it is one of this version."""
        words = (tag or "").split()
        return cls(*words) if len(words) == 2 else None

    def __str__(self) -> str:
        return f"{self.points} {self.files}"


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
