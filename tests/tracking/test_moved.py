"""A store of MLflow that was copied with its project keeps its hands off the original's files."""

import shutil
from pathlib import Path

import pytest

from benchmark.ablation.plan import Plan
from benchmark.errors import BenchError
from tests.conftest import tiny_plan, tiny_run, tiny_spec


def project(root: Path) -> tuple[Plan, str]:
    """A plan whose one run is tracked, and the address of the store."""
    from benchmark.tracking.tracker import Tracker

    plan = tiny_plan(tiny_spec())
    tiny_run(root / "runs", tiny_spec())
    uri = store_of(root)
    Tracker(uri, plan, root / "runs").close()
    return plan, uri


def store_of(root: Path) -> str:
    return f"sqlite:///{root}/mlflow/mlflow.db"


def addresses(uri: str) -> set[str]:
    """Of the artifacts of the experiment and of all its runs."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    return {experiment.artifact_location, *(run.info.artifact_uri for run in runs)}


def test_a_copy_is_refused_found_and_put_right(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.audit import faults_of_view
    from benchmark.tracking.tracker import Tracker

    first, copy = tmp_path / "a first", tmp_path / "copy"
    plan, original = project(first)
    assert faults_of_view(original, first / "runs") == []
    shutil.copytree(first, copy)
    uri = store_of(copy)
    before = addresses(original)

    with pytest.raises(BenchError, match=r"was copied or moved: .*`bench doctor --fix`"):
        Tracker(uri, plan, copy / "runs")
    (fault,) = faults_of_view(uri, copy / "runs")
    assert "not beside the store" in fault.what
    assert fault.fix is not None
    fault.fix()
    assert faults_of_view(uri, copy / "runs") == []

    here = (copy / "mlflow" / "artifacts" / "tiny").as_uri()
    assert all(each.startswith(here) for each in addresses(uri))
    there = (first / "mlflow" / "artifacts" / "tiny").as_uri()
    assert {each.replace(here, there) for each in addresses(uri)} == before
    Tracker(uri, plan, copy / "runs").close()
    client = MlflowClient(uri)
    (experiment,) = (each for each in client.search_experiments() if each.name == "tiny")
    run = client.search_runs([experiment.experiment_id])[0].info.run_id
    client.log_text(run, "new", "new.txt")
    assert [path.name for path in copy.rglob("new.txt")] == ["new.txt"]
    assert list(first.rglob("new.txt")) == []
    assert addresses(original) == before


def test_a_place_that_somebody_chose_is_left_alone(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.audit import faults_of_view
    from benchmark.tracking.tracker import Tracker

    uri, chosen = store_of(tmp_path), (tmp_path / "bucket").as_uri()
    (tmp_path / "mlflow").mkdir()
    MlflowClient(uri).create_experiment("tiny", chosen)
    plan = tiny_plan(tiny_spec())
    tiny_run(tmp_path / "runs", tiny_spec())
    Tracker(uri, plan, tmp_path / "runs").close()
    assert faults_of_view(uri, tmp_path / "runs") == []
    assert all(each.startswith(chosen) for each in addresses(uri))
