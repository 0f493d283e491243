"""The evidence of an ablation, written beside its tables in results/<ablation>/<profile>/.

Numbers are empty where they are undefined or do not apply, and so are the ends (low, high) of a
95 % interval if the seeds are too few for a valid one (docs/explanation/intervals.md). run_ids
are separated by spaces. results/columns.py explains every column.
"""

from pathlib import Path

import pandas as pd

from benchmark.claims.collapse import collapse_table
from benchmark.claims.correlation_table import correlation_table
from benchmark.claims.events import events_table
from benchmark.claims.stopping import stopping_table
from benchmark.claims.variance import variance_table
from benchmark.claims.verdicts import claims_table
from benchmark.results.tables import Tables, read_tables
from benchmark.results.writer import write_table

TABLES = {
    "claims": claims_table,
    "correlations": correlation_table,
    "stopping": stopping_table,
    "collapse": collapse_table,
    "events": events_table,
    "variance": variance_table,
}


def evidence(tables: Tables) -> dict[str, pd.DataFrame]:
    """Every table by its name, in reading order."""
    return {name: make(tables) for name, make in TABLES.items()}


def write_evidence(folder: Path) -> dict[str, pd.DataFrame]:
    """Write the tables of TABLES from a folder's own, each as NAME.csv; returns them by name.

    Raises InputError where the folder's own tables cannot be read.
    """
    found = evidence(read_tables(folder))
    for name, table in found.items():
        write_table(folder / f"{name}.csv", table)
    return found
