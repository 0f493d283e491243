"""A quick list of all runs in a runs folder: where each belongs, its state, its last distance.

Neither a method's module nor a table library is imported, so that `bench ls` is as quick as `ls`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError, InputError
from benchmark.results.places import Place, places
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.sweep.driver import drivers

DAMAGED = "damaged"


@dataclass(frozen=True)
class Listed:
    """A run, as far as its folder is readable."""

    run_id: str
    state: str  # of RunDirectory, or DAMAGED
    step: int
    steps: int | None
    distance: float | None  # the last, by the headline judge
    places: tuple[Place, ...]  # none where no table and no sweep under way names it

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "places": [each._asdict() for each in self.places]}


def list_runs(runs: Path, *results: Path) -> list[Listed]:
    """All runs of a folder, by id; raises InputError where there is no such folder."""
    if not runs.is_dir():
        raise InputError(f"{runs}: no such folder; see --runs")
    known = _places(runs, results)
    found = sorted(path.parent for path in runs.glob("*/spec.json"))
    return [_look(RunDirectory(path), tuple(known.get(path.name, ()))) for path in found]


def by_ablation(found: Sequence[Listed]) -> dict[str, list[tuple[Listed, str]]]:
    """The runs and their labels, under "gamma, short" and last under "other runs"."""
    groups: dict[str, list[tuple[Listed, str]]] = {}
    for each in found:
        for place in each.places:
            title = f"{place.ablation}, {place.profile}"
            groups.setdefault(title, []).append((each, place.label))
    others = [(each, "") for each in found if not each.places]
    return {**dict(sorted(groups.items())), **({"other runs": others} if others else {})}


def _places(runs: Path, results: Sequence[Path]) -> Mapping[str, Sequence[Place]]:
    """By run id: places from the tables and from sweeps under way."""
    found: dict[str, list[Place]] = {}
    for folder in results:
        for run_id, named in places(folder).items():
            found.setdefault(run_id, []).extend(named)
    for driver in drivers(runs):
        for run_id, label in driver.labels.items():
            place = Place(driver.ablation, driver.profile, label)
            if place not in found.setdefault(run_id, []):
                found[run_id].append(place)
    return found


def _look(run: RunDirectory, places: tuple[Place, ...]) -> Listed:
    try:
        steps = int(json.loads((run.path / "spec.json").read_bytes())["training"]["steps"])
        result = run.result()
        step = result.step if result is not None else run.last_step()
        return Listed(run.run_id, run.state(), step, steps, _distance(run), places)
    except (BenchError, OSError, ValueError, KeyError, TypeError):
        return Listed(run.run_id, DAMAGED, 0, None, None, places)


def _distance(run: RunDirectory) -> float | None:
    evaluation = run.evaluation()
    if evaluation is None:
        return None
    judged = Evaluations.of(run.path, evaluation.judges[evaluation.headline])
    last = judged.last() if judged is not None else None
    return last.values.get("distance") if last is not None else None
