"""What a run directory shows otherwise than before, MLflow shows otherwise too."""

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient
from rich.console import Console

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.samples import save_grid
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.doctor import Fault
from benchmark.runs.evaluations import Evaluations
from benchmark.sweep.output import Output
from benchmark.sweep.run import Places, _View
from benchmark.tracking.audit import faults_of_view
from benchmark.tracking.tracker import Tracker
from tests.conftest import judged, tiny_evaluation, tiny_plan, tiny_spec

PLAN = tiny_plan(tiny_spec())
RESULTS = Path(__file__).parents[2] / "results" / "convergence" / "small"
ENDED, HALF = 12, 6


def rows(run: RunDirectory, steps: range, factor: float = 1.0, time: float = 1e9) -> None:
    for step in steps:
        values = {"l_real": factor / step, "m_global": 2 * factor / step, "k": 0.0}
        run.append(Row(step=step, kind="train", time=time + step, values=values))


def begun(root: Path, factor: float = 1.0, last: int = ENDED) -> RunDirectory:
    """A run as it is after `last` steps; another `factor`, and it has other bits."""
    run = RunDirectory.create(root, PLAN.runs[0].spec)
    rows(run, range(2, last + 1, 2), factor)
    run.checkpoints.mkdir()
    (run.checkpoints / f"{last:08d}-{factor}.safetensors").write_bytes(b"weights")
    run.write_provenance(
        {"data": {"title": "faces", "fingerprint": "ab" * 32}, "code": {"commit": f"c{factor}"}}
    )
    grid(run, HALF, factor)
    judged(run, HALF, kid=0.5 * factor, distance=9.0)
    return run


def grid(run: RunDirectory, step: int, factor: float) -> None:
    image = torch.full((4, 3, 16, 16), int(90 * factor), dtype=torch.uint8)
    save_grid(image, 2, run.samples / f"{step:08d}.png")


def end(run: RunDirectory, step: int = ENDED, wall: float = 1.0) -> RunDirectory:
    result = {"state": "done", "step": step, "reason": None, "weights_sha256": "00"}
    run.write_result(Result.model_validate({**result, "wall_s": wall, "cpu_s": 1.0, "decays": []}))
    return run


class Store:
    """An MLflow store that is brought up to date as `bench sync` does."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.uri = folder / "runs", f"sqlite:///{folder}/mlflow/mlflow.db"
        self._copies = folder / "copies"

    def sync(self, plan: Plan = PLAN) -> Tracker:
        tracker = Tracker(self.uri, plan, self.runs)
        tracker.close()
        assert tracker.left_out == {}
        return tracker

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def all(self) -> list[Run]:
        found = self.client.get_experiment_by_name(PLAN.name)
        assert found is not None
        return list(self.client.search_runs([found.experiment_id]))

    def child(self) -> Run:
        (found,) = [run for run in self.all() if "bench.run_id" in run.data.tags]
        return found

    def parent(self) -> Run:
        (found,) = [run for run in self.all() if "bench.plan" in run.data.tags]
        return found

    def points(self, name: str) -> dict[int, float]:
        there = self.client.get_metric_history(self.child().info.run_id, name)
        assert len({point.step for point in there}) == len(there)
        return {point.step: point.value for point in there}

    def check(self, run: RunDirectory) -> None:
        """That MLflow shows this run, and nothing else of it, and nothing is left to do."""
        self.compare(run)
        assert faults_of_view(self.uri, self.runs) == []

    def compare(self, run: RunDirectory) -> None:
        train = {row.step: row.values for row in run.rows()}
        assert self.points("convergence/m_global") == {s: v["m_global"] for s, v in train.items()}
        assert self.points("train/l_real") == {s: v["l_real"] for s, v in train.items()}
        for judge in Evaluations.all(run.path):
            said = {row.step: row.values["kid"] for row in judge.rows() if row.draw == 0}
            assert self.points("eval/kid") == said
        assert self.files("samples") == {
            path.name: path.read_bytes() for path in run.samples.glob("*.png")
        }
        if run.result() is not None:
            wanted = {path.name: path.read_bytes() for path in run.path.glob("*.json")}
            wanted.pop("evaluation.json", None)
            assert self.files("") == wanted
            (kept,) = run.checkpoints.glob("*.safetensors")
            assert set(self.files("checkpoint")) == {kept.name}
        tags = self.child().data.tags
        assert tags["state"] == run.state()
        provenance = run.provenance()
        assert provenance is not None
        assert tags["commit"] == provenance["code"]["commit"]

    def files(self, folder: str) -> dict[str, bytes]:
        run_id = self.child().info.run_id
        shutil.rmtree(self._copies, ignore_errors=True)
        self._copies.mkdir()
        found = {}
        for item in self.client.list_artifacts(run_id, folder):
            if not item.is_dir:
                copy = self.client.download_artifacts(run_id, item.path, str(self._copies))
                found[Path(item.path).name] = Path(copy).read_bytes()
        return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_finished_run_that_was_judged_again_is_shown_as_it_is_judged_now(store: Store) -> None:
    run = end(begun(store.runs))
    store.sync()
    store.check(run)
    judged(run, HALF, kid=0.75, distance=9.0)  # as another version of the metric says
    tracker = store.sync()
    store.check(run)
    assert list(tracker.renewed) == [PLAN.runs[0].label]
    assert "eval/kid" in tracker.renewed[PLAN.runs[0].label]


def test_a_judge_that_looks_at_other_samples_keeps_its_name_and_not_its_values(
    store: Store,
) -> None:
    run = end(begun(store.runs))
    store.sync()
    evaluation = tiny_evaluation(judges={"efficientnet_lite0": {"samples": 80}})
    changed = replace(PLAN, evaluation=evaluation)
    (old,) = Evaluations.all(run.path)
    store.sync(changed)  # it has not judged yet
    assert "eval/kid" not in store.child().data.metrics
    settings = evaluation.judges["efficientnet_lite0"]
    new = Evaluations(run.path, settings.features, "2" * 64)
    new.write_record(
        old.record().model_copy(update={"digest": "2" * 64, "settings": settings.identity()})
    )
    new.append(old.rows()[0].model_copy(update={"values": {"kid": 0.25, "distance": 3.0}}))
    store.sync(changed)
    assert store.points("eval/kid") == {HALF: 0.25}
    assert faults_of_view(store.uri, store.runs) == []
    store.sync()  # and back
    assert store.points("eval/kid") == {HALF: 0.5}
    assert faults_of_view(store.uri, store.runs) == []


@pytest.mark.parametrize("seen_empty", [False, True])
def test_a_run_that_was_deleted_and_trained_again_is_shown_as_it_is_now(
    store: Store, seen_empty: bool
) -> None:
    run = end(begun(store.runs))
    store.sync()
    shutil.rmtree(run.path)
    if seen_empty:  # as `bench run` looks before the training begins
        RunDirectory.create(store.runs, PLAN.runs[0].spec)
        store.sync()
        assert not store.child().data.metrics
    run = end(begun(store.runs, factor=1.5))
    store.sync()
    store.check(run)


def test_a_stopped_run_that_was_deleted_and_trained_again_is_shown_as_it_is_now(
    store: Store,
) -> None:
    run = begun(store.runs)
    store.sync()
    shutil.rmtree(run.path)
    tracker = Tracker(store.uri, PLAN, store.runs)  # it lives while the run is trained
    tracker.sync()
    run = begun(store.runs, factor=1.5, last=HALF)
    tracker.sync()
    store.compare(run)
    rows(run, range(HALF + 2, ENDED + 1, 2), factor=1.5)
    end(run)
    tracker.close()
    store.check(run)


def test_a_run_that_is_trained_again_beside_a_living_writer_is_shown_as_it_is_now(
    store: Store,
) -> None:
    run = end(begun(store.runs))
    tracker = Tracker(store.uri, PLAN, store.runs)
    tracker.sync()
    shutil.rmtree(run.path)
    run = end(begun(store.runs, factor=1.5))
    tracker.close()
    store.check(run)


def test_a_finished_run_that_is_judged_beside_a_living_writer_is_shown_in_the_end(
    store: Store,
) -> None:
    run = end(begun(store.runs))
    tracker = Tracker(store.uri, PLAN, store.runs)
    tracker.sync()  # as `bench evaluate` does before its first judge
    judged(run, ENDED, kid=0.1, distance=4.0)
    grid(run, ENDED, 1.0)
    tracker.close()
    store.check(run)


def test_a_resumed_runs_tail_of_the_same_bits_is_no_change(store: Store) -> None:
    run = begun(store.runs)
    store.sync()
    known = store.child().info.run_id
    store.client.set_tag(known, "note", "by hand")
    run.cut_after(HALF)  # a killed run, continued from its checkpoint
    tracker = Tracker(store.uri, PLAN, store.runs)
    tracker.sync()
    rows(run, range(HALF + 2, ENDED + 1, 2), time=2e9)
    end(run)
    tracker.close()
    store.check(run)
    assert tracker.renewed == {}
    assert store.child().info.run_id == known
    assert store.child().data.tags["note"] == "by hand"


def test_a_resumed_runs_tail_of_other_bits_is_a_change(store: Store) -> None:
    run = begun(store.runs)
    tracker = Tracker(store.uri, PLAN, store.runs)
    tracker.sync()
    run.cut_after(HALF)
    rows(run, range(HALF + 2, ENDED + 1, 2), factor=1.5, time=2e9)  # by other code
    end(run)
    tracker.close()
    store.check(run)


def test_the_same_bits_trained_again_keep_the_run_and_renew_its_files(store: Store) -> None:
    run = end(begun(store.runs))
    store.sync()
    known = store.child().info.run_id
    shutil.rmtree(run.path)
    run = begun(store.runs)
    grid(run, HALF, 1.5)  # as another version draws it
    end(run, wall=2.0)
    tracker = store.sync()
    store.check(run)
    assert tracker.renewed == {}
    assert store.child().info.run_id == known


def test_a_run_that_is_not_here_stays_as_it_was_shown(store: Store) -> None:
    run = end(begun(store.runs))
    store.sync()
    before = store.child().to_dictionary()
    run.path.rename(store.runs / "elsewhere")
    store.sync()
    assert store.child().to_dictionary() == before


def test_two_machines_that_share_a_server_do_not_renew_each_others_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.tracking.tracker.sqlite_file", lambda uri: None)
    other = Store(tmp_path / "other")
    other.uri = store.uri
    run = end(begun(store.runs))
    store.sync()
    known = store.child().info.run_id
    theirs = end(begun(other.runs, factor=1.5))
    for _ in range(2):
        tracker = Tracker(other.uri, PLAN, other.runs)
        tracker.close()
        (why,) = tracker.left_out.values()
        assert why == (
            "MLflow shows it from another runs folder: train/l_real was 0.5 at step 2 and is 0.75; "
            "delete it there to show this one"
        )
        assert tracker.renewed == store.sync().renewed == {}
        assert store.child().info.run_id == known
        store.check(run)
    store.client.delete_run(known)
    other.sync()
    other.check(theirs)


def test_a_run_that_goes_on_on_another_machine_keeps_its_child(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.tracking.tracker.sqlite_file", lambda uri: None)
    begun(store.runs, last=HALF)
    store.sync()
    known = store.child().info.run_id
    other = Store(tmp_path / "other")
    other.uri = store.uri
    run = end(begun(other.runs))
    other.sync()
    other.check(run)
    tracker = Tracker(store.uri, PLAN, store.runs)  # which has less of it
    tracker.close()
    assert list(tracker.left_out) == [PLAN.runs[0].label]
    assert store.child().info.run_id == known
    other.check(run)


def test_what_has_ended_is_compared_by_its_seal_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = end(begun(store.runs))
    store.sync()
    with monkeypatch.context() as patched:
        for name in ("get_metric_history", "list_artifacts", "log_artifact", "log_batch"):
            patched.delattr(MlflowClient, name)
        store.sync()
    store.check(run)


def test_a_grid_that_a_dead_writer_left_half_copied_is_copied_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = end(begun(store.runs))
    store.sync()
    grid(run, ENDED, 1.0)
    real = MlflowClient.log_artifact

    def killed(self: MlflowClient, run_id: str, path: str, folder: str | None = None) -> None:
        half = tmp_path / Path(path).name
        half.write_bytes(Path(path).read_bytes()[:20])
        real(self, run_id, str(half), folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_artifact", killed)
        with pytest.raises(KeyboardInterrupt):
            store.sync()
    store.sync()
    store.check(run)


def test_what_people_logged_is_theirs(store: Store) -> None:
    run = end(begun(store.runs))
    store.sync()
    known = store.child().info.run_id
    store.client.log_batch(known, metrics=[Metric("mine", 1.0, 1, 1)])
    store.check(run)
    judged(run, ENDED, kid=0.1, distance=4.0)
    grid(run, ENDED, 1.0)
    store.sync()
    store.check(run)
    assert store.child().info.run_id == known
    assert store.child().data.metrics["mine"] == 1.0


def test_a_run_is_called_by_what_differs_now(store: Store) -> None:
    """Runs with one `cell` are grouped, so an old cell would join what differs."""
    end(begun(store.runs))
    store.sync()
    spec = PLAN.runs[0].spec
    wider = replace(PLAN, runs=(PlannedRun(spec, {"method.gamma": 0.5, "method.n": 2}),))
    store.sync(wider)
    child = store.child()
    assert child.data.tags["cell"] == wider.runs[0].cell != PLAN.runs[0].cell
    assert child.info.run_name == wider.runs[0].label
    assert child.data.params["method.n"] == "2"


def test_a_sweep_says_once_which_runs_were_logged_anew(
    store: Store, listening: tuple[_View, list[str]]
) -> None:
    view, said = listening
    run = end(begun(store.runs))
    view.sync_if_due()
    judged(run, HALF, kid=0.75, distance=9.0)
    view.close()
    store.check(run)
    (line,) = said
    assert line.startswith("MLflow: 1 run shown otherwise than the run directory, as gamma=0.5")
    assert "(eval/kid was 0.5 at step 6 and is 0.75)" in line


def test_a_sweep_that_reaches_mlflow_only_in_the_end_leaves_nothing_running(
    store: Store, listening: tuple[_View, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, said = listening
    run = end(begun(store.runs))
    with monkeypatch.context() as patched:
        patched.setattr(Tracker, "close", lambda self: 1 / 0)
        view.close()
    view.publish(RESULTS)
    store.check(run)
    assert {each.info.status for each in store.all()} == {"FINISHED"}
    assert len(said) == 1


def test_the_parent_shows_the_claims_of_now(store: Store, tmp_path: Path) -> None:
    end(begun(store.runs))
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("claims.csv", "correlations.csv"):
        shutil.copy(RESULTS / name, folder)
    claims = pd.read_csv(folder / "claims.csv")
    first, second = claims["id"][:2]
    effects = [f"claims/{name}.effect" for name in (first, second)]
    store.sync().publish(folder)
    os.utime(folder / "claims.csv")  # every sweep writes it again
    store.sync().publish(folder)
    before = store.parent()
    history = store.client.get_metric_history(before.info.run_id, effects[0])
    assert len(history) == 1  # nothing has changed
    claims["effect"] += 1
    claims[claims["id"] != second].to_csv(folder / "claims.csv", index=False)
    os.utime(folder / "claims.csv", (1, 1))  # as of another checkout
    store.sync().publish(folder)
    after = store.parent()
    assert after.data.metrics[effects[0]] == before.data.metrics[effects[0]] + 1
    assert math.isnan(after.data.metrics[effects[1]])  # MLflow can take no point back
    assert before.data.tags.keys() - after.data.tags.keys() == {f"verdict.{second}"}


def test_doctor_finds_a_run_that_is_there_twice_and_a_file_that_is_not_the_runs(
    store: Store,
) -> None:
    run = end(begun(store.runs))
    store.sync()
    old = store.child().info.run_id
    judged(run, HALF, kid=0.75, distance=9.0)
    store.sync()
    store.client.restore_run(old)
    found = faults_of_view(store.uri, store.runs)
    assert ["twice" in fault.what for fault in found].count(True) == 1
    repair(found)
    store.sync()
    store.check(run)
    place = store.runs.parent / "mlflow" / "artifacts" / PLAN.name / store.child().info.run_id
    (place / "artifacts" / "samples" / f"{HALF:08d}.png").write_bytes(b"half")
    (fault,) = faults_of_view(store.uri, store.runs)
    assert fault.what == f"samples/{HALF:08d}.png is not that of the run directory"
    repair([fault])
    store.check(run)


def repair(faults: list[Fault]) -> None:
    for fault in faults:
        assert fault.fix is not None
        fault.fix()


@pytest.fixture
def listening(store: Store, tmp_path: Path) -> tuple[_View, list[str]]:
    """A sweep's view, and what it says."""
    said: list[str] = []

    class Listening(Output):
        def note(self, text: str) -> None:
            said.append(text)

        warn = note

    places = Places(store.runs, tmp_path, tmp_path, tmp_path, None, store.uri)
    return _View(PLAN, places, Listening(Console())), said
