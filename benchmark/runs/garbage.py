"""What may be removed without losing a result, to reduce what runs keep."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.runs.directory import RunDirectory
from benchmark.runs.weights import listed

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Garbage:
    """A file or folder, its size in bytes and why nobody needs it."""

    path: Path
    size: int
    why: str

    def remove(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


def find_garbage(runs: Path, cache: Path, keep: int | None = None) -> Iterator[Garbage]:
    """Checkpoints of finished runs except the last, and stores that no run here was trained on.

    `keep`: also all but this many last snapshots of finished runs.
    """
    found = [RunDirectory(path.parent) for path in sorted(runs.glob("*/spec.json"))]
    for run in found:
        if run.result() is not None:
            for path in listed(run.checkpoints)[:-1]:
                yield Garbage(path, _size(path), "not the last checkpoint of a finished run")
            snapshots = listed(run.snapshots)
            for path in snapshots[:-keep] if keep else []:
                yield Garbage(path, _size(path), f"not among the last {keep} snapshots")
    used: set[str] = set()
    for run in found:
        record = run.provenance()
        if record is None or "store" not in record:
            return  # the store that it needs is unknown
        used.add(record["store"])
    for folder in sorted((cache / "stores").glob("*")):
        if folder.is_dir() and _FINGERPRINT.fullmatch(folder.name) and folder.name not in used:
            yield Garbage(folder, _size(folder), "a decoded data set that no run here uses")


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)
