"""Which ablations contain a run; without a table library, so that `bench ls` is quick."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A run's place in an ablation."""

    ablation: str
    profile: str
    label: str


ENDED = ("done", "failed")
csv.field_size_limit(sys.maxsize)  # exception texts may be long


def places(results: Path) -> dict[str, list[Place]]:
    """Places by run id, from every runs.csv; damaged files are skipped."""
    found: dict[str, list[Place]] = {}
    for path in run_tables(results):
        ablation, profile = path.relative_to(results).parts[:2]
        for row in _rows(path):
            place = Place(ablation, profile, row.get("label") or "")
            found.setdefault(row.get("run_id") or "", []).append(place)
    return found


def run_tables(results: Path) -> list[Path]:
    """Every runs.csv: those of the ablations, then those of their searches."""
    return [*sorted(results.glob("*/*/runs.csv")), *sorted(results.glob("*/*/search/runs.csv"))]


def samples_of(folder: Path, run_id: str) -> Path:
    """The kept rows of a run's last grid, once for all ablations that have the run.

    `folder` is that of an ablation's tables, results/<ablation>/<profile>/.
    """
    return folder.parents[1] / "samples" / f"{run_id}.webp"


def states(folder: Path) -> dict[str, str]:
    """By run id, the state of every run in the tables in `folder`, of any format version."""
    return {row.get("run_id") or "": row.get("state") or "" for row in _rows(folder / "runs.csv")}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows, as far as the file can be read; none if there is no file."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except (FileNotFoundError, NotADirectoryError, csv.Error):
        return
