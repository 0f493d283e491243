"""Every measure of every cell as numbers: what tables show and exports contain."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.claims.seeds import middle, spread
from benchmark.report.numbers import finite
from benchmark.results.schema import BEST, BLURRED, DISTANCE, REAL
from benchmark.results.tables import Cell, Tables


def summary(results: Tables) -> pd.DataFrame:
    """One row per measure and cell, over finished runs that have it, at their last checkpoint.

    sd_seeds has ddof 1, sd_evaluations is pooled over runs, and iqm is the mean of the middle half
    of the seeds, with its 95 % interval; missing values are NaN.
    """
    rows = [row for cell in results.cells for row in _rows(cell, results.metrics)]
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    rows.sort(key=lambda row: measures.index(row["measure"]))
    return pd.DataFrame(rows)


def _rows(cell: Cell, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    signal = cell.record.signal
    measures = [each for name in metrics for each in (name, *[BEST] * (name == DISTANCE))]
    for column in (*measures, signal, f"heldout_{signal}"):
        values, noise = finite(cell.values(column)), finite(cell.values(f"noise_{column}"))
        half = middle(values)
        low, high = half.interval or (np.nan, np.nan)
        yield {
            "measure": column,
            "cell": cell.title,
            "runs": len(values),
            "mean": np.mean(values) if values else np.nan,
            "sd_seeds": spread(values),
            "sd_evaluations": np.sqrt(np.mean(np.square(noise))) if noise else np.nan,
            **{"iqm": half.value, "iqm_low": low, "iqm_high": high},
            **{name: cell.floors.get(name, {}).get(column, np.nan) for name in (REAL, BLURRED)},
        }
