"""Runs that differ in what lanes may differ in, and what each of them is alone."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.lanes import run_lanes
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.spec import RunSpec
from benchmark.stopping import STOP
from benchmark.worker import Where, train
from tests.conftest import tiny_run, tiny_spec

Seen = tuple[str, list[tuple[int, str, dict[str, float]]], list[dict[str, float]]]

NEVER = {"on": "never"}


def specs(steps: int = 12) -> list[RunSpec]:
    """Gamma, lambda, learning rate and its decay, seeds, and a method that draws otherwise."""
    training = {"steps": steps}
    began: dict[str, Any] = {"training": training}
    seeded = tiny_spec(training={**training, "seeds": {"order": 3}})
    return [
        tiny_spec(**began, method={"gamma": 0.3}),
        tiny_spec(training={**training, "lr": 1e-3, "lr_decay": NEVER}),
        tiny_spec(**began, method={"gamma": 0.9, "lambda_k": 0.1, "noise_sd": 0.1}),
        seeded.model_copy(update={"seed": 5}),
    ]


def judged_at(spec: RunSpec) -> dict[str, int]:
    return {"every": max(6, spec.training.steps // 2), "repeats": 1}


def diverging() -> RunSpec:
    """A run whose losses are soon no numbers."""
    return tiny_spec(method={"eta": 2}, training={"lr": 1.0, "steps": 400, "lr_decay": NEVER})


def seen(run: RunDirectory) -> Seen:
    """The weights, all rows and what the judge said, but for the time."""
    result = run.result()
    assert result is not None, run.log.read_text() if run.log.exists() else "not begun"
    judged = [row.values for each in Evaluations.all(run.path) for row in each.rows()]
    rows = [(row.step, row.kind, row.values) for row in run.rows()]
    return result.weights_sha256, rows, judged


@pytest.fixture(scope="session")
def lone(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Callable[[RunSpec], RunDirectory]:
    """A run alone in its process, trained once."""
    root = tmp_path_factory.mktemp("alone")

    def run(spec: RunSpec) -> RunDirectory:
        found = tiny_run(root, spec, **judged_at(spec))
        train(found, Where(None, cache, "cpu"), [])
        return found

    return run


def beside(root: Path, found: list[RunSpec], cache: Path) -> tuple[int, list[RunDirectory]]:
    """The exit code of their process, were it one of its own, and the runs."""
    runs = [tiny_run(root, spec, **judged_at(spec)) for spec in found]
    return run_lanes(runs, Where(None, cache, "cpu")), runs


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The handlers of this process, back in their places."""
    before = {number: signal.getsignal(number) for number in STOP}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
