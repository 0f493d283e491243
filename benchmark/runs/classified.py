"""Results of classifiers on a pair of generators, or a single labelled one: <run>/classified.json.

It lies in the folder of the run whose images have the attribute, or of the single run.
"""

import json
from pathlib import Path
from typing import Any

from benchmark.classes import generators
from benchmark.evaluation.settings import CLASSIFIER_VERSION, ClassifySettings
from benchmark.files import write_atomic
from benchmark.runs.directory import RunDirectory

NAME = "classified.json"


def generators_of(run: RunDirectory, settings: ClassifySettings) -> list[RunDirectory]:
    """The runs with and without the attribute, of which `run` is one, or `run` alone if its method
    takes the attribute as a label; empty if neither."""
    specs = generators(run.spec(), settings.attribute)
    return [RunDirectory(run.path.parent / each.run_id) for each in specs]


def made_of(found: list[RunDirectory], settings: ClassifySettings) -> dict[str, Any] | None:
    """What the numbers depend on besides the data; None until all these runs are done."""
    results = [run.result() for run in found]
    weights = [each.weights_sha256 for each in results if each and each.state == "done"]
    if len(weights) != len(found):
        return None
    return {
        "version": CLASSIFIER_VERSION,
        "settings": settings.model_dump(mode="json"),
        "weights_sha256": weights,
    }


def left(run: RunDirectory, settings: ClassifySettings) -> bool:
    """Whether this is a pair's first run or a single one, all are done, and there are no valid
    results yet."""
    own = generators_of(run, settings)
    if not own or own[0].path != run.path:
        return False
    wanted, found = made_of(own, settings), read(run)
    return wanted is not None and (found is None or found["made_of"] != wanted)


def numbers(run: RunDirectory, settings: ClassifySettings) -> dict[str, float]:
    """Results of the generators whose first run this is, by name; empty if none are valid."""
    own, found = generators_of(run, settings), read(run)
    if found is None or not own or found["made_of"] != made_of(own, settings):
        return {}
    return dict(found["numbers"])


def read(run: RunDirectory) -> dict[str, Any] | None:
    return run.record(NAME, "made_of", "numbers")


def write(run: RunDirectory, record: dict[str, Any]) -> Path:
    path = run.path / NAME
    write_atomic(path, json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")
    return path
