"""Which ablation names a run, without a table library, so that `bench ls` is quick."""

import csv
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where an ablation has a run."""

    ablation: str
    profile: str
    label: str


def places(results: Path) -> dict[str, list[Place]]:
    """By run id, from every runs.csv; what is damaged there names nothing."""
    found: dict[str, list[Place]] = {}
    for path in sorted(results.glob("*/*/runs.csv")):
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                place = Place(path.parts[-3], path.parts[-2], row.get("label") or "")
                found.setdefault(row.get("run_id") or "", []).append(place)
    return found
