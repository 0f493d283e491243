"""The only reader of the tables in results/<ablation>/<profile>/, for claims, report and tools.

Swept keys are text and measured columns numbers. Absent values, as in an unfinished ablation, are
NaN.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmark.ablation.claims import SIGNALS, swept_text
from benchmark.errors import BenchError, InputError, of_system
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.faults import allowed
from benchmark.results.ends import collapsed, ends, judged_columns, metric_names
from benchmark.results.places import ENDED, run_tables
from benchmark.results.schema import (
    FORMAT,
    IMAGES,
    REQUIRED,
    TEXT,
    WHOLE,
    AblationRecord,
    CellRecord,
    JudgeEntry,
    SetupRecord,
    table_path,
)
from benchmark.spec import RunSpec
from benchmark.text import counted

REWRITE = "`bench run FILE` or `bench sync FILE` writes these tables from the runs"
Row = dict[str, Any]


@contextmanager
def readable(path: Path, then: str = f"; {REWRITE}") -> Iterator[None]:
    """Raises BenchError where `path`, which is read within, is damaged or closed."""
    try:
        yield
    except (OSError, ValueError, EOFError, zlib.error) as error:
        why = of_system(error)
        if isinstance(error, ValidationError):
            why = counted(error.error_count(), "fault")
        raise BenchError(f"{path}: cannot be read ({why}){then}") from None


@dataclass(frozen=True)
class Cell:
    """The runs that differ only in their seed."""

    record: CellRecord
    setup: SetupRecord
    floors: Mapping[str, Mapping[str, float]]  # of the judge whose metrics are the columns
    rows: Sequence[Row]  # its runs, by seed: small data frames are slow

    @property
    def title(self) -> str:
        return self.record.cell

    @property
    def run_ids(self) -> list[str]:
        return [run["run_id"] for run in self.rows]

    @cached_property
    def done(self) -> list[Row]:
        return [run for run in self.rows if run["state"] == "done"]

    @property
    def planned(self) -> int:
        """All its runs, finished or not, those lent by other ablations included."""
        return len(self.rows)

    def values(self, column: str) -> list[float]:
        """Values of the finished runs; NaN where one is missing."""
        return [run.get(column, np.nan) for run in self.done]

    @property
    def failed(self) -> int:
        return sum(run["state"] == "failed" for run in self.rows)

    @property
    def collapsed(self) -> int:
        """Runs that are collapsed at their last evaluation, whether or not they failed."""
        return sum(run.get("collapsed") == 1 for run in self.rows)


@dataclass(frozen=True)
class Tables:
    """One ablation under one profile, its metrics being those of one `judge`."""

    folder: Path
    record: AblationRecord
    judge: str
    runs: pd.DataFrame
    train: pd.DataFrame
    heldout: pd.DataFrame
    evaluations: pd.DataFrame  # of all judges and draws
    probes: pd.DataFrame

    @property
    def title(self) -> str:
        """The name, with the folder if that has another name: a copy, or runs with --set."""
        found = f"{self.record.name}, profile {self.record.profile}"
        place = (self.folder.parent.name, self.folder.name)
        named = (self.record.name, self.record.profile)
        return found if place == named else f"{found}, in {'/'.join(place)}"

    @property
    def entry(self) -> JudgeEntry:
        """The judge whose metrics are the columns."""
        return next(each for each in self.record.judges if each.name == self.judge)

    @property
    def swept(self) -> list[str]:
        return [key for key in self.record.swept if key in self.runs]

    @property
    def metrics(self) -> list[str]:
        """The metrics reported by any judge, in the tables' order."""
        return metric_names(self.evaluations)

    @cached_property
    def cells(self) -> list[Cell]:
        """In the plan's order, the runs of each by seed."""
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        records: list[Any] = self.runs.sort_values("seed", kind="stable").to_dict("records")
        for row in records:
            rows[row["cell"]].append(row)
        found = []
        for each in self.record.cells:
            setup = self.record.setups[each.setup]
            found.append(Cell(each, setup, setup.floors.get(self.judge, {}), rows[each.cell]))
        return found

    @property
    def done(self) -> pd.DataFrame:
        return self.runs[self.runs["state"] == "done"]

    @property
    def ended(self) -> "dict[str, RecordedRun]":
        """The finished runs by their ids."""
        records: list[Any] = self.runs[self.runs["state"].isin(ENDED)].to_dict("records")
        return {row["run_id"]: RecordedRun(self, row) for row in records}

    @property
    def networks(self) -> "Tables":
        """Without runs whose final weights are those of an earlier one: no more evidence."""
        weights = self.runs["weights_sha256"]
        again = weights.duplicated() & (weights != "")
        return replace(self, runs=self.runs[~again]) if again.any() else self

    def by_method(self) -> "Iterator[tuple[str, Tables]]":
        """In the order of the runs."""
        for method, runs in self.runs.groupby("method", sort=False):
            yield str(method), replace(self, runs=runs)

    @property
    def seeds(self) -> "pd.Series[int]":
        """The seed of each run, by its id."""
        return self.runs.set_index("run_id")["seed"]

    def for_judge(self, name: str) -> "Tables":
        """The same runs with another judge's metrics for columns, so that claims may be judged."""
        if name == self.judge:
            return self
        below = self.record.evaluation.collapse_below
        last_steps = dict(zip(self.done["run_id"], self.done["step"], strict=True))
        theirs = ends(self.evaluations, name, below, last_steps)
        own = [column for column in self.runs if column not in judged_columns(self.metrics)]
        return replace(
            self, judge=name, runs=self.runs[own].join(theirs, "run_id", validate="many_to_one")
        )

    def only(self, where: Mapping[str, Any]) -> "Tables":
        """The runs whose swept keys have these values."""
        kept = self.runs
        for key, value in where.items():
            kept = kept[kept[key] == swept_text(value)] if key in kept else kept.iloc[:0]
        return replace(self, runs=kept)

    def shown(self, column: str) -> str:
        """The column that an alias stands for in every run here, or the alias if runs differ."""
        names = {column.replace("signal", name) for name in self.runs["signal"]}
        return names.pop() if column in SIGNALS and len(names) == 1 else column

    @cached_property
    def judged(self) -> pd.DataFrame:
        """One row an evaluation of these runs by the judge, in order of step."""
        rows = self.evaluations
        mine = (rows["judge"] == self.judge) & (rows["draw"] == 0)
        mine &= rows["run_id"].isin(self.runs["run_id"])
        rows = rows[mine].drop(columns=["judge", "draw"]).sort_values("step", kind="stable")
        return rows.assign(collapsed=collapsed(rows, self.record.evaluation.collapse_below))

    @cached_property
    def points(self) -> pd.DataFrame:
        """`judged`, with other values measured up to then, and the aliases of ablation/claims.py.

        Training columns are means over the training rows since the evaluation before.
        """
        points = self.judged.merge(self.heldout, "left", ["run_id", "step"])
        points = points.merge(self._windows(points), "left", ["run_id", "step"], suffixes=("", "_"))
        points = points.merge(self.runs[["run_id", "cell", "state"]], "left", "run_id")
        return points.assign(
            signal=self._own(points, "signal"), heldout_signal=self._own(points, "heldout_signal")
        )

    def _windows(self, judged: pd.DataFrame) -> pd.DataFrame:
        """Means of the training rows up to each evaluation since the one before."""
        steps = judged[["run_id", "step"]].assign(_until=judged["step"])
        rows = pd.merge_asof(
            self.train.sort_values("step", kind="stable"),
            steps,
            on="step",
            by="run_id",
            direction="forward",
        ).dropna(subset=["_until"])
        means = rows.drop(columns="step").groupby(["run_id", "_until"], as_index=False).mean()
        return means.rename(columns={"_until": "step"})

    def _own(self, table: pd.DataFrame, alias: str) -> "pd.Series[float]":
        """In each row of a table of these runs, the signal of the run's method."""
        found = pd.Series(np.nan, table.index)
        signals = table["run_id"].map(self.runs.set_index("run_id")["signal"])
        for name in signals.dropna().unique():
            column, rows = alias.replace("signal", name), signals == name
            if column in table:
                found[rows] = table.loc[rows, column].astype(float)
        return found

    def values(self, column: str) -> "pd.Series[float]":
        """One number a run, at its end: `column` may be an alias of ablation/claims.py.

        NaN where a run has none, such as `broken` for an unfinished run.
        """
        runs = self.runs
        failed = (runs["state"] == "failed").astype(float).where(runs["state"].isin(ENDED))
        if column == "failed":
            return failed
        if column == "broken":
            collapsed = runs.get("collapsed", pd.Series(np.nan, runs.index))
            # Of a run that nobody judged it is unknown, unless it failed.
            known = failed.where((failed == 1) | collapsed.notna())
            return known.mask((collapsed == 1) & failed.notna(), 1.0)
        found = self._own(runs, column) if column in SIGNALS else runs.get(column)
        if found is None and column in self.probes:
            found = runs["run_id"].map(self.probes.set_index("run_id")[column])
        if found is None:
            found = pd.Series(np.nan, runs.index)
        return found.astype(float).where(runs["state"] == "done")

    def curves(self, column: str) -> pd.DataFrame:
        """(run_id, step, value) of a training, held-out or evaluation column, or an alias."""
        tables = [self.train, self.heldout, self.judged]
        if column in SIGNALS:
            rows = self.train if column == "signal" else self.heldout
            tables = [rows[["run_id", "step"]].assign(**{column: self._own(rows, column)})]
        empty = pd.DataFrame({"run_id": [], "step": [], column: []})
        table = next((each for each in tables if column in each), empty)
        mine = table["run_id"].isin(self.runs["run_id"])
        return (
            table.loc[mine, ["run_id", "step", column]].dropna().rename(columns={column: "value"})
        )

    def by_run(self, name: str) -> Mapping[str, list[Row]]:
        """The rows of each run in train, heldout, evaluations or probes."""
        if name not in self._rows:
            rows = self._rows[name] = defaultdict(list)
            for row in getattr(self, name).to_dict("records"):
                rows[row["run_id"]].append(row)
        return self._rows[name]

    @cached_property
    def _rows(self) -> dict[str, defaultdict[str, list[Row]]]:
        """Of `by_run`."""
        return {}


@dataclass(frozen=True)
class RecordedRun:
    """A finished run as recorded in the tables, for use without its folder."""

    tables: Tables
    row: Mapping[str, Any]  # of runs.csv

    @property
    def run_id(self) -> str:
        return str(self.row["run_id"])

    @property
    def folder(self) -> Path:
        return self.tables.folder

    @property
    def record(self) -> AblationRecord:
        return self.tables.record

    @property
    def last(self) -> int:
        """The last step that has a row."""
        return int(self.row["step"])

    @property
    def cell(self) -> CellRecord:
        return next(each for each in self.record.cells if each.cell == self.row["cell"])

    @property
    def setup(self) -> SetupRecord | None:
        """Its data; None if they differ from its cell's and so are unknown."""
        known = self.run_id not in self.cell.differing
        return self.record.setups[self.cell.setup] if known else None

    def spec(self) -> RunSpec:
        """Rebuilt from ablation.json. Raises BenchError where this version cannot."""
        settings: dict[str, Any] = {"seed": int(self.row["seed"])}
        for key, value in {**self.record.settings, **self.cell.settings}.items():
            *blocks, name = key.split(".")
            block = settings
            for each in blocks:
                block = block.setdefault(each, {})
            block[name] = value
        path, way_out = self.folder / "ablation.json", f"take the code of {self.row['commit']}"
        try:
            spec = RunSpec.from_json(json.dumps(settings))
        except ValidationError as error:
            raise BenchError(
                f"{path}: {self.run_id} is not a run of this version ({error.error_count()}"
                f" faults); {way_out}"
            ) from None
        if spec.run_id != self.run_id:
            raise BenchError(f"{path}: describes {spec.run_id} and not {self.run_id}; {way_out}")
        return spec

    def evaluation(self) -> EvaluationSettings:
        """Which snapshots it kept, and who judged them."""
        asked: dict[str, JudgeEntry] = {}
        for each in self.record.judges:  # the first of two versions of one judge
            asked.setdefault(json.dumps(each.settings.identity()), each)
        judges = {each.name: each.settings for each in asked.values()}
        return EvaluationSettings.model_validate(
            {**self.record.evaluation.model_dump(), "judges": judges}
        )

    def rows(self, table: str) -> list[Row]:
        """The run's rows in train, heldout, evaluations or probes, in the file's order."""
        return self.tables.by_run(table).get(self.run_id, [])


def read_tables(folder: Path) -> Tables:
    """Raises InputError where there are none, BenchError where they are damaged, contradict one
    another or are of another format."""
    record = read_record(folder)
    frames = {
        name: _read(table_path(folder, name), needs, record.swept if name == "runs" else ())
        for name, needs in REQUIRED.items()
    }
    runs = frames["runs"]
    _check(folder, record, runs)
    # From ablation.json, as a CSV cannot tell the word "1" from the number.
    points = {each.cell: each.point for each in record.cells}
    for key in record.swept:
        runs[key] = [swept_text(points[cell][key]) for cell in runs["cell"]]
    for name, table in frames.items():
        unknown = set(table["run_id"]) - set(runs["run_id"])
        if unknown:
            raise BenchError(
                f"{table_path(folder, name)}: {min(unknown)} is not in runs.csv; {REWRITE}"
            )
    return Tables(folder, record, record.headline.name, **frames)


def read_record(folder: Path) -> AblationRecord:
    """The ablation.json in `folder`; raises as `read_tables` does."""
    path = folder / "ablation.json"
    with readable(path):
        if not path.exists():
            raise InputError(f"{folder}: no tables here; {REWRITE}")
        found = json.loads(path.read_text(encoding="utf-8"))
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise BenchError(
            f"{path}: format {version!r}, and this version of bench reads format {FORMAT};"
            f" {REWRITE}"
        )
    try:
        record = AblationRecord.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BenchError(f"{path}: {where}: allowed: {allowed(first)}; {REWRITE}") from None
    swept, setups = {*record.swept}, range(len(record.setups))
    if not record.judges or any(c.setup not in setups or swept - {*c.point} for c in record.cells):
        raise BenchError(f"{path}: a judge or a cell's setup or swept value is missing; {REWRITE}")
    return record


def read_all(results: Path, damaged: dict[Path, str] | None = None) -> list[Tables]:
    """Every results/<ablation>/<profile>/, by name, demonstrations after findings.

    Raises BenchError if there is nothing to read or a table cannot be read. With `damaged`, only if
    no folder can be read; unreadable ones are entered there with the reason.
    """
    signs = [*results.glob("*/*/ablation.json"), *results.glob("*/*/runs.csv")]
    folders = sorted({path.parent for path in signs})
    if not folders:
        what = "holds no results" if results.is_dir() else "does not exist"
        raise BenchError(f"the results folder {results} {what}; `bench run FILE` writes it")
    found: list[Tables] = []
    faults: dict[Path, BenchError] = {}
    for folder in folders:
        try:
            found.append(read_tables(folder))
        except BenchError as error:
            faults[folder] = error
    if faults and (damaged is None or not found):
        raise next(iter(faults.values()))
    if damaged is not None:
        damaged |= {folder: str(error) for folder, error in faults.items()}
    return sorted(found, key=lambda t: (t.record.name, not t.record.finding, t.record.profile))


def find_recorded(name: str, results: Path) -> RecordedRun | None:
    """The finished run with an id or an unambiguous prefix of it, or None."""
    places: dict[str, Path] = {}
    for path in run_tables(results):
        runs = _parsed(path, str)
        _refuse_gaps(path, runs, ("run_id", "state"))
        for run_id in runs.loc[runs["state"].isin(ENDED), "run_id"]:
            places.setdefault(run_id, path.parent)
    found = [name] if name in places else [each for each in places if each.startswith(name)]
    return read_tables(places[found[0]]).ended[found[0]] if len(found) == 1 else None


def read_evidence(folder: Path, name: str, needs: Sequence[str] = ()) -> pd.DataFrame | None:
    """A table of the evidence as text, with at least these columns; None if it does not exist."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        return None
    table = _parsed(path, str)
    _refuse_gaps(path, table, needs)
    return table


def read_images(folder: Path) -> pd.DataFrame:
    """images.csv, one row per external image set and judge; empty if it does not exist."""
    path = folder / "images.csv"
    return _read(path, IMAGES) if path.is_file() else pd.DataFrame(columns=IMAGES)


def _read(path: Path, needs: Sequence[str], swept: Sequence[str] = ()) -> pd.DataFrame:
    text, whole = TEXT & {*needs} | {*swept}, WHOLE & {*needs}
    table = _parsed(path, lambda c: str if c in text else int if c in whole else float)
    _refuse_gaps(path, table, [*needs, *swept])
    return table


def _parsed(path: Path, kind: Any) -> pd.DataFrame:
    """A CSV file; `kind` is the type of all columns, or maps a column to its type. Empty numbers
    are NaN."""
    with readable(path):
        columns = pd.read_csv(path, nrows=0).columns
        kinds = {each: kind if isinstance(kind, type) else kind(each) for each in columns}
        return pd.read_csv(
            path,
            dtype=kinds,
            keep_default_na=False,
            na_values={each: ["", "nan"] for each, of in kinds.items() if of is float},
        )


def _refuse_gaps(path: Path, table: pd.DataFrame, needs: Sequence[str]) -> None:
    missing = [column for column in needs if column not in table]
    if missing:
        raise BenchError(f"{path}: lacks the column {', '.join(missing)}; {REWRITE}")


def _check(folder: Path, record: AblationRecord, runs: pd.DataFrame) -> None:
    for columns in (["run_id"], ["cell", "seed"]):
        twice = runs[runs.duplicated(columns)]
        if len(twice):
            raise BenchError(
                f"{folder / 'runs.csv'}: {twice['run_id'].iloc[0]} occurs twice; {REWRITE}"
            )
    odd = {each.cell for each in record.cells} ^ set(runs["cell"])
    if odd:
        raise BenchError(
            f"{folder / 'runs.csv'}: the cell {min(odd)!r} is not in ablation.json and here both;"
            f" {REWRITE}"
        )
