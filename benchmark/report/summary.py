"""Every measure of every cell in numbers: what tables show and exports hold."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report.numbers import finite
from benchmark.report.results import Cell, Results


def summary(results: Results) -> pd.DataFrame:
    """One row a measure and cell, over the finished runs that have it, at their last checkpoint.

    measure, cell, runs, mean, sd_seeds (ddof 1), sd_evaluations (pooled over runs), real (real
    against real). Cells stand together measure by measure; NaN where there is nothing to say.
    """
    rows = [row for cell in results.cells for row in _rows(cell)]
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    rows.sort(key=lambda row: measures.index(row["measure"]))
    return pd.DataFrame(rows)


def _rows(cell: Cell) -> Iterator[dict[str, Any]]:
    floor = cell.setup.floor or {}
    for column in _measures(cell):
        values, draws = finite(cell.values(column)), f"noise_{column}"
        noise = finite([run[draws] for run in cell.done if draws in run])
        yield {
            "measure": column,
            "cell": cell.title,
            "runs": len(values),
            "mean": np.mean(values) if values else np.nan,
            # Equal values have no spread; rounding of their mean would show one.
            "sd_seeds": np.std(values, ddof=1) * (np.ptp(values) > 0) if values[1:] else np.nan,
            "sd_evaluations": np.sqrt(np.mean(np.square(noise))) if noise else np.nan,
            "real": floor.get(column, np.nan),
        }


def _measures(cell: Cell) -> Iterator[str]:
    distance, signal = cell.setup.distance, cell.record.signal
    yield from (distance, f"best_{distance}", f"{distance}_validation", f"{distance}_infinite")
    yield from ("kid", "precision", "recall", "density", "coverage", "sharpness", "spread")
    yield from (signal, f"heldout_{signal}")
