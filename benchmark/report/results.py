"""The tidy results of one ablation under one profile, read from results/<ablation>/<profile>/."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import BenchError
from benchmark.report.records import MEND, AblationRecord, CellRecord, SetupRecord, read_record

PROFILE_ORDER = ("paper", "short", "demo")
MEASURES = ("kid", "kid_sd", "precision", "recall", "density", "coverage", "sharpness", "spread")
STATES = {"done", "failed", "stopped", "running", "queued"}
# What describes a run. A hash may read like a number, so that these are never guessed.
TEXT = (
    *("run_id", "label", "cell", "method", "signal", "distance", "state", "reason"),
    *("weights_sha256", "commit", "data"),
)
LATER = ("instructions",)  # of the same kind, which earlier tables lack
NUMBERS = ("seed", "step", "collapsed_at", "best_step", "parameters", "wall_s", "cpu_s")


@dataclass(frozen=True)
class Cell:
    """The runs that differ in their seed alone."""

    record: CellRecord
    setup: SetupRecord
    rows: Sequence[dict[Any, Any]]  # its runs, one by one: a frame of a few is slow to work with

    @property
    def title(self) -> str:
        return self.record.cell

    @cached_property
    def runs(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    @cached_property
    def done(self) -> list[dict[Any, Any]]:
        return [run for run in self.rows if run["state"] == "done"]

    def values(self, column: str) -> list[float]:
        """Of the finished runs."""
        return [run[column] for run in self.done]

    @property
    def failed(self) -> int:
        return sum(run["state"] == "failed" for run in self.rows)

    @property
    def collapsed(self) -> int:
        """Runs that are collapsed at their last evaluation, whether they failed of it or not."""
        return sum(run["collapsed"] == 1 for run in self.rows)


@dataclass(frozen=True)
class Results:
    """One ablation under one profile: its record and its tables."""

    folder: Path
    record: AblationRecord
    runs: pd.DataFrame
    train: pd.DataFrame
    evaluations: pd.DataFrame
    repeats: pd.DataFrame
    probes: pd.DataFrame  # of the runs that were probed; empty where none was

    @cached_property
    def cells(self) -> list[Cell]:
        """In the plan's order, the runs of each by seed."""
        rows: defaultdict[str, list[dict[Any, Any]]] = defaultdict(list)
        for row in self.runs.sort_values("seed", kind="stable").to_dict("records"):
            rows[row["cell"]].append(row)
        setups = self.record.setups
        return [Cell(each, setups[each.setup], rows[each.cell]) for each in self.record.cells]

    @property
    def title(self) -> str:
        return f"{self.record.name}, profile {self.record.profile}"


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
    record = read_record(folder / "ablation.json")
    judged = [
        *(f"{d}{kind}" for d in record.distances for kind in ("", "_validation", "_infinite"))
    ]
    judged += [*MEASURES, "collapsed"]
    best = [f"best_{distance}" for distance in record.distances]
    noise = [f"noise_{column}" for column in judged]
    text = [*TEXT, *record.swept]
    needs = [*text, *NUMBERS, *record.signals, *judged, *best, *noise]
    runs = read_table(folder / "runs.csv", [*text, *LATER], needs)
    _check_runs(folder / "runs.csv", runs, record)
    curves = {}
    for name, needs in (
        ("train", ["step", *record.signals]),
        ("evaluations", ["step", *judged, *(f"heldout_{signal}" for signal in record.signals)]),
        ("repeats", ["draw", *judged]),
        ("probes", []),
    ):
        path = folder / f"{name}.csv"
        if name == "probes" and not path.is_file():
            curves[name] = pd.DataFrame(columns=["run_id"])
            continue
        curves[name] = read_table(path, ["run_id"], ["run_id", *needs])
        strangers = set(curves[name]["run_id"]) - set(runs["run_id"])
        if strangers:
            raise BenchError(f"{path}: {min(strangers)} is not in runs.csv; {MEND}")
    return Results(folder, record, runs, **curves)


def read_table(path: Path, text: list[str], needs: list[str]) -> pd.DataFrame:
    """A CSV file with at least the columns `needs`; an empty text is '', an empty number NaN.

    All columns but those of `text` hold numbers. Raises BenchError where that is not so.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {MEND}") from None
    missing = [column for column in needs if column not in table]
    if missing:
        raise BenchError(f"{path}: lacks the column {', '.join(missing)}; {MEND}")
    for column in table:
        if column in text:
            continue
        try:
            table[column] = pd.to_numeric(table[column].replace("", np.nan)).astype(np.float64)
        except ValueError as error:
            raise BenchError(f"{path}: {column}: {error}; {MEND}") from None
    return table


def _order(results: Results) -> tuple[str, int, str]:
    name, profile = results.record.name, results.record.profile
    known = profile in PROFILE_ORDER
    return name, PROFILE_ORDER.index(profile) if known else len(PROFILE_ORDER), profile


def _check_runs(path: Path, runs: pd.DataFrame, record: AblationRecord) -> None:
    """Each (cell, seed) once, in a known state, and the cells those of ablation.json."""
    unknown = sorted(set(runs["state"]) - STATES)
    if unknown:
        raise BenchError(f"{path}: {unknown[0]!r} is no state of a run; {MEND}")
    for columns in (["run_id"], ["cell", "seed"]):
        twice = runs[runs.duplicated(columns)]
        if len(twice):
            raise BenchError(f"{path}: {twice['run_id'].iloc[0]} is there twice; {MEND}")
    cells = {each.cell for each in record.cells}
    if cells != set(runs["cell"]):
        odd = min(cells ^ set(runs["cell"]))
        raise BenchError(f"{path}: the cell {odd!r} is not in ablation.json and here both; {MEND}")
    if any(not 0 <= each.setup < len(record.setups) for each in record.cells):
        raise BenchError(f"{path.with_name('ablation.json')}: a cell's setup is not there; {MEND}")
