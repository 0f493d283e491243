"""What may be removed without losing a result, to reduce what runs keep."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.runs.weights import listed

_STORE = re.compile(r"[0-9a-f]{64}(\.tmp)?")  # .tmp: one that is being prepared


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


def find_garbage(
    runs: Path,
    cache: Path,
    keep: int | None = None,
    warn: Callable[[str], object] = lambda damaged: None,
) -> Iterator[Garbage]:
    """Checkpoints of finished runs except the last, and stores that no run here needs.

    `keep`: also all but this many last snapshots of finished runs. `warn` is told of damaged runs,
    which keep what they have.
    """
    used: set[str] = set()
    unknown = False
    for run in [RunDirectory(path.parent) for path in sorted(runs.glob("*/spec.json"))]:
        try:
            ended, stores = run.result() is not None, _stores(run)
        except BenchError as error:
            warn(str(error))
            unknown = True
            continue
        unknown |= stores is None
        used |= stores or set()
        if ended:
            for path in listed(run.checkpoints)[:-1]:
                yield Garbage(path, _size(path), "not the last checkpoint of a finished run")
            snapshots = listed(run.snapshots)
            for path in snapshots[:-keep] if keep else []:
                yield Garbage(path, _size(path), f"not among the last {keep} snapshots")
    for folder in [] if unknown else sorted((cache / "stores").glob("*")):
        if is_store(folder) and folder.suffix != ".tmp" and folder.name not in used:
            yield Garbage(folder, _size(folder), "a decoded data set that no run here uses")


def _stores(run: RunDirectory) -> set[str] | None:
    """The stores that it and its judges need; None where that is not known."""
    made, settings = run.provenance(), run.evaluation()
    if made is None or "store" not in made:
        return None
    found: set[str | None] = {made["store"]}
    records = [each.record() for each in Evaluations.all(run.path)]
    found |= {each.store for each in records if each.settings.get("reference_view")}
    judged = [each.settings for each in records]
    for judge in settings.judges.values() if settings else ():
        if judge.reference_view is not None and judge.identity() not in judged:
            found.add(None)  # it has yet to open it
    return None if None in found else {each for each in found if each is not None}


def is_store(folder: Path) -> bool:
    """Whether a folder in the cache is a decoded store, or one that is being prepared."""
    return folder.is_dir() and _STORE.fullmatch(folder.name) is not None


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)
