"""The tidy results of one ablation under one profile, read from results/<ablation>/<profile>/."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmark.errors import BenchError
from benchmark.strict import Strict

FORMAT = 1
PROFILE_ORDER = ("paper", "short", "demo")
METRICS = ("kid", "kid_sd", "precision", "recall", "density", "coverage")
# Training columns beside the signal that a method may have; tables show them where they exist.
METHOD_COLUMNS = ("k", "ratio")
STATES = {"done", "failed", "stopped", "running", "queued"}
MEND = "run `bench run FILE` again, which writes these tables anew from the runs"


class ClaimTest(Strict):
    """How `column` should change as `over` grows."""

    column: str
    over: str
    direction: Literal["increasing", "decreasing", "none"]
    least_effect: float


class Claim(Strict):
    """A sentence at stake, written before the runs."""

    id: str
    says: str
    source: str
    test: ClaimTest


class DataRecord(Strict):
    """Which faces; title and fingerprint are null until a run has started."""

    title: str | None
    fingerprint: str | None
    view: str | None
    crop: int | None
    size: int
    broken: int


class EvaluationRecord(Strict):
    """What judged the samples, and how many of them."""

    features: str
    features_version: str
    input_size: int
    weights_sha256: str
    data: str
    reference: str
    samples: int
    kid_subsets: int
    kid_subset_size: int
    precision_recall_neighbours: int
    density_coverage_neighbours: int
    fidelity_version: str


class AblationRecord(Strict):
    """ablation.json: what every number of the tables depends on."""

    format: Literal[1]
    name: str
    question: str
    source: str | None
    profile: str
    swept: list[str]
    seeds: list[int]
    overrides: list[str]
    method: str
    settings: dict[str, Any] | None = None
    data: DataRecord
    steps: int
    batch: int
    signal: str
    distance: str
    evaluation: EvaluationRecord | None
    floor: dict[str, float] | None
    commits: list[str]
    devices: list[str]
    claims: list[Claim]


@dataclass(frozen=True)
class Cell:
    """The runs that differ in their seed alone."""

    values: tuple[str, ...]
    title: str
    runs: pd.DataFrame

    @property
    def done(self) -> pd.DataFrame:
        return self.runs[self.runs["state"] == "done"]


@dataclass(frozen=True)
class Results:
    """One ablation under one profile: its record and its tables."""

    folder: Path
    record: AblationRecord
    runs: pd.DataFrame
    train: pd.DataFrame
    evaluations: pd.DataFrame

    @cached_property
    def cells(self) -> list[Cell]:
        """In the order of runs.csv, which is that of the ablation's file."""
        keys = self.record.swept
        short = {key: key.rpartition(".")[2] for key in keys}
        if len(set(short.values())) < len(keys):
            short = {key: key for key in keys}
        cells = []
        for values, runs in self.runs.groupby(keys, sort=False):
            title = ", ".join(f"{short[k]} = {v}" for k, v in zip(keys, values, strict=True))
            cells.append(
                Cell(tuple(map(str, values)), title, runs.sort_values("seed", kind="stable"))
            )
        return cells

    @property
    def unfinished(self) -> pd.DataFrame:
        """The runs that did not end as planned, whatever the cause."""
        return self.runs[self.runs["state"] != "done"]


def read_all(results: Path) -> list[Results]:
    """Every results/<ablation>/<profile>/, by name, then paper, short, demo and others.

    Raises BenchError where there is nothing to report or a table cannot be read.
    """
    folders = [path.parent for path in results.glob("*/*/ablation.json")]
    if not folders:
        what = "holds no results" if results.is_dir() else "does not exist"
        raise BenchError(f"the results folder {results} {what}; `bench run FILE` writes it")
    return sorted((read(folder) for folder in folders), key=_order)


def read(folder: Path) -> Results:
    """The results in one folder. Raises BenchError where they are torn, foreign or incomplete."""
    record = _read_record(folder / "ablation.json")
    metrics = [record.signal, record.distance, *METRICS]
    runs = _read_table(
        folder / "runs.csv",
        text=["run_id", *record.swept, "state", "reason"],
        numbers=["seed", "step", *metrics],
    )
    _check_runs(folder / "runs.csv", runs, record)
    curves = {}
    for name, columns in (
        ("train.csv", [record.signal]),
        ("evaluations.csv", [record.distance, *METRICS]),
    ):
        curves[name] = _read_table(folder / name, ["run_id"], ["step", *columns])
        strangers = set(curves[name]["run_id"]) - set(runs["run_id"])
        if strangers:
            raise BenchError(f"{folder / name}: {min(strangers)} is not in runs.csv; {MEND}")
    return Results(folder, record, runs, curves["train.csv"], curves["evaluations.csv"])


def _order(results: Results) -> tuple[str, int, str]:
    name, profile = results.record.name, results.record.profile
    known = profile in PROFILE_ORDER
    return name, PROFILE_ORDER.index(profile) if known else len(PROFILE_ORDER), profile


def _read_record(path: Path) -> AblationRecord:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {MEND}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise BenchError(
            f"{path}: format {version!r}, and this version of bench reads format {FORMAT}; {MEND}"
        )
    try:
        return AblationRecord.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BenchError(f"{path}: {where}: {first['msg']}; {MEND}") from None


def _read_table(path: Path, text: list[str], numbers: list[str]) -> pd.DataFrame:
    """A CSV file with at least these columns; an empty text is '', an empty number NaN."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {MEND}") from None
    missing = [column for column in [*text, *numbers] if column not in table]
    if missing:
        raise BenchError(f"{path}: lacks the column {', '.join(missing)}; {MEND}")
    try:
        for column in [*numbers, *(c for c in METHOD_COLUMNS if c in table)]:
            table[column] = pd.to_numeric(table[column].replace("", np.nan))
    except ValueError as error:
        raise BenchError(f"{path}: {column}: {error}; {MEND}") from None
    return table


def _check_runs(path: Path, runs: pd.DataFrame, record: AblationRecord) -> None:
    """Each (cell, seed) once, in a known state."""
    unknown = sorted(set(runs["state"]) - STATES)
    if unknown:
        raise BenchError(f"{path}: {unknown[0]!r} is no state of a run; {MEND}")
    for columns in (["run_id"], [*record.swept, "seed"]):
        twice = runs[runs.duplicated(columns)]
        if len(twice):
            raise BenchError(f"{path}: {twice['run_id'].iloc[0]} is there twice; {MEND}")
