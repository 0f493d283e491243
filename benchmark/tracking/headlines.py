"""What of the evidence fits on one line each: for MLflow's parent run, where people compare."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.results.tables import read_evidence


@dataclass(frozen=True)
class Headlines:
    """Named numbers, each with the training step that it belongs to (or 0), and verdicts."""

    numbers: list[tuple[str, float, int]]
    words: list[tuple[str, str]]


def headlines(folder: Path) -> Headlines:
    """Of the claims.csv and correlations.csv in a results folder (see results/columns.py)."""
    claims, numbers = _rows(folder, "claims"), []
    for row in claims:
        for column in ("effect", "low", "high", "p_holm", "least_p_holm"):
            numbers.append((f"claims/{row['id']}/{column}", row[column], 0))
    for row in _rows(folder, "correlations"):
        # Over all cells, in ranks, and never the raw ones: two falling series always correlate.
        if row["cell"] or row["level"] == "raw" or row["measure"] != "spearman":
            continue
        name = "/".join(["correlation", row["level"], row["signal"], row["outcome"]])
        step = int(float(row["step"] or 0))
        numbers += [(f"{name}/{column}", row[column], step) for column in ("value", "p_holm")]
    return Headlines(
        [
            (name, float(text), step)
            for name, text, step in numbers
            if text and math.isfinite(float(text))
        ],
        [(f"verdict.{row['id']}", row["verdict"]) for row in claims],
    )


def _rows(folder: Path, name: str) -> list[dict[Any, str]]:
    table = read_evidence(folder, name)
    return [] if table is None else table.to_dict("records")
