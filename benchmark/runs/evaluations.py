"""Judges' evaluations of a run's snapshots: a file per judge, beside the run and no part of it.

<run>/evaluations/<features>-<digest>.json     the judge: a JudgeRecord
<run>/evaluations/<features>-<digest>.jsonl    one EvaluationRow a line

A row records its snapshot (by digest) and the version of each metric; a later row of the same
snapshot and draw adds columns, or replaces those of an older version. Rows are appended under a
lock, so that a training worker and `bench evaluate` may write at the same time.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import Field, ValidationError

from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.files import write_atomic
from benchmark.runs.directory import RunDirectory
from benchmark.runs.weights import listed
from benchmark.strict import Strict

FOLDER = "evaluations"


class JudgeRecord(Strict):
    """A judge's record, with all that its values depend on."""

    digest: str
    """SHA-256 over everything below except `made`, `floor`, `reference` and `store`."""
    settings: dict[str, Any]
    """`JudgeSettings.identity()`."""
    network: dict[str, Any]
    """The feature network: name, version, weights_sha256, input_size, width, domain."""
    parameters: dict[str, Any]
    """Parameters of the metrics: subsets, neighbours and the like."""
    reference: str
    """Fingerprint of the data that samples are compared with."""
    floor: dict[str, dict[str, float]]
    """By name ("real", "blurred"): the metrics of real images instead of generated ones."""
    store: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """Name of the decoded store of `reference_view`, so that `bench gc` keeps it."""
    made: float
    """Seconds since the epoch; of two records of the same settings the newer one counts."""


class EvaluationRow(Strict):
    """The metrics of one draw of samples from one snapshot."""

    step: int
    draw: int
    """0; further draws from the last snapshot are numbered from 1."""
    snapshot: str
    """Digest of the generator's weights (see training/snapshots.py)."""
    reference: str
    """Fingerprint of the data compared with."""
    versions: dict[str, str]
    """Version of each metric in `values`."""
    values: dict[str, float]
    time: float


class Evaluations:
    """One judge's evaluations of one run."""

    def __init__(self, run: Path, features: str, digest: str) -> None:
        name = f"{features.replace(':', '.')}-{digest[:12]}"
        self.path = run / FOLDER / f"{name}.jsonl"
        self._record = self.path.with_suffix(".json")

    @classmethod
    def of(cls, run: Path, settings: JudgeSettings) -> "Evaluations | None":
        """The evaluations by the judge with these settings, in its newest version; or None."""
        found = [each for each in cls.all(run) if each.record().settings == settings.identity()]
        return max(found, key=lambda each: each.record().made, default=None)

    @classmethod
    def all(cls, run: Path) -> "list[Evaluations]":
        """The evaluations by every judge that has any."""
        made = []
        for path in sorted((run / FOLDER).glob("*-*.json")):
            each = cls.__new__(cls)
            each.path, each._record = path.with_suffix(".jsonl"), path
            made.append(each)
        return made

    def record(self) -> JudgeRecord:
        """Raises BenchError where it is missing or damaged."""
        try:
            return JudgeRecord.model_validate_json(self._record.read_bytes())
        except FileNotFoundError:
            raise BenchError(f"{self._record}: missing; see `bench doctor`") from None
        except ValidationError:
            raise BenchError(f"{self._record}: damaged; see `bench doctor`") from None

    def write_record(self, record: JudgeRecord) -> None:
        """A known one keeps its date; its real images' scores follow the metrics' versions."""
        if self._record.exists():
            known = self.record()
            record = record.model_copy(update={"made": known.made})
            if record == known:
                return
        write_atomic(self._record, record.model_dump_json(indent=2).encode() + b"\n")

    def rows(self) -> list[EvaluationRow]:
        """One row for each (step, draw), by step; columns of several lines are merged.

        A line cut short by a kill is left out. Raises BenchError if another line is not a row.
        """
        merged: dict[tuple[int, int], EvaluationRow] = {}
        for row in self._lines():
            at, of = (row.step, row.draw), (row.snapshot, row.reference)
            if (before := merged.get(at)) and (before.snapshot, before.reference) == of:
                values, versions = (
                    {**before.values, **row.values},
                    {**before.versions, **row.versions},
                )
                row = row.model_copy(update={"values": values, "versions": versions})
            merged[at] = row
        return [merged[key] for key in sorted(merged)]

    def last(self) -> EvaluationRow | None:
        """Of the last snapshot judged, by its first draw of samples as tables have it; None where
        nothing was judged."""
        return next((row for row in reversed(self.rows()) if row.draw == 0), None)

    def missing(
        self, snapshot: str, reference: str, step: int, draw: int, versions: Mapping[str, str]
    ) -> list[str]:
        """The metrics of `versions` still missing for this snapshot and draw."""
        at = step, draw, snapshot, reference
        for row in self.rows():
            if (row.step, row.draw, row.snapshot, row.reference) == at:
                return [name for name, each in versions.items() if row.versions.get(name) != each]
        return list(versions)

    def remove(self) -> None:
        """Delete all of this judge's evaluations of the run."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def append(self, row: EvaluationRow) -> None:
        """Add a line, after removing a partial one left by a kill."""
        with self.locked():
            data = self.path.read_bytes() if self.path.exists() else b""
            whole = data.rpartition(b"\n")[0] + b"\n" if b"\n" in data else b""
            with self.path.open("r+b" if self.path.exists() else "wb") as file:
                file.truncate(len(whole))
                file.seek(len(whole))
                file.write(row.model_dump_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            yield

    def _lines(self) -> Iterator[EvaluationRow]:
        if not self.path.exists():
            return
        *lines, _ = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                yield EvaluationRow.model_validate_json(line)
            except ValidationError:
                raise BenchError(
                    f"{self.path}: line {number} is not a row; see `bench doctor`"
                ) from None


def pending(
    run: RunDirectory,
    settings: EvaluationSettings,
    versions: Mapping[str, Mapping[str, str]],
    networks: Mapping[str, str | None],
) -> list[str]:
    """The names of the judges that have not seen all snapshots of a run.

    `versions` are the versions of each judge's metrics, `networks` that of its feature network,
    None if not declared.
    """
    snapshots = [path.stem.partition("-") for path in listed(run.snapshots)]
    result = run.result()
    found = []
    for name, judge in settings.judges.items():
        rows = Evaluations.of(run.path, judge)
        seen: dict[tuple[str, int], dict[str, str]] = {}
        version = networks[name]
        if rows is not None and version in (None, rows.record().network.get("version")):
            seen = {(row.snapshot, row.draw): row.versions for row in rows.rows()}
        for step, _, digest in snapshots:
            last = result is not None and int(step) == result.step
            if judge.snapshots == "last" and not last:
                continue
            draws = range(1 + (settings.repeats if last else 0))
            if any(
                seen.get((digest, draw), {}).get(metric) != wanted
                for draw in draws
                for metric, wanted in versions[name].items()
            ):
                found.append(name)
                break
    return found


def new_row(
    step: int,
    draw: int,
    snapshot: str,
    reference: str,
    versions: Mapping[str, str],
    values: Mapping[str, float],
) -> EvaluationRow:
    """A row that is made now."""
    return EvaluationRow(
        step=step,
        draw=draw,
        snapshot=snapshot,
        reference=reference,
        versions=dict(versions),
        values=dict(values),
        time=time.time(),
    )


def digest_of(parts: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of JSON-like records, in hexadecimal."""
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()
