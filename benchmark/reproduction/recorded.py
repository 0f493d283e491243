"""A run of which only the tables of results/ are at hand: shown, and compared with another."""

import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

from benchmark.reproduction.comparison import (
    Comparison,
    Key,
    by_key,
    compare_evaluations,
    compare_pixels,
    compare_rows,
)
from benchmark.results.places import samples_of
from benchmark.results.schema import DIGITS
from benchmark.results.tables import RecordedRun
from benchmark.results.writer import first_rows
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.runs.show import described, ended, inline, last_row

_CURVES = ("train", "heldout")  # tables, and kinds of rows
_NO_VALUES = {"run_id", "step", "judge", "draw"}


def provenance(run: RecordedRun) -> dict[str, Any]:
    """As much as the tables hold of what made it, in the form of provenance.json."""
    title = run.setup.data.title if run.setup else "other data than its cell's"
    found: dict[str, Any] = {
        "code": {"commit": run.row["commit"]},
        "data": {"title": title, "fingerprint": run.row["data"]},
    }
    if len(run.record.devices) == 1:
        found["device"] = run.record.devices[0]
    if run.row["instructions"]:
        found["instructions"] = run.row["instructions"]
    return found


def describe(run: RecordedRun) -> Iterator[str]:
    """Lines, for people: what it is and what came of it, as far as the tables say."""
    spec, row = run.spec(), run.row
    yield (
        f"{run.run_id}: {row['state']}, step {run.last} of {spec.training.steps}, "
        f"as {run.folder} says"
    )
    yield from ended(row["reason"], row["weights_sha256"], row["wall_s"], row["cpu_s"])
    yield from described(spec)
    yield "made by:"
    for key, value in provenance(run).items():
        yield f"  {key}: {inline(value)}"
    for kind in _CURVES:
        if rows := run.rows(kind):
            yield last_row(kind, int(rows[-1]["step"]), _values(rows[-1]))
    for name in run.evaluation().judges:
        judged = [row for row in run.rows("evaluations") if row["judge"] == name]
        if judged:
            yield last_row(f"evaluation by {name}", int(judged[-1]["step"]), _values(judged[-1]))


def compare(run: RecordedRun, again: RunDirectory, last: int, tolerance: float) -> Comparison:
    """All that the tables hold of the steps up to `last`, to the digits that they hold."""
    found = Comparison(last, tolerance)
    then = {
        (int(row["step"]), kind, 0): _values(row)
        for kind in _CURVES
        for row in run.rows(kind)
        if row["step"] <= last
    }
    columns = {
        kind: {name for k, v in then.items() if k[1] == kind for name in v} for kind in _CURVES
    }
    now = {
        key: _rounded({name: v for name, v in values.items() if name in columns[key[1]]})
        for key, values in by_key(again.rows(), last).items()
    }
    compare_rows(then, now, found)
    compare_evaluations(*_evaluations(run, again, last), found)
    if last == run.last:
        _compare_end(run, again, found)
    return found


def _evaluations(
    run: RecordedRun, again: RunDirectory, last: int
) -> tuple[dict[Key, dict[str, float]], dict[Key, dict[str, float]]]:
    """What the judges said then and now, by (step, judge, draw)."""
    then = {
        (int(row["step"]), str(row["judge"]), int(row["draw"])): _values(row)
        for row in run.rows("evaluations")
        if row["step"] <= last
    }
    now = {}
    for name, settings in run.evaluation().judges.items():
        rows = Evaluations.of(again.path, settings)
        for each in rows.rows() if rows is not None else ():
            now[each.step, name, each.draw] = _rounded(each.values)
    return then, now


def _values(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a table's row; an empty cell is none."""
    return {
        name: value
        for name, value in row.items()
        if name not in _NO_VALUES and isinstance(value, float) and not math.isnan(value)
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    """To the digits of a table; an empty cell and no number are the same there."""
    return {k: float(f"{v:.{DIGITS}g}") for k, v in values.items() if not math.isnan(v)}


def _compare_end(run: RecordedRun, again: RunDirectory, found: Comparison) -> None:
    """The last weights by their hash, and the rows of samples that are kept of them."""
    result = again.result()
    found.weights += 1
    if result is None or (result.weights_sha256 or "") != run.row["weights_sha256"]:
        found.saw_hash(run.last, "hash of the weights")
    path = samples_of(run.folder, run.run_id)
    grids = sorted(again.samples.glob("*.png"))
    if path.exists() and grids:
        found.grids += 1
        size = again.spec().data.size
        with Image.open(path) as image:
            rows = image.height // size  # earlier versions kept more
        now = io.BytesIO(first_rows(grids[-1], size, rows))
        compare_pixels(run.last, path, now, found)
