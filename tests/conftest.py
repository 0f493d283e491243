"""What many tests need: a tiny run that trains in a second, the command, and where faces lie."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations, JudgeRecord, new_row
from benchmark.spec import RunSpec

TINY: dict[str, Any] = {
    "method": {"name": "began", "n": 2, "h": 4, "z": 4},
    "data": {"name": "faces", "size": 16, "count": 1000},
    "training": {
        "steps": 12,
        "batch": 4,
        "log_every": 2,
        "checkpoint_every": 4,
        "lr_decay": {"on": "stall", "window": 2, "patience": 4},
    },
    "seed": 0,
}
# Who judges it, and how often.
EVALUATION: dict[str, Any] = {"every": 6, "judges": {"efficientnet_lite0": {"samples": 60}}}


def tiny_spec(**changes: dict[str, Any]) -> RunSpec:
    """TINY with blocks changed, as in tiny_spec(training={"steps": 4})."""
    merged = {
        key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value
        for key, value in TINY.items()
    }
    return RunSpec.model_validate(merged)


def tiny_evaluation(**changes: Any) -> EvaluationSettings:
    """EVALUATION with keys changed, as in tiny_evaluation(every=3)."""
    return EvaluationSettings.model_validate({**EVALUATION, **changes})


def tiny_run(root: Path, spec: RunSpec, **changes: Any) -> RunDirectory:
    """A run's folder, with what a driver writes into it; `changes` are of EVALUATION."""
    run = RunDirectory.create(root, spec)
    run.write_evaluation(tiny_evaluation(**changes))
    return run


def tiny_plan(*specs: RunSpec, name: str = "tiny") -> Plan:
    """Of these specs, judged as EVALUATION says."""
    runs = tuple(PlannedRun(spec, {"method.gamma": 0.5}) for spec in specs)
    return Plan(name, "Does the harness work?", None, "demo", (), (), tiny_evaluation(), runs)


def judged(run: RunDirectory, step: int, draw: int = 0, **values: float) -> None:
    """Write what EVALUATION's judge might say of a snapshot at `step`."""
    settings = tiny_evaluation().judges["efficientnet_lite0"]
    rows = Evaluations(run.path, settings.features, "0" * 64)
    record = JudgeRecord(
        digest="0" * 64,
        settings=settings.identity(),
        network={"name": settings.features, "version": "1", "width": 1280},
        parameters={},
        reference="1" * 64,
        floor={},
        made=1.0,
    )
    rows.write_record(record)
    versions = dict.fromkeys(values, "1")
    rows.append(new_row(step, draw, f"{step:016d}", record.reference, versions, values))


@pytest.fixture(autouse=True, scope="module")
def _only_what_is_new_is_garbage() -> None:
    """Collect garbage among what a file of tests makes, not among all that is imported.

    statsmodels collects at each correction of p, which otherwise takes a quarter of a second.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Free at exit what was frozen: some extensions report what is left as leaks."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session: stores and features of the tiny data set."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def real_faces() -> Path:
    """The folder of real faces in CelebA's layout; skips where there is none."""
    places = [os.environ.get("BENCH_DATA"), Path(__file__).parents[2] / "shared"]
    for place in places:
        if place and (Path(place) / "celeba" / "img_align_celeba").is_dir():
            return Path(place)
    pytest.skip("no real faces in CelebA's layout at BENCH_DATA or ../shared")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As a run's own process has it."""
    torch.set_num_threads(1)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium under Selenium, with a profile of its own; skips where there is none."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not (driver and chromium):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1500,1000",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as found:
        yield found
