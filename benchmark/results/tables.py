"""The tables of results/<ablation>/<profile>/ as the analysis reads them.

It copes with tables of unfinished ablations and of earlier versions: what a table lacks is missing
(NaN), never an error, as long as there are runs with an id, a seed and a state.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.ablation.claims import DISTANCES, SIGNALS, column_name, swept_text
from benchmark.errors import InputError

TEXT = (
    *("run_id", "label", "cell", "method", "signal", "distance", "state", "reason", "commit"),
    *("data", "weights_sha256", "instructions"),
)
ALIASES = (*DISTANCES[:-1], *SIGNALS)
MEND = "`bench run FILE` or `bench sync FILE` writes these tables from the runs"


@dataclass(frozen=True)
class Tables:
    """One ablation under one profile. Swept keys are text, measured columns are numbers."""

    record: Mapping[str, Any]
    runs: pd.DataFrame
    train: pd.DataFrame
    evaluations: pd.DataFrame

    @property
    def swept(self) -> list[str]:
        return [key for key in self.record.get("swept", []) if key in self.runs]

    def shown(self, column: str) -> str:
        """The column that an alias means in every run here, or the alias where runs differ."""
        names = {column_name(column, *names) for names in self._names()}
        return names.pop() if len(names) == 1 else column

    def _names(self) -> "dict[tuple[str, str], pd.Index[int]]":
        """The runs by the names of their distance and their signal."""
        groups = self.runs.groupby(["distance", "signal"]).groups
        return {(str(pair[0]), str(pair[1])): rows for pair, rows in groups.items()}  # type: ignore[index]

    def _resolved(self, table: pd.DataFrame, alias: str) -> "pd.Series[float]":
        """What an alias means in each row of a table of these runs; NaN where it is not there."""
        found = pd.Series(np.nan, table.index)
        for (distance, signal), runs in self._names().items():
            column = column_name(alias, distance, signal)
            if column in table:
                rows = table["run_id"].isin(self.runs.loc[runs, "run_id"])
                found[rows] = table.loc[rows, column].astype(float)
        return found

    @property
    def done(self) -> pd.DataFrame:
        return self.runs[self.runs["state"] == "done"]

    @property
    def networks(self) -> "Tables":
        """Without the runs that ended with the very weights of an earlier one.

        A departure that never acts leaves the same networks, which are no further evidence.
        """
        if "weights_sha256" not in self.runs:
            return self
        weights = self.runs["weights_sha256"]
        again = weights.duplicated() & weights.notna() & (weights != "")
        return replace(self, runs=self.runs[~again]) if again.any() else self

    @property
    def seeds(self) -> "pd.Series[int]":
        """The seed of each run, by its id."""
        return self.runs.set_index("run_id")["seed"].astype(int)

    def only(self, where: Mapping[str, Any]) -> "Tables":
        """The runs whose swept keys have these values."""
        kept = self.runs
        for key, value in where.items():
            kept = kept[kept[key] == swept_text(value)] if key in kept else kept.iloc[:0]
        return replace(self, runs=kept)

    @cached_property
    def points(self) -> pd.DataFrame:
        """One row an evaluation of these runs, in order of step, with what was measured by then.

        Training columns are means over the training rows since the evaluation before. The aliases
        of claims.py (`distance`, `signal`, ...) are columns too, each the run's own.
        """
        judged = self.evaluations[self.evaluations["run_id"].isin(self.runs["run_id"])]
        judged = judged.sort_values("step", kind="stable")
        points = judged.merge(self._windows(judged), "left", ["run_id", "step"], suffixes=("", "_"))
        points = points.merge(self.runs[["run_id", "cell", "state"]], "left", "run_id")
        return points.assign(**{alias: self._resolved(points, alias) for alias in ALIASES})

    def _windows(self, judged: pd.DataFrame) -> pd.DataFrame:
        """Means of the training rows up to each evaluation since the one before."""
        steps = judged[["run_id", "step"]].assign(until=judged["step"])
        rows = pd.merge_asof(
            self.train.sort_values("step", kind="stable"),
            steps,
            on="step",
            by="run_id",
            direction="forward",
        ).dropna(subset=["until"])
        means = rows.drop(columns="step").groupby(["run_id", "until"], as_index=False).mean()
        return means.rename(columns={"until": "step"})

    def values(self, column: str) -> pd.Series:
        """One number a run, at its end: `column` may be an alias (see claims.py).

        NaN where a run has none, as `broken` of a run that has not ended.
        """
        ended = self.runs["state"].isin(["done", "failed"])
        failed = (self.runs["state"] == "failed").astype(float)
        if column == "failed":
            return failed.where(ended)
        if column == "broken":
            collapsed = self.runs.get("collapsed", pd.Series(0.0, self.runs.index)).fillna(0)
            return failed.where(failed == 1, (collapsed > 0).astype(float)).where(ended)
        return self._resolved(self.runs, column).where(self.runs["state"] == "done")

    def curve(self, run_id: str, column: str) -> pd.DataFrame:
        """(step, value) of a training or evaluation column of one run, missing values left out."""
        run = self.runs[self.runs["run_id"] == run_id].iloc[0]
        name = column_name(column, str(run["distance"]), str(run["signal"]))
        table = self.train if name in self.train else self.evaluations
        if name not in table:
            return pd.DataFrame({"step": [], "value": []})
        rows = table.loc[table["run_id"] == run_id, ["step", name]].dropna()
        return rows.rename(columns={name: "value"})


def read_tables(folder: Path) -> Tables:
    """The tables in `folder`; raises InputError where there are none that can be read."""
    try:
        record = json.loads((folder / "ablation.json").read_text(encoding="utf-8"))
        swept = list(record["swept"])
        runs = _read(folder / "runs.csv", (*TEXT, *swept))
        train = _read(folder / "train.csv", ("run_id",))
        evaluations = _read(folder / "evaluations.csv", ("run_id",))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no readable tables ({error}); {MEND}") from None
    for column in ("run_id", "seed", "state"):
        if column not in runs:
            raise InputError(f"{folder / 'runs.csv'}: lacks the column {column}; {MEND}")
    for name in ("method", "signal", "distance"):
        if name not in runs:
            runs[name] = str(record.get(name))  # tables of format 1 have one for all runs
    for key in swept:
        runs[key] = [swept_text(_number(value)) for value in runs[key]]
    if "cell" not in runs:
        short = [key.rpartition(".")[2] for key in swept]
        runs["cell"] = [
            " ".join(f"{name}={value}" for name, value in zip(short, values, strict=True))
            for values in runs[swept].itertuples(index=False)
        ]
    return Tables(record, runs, train, evaluations)


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _read(path: Path, text: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file; all but the `text` columns and others that hold words are numbers."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table:
        if column not in text:
            numbers = pd.to_numeric(table[column], errors="coerce")
            if not (numbers.isna() & (table[column] != "") & (table[column] != "nan")).any():
                table[column] = numbers.astype(float)
    if "step" in table:
        table["step"] = table["step"].astype(int)
    return table
