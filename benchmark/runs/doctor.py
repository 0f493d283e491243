"""Find damage from a crash, a bad disk or an accident, and repair what is safe to repair.

Only reproducible data is ever removed: leftovers of killed writers, a partial line, a checkpoint or
store with a wrong checksum. An unfinished run that nothing can continue is set aside. A run that a
living process writes is left alone.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from pydantic import ValidationError
from safetensors import SafetensorError, deserialize

from benchmark.errors import BenchError, BusyError, of_system
from benchmark.files import is_held, sha256
from benchmark.runs import classified, digests, weights
from benchmark.runs.archive import IMPORTING, is_being_imported
from benchmark.runs.directory import ASIDE, Result, Row, RunDirectory
from benchmark.runs.evaluations import FOLDER, Evaluations
from benchmark.runs.garbage import is_store
from benchmark.spec import RunSpec


@dataclass(frozen=True)
class Fault:
    """A fault, where it is, and its repair."""

    where: Path | str
    what: str
    fix: Callable[[], None] | None = None
    how: str = ""  # what the repair does, or what a person can do
    serious: bool = True  # whether a number of the run could be wrong or missing

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.how}" if self.how else "")


def faults_of_runs(runs: Path) -> Iterator[Fault]:
    """The faults of every folder below `runs` that is or was meant to be a run."""
    for folder in sorted(path for path in runs.iterdir() if path.is_dir()):
        if folder.name.startswith(IMPORTING):
            if not is_being_imported(folder):
                yield _leftover(folder)
        elif (folder / "spec.json").exists() or (folder / "metrics.jsonl").exists():
            yield from faults_of(RunDirectory(folder), folder.name)


def faults_of(run: RunDirectory, name: str) -> list[Fault]:
    """The faults of one run that should be called `name`."""
    try:
        spec = run.spec()
    except BenchError as error:
        path = run.path / "spec.json"
        return [Fault(path, str(error).removeprefix(f"{path}: "))]
    if run.is_locked():
        return []
    try:
        for path in run.path.glob("*.json*"):  # what cannot be read is not thereby damaged
            path.open("rb").close()
        found = _found(run, spec, name)
    except OSError as error:
        return [Fault(error.filename or run.path, of_system(error))]
    return [
        replace(each, fix=partial(_repair, run, name, each)) if each.fix else each for each in found
    ]


def _repair(run: RunDirectory, name: str, fault: Fault) -> None:
    """Repair what is still as it was found: the run may have continued since.

    Raises BusyError where another process holds it.
    """
    if not run.path.exists():  # set aside for another fault
        return
    with run.locked():
        for each in _found(run, run.spec(), name):
            if each.fix is not None and (each.where, each.what) == (fault.where, fault.what):
                each.fix()


def _found(run: RunDirectory, spec: RunSpec, name: str) -> list[Fault]:
    found = [_leftover(path) for path in run.leftovers()]
    if spec.run_id != name:
        found.append(Fault(run.path, f"its description is that of {spec.run_id}"))
    result, broken = _read_result(run)
    found += broken
    found += _faults_of_rows(run, spec.training.log_every, result)
    found += _faults_of_checkpoints(run, result)
    found += _faults_of_snapshots(run, result)
    found += _faults_of_evaluations(run)
    found += _faults_of_provenance(run, result)
    found += _faults_of_extras(run)
    return found


def _anew(run: RunDirectory, result: Result | None) -> tuple[Callable[[], None] | None, str]:
    """What to do about a run that can neither be continued nor believed."""
    if result is not None:
        return None, "move the run away, and `bench run` trains it anew"
    how = f"moving the run to {run.path.parent / ASIDE}; `bench run` trains it anew"
    return run.set_aside, how


def _faults_of_provenance(run: RunDirectory, result: Result | None) -> Iterator[Fault]:
    path = run.path / "provenance.json"
    try:
        if run.provenance() is None and result is not None:
            yield Fault(run.path, f"finished without a {path.name}", *_anew(run, result))
    except BenchError:
        yield Fault(path, "not a record of what made the run", *_anew(run, result))


def _faults_of_extras(run: RunDirectory) -> Iterator[Fault]:
    """Of files that are no part of the run and can be made again."""
    for name, read, again in (
        ("evaluation.json", run.evaluation, "`bench run FILE` writes it again"),
        ("probe.json", run.probe, "`bench probe` makes it again"),
        (classified.NAME, partial(classified.read, run), "`bench run FILE` makes it again"),
        (
            "slurm.json",
            partial(run.record, "slurm.json", "job"),
            "`bench run FILE` queues it again",
        ),
    ):
        try:
            read()
        except BenchError:
            path = run.path / name
            yield Fault(path, "damaged", path.unlink, f"removing it; {again}")


def _read_result(run: RunDirectory) -> tuple[Result | None, list[Fault]]:
    path = run.path / "result.json"
    try:
        return run.result(), []
    except BenchError:
        how = "removing it lets `bench run` finish the run from its last checkpoint"
        return None, [Fault(path, "not a result", path.unlink, how)]


def _faults_of_rows(run: RunDirectory, every: int, result: Result | None) -> Iterator[Fault]:
    path = run.path / "metrics.jsonl"
    text = path.read_bytes() if path.exists() else b""
    *lines, torn = text.split(b"\n")
    if torn:
        how = "cutting it off; the run writes it again"
        fix = partial(_truncate, path, len(text) - len(torn))
        yield Fault(path, "its last line is incomplete", fix, how, serious=result is not None)
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError:
            yield Fault(path, f"line {number} is not a row", *_anew(run, result))
            return
    steps = [row.step for row in rows if row.kind == "train"]
    # The step of a checkpoint has no row yet where a number of it was not finite.
    saved = [int(each.name[:8]) - 1 for each in weights.listed(run.checkpoints)]
    last = result.step if result is not None else max([*steps, *saved], default=0)
    # A run that failed for a number that is not finite has no row of that step.
    wanted = list(range(every, last + 1, every))
    if steps != wanted and not (
        result is not None and result.state == "failed" and steps == wanted[:-1]
    ):
        twice = len(steps) - len(set(steps))
        missing = len(set(wanted) - set(steps))
        what = f"{missing} steps missing, {twice} twice, of {len(wanted)} train rows"
        yield Fault(path, what, *_anew(run, result))


def _faults_of_checkpoints(run: RunDirectory, result: Result | None) -> Iterator[Fault]:
    paths = weights.listed(run.checkpoints)
    whole = [path for path in paths if is_whole(path)]
    for path in paths:
        if path not in whole:
            how = "removing it; the run continues from the one before" if result is None else ""
            safe = path.unlink if result is None or whole[-1:] > [path] else None
            yield Fault(path, "its bytes do not match its name", safe, how)
    try:
        digests.read(run.checkpoints)
    except BenchError:
        path, how = run.checkpoints / digests.NAME, "removing it; it serves comparisons alone"
        yield Fault(path, "not digests of weights", path.unlink, how)
    if result is None or not paths:  # `bench export --last` leaves them out
        return
    last = [path for path in whole if int(path.name[:8]) == result.step]
    if not last:
        yield Fault(run.checkpoints, f"no whole checkpoint of the last step, {result.step}")
    elif _weights_sha256(last[-1]) != result.weights_sha256:
        yield Fault(last[-1], "not the weights that result.json names")


def _faults_of_snapshots(run: RunDirectory, result: Result | None) -> Iterator[Fault]:
    steps = set()
    for path in weights.listed(run.snapshots):
        if is_whole(path):
            steps.add(int(path.name[:8]))
        else:
            how = "removing it; the other snapshots can still be judged"
            yield Fault(path, "its checksum does not match its name", path.unlink, how)
    if result is not None and result.state == "done" and result.step not in steps:
        yield Fault(run.snapshots, f"no whole snapshot of the last step, {result.step}")


def _faults_of_evaluations(run: RunDirectory) -> Iterator[Fault]:
    for path in sorted((run.path / FOLDER).glob("*.jsonl")):
        if not path.with_suffix(".json").exists():
            how = "removing it; `bench evaluate` writes it again"
            yield Fault(path, "rows of a judge without its record", path.unlink, how)
    for each in Evaluations.all(run.path):
        try:
            each.record()
            rows = each.rows()
        except BenchError as error:
            how = "removing it; `bench evaluate` writes it again"
            where, _, what = str(error).partition(";")[0].rpartition(": ")
            yield Fault(where, what, each.remove, how)
            continue
        for row in rows:
            if row.draw == 0 and not (run.samples / f"{row.step:08d}.png").exists():
                yield Fault(run.samples, f"no grid of step {row.step}", serious=False)


def faults_of_stores(cache: Path) -> Iterator[Fault]:
    """The faults of decoded stores; a store is rebuilt from the data when needed."""
    for folder in sorted((cache / "stores").glob("*")):
        if not is_store(folder) or is_held(folder.with_suffix(".lock")):  # being prepared
            continue
        fault = _leftover(folder) if folder.suffix == ".tmp" else _fault_of_store(folder)
        if fault is not None:
            yield replace(fault, fix=partial(_remove_store, folder))


def _remove_store(folder: Path) -> None:
    try:
        with FileLock(folder.with_suffix(".lock"), timeout=0):
            shutil.rmtree(folder)
    except Timeout:
        raise BusyError(f"{folder}: another process is preparing it") from None


def _fault_of_store(folder: Path) -> Fault | None:
    try:
        record = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images.npy holds {images.shape} {images.dtype}")
        wanted = record.get("images_sha256")
        if wanted is not None and wanted != sha256(folder / "images.npy"):
            raise ValueError("images.npy does not match its sum")
    except (OSError, EOFError, ValueError, AttributeError) as error:
        how = "removing it; the next run decodes the data again"
        return Fault(folder, f"damaged ({of_system(error)})", how=how)
    return None


def _leftover(path: Path) -> Fault:
    remove = partial(shutil.rmtree, path) if path.is_dir() else path.unlink
    return Fault(path, "left by a killed writer", remove, "removing it", serious=False)


def is_whole(path: Path) -> bool:
    """Whether the bytes of a checkpoint or snapshot are those it is named after, and readable."""
    data = path.read_bytes()
    if not weights.is_whole(path, data):
        return False
    try:
        _tensors(data)
    except SafetensorError:
        return False
    return True


def _weights_sha256(path: Path) -> str:
    """The same digest as in training/checkpoint.py, computed from the file."""
    prefix = "method/"
    digest = hashlib.sha256()
    tensors = _tensors(path.read_bytes())
    for name in sorted(tensors):
        if name.startswith(prefix):
            digest.update(name.removeprefix(prefix).encode())
            digest.update(tensors[name])
    return digest.hexdigest()


def _tensors(data: bytes) -> dict[str, bytes]:
    """By name, as bytes: NumPy has no bfloat16."""
    found = deserialize(data)  # type: ignore[no-untyped-call]  # safetensors gives it no types
    return {name: bytes(entry["data"]) for name, entry in found}


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
