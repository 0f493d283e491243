"""The run directory: the authoritative record of one run. MLflow and the tables are made from it.

<runs>/<run_id>/
    spec.json           the RunSpec
    evaluation.json     which snapshots its worker keeps, and who judges them; no part of the run
    provenance.json     what made the run: code, packages, machine, data
    metrics.jsonl       one Row a line, in order of step
    checkpoints/        see training/checkpoint.py
    snapshots/          the generator's weights; see training/snapshots.py
    samples/            one PNG grid per snapshot
    evaluations/        what judges said of the snapshots; see runs/evaluations.py
    log.txt             what the run's process printed
    result.json         written last: done or failed, and why
    probe.json, probe/  what a probe found, if there was one; see probe/
    lock                held by the one process that writes here

<runs>/damaged/<run_id>/    what `bench doctor --fix` has set aside, so that the run starts anew
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from benchmark.errors import BenchError, BusyError, of_system
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.files import TEMPORARY, is_held, write_atomic
from benchmark.runs.weights import listed
from benchmark.spec import RunSpec
from benchmark.strict import Strict
from benchmark.text import counted

Kind = Literal["train", "heldout"]
Record = TypeVar("Record", bound=Strict)
State = Literal["queued", "running", "stopped", "done", "failed"]
LOCK_WAIT_S = 1.0
WRITING_S = 600  # longer than any file takes to be written
LONGEST_ROW = 1 << 16  # bytes; a row has some hundreds
ASIDE = "damaged"  # folder of runs that were set aside


class Row(Strict):
    """Metrics at one step.

    "train": means over the steps since the last row. "heldout": the method's own measures over the
    same held-out images and codes, at a snapshot.
    """

    step: int
    kind: Kind
    # Seconds since the epoch; the only part of a row that a re-run does not reproduce.
    time: float
    values: dict[str, float]


class Result(Strict):
    """How a run ended. A failed run is a result; a killed one has none and is resumed."""

    state: Literal["done", "failed"]
    step: int
    reason: str | None
    weights_sha256: str
    wall_s: float
    cpu_s: float
    # Steps at which the learning rate was lowered.
    decays: list[int]

    def failure(self) -> str:
        """How a failed run failed, in words."""
        return f"failed at step {self.step}: {self.reason}"


class RunDirectory:
    """Reads and writes one run's folder; what reads raises BenchError where a file is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.snapshots = path / "snapshots"
        self.log = path / "log.txt"
        self.metrics = path / "metrics.jsonl"

    @classmethod
    def create(cls, root: Path, spec: RunSpec) -> Self:
        """The folder of `spec` below `root`, made if it is not there.

        Its name is the hash of its description, so that one which is missing or damaged is written
        again. Raises BenchError where it holds another run.
        """
        run = cls(root / spec.run_id)
        try:
            found = run.spec()
        except BenchError:
            write_atomic(run.path / "spec.json", spec.to_json().encode())
            return run
        if found.run_id != spec.run_id:
            raise BenchError(f"{run.path}: holds another run, {found.run_id}; move it away")
        return run

    @property
    def run_id(self) -> str:
        return self.path.name

    def spec(self) -> RunSpec:
        """The run's description, which has to be there."""
        path = self.path / "spec.json"
        data = self._read(path.name)
        if data is None:
            raise BenchError(f"{path}: missing; `bench run FILE` writes it again")
        try:
            return RunSpec.from_json(data)
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":
                raise BenchError(f"{path}: damaged; `bench run FILE` writes it again") from None
            faults = counted(error.error_count(), "fault")
            raise BenchError(
                f"{path}: not a run description of this version ({faults}); train it again in "
                "another --runs folder"
            ) from None

    def threads(self) -> int:
        """CPU threads of its training, without importing its method, and torch with it."""
        try:
            return int(json.loads((self.path / "spec.json").read_bytes())["training"]["threads"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.spec().training.threads  # it says what is wrong

    def evaluation(self) -> EvaluationSettings | None:
        """Which snapshots to keep and who judges them, if set by a sweep."""
        way_out = "`bench run FILE` writes it again"
        return self._parsed("evaluation.json", EvaluationSettings, way_out)

    def write_evaluation(self, settings: EvaluationSettings) -> EvaluationSettings:
        """Set them, and return what is set: a run that has begun keeps its `every`, whichever sweep
        it is part of, so that its snapshots are not at a mixture of steps.

        For the process that holds the run, until it has begun.
        """
        if self.provenance() is not None:
            with suppress(BenchError):  # damaged: written again
                begun = self.evaluation()
                settings = settings.model_copy(update={"every": begun.every}) if begun else settings
        data = settings.model_dump_json(indent=2).encode() + b"\n"
        path = self.path / "evaluation.json"
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)
        return settings

    def provenance(self) -> dict[str, Any] | None:
        """What made it, if it has begun."""
        return self.record("provenance.json", "code", "data")

    def probe(self) -> dict[str, Any] | None:
        """What a probe found, if there was one."""
        return self.record("probe.json", "version", "weights_sha256")

    def record(self, name: str, *keys: str) -> dict[str, Any] | None:
        """A JSON object in its folder that has `keys`, if it is there."""
        data = self._read(name)
        if data is None:
            return None
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not found.keys() >= set(keys):
            raise BenchError(f"{self.path / name}: damaged; see `bench doctor`")
        return found

    def _parsed(self, name: str, model: type[Record], way_out: str) -> Record | None:
        data = self._read(name)
        try:
            return None if data is None else model.model_validate_json(data)
        except ValidationError:
            raise BenchError(f"{self.path / name}: damaged; {way_out}") from None

    def _read(self, name: str) -> bytes | None:
        path = self.path / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BenchError(f"{path}: cannot be read ({of_system(error)})") from None

    def write_provenance(self, record: dict[str, Any]) -> None:
        text = json.dumps(record, indent=2, sort_keys=True) + "\n"
        write_atomic(self.path / "provenance.json", text.encode())

    def result(self) -> Result | None:
        """How it ended, if it has."""
        return self._parsed("result.json", Result, "see `bench doctor`")

    def write_result(self, result: Result) -> None:
        write_atomic(self.path / "result.json", result.model_dump_json(indent=2).encode() + b"\n")

    def rows(self) -> list[Row]:
        """All complete rows; a line cut short by a kill is left out (the next start removes it)."""
        if not self.metrics.exists():
            return []
        return _rows(self.metrics, self.metrics.read_bytes().split(b"\n")[:-1])

    def last_step(self) -> int:
        """The step of its last complete row, without reading the others; 0 before the first."""
        if not self.metrics.exists():
            return 0
        with self.metrics.open("rb") as file:
            file.seek(max(0, self.metrics.stat().st_size - LONGEST_ROW))
            whole = file.read().split(b"\n")[:-1]
        return _rows(self.metrics, whole[-1:])[-1].step if whole else 0

    def append(self, row: Row) -> None:
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())  # rows must be durable before a later checkpoint

    def cut_after(self, step: int) -> None:
        """Drop the rows beyond a checkpoint, which the resumed run will write again."""
        kept = [row.model_dump_json() + "\n" for row in self.rows() if row.step <= step]
        write_atomic(self.metrics, "".join(kept).encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; raises BusyError when another process does."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            # With a wait: `is_locked` in another process holds the lock for a moment.
            with FileLock(self.path / "lock", timeout=LOCK_WAIT_S):
                for left in self.leftovers():
                    left.unlink(missing_ok=True)
                yield
        except Timeout:
            raise BusyError(f"{self.path}: another process is writing this run") from None

    def set_aside(self) -> None:
        """Move it, as it is, where no command looks for runs."""
        folder = self.path.parent / ASIDE
        folder.mkdir(exist_ok=True)
        names = chain([self.run_id], (f"{self.run_id}-{number}" for number in count(2)))
        self.path.rename(next(folder / name for name in names if not (folder / name).exists()))

    def leftovers(self) -> list[Path]:
        """Files that a killed writer has not published.

        Judges and drivers write without the lock: younger files may be theirs.
        """
        old = time.time() - WRITING_S
        found = []
        for path in sorted(self.path.rglob(TEMPORARY)):
            with suppress(FileNotFoundError):  # published just now
                if path.stat().st_mtime < old:
                    found.append(path)
        return found

    def is_locked(self) -> bool:
        """Whether a living process writes here."""
        return is_held(self.path / "lock")

    def reached(self) -> str:
        """Its newest checkpoint's file; empty before the first."""
        return next((path.name for path in reversed(listed(self.checkpoints))), "")

    def state(self) -> State:
        result = self.result()
        if result is not None:
            return result.state
        if self.is_locked():
            return "running"
        return "stopped" if self.checkpoints.exists() else "queued"


class Tail:
    """The rows of a run that another process writes, as they come."""

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.metrics
        self._inode = self._offset = 0

    def new(self) -> list[Row]:
        """Complete rows since the last call; all of them again if a resumption removed some."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())  # a resumption puts another file in its place
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._inode, self._offset = found.st_ino, 0
                file.seek(self._offset)
                whole, _, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        if not whole:
            return []
        rows = _rows(self._path, whole.split(b"\n"))
        self._offset += len(whole) + 1
        return rows


def _rows(path: Path, lines: list[bytes]) -> list[Row]:
    try:
        return [Row.model_validate_json(line) for line in lines]
    except ValidationError:
        raise BenchError(f"{path}: damaged; see `bench doctor`") from None
