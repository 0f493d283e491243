"""Finished runs as the tables of results/ hold them, for whoever has not the runs' folders."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from benchmark.errors import BenchError, InputError
from benchmark.runs.directory import Kind, Row
from benchmark.spec import RunSpec

FORMAT = 2  # of ablation.json
CURVES: Mapping[Kind, str] = {"train": "train", "eval": "evaluations", "repeat": "repeats"}
_ENDED = ("done", "failed")
_KEYS = ("run_id", "step")  # columns that are no values of a row


@dataclass(frozen=True)
class Published:
    """One row of a runs.csv, and what the tables beside it say of that run."""

    tables: "_Tables" = field(repr=False)
    row: Mapping[str, str]

    @classmethod
    def all(cls, folder: Path) -> list[Self]:
        """The finished runs of one ablation's tables; raises InputError without a table."""
        tables = _Tables(folder)
        return [cls(tables, row) for row in tables.runs if row.get("state") in _ENDED]

    @classmethod
    def by_id(cls, folder: Path) -> dict[str, Self]:
        """The same by their ids; none where there is no table yet."""
        there = (folder / "runs.csv").exists()
        return {run.run_id: run for run in cls.all(folder)} if there else {}

    @classmethod
    def find(cls, name: str, results: Path) -> Self | None:
        """The finished run of an id, or of its unmistakable beginning; of the first that has it."""
        tables = sorted(path.parent for path in results.glob("*/*/runs.csv"))
        runs = {run.run_id: run for folder in reversed(tables) for run in cls.all(folder)}
        found = [run for run_id, run in runs.items() if run_id.startswith(name)]
        return runs.get(name) or (found[0] if len(found) == 1 else None)

    @property
    def folder(self) -> Path:
        """results/<ablation>/<profile>."""
        return self.tables.folder

    @property
    def run_id(self) -> str:
        return self.row["run_id"]

    @property
    def last(self) -> int:
        """The last step that has a row."""
        return int(self.row["step"])

    @property
    def record(self) -> dict[str, Any]:
        """The ablation.json beside the row; raises BenchError where it is not there."""
        return self.tables.record

    @property
    def cell(self) -> dict[str, Any]:
        """Of ablation.json, what the runs of this one's cell share."""
        cells: list[dict[str, Any]] = self.record["cells"]
        return next(cell for cell in cells if cell["cell"] == self.row["cell"])

    @property
    def setup(self) -> dict[str, Any] | None:
        """The faces and the judge; None where they are not those of the cell, hence not told."""
        known = self.run_id not in self.cell["differing"]
        return self.record["setups"][self.cell["setup"]] if known else None

    def spec(self) -> RunSpec:
        """The description, rebuilt from ablation.json; its id is that of the row.

        Raises BenchError where this version cannot rebuild it.
        """
        settings: dict[str, Any] = {"seed": int(self.row["seed"])}
        for key, value in {**self.record["settings"], **self.cell["settings"]}.items():
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

    def rows(self) -> list[Row]:
        """Its metrics, to the digits that the tables hold, in order of step; no row has a time."""
        found = []
        for kind, name in CURVES.items():
            for row in self.tables.rows(name).get(self.run_id, ()):
                values = {
                    key: float(text) for key, text in row.items() if text and key not in _KEYS
                }
                step = int(row.get("step", self.last))
                found.append(Row(step=step, kind=kind, time=0.0, values=values))
        return sorted(found, key=lambda row: row.step)

    def probe(self) -> dict[str, float]:
        """What `bench probe` found, if it was asked."""
        (row,) = self.tables.rows("probes").get(self.run_id, [{}])
        return {key: float(text) for key, text in row.items() if text and key != "run_id"}

    def columns(self, kind: Kind) -> set[str]:
        """The values that the tables hold of rows of a kind."""
        return set(self.tables.header(CURVES[kind])) - {*_KEYS}


@dataclass(frozen=True)
class _Tables:
    """The files of one folder, each read once."""

    folder: Path
    _read: dict[str, tuple[Sequence[str], dict[str, list[dict[str, str]]]]] = field(
        default_factory=dict
    )

    @property
    def runs(self) -> list[dict[str, str]]:
        return [row for rows in self.rows("runs").values() for row in rows]

    @cached_property
    def record(self) -> dict[str, Any]:
        path = self.folder / "ablation.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BenchError(f"{path}: missing or damaged; `bench sync` writes it anew") from None
        if record.get("format") != FORMAT:
            raise BenchError(
                f"{path}: format {record.get('format')!r}, and this version of bench reads format "
                f"{FORMAT}; move {self.folder} away, or take the code of its runs' commit"
            )
        return record

    def header(self, name: str) -> Sequence[str]:
        return self._table(name)[0]

    def rows(self, name: str) -> dict[str, list[dict[str, str]]]:
        """Of <name>.csv, by the run's id, in the file's order."""
        return self._table(name)[1]

    def _table(self, name: str) -> tuple[Sequence[str], dict[str, list[dict[str, str]]]]:
        if name not in self._read:
            path = self.folder / f"{name}.csv"
            if not path.exists():
                raise InputError(f"{path}: no such table; `bench run` or `bench sync` writes it")
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                rows: dict[str, list[dict[str, str]]] = {}
                for row in reader:
                    rows.setdefault(row["run_id"], []).append(row)
                self._read[name] = (reader.fieldnames or (), rows)
        return self._read[name]
