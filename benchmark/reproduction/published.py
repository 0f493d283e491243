"""A run as the tables of results/ hold it, for whoever has a clone and not the run's folder."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ValidationError

from benchmark.analysis.tidy import DIGITS, first_rows
from benchmark.errors import BenchError, InputError
from benchmark.reproduction.comparison import Comparison, Key, by_key, compare_pixels, compare_rows
from benchmark.runs.directory import RunDirectory
from benchmark.runs.show import inline, last_row
from benchmark.spec import RunSpec

_ENDED = ("done", "failed")
_TEXT = ("run_id", "step", "draw")  # columns that are no measured values


@dataclass(frozen=True)
class Published:
    """One row of a runs.csv, and what the tables beside it say of that run."""

    folder: Path  # results/<ablation>/<profile>
    row: dict[str, str]

    @classmethod
    def all(cls, folder: Path) -> list[Self]:
        """The finished runs of one ablation's tables; raises InputError without a table."""
        return [cls(folder, row) for row in _table(folder, "runs") if row.get("state") in _ENDED]

    @classmethod
    def find(cls, name: str, results: Path) -> Self | None:
        """The finished run of an id, or of its unmistakable beginning; of the first that has it."""
        tables = sorted(path.parent for path in results.glob("*/*/runs.csv"))
        runs = {run.run_id: run for folder in reversed(tables) for run in cls.all(folder)}
        found = [run for run_id, run in runs.items() if run_id.startswith(name)]
        return runs.get(name) or (found[0] if len(found) == 1 else None)

    @classmethod
    def only_here(cls, folder: Path, runs: Path) -> set[str]:
        """Finished runs of these tables whose folders `runs` lacks; none without a table."""
        found = cls.all(folder) if (folder / "runs.csv").exists() else []
        return {run.run_id for run in found if not RunDirectory(runs / run.run_id).result()}

    @property
    def run_id(self) -> str:
        return self.row["run_id"]

    @property
    def last(self) -> int:
        """The last step that has a row."""
        return int(self.row["step"])

    def spec(self) -> RunSpec:
        """The description, rebuilt from ablation.json; its id is that of the row.

        Raises BenchError where this version cannot rebuild it.
        """
        record = self._record()
        settings: dict[str, Any] = {"seed": int(self.row["seed"])}
        for key, value in {**record["settings"], **self._cell(record)["settings"]}.items():
            *blocks, name = key.split(".")
            block = settings
            for each in blocks:
                block = block.setdefault(each, {})
            block[name] = value
        try:
            spec = RunSpec.from_json(json.dumps(settings))
        except ValidationError as error:
            raise BenchError(
                f"{self.folder / 'ablation.json'}: {self.run_id} is not a run of this version "
                f"({error.error_count()} faults); take the code of commit {self.row['commit']}"
            ) from None
        if spec.run_id != self.run_id:
            raise BenchError(
                f"{self.folder / 'ablation.json'}: describes {spec.run_id} and not {self.run_id}; "
                f"take the code of commit {self.row['commit']}"
            )
        return spec

    def provenance(self) -> dict[str, Any]:
        """As much as the tables hold of what made it, in the form of provenance.json."""
        record = self._record()
        cell = self._cell(record)
        setup = record["setups"][cell["setup"]]
        found: dict[str, Any] = {
            "code": {"commit": self.row["commit"]},
            "data": {"title": setup["data"]["title"], "fingerprint": self.row["data"]},
        }
        if self.run_id not in cell["differing"]:
            found["evaluation"] = setup["evaluation"]
        if len(record["devices"]) == 1:
            found["device"] = record["devices"][0]
        if self.row.get("instructions"):
            found["instructions"] = self.row["instructions"]
        return found

    def describe(self) -> Iterator[str]:
        """Lines, for people: what it is and what came of it, as far as the tables say."""
        spec = self.spec()
        how = f"{self.row['state']}, step {self.last} of {spec.training.steps}"
        yield f"{self.run_id}: {how}, as {self.folder} says"
        if self.row["reason"]:
            yield f"  reason: {self.row['reason']}"
        yield f"  weights: {self.row['weights_sha256']}"
        yield f"  time: {self.row['wall_s']} s on the wall, {self.row['cpu_s']} s of processor"
        for block, settings in spec.model_dump(mode="json").items():
            yield f"{block}: {inline(settings)}"
        yield "made by:"
        for key, value in self.provenance().items():
            yield f"  {key}: {inline(value)}"
        for kind, name in (("train", "train"), ("eval", "evaluations")):
            rows = [row for row in _table(self.folder, name) if row["run_id"] == self.run_id]
            if rows:
                values = {k: float(v) for k, v in rows[-1].items() if v and k not in _TEXT}
                yield last_row(kind, int(rows[-1]["step"]), values)

    def compare(self, again: RunDirectory, last: int, tolerance: float) -> Comparison:
        """All that the tables hold of the steps up to `last`, to the digits that they hold."""
        found = Comparison(last, tolerance)
        then, columns = self._rows(last)
        now = {
            key: {
                name: float(f"{value:.{DIGITS}g}")
                for name, value in values.items()
                if name in columns[key[1]] and not math.isnan(value)  # an empty cell is either
            }
            for key, values in by_key(again.rows(), last).items()
        }
        compare_rows(then, now, found)
        if last == self.last:
            self._compare_end(again, found)
        return found

    def _rows(self, last: int) -> tuple[dict[Key, dict[str, float]], dict[str, set[str]]]:
        """Values by step, kind and draw, and each kind's columns."""
        rows: dict[Key, dict[str, float]] = {}
        columns: dict[str, set[str]] = {}
        for kind, name in (("train", "train"), ("eval", "evaluations"), ("repeat", "repeats")):
            table = _table(self.folder, name)
            columns[kind] = set(table[0] if table else ()) - {*_TEXT}
            for row in table:
                step, draw = int(row.get("step", self.last)), float(row.get("draw", 0))
                if row["run_id"] == self.run_id and step <= last:
                    values = {each: float(row[each]) for each in columns[kind] if row[each]}
                    rows[step, kind, draw] = values
        return rows, columns

    def _compare_end(self, again: RunDirectory, found: Comparison) -> None:
        """The last weights by their hash, and the rows of samples that are kept of them."""
        result = again.result()
        found.weights += 1
        if result is None or (result.weights_sha256 or "") != self.row["weights_sha256"]:
            found.bits = False
            if found.tolerance == 0:  # a hash cannot tell how far apart
                found.saw(self.last, "hash of the weights", np.inf)
        path = self.folder / "samples" / f"{self.run_id}.png"
        grids = sorted(again.samples.glob("*.png"))
        if path.exists() and grids:
            found.grids += 1
            kept = io.BytesIO(first_rows(grids[-1], again.spec().data.size))
            compare_pixels(self.last, path, kept, found)

    def _record(self) -> dict[str, Any]:
        path = self.folder / "ablation.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BenchError(f"{path}: missing or damaged; `bench sync` writes it anew") from None
        return record

    def _cell(self, record: dict[str, Any]) -> dict[str, Any]:
        cells: list[dict[str, Any]] = record["cells"]
        return next(cell for cell in cells if cell["cell"] == self.row["cell"])


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / f"{name}.csv"
    if not path.exists():
        raise InputError(f"{path}: no such table; `bench run` or `bench sync` writes it")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
