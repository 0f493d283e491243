"""Which ablation names a run, without a table library, so that `bench ls` is quick."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where an ablation has a run."""

    ablation: str
    profile: str
    label: str


ENDED = ("done", "failed")
csv.field_size_limit(sys.maxsize)  # an exception may say a lot


def places(results: Path) -> dict[str, list[Place]]:
    """By run id, from every runs.csv; what is damaged there names nothing."""
    found: dict[str, list[Place]] = {}
    for path in sorted(results.glob("*/*/runs.csv")):
        for row in _rows(path):
            place = Place(path.parts[-3], path.parts[-2], row.get("label") or "")
            found.setdefault(row.get("run_id") or "", []).append(place)
    return found


def states(folder: Path) -> dict[str, str]:
    """By run id, the state of every run that the tables in `folder` have, of any format."""
    return {row.get("run_id") or "": row.get("state") or "" for row in _rows(folder / "runs.csv")}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """As far as the file can be read; none where there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except (FileNotFoundError, NotADirectoryError, csv.Error):
        return
