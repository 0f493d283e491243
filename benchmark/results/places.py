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
SAMPLES = "samples"
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
    """The kept rows of a run's last grid: its own for these tables, if there are any, or shared.

    `folder` is that of an ablation's tables, results/<ablation>/<profile>/.
    """
    own = own_samples(folder, run_id)
    return own if own.is_file() else shared_samples(folder, run_id)


def shared_samples(folder: Path, run_id: str) -> Path:
    """The samples of a run, once for all ablations that have it with the same weights."""
    return folder.parents[1] / SAMPLES / f"{run_id}.webp"


def own_samples(folder: Path, run_id: str) -> Path:
    """Those of a run that another ablation's tables have with other weights."""
    return folder / SAMPLES / f"{run_id}.webp"


def other_weights(folder: Path) -> dict[str, set[str]]:
    """By run id, the digests of its last weights in all tables but those in `folder`."""
    found: dict[str, set[str]] = {}
    for path in run_tables(folder.parents[1]):
        for row in _rows(path) if path.parent != folder else ():
            digests = found.setdefault(row.get("run_id") or "", set())
            digests.update({row.get("weights_sha256") or ""} - {""})
    return found


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
