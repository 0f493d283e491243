"""Compare two sides (runs, cells, whole ablations): better, worse or neither?

A cell is compared with the cell of the same name on the other side; a single cell with any other.
The first row of each outcome is over all cells: the difference of means, B minus A, by least
squares with a level for each cell, tested by Welch and by permutation (statistics/hypotheses.py).
Rows of single cells are Holm-corrected over the cells of their outcome. `better` is the chance that
a seed of B is better than one of A (Agarwal et al. 2021). Only the distance decides; the other
outcomes are descriptive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.claims.contrasts import sides, slope
from benchmark.claims.correlation_table import OUTCOMES
from benchmark.claims.strata import by_seed
from benchmark.errors import InputError
from benchmark.evaluation.metrics import METRICS
from benchmark.levels import ALPHA
from benchmark.results.tables import Tables, read_tables
from benchmark.results.writer import tables_of_run
from benchmark.statistics.comparison import probability_of_improvement
from benchmark.statistics.families import holm
from benchmark.statistics.hypotheses import change_p, least_p
from benchmark.statistics.intervals import contrast, ends

ALL = "all cells"
DATA = "reference data"  # of a run's judging: the fingerprint of the images compared with
OFF = "sharpness off 1"
"""Sharpness is best at the data's own value, so its distance from 1 is compared."""
COLUMNS = (
    *("outcome", "cell", "verdict", "a", "b", "difference", "low", "high", "p", "p_holm"),
    *("least_p", "better", "better_low", "better_high", "runs_a", "runs_b", "left_out"),
)


@dataclass(frozen=True)
class Side:
    """One side: its runs, and by run id what judged them (None: unknown)."""

    title: str
    tables: Tables
    judges: Mapping[str, Mapping[str, Any] | None]

    def of(self, cell: str) -> "Side":
        """Its runs of one cell."""
        runs = self.tables.runs
        return replace(self, tables=replace(self.tables, runs=runs[runs["cell"] == cell]))

    def values(self, outcome: str) -> "pd.Series[float]":
        """By seed, of the finished runs."""
        found = self.tables.values("sharpness" if outcome == OFF else outcome)
        found = found.set_axis(self.tables.runs["seed"]).dropna()
        return (found - 1).abs() if outcome == OFF else found


def read_side(text: str) -> Side:
    """A results folder, FOLDER:CELL, FOLDER:RUN_ID or a run's folder; else InputError."""
    path, part = Path(text), ""
    if (path / "spec.json").is_file():
        tables = tables_of_run(path)
    else:
        folder, part = _split(text)
        tables = read_tables(Path(folder))
    runs = tables.runs
    if part:
        runs = runs[(runs["cell"] == part) | (runs["run_id"] == part)]
        if runs.empty:
            cells = ", ".join(dict.fromkeys(tables.runs["cell"]))
            raise InputError(f"{folder}: no cell or run {part!r}; the cells are: {cells}")
    return Side(text, replace(tables, runs=runs), _judges(tables))


def _split(text: str) -> tuple[str, str]:
    """The folder and the part after its colon; run ids and cell names may contain colons too."""
    ends = [len(text), *(at for at in range(len(text) - 1, -1, -1) if text[at] == ":")]
    end = next((at for at in ends if Path(text[:at]).is_dir()), len(text))
    return text[:end], text[end + 1 :]


def _judges(tables: Tables) -> dict[str, Mapping[str, Any] | None]:
    """Everything that determines the headline judge's values for each run."""
    judge = tables.entry
    by = {"judge": judge.settings.identity(), "network": judge.network, "metrics": judge.parameters}
    flat = {key: value for part in by.values() for key, value in part.items()}
    flat |= {f"version of {name}": version for name, version in judge.versions.items()}
    found: dict[str, Mapping[str, Any] | None] = {}
    for cell in tables.cells:
        reference = cell.setup.references.get(tables.judge)
        known = {**flat, DATA: reference} if reference else None
        found |= {run: None if run in cell.record.differing else known for run in cell.run_ids}
    return found


def compare_sides(a: Side, b: Side, *, other_faces: bool = False) -> pd.DataFrame:
    """COLUMNS, one row per outcome and cell; raises InputError where they are not comparable.

    With `other_faces` each side may have been judged against its own reference images, from which a
    difference may then also come.
    """
    pairs = _pairs(a, b)
    for of_a, of_b in pairs:
        _comparable(of_a, of_b, {DATA} if other_faces else set())
    if all(_same_weights(*pair) for pair in pairs):
        head = {"outcome": "weights", "cell": ALL, "verdict": "no difference shown"}
        same = {"runs_a": len(a.tables.runs), "runs_b": len(b.tables.runs), "left_out": ""}
        return pd.DataFrame([{**head, **same}], columns=list(COLUMNS))
    outcomes = [OFF if outcome == "sharpness" else outcome for outcome in OUTCOMES]
    rows = [row for outcome in outcomes for row in _outcome_rows(a, b, pairs, outcome)]
    if not rows:
        raise InputError(f"{a.title} and {b.title}: no finished runs to compare")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def verdict(table: pd.DataFrame) -> str:
    """The first row's outcome, or that of a single cell that differs when all together do not."""
    decides = table.loc[table["outcome"] == table["outcome"].iloc[0], "verdict"]
    found = {*decides} & {"better", "worse"}
    # Cells that differ in opposite directions count as worse: something got lost.
    return "worse" if "worse" in found else "better" if found else str(decides.iloc[0])


def sentence(table: pd.DataFrame, a: str, b: str) -> str:
    """The result for the first outcome, for people: "B is better than A: 228 lower, ..."."""
    row = table.iloc[0]
    if row["outcome"] == "weights":
        return f"{b} and {a} are the same networks."
    side = "lower" if row["difference"] < 0 else "higher"
    size = f"{row['outcome']} {abs(row['difference']):.3g} {side}"
    if np.isfinite(row["low"]):
        low, high = sorted((abs(row["low"]), abs(row["high"])))
        if row["low"] < 0 < row["high"]:
            low, high = row["low"], row["high"]
        size += f", 95 % {low:.3g} to {high:.3g}"
    seeds = f"{row['runs_b']} against {row['runs_a']} runs"
    if row["verdict"] in ("better", "worse"):
        return (
            f"{b} is {row['verdict']} than {a}: {size}, two-sided p {row['p_holm']:.2g}, {seeds}."
        )
    if row["verdict"].startswith("cannot tell"):
        return f"Too few runs to tell {b} from {a}: {size}, {seeds}."
    return (
        f"No difference of {b} and {a} was shown: {size}, two-sided p {row['p_holm']:.2g}, {seeds}."
    )


def _pairs(a: Side, b: Side) -> list[tuple[Side, Side]]:
    """Each cell of A with that of B which it is compared with."""
    cells_a, cells_b = (list(dict.fromkeys(side.tables.runs["cell"])) for side in (a, b))
    if len(cells_a) == len(cells_b) == 1:
        return [(a.of(cells_a[0]), b.of(cells_b[0]))]
    pairs = [(a.of(cell), b.of(cell)) for cell in cells_a if cell in cells_b]
    if not pairs:
        raise InputError(
            f"not comparable: {a.title} and {b.title} have no cell in common; name one of each, "
            "as in FOLDER:CELL"
        )
    return pairs


def _comparable(a: Side, b: Side, but: set[str]) -> None:
    """Raise InputError naming what differs in how two cells were judged, apart from keys `but`."""
    cell_a, cell_b = (side.tables.runs["cell"].iloc[0] for side in (a, b))
    judges = [side.judges[run_id] for side in (a, b) for run_id in side.tables.done["run_id"]]
    known = [judge for judge in judges if judge is not None]
    if len(known) < len(judges):
        raise InputError(f"not comparable: {cell_a}: a run has no record of its judges")
    keys = {key for judge in known for key in judge} - but
    off = sorted(k for k in keys if any(judge.get(k) != known[0].get(k) for judge in known))
    if off:
        values = "; ".join(
            f"{key} {' and '.join(dict.fromkeys(str(judge.get(key)) for judge in known))}"
            for key in off
        )
        raise InputError(f"not comparable: {cell_a} and {cell_b} were judged differently: {values}")


def _same_weights(a: Side, b: Side) -> bool:
    """Whether every run ended with the same bits as its twin."""
    of_a, of_b = (sorted(side.tables.done["weights_sha256"]) for side in (a, b))
    return bool(of_a) and of_a == of_b and "" not in of_a


def _outcome_rows(
    a: Side, b: Side, pairs: Sequence[tuple[Side, Side]], outcome: str
) -> list[dict[str, Any]]:
    groups, names = [], []
    for pair in pairs:
        found = [side.values(outcome) for side in pair]
        if all(map(len, found)):
            groups.append(found)
            names.append(
                " | ".join(dict.fromkeys(side.tables.runs["cell"].iloc[0] for side in pair))
            )
    if not groups:
        return []
    cells = [_tested(outcome, [group]) for group in groups]
    corrected = holm([cell["p"] for cell in cells])
    left_out = " ".join(
        run_id
        for side in (a, b)
        for run_id in side.tables.runs.loc[side.tables.runs["state"] != "done", "run_id"]
    )
    rows = []
    if len(cells) > 1:
        whole = _tested(outcome, groups)
        rows.append({**whole, "cell": ALL, "p_holm": whole["p"], "reach": whole["least_p"]})
    for name, cell, p in zip(names, cells, corrected, strict=True):
        reach = min(1.0, cell["least_p"] * len(cells))
        rows.append({**cell, "cell": name, "p_holm": float(p), "reach": reach})
    head = {"outcome": outcome, "left_out": left_out}
    return [{**row, **head, "verdict": _verdict(outcome, row)} for row in rows]


def _tested(outcome: str, groups: Sequence[Sequence["pd.Series[float]"]]) -> dict[str, Any]:
    """B minus A over cells by least squares; cells that share seeds are one."""
    strata = [each for _, each in by_seed([{0.0: x, 1.0: y} for x, y in groups])]
    a, b = sides(strata)
    low, high = ends(contrast(strata))
    sign = -1 if _lower_is_better(outcome) else 1
    better = probability_of_improvement([{0.0: sign * x, 1.0: sign * y} for x, y in groups])
    found: dict[str, Any] = {
        "a": a,
        "b": b,
        "difference": slope(strata),
        "low": low,
        "high": high,
        "p": float(change_p(strata, 0.0, "two-sided")),
        "least_p": least_p([[len(v) for v in each.values()] for each in strata], "two-sided"),
        "better": better.value,
        "runs_a": sum(len(x) for x, _ in groups),
        "runs_b": sum(len(y) for _, y in groups),
    }
    if len(strata) == len(groups):  # its interval takes cells for independent
        found["better_low"], found["better_high"] = better.interval or (np.nan, np.nan)
    return found


def _lower_is_better(outcome: str) -> bool:
    return outcome == OFF or METRICS[outcome].better_is_lower


def _verdict(outcome: str, row: Mapping[str, Any]) -> str:
    if row["p_holm"] <= ALPHA:
        lower = row["difference"] < 0
        return "better" if lower == _lower_is_better(outcome) else "worse"
    if row["reach"] > ALPHA:
        n = min(row["runs_a"], row["runs_b"])
        return f"cannot tell at n = {n}"
    return "no difference shown"
