"""A run of which only the tables of results/ are at hand: told to people, compared with another."""

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from benchmark.reproduction.comparison import Comparison, by_key, compare_pixels, compare_rows
from benchmark.results.published import CURVES, Published
from benchmark.results.writer import DIGITS, first_rows
from benchmark.runs.directory import RunDirectory
from benchmark.runs.show import inline, last_row


def provenance(run: Published) -> dict[str, Any]:
    """As much as the tables hold of what made it, in the form of provenance.json."""
    found: dict[str, Any] = {
        "code": {"commit": run.row["commit"]},
        "data": {"title": "other faces than its cell's", "fingerprint": run.row["data"]},
    }
    if run.setup is not None:
        found["data"]["title"] = run.setup["data"]["title"]
        found["evaluation"] = run.setup["evaluation"]
    if len(run.record["devices"]) == 1:
        found["device"] = run.record["devices"][0]
    if run.row.get("instructions"):
        found["instructions"] = run.row["instructions"]
    return found


def describe(run: Published) -> Iterator[str]:
    """Lines, for people: what it is and what came of it, as far as the tables say."""
    spec, row = run.spec(), run.row
    yield f"{run.run_id}: {row['state']}, step {run.last} of {spec.training.steps}, as " + str(
        f"{run.folder} says"
    )
    if row["reason"]:
        yield f"  reason: {row['reason']}"
    yield f"  weights: {row['weights_sha256']}"
    yield f"  time: {row['wall_s']} s on the wall, {row['cpu_s']} s of processor"
    for block, settings in spec.model_dump(mode="json").items():
        yield f"{block}: {inline(settings)}"
    yield "made by:"
    for key, value in provenance(run).items():
        yield f"  {key}: {inline(value)}"
    rows = run.rows()
    for kind in ("train", "eval"):
        last = next((each for each in reversed(rows) if each.kind == kind), None)
        if last is not None:
            yield last_row(kind, last.step, last.values)


def compare(run: Published, again: RunDirectory, last: int, tolerance: float) -> Comparison:
    """All that the tables hold of the steps up to `last`, to the digits that they hold."""
    found = Comparison(last, tolerance)
    columns: dict[str, set[str]] = {kind: run.columns(kind) for kind in CURVES}
    now = {
        key: {
            name: float(f"{value:.{DIGITS}g}")
            for name, value in values.items()
            if name in columns[key[1]] and not math.isnan(value)  # an empty cell is either
        }
        for key, values in by_key(again.rows(), last).items()
    }
    compare_rows(by_key(run.rows(), last), now, found)
    if last == run.last:
        _compare_end(run, again, found)
    return found


def _compare_end(run: Published, again: RunDirectory, found: Comparison) -> None:
    """The last weights by their hash, and the rows of samples that are kept of them."""
    result = again.result()
    found.weights += 1
    if result is None or (result.weights_sha256 or "") != run.row["weights_sha256"]:
        found.bits = False
        if found.tolerance == 0:  # a hash cannot tell how far apart
            found.saw(run.last, "hash of the weights", np.inf)
    path = run.folder / "samples" / f"{run.run_id}.png"
    grids = sorted(again.samples.glob("*.png"))
    if path.exists() and grids:
        found.grids += 1
        size = again.spec().data.size
        with Image.open(path) as image:
            rows = image.height // size  # earlier versions kept more
        now = io.BytesIO(first_rows(grids[-1], size, rows))
        compare_pixels(run.last, path, now, found)
