"""The small files of all runs of a bucket, here: for the display, MLflow, the tables and people.

It is a runs folder like any other, but that a run's checkpoints stay in the bucket. A run that is
trained elsewhere is locked here, by whoever keeps the copy fresh, so that every reader sees it run.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from benchmark.mirror.bucket import Bucket, scratch
from benchmark.mirror.lease import FOLDER as LEASE
from benchmark.mirror.lease import Term
from benchmark.runs.directory import RunDirectory, write_atomic

REFRESH_EVERY_S = 5.0
SHARE = 0.05  # of the time that looking may take, however many runs there are
AT_ONCE = 500  # objects in one request
_MARKS = ".marks.json"
_GROWING = (".jsonl", ".txt")


class LocalCopy:
    """A copy of the bucket at `url`, brought up to date by `refresh`.

    A context manager: its locks are free when it is left. Every method raises BenchError where the
    bucket is away.
    """

    def __init__(self, url: str) -> None:
        self._bucket = Bucket(url)
        self.path = scratch(url) / "runs"
        self._locks: dict[str, FileLock] = {}
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lock in self._locks.values():
            lock.release()

    def run(self, run_id: str) -> RunDirectory:
        """A run of which `bench run-one` is told the URL, and which is read here."""
        return BucketRun(self.path / run_id, self._bucket.url)

    def refresh_if_due(self) -> None:
        """Every few seconds, less often where it takes long."""
        began = time.monotonic()
        if began >= self._due:
            self._due = began + REFRESH_EVERY_S  # where the bucket is away, too
            self.refresh()
            self._due += (time.monotonic() - began) / SHARE

    def refresh(self) -> None:
        """Make the copy what the bucket has now: what is new comes, and what has gone goes."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / ".refresh.lock"):
            marks = self._marks()
            there = {
                name: mark
                for name, mark in self._bucket.names().items()
                if not name.endswith(".safetensors")
            }
            for name in marks.keys() - there.keys():
                (self.path / name).unlink(missing_ok=True)
            kept = {name: mark for name, mark in marks.items() if there.get(name) == mark}
            # A result last: whoever sees it finds all else of its run.
            new = sorted(there.keys() - kept.keys(), key=lambda name: (_is_result(name), name))
            for first in range(0, len(new), AT_ONCE):
                found = self._bucket.read(new[first : first + AT_ONCE])
                for name in new[first : first + AT_ONCE]:
                    if name in found:
                        _write(self.path / name, found[name])
                        kept[name] = there[name]
            if kept != marks:
                write_atomic(self.path / _MARKS, json.dumps(kept).encode())
        self._lock_living(there)

    def publish(self) -> None:
        """Send the descriptions of runs and the claims that were made here and are not there."""
        marks = self._marks()
        made = {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for pattern in ("*/spec.json", "claims/*.json")
            for path in self.path.glob(pattern)
        }
        self._bucket.write({name: data for name, data in made.items() if name not in marks})

    def _marks(self) -> dict[str, str]:
        """By name, the mark of each object when it was copied."""
        path = self.path / _MARKS
        found: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def _lock_living(self, there: Mapping[str, str]) -> None:
        """Hold the lock of each run whose lease is not over."""
        last = {name.partition("/")[0]: name for name in sorted(there) if f"/{LEASE}/" in name}
        living = {
            run_id
            for run_id, name in last.items()
            if f"{run_id}/result.json" not in there and _lives(self.path / name)
        }
        for run_id in self._locks.keys() - living:
            self._locks.pop(run_id).release()
        for run_id in living - self._locks.keys():
            lock = FileLock(self.path / run_id / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:  # another process keeps this copy fresh, too
                continue
            self._locks[run_id] = lock


class BucketRun(RunDirectory):
    """A run in a bucket: read from its local copy, trained from its URL."""

    def __init__(self, path: Path, url: str) -> None:
        super().__init__(path)
        self._url = url

    @property
    def address(self) -> str:
        return f"{self._url}/{self.run_id}"

    def reached(self) -> str:
        """As of every run directory, but asks the bucket: the copy has no checkpoints."""
        names = Bucket(self._url).names(f"{self.run_id}/checkpoints")
        found = (name.rpartition("/")[2] for name in names if name.endswith(".safetensors"))
        return max(found, default="")


def _is_result(name: str) -> bool:
    return name.endswith("/result.json")


def _lives(path: Path) -> bool:
    try:
        return not Term.model_validate_json(path.read_bytes()).is_over
    except (FileNotFoundError, ValidationError):
        return False


def _write(path: Path, data: bytes) -> None:
    """As a whole, but what only grew is added to, so that who follows it reads what is new."""
    if path.name.endswith(_GROWING) and path.exists():
        old = path.read_bytes()
        if old and data.startswith(old):
            with path.open("ab") as file:
                file.write(data[len(old) :])
            return
    write_atomic(path, data)
