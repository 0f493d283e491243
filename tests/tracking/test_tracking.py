"""MLflow shows what the run directories hold: once, and again after it was deleted."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pandas as pd
import pytest
import torch
from mlflow.entities import Metric, Run

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import BenchError
from benchmark.evaluation.samples import save_grid
from benchmark.runs.directory import Result, Row, RunDirectory
from tests.conftest import judged, tiny_evaluation, tiny_spec

STEPS = list(range(2, 402, 2))


def plan() -> Plan:
    runs = tuple(
        PlannedRun(tiny_spec(method={"gamma": gamma}), {"method.gamma": gamma})
        for gamma in (0.3, 0.5, 0.7)
    )
    return Plan("tiny", "Does it work?", None, "demo", (), (), tiny_evaluation(), runs)


def fill(root: Path) -> list[RunDirectory]:
    """Three runs: done, failed, and stopped half-way."""
    runs = [RunDirectory.create(root, planned.spec) for planned in plan().runs]
    for run in runs:
        for step in STEPS:
            values = {"l_real": 1 / step, "m_global": 2 / step, "k": 0.0}
            run.append(Row(step=step, kind="train", time=1.0e9 + step, values=values))
        run.append(Row(step=400, kind="heldout", time=1.0e9, values={"heldout_l_real": 0.1}))
        judged(run, 400, kid=0.5, distance=9.0)
        judged(run, 400, draw=1, kid=0.7)
        save_grid(
            torch.full((4, 3, 16, 16), 90, dtype=torch.uint8), 2, run.samples / "00000400.png"
        )
        run.checkpoints.mkdir()
        (run.checkpoints / "00000400-0.safetensors").write_bytes(b"weights")
        run.write_provenance(
            {"data": {"title": "faces", "fingerprint": "ab" * 32}, "code": {"commit": "c0ffee"}}
        )
    for run, state in zip(runs, ("done", "failed"), strict=False):
        result = {"state": state, "step": 400, "reason": None, "weights_sha256": "00"}
        clocks = {"wall_s": 1.0, "cpu_s": 1.0, "decays": []}
        run.write_result(Result.model_validate({**result, **clocks}))
    return runs


def children(uri: str, count: int | None = None) -> dict[str, Run]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert count in (None, len(found))
    return {run.info.run_name: run for run in found}


def check_whole(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    client, found = MlflowClient(tracking_uri=uri), children(uri, count=4)
    assert sorted(found) == [
        "gamma=0.3 seed=0",
        "gamma=0.5 seed=0",
        "gamma=0.7 seed=0",
        "tiny (demo)",
    ]
    parent = found.pop("tiny (demo)")
    statuses = [found[name].info.status for name in sorted(found)]
    assert statuses == ["FINISHED", "FAILED", "KILLED"]
    for run in found.values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params["method.n"] == "2"
        assert run.data.tags["cell"] == run.info.run_name.partition(" seed")[0]
        assert run.data.tags["data.fingerprint"] == "ab" * 32
        assert run.data.tags["data"] == "faces"
        assert run.inputs is not None
        assert run.inputs.dataset_inputs[0].dataset.name == "faces"
        run_id = run.info.run_id
        history = client.get_metric_history(run_id, "convergence/m_global")
        assert [point.step for point in history] == STEPS
        assert [point.value for point in history] == [2 / step for step in STEPS]
        assert len(client.get_metric_history(run_id, "eval/kid")) == 1
        # What people set against each other comes first in MLflow's lists, which are sorted.
        first = sorted(client.get_run(run_id).data.metrics)[:2]
        assert first == ["convergence/distance", "convergence/m_global"]
        assert [item.path for item in client.list_artifacts(run_id, "samples")] == [
            "samples/00000400.png"
        ]
    done = found["gamma=0.3 seed=0"].info.run_id
    assert client.list_artifacts(done, "checkpoint")


def test_view_is_whole_idempotent_and_can_be_rebuilt(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    fill(tmp_path / "runs")
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    first = Tracker(uri, plan(), tmp_path / "runs")
    first.sync()
    first.close()
    check_whole(uri)
    Tracker(uri, plan(), tmp_path / "runs").close()  # another writer, later
    check_whole(uri)
    shutil.rmtree(tmp_path / "mlflow")
    elsewhere = f"sqlite:///{tmp_path}/again/mlflow.db"
    Tracker(elsewhere, plan(), tmp_path / "runs").close()
    check_whole(elsewhere)


def test_a_store_whose_making_was_killed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps the first of a migration's tables, and no later migration gets past them."""
    from benchmark.tracking import store as made
    from benchmark.tracking import tracker

    fill(tmp_path / "runs")
    store = tmp_path / "mlflow" / "mlflow.db"

    def killed(tracking_uri: str) -> None:
        half = Path(tracking_uri.removeprefix("sqlite:///"))
        half.write_bytes(b"some tables")
        half.with_name(f"{half.name}-journal").write_bytes(b"and a journal")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(made, "MlflowClient", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.Tracker(f"sqlite:///{store}", plan(), tmp_path / "runs")
    assert not store.exists()
    tracker.Tracker(f"sqlite:///{store}", plan(), tmp_path / "runs").close()
    check_whole(f"sqlite:///{store}")
    assert not list(store.parent.glob(".mlflow.db.new*"))


def test_a_resumed_run_does_not_double_its_steps(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.tracker import Tracker

    run = fill(tmp_path / "runs")[2]
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    tracker = Tracker(uri, plan(), tmp_path / "runs")
    tracker.sync()
    run.cut_after(200)
    for step in (*range(202, 402, 2), 402):  # written again at another time, and one more
        values = {"l_real": 1 / step, "m_global": 2 / step, "k": 0.0}
        run.append(Row(step=step, kind="train", time=2.0e9 + step, values=values))
    tracker.close()
    Tracker(uri, plan(), tmp_path / "runs").close()
    stopped = children(uri)["gamma=0.7 seed=0"].info.run_id
    history = MlflowClient(tracking_uri=uri).get_metric_history(stopped, "convergence/m_global")
    assert [point.step for point in history] == [*STEPS, 402]


def test_a_waiting_run_and_a_quoted_override(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    quoted = replace(plan(), overrides=("method.name='began'",), runs=plan().runs[:1])
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    tracker = Tracker(uri, quoted, tmp_path / "runs")
    tracker.sync()
    assert children(uri)["gamma=0.3 seed=0"].info.status == "SCHEDULED"
    Tracker(uri, quoted, tmp_path / "runs").close()  # finds the same two runs again
    found = children(uri, count=2)
    assert {run.info.status for run in found.values()} == {"KILLED"}
    assert found["gamma=0.3 seed=0"].data.tags["state"] == "queued"


@pytest.mark.parametrize("columns", [1, 3, 7, 1001])
def test_batches_hold_whole_rows_and_are_full(columns: int) -> None:
    from benchmark.tracking.tracked_run import BATCH, batches

    names = [f"column{index}" for index in range(columns)]
    rows = [[Metric(name, 0.0, 0, step) for name in names] for step in range(2001)]
    found = list(batches(iter(rows)))
    assert [metric for batch in found for metric in batch] == [
        metric for row in rows for metric in row
    ]
    full = max(1, BATCH // columns) * columns
    assert {len(batch) for batch in found[:-1]} == {full}
    assert len(found[-1]) <= full


def test_a_server_that_is_down_is_one_line_soon(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    began = time.monotonic()
    with pytest.raises(BenchError) as caught:
        Tracker("http://127.0.0.1:9", plan(), tmp_path)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20


def test_a_page_without_a_store_says_what_makes_one(tmp_path: Path) -> None:
    from benchmark.tracking.page import serve

    with pytest.raises(BenchError, match="bench run"):
        serve(f"sqlite:///{tmp_path}/none.db", 5000)


def test_the_parent_opens_on_question_verdicts_and_figure(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.page import pages
    from benchmark.tracking.tracker import Tracker

    fill(tmp_path / "runs")
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    tracker = Tracker(uri, plan(), tmp_path / "runs")
    folder = Path(__file__).parents[2] / "results" / "convergence" / "small"
    tracker.publish(folder)
    tracker.close()
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    (parent,) = client.search_runs([experiment.experiment_id], "tags.bench.ablation = 'tiny'")
    at = f"http://host/#/experiments/{experiment.experiment_id}/runs"
    (page,) = pages(uri, "http://host")
    shown = dict(parse_qsl(page.curves.removeprefix(f"{at}?")))
    # By time MLflow would fold the children under their parent, and draw its claims.
    assert shown["orderByKey"] == "params.`seed`"
    drawn = client.search_runs([experiment.experiment_id], shown["searchFilter"])
    assert sorted(run.info.run_name for run in drawn) == [each.label for each in plan().runs]
    assert all({"seed"} <= run.data.params.keys() for run in drawn)
    assert page.verdicts.startswith(f"{at}/{parent.info.run_id}?")
    words, metrics = parent.data.tags["mlflow.note.content"], parent.data.metrics
    assert words.startswith("**Does it work?**")
    claim = pd.read_csv(folder / "claims.csv").iloc[0]
    assert f"| {claim['says']} | {claim['verdict']} | {claim['status']} |" in words
    assert f"| {claim['effect']:.4g} |" in words
    assert f"get-artifact?path=m_global_vs_distance.png&run_uuid={parent.info.run_id}" in words
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert artifacts == {"m_global_vs_distance.png", "results"}
    found = pd.read_csv(folder / "correlations.csv")
    found = found[(found["role"] == "signal") & (found["outcome"] == "distance")]
    found = found[(found["measure"] == "spearman") & found["cell"].isna()].set_index("level")
    raw = found.loc["raw", "value"]
    assert metrics["m_global_vs_distance/rho_raw_descriptive"] == pytest.approx(raw)
    assert "m_global_vs_distance/rho_of_changes_descriptive" in metrics
    # A group of charts a pair: those of other metrics would push the curves out of sight.
    assert {name.partition("/")[0] for name in metrics if "_vs_" in name} == {
        "m_global_vs_distance"
    }
    groups = {name.rpartition("/")[0] for name in metrics}
    assert "claims" in groups
    assert "correlation" in groups
    assert len(groups) < 10  # MLflow draws a group of charts for each
