"""`bench doctor` finds and repairs damage; `bench gc` frees what nobody needs."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from benchmark.data.settings import RotatedView
from benchmark.data.store import open_store
from benchmark.errors import BenchError, BusyError
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.runs import digests, weights
from benchmark.runs.directory import RunDirectory
from benchmark.runs.doctor import Fault, faults_of, faults_of_runs, faults_of_stores
from benchmark.runs.evaluations import Evaluations
from benchmark.runs.garbage import find_garbage
from benchmark.tracking.audit import faults_of_view
from tests.conftest import tiny_run, tiny_spec
from tests.processes import bench
from tests.reliability.conftest import Swept
from tests.reliability.test_checkpoints import spoil
from tests.tracking.test_tracking import children, fill, plan
from tests.training.test_loop import Stopped, train, whole_and_cut


def repair(faults: list[Fault]) -> None:
    for fault in faults:
        assert fault.fix is not None, fault
        fault.fix()


def words(run: RunDirectory) -> list[str]:
    return [fault.what for fault in faults_of(run, run.run_id)]


def test_a_sound_sweep_has_no_faults_and_a_damaged_one_has(swept: Swept, tmp_path: Path) -> None:
    assert list(faults_of_runs(swept.folder / "runs")) == []
    shutil.copytree(swept.folder / "runs", tmp_path / "runs")
    torn = tmp_path / "runs" / swept.runs()[0].run_id
    half = torn / "samples" / ".abc.tmp"
    half.write_bytes(b"half a grid")
    assert list(faults_of_runs(tmp_path / "runs")) == []  # a living judge may be writing it
    os.utime(half, (0, 0))
    done = bench("doctor", "--cache", str(swept.folder / "cache"), cwd=tmp_path)
    assert done.returncode == 1
    assert f"found: {Path('runs', torn.name, 'samples', '.abc.tmp')}: left by" in done.stdout
    assert half.exists()
    assert not (tmp_path / "mlflow").exists()  # looking makes no store
    done = bench("doctor", "--fix", "--cache", str(swept.folder / "cache"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 fault found, 1 repaired" in done.stdout
    assert not half.exists()


def test_each_kind_of_damage_to_a_finished_run_is_named(finished: RunDirectory) -> None:
    assert words(finished) == []
    (finished.path / "moved").mkdir()
    assert faults_of(finished, "began-000000000000")[0].what.endswith(finished.run_id)
    metrics = finished.path / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)

    metrics.write_text("".join(lines[:2] + lines[3:]))
    assert words(finished) == ["1 steps missing, 0 twice, of 6 train rows"]
    metrics.write_text("".join([lines[0], *lines]))
    assert words(finished) == ["0 steps missing, 1 twice, of 6 train rows"]
    metrics.write_text("".join([lines[0], lines[1][:20] + "\n", *lines[2:]]))
    assert words(finished) == ["line 2 is not a row"]
    with pytest.raises(BenchError, match="bench doctor"):
        finished.rows()
    metrics.write_text("".join(lines) + '{"step": 14, "ki')
    assert words(finished) == ["its last line is incomplete"]
    repair(faults_of(finished, finished.run_id))
    assert metrics.read_text() == "".join(lines)

    (finished.samples / "00000006.png").unlink()
    assert words(finished) == ["no grid of step 6"]
    (judged,) = Evaluations.all(finished.path)
    text = judged.path.read_text()
    judged.path.write_text(text.replace('"step"', '"stop"', 1))
    assert words(finished) == ["line 1 is not a row"]
    judged.path.write_text(text)
    last = max(finished.snapshots.iterdir())
    data = last.read_bytes()
    last.write_bytes(data[:-1])
    assert words(finished)[:2] == [
        "its checksum does not match its name",
        "no whole snapshot of the last step, 12",
    ]
    last.write_bytes(data)
    result = finished.path / "result.json"
    whole = result.read_text()
    result.write_text(json.dumps({**json.loads(whole), "weights_sha256": "0" * 64}))
    assert "not the weights that result.json names" in words(finished)
    result.write_text(whole)
    spoil(weights.listed(finished.checkpoints)[-1])
    assert words(finished) == [
        "its bytes do not match its name",
        "no whole checkpoint of the last step, 12",
        "no grid of step 6",
    ]
    assert faults_of(finished, finished.run_id)[0].fix is None  # the last weights are evidence


def test_a_repaired_run_continues_to_the_same_end(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec()
    whole, run = whole_and_cut(tmp_path, cache, stop_at=5)
    spoil(weights.listed(run.checkpoints)[-1])
    (run.path / "result.json").write_text("{")
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step"')
    found = faults_of(run, spec.run_id)
    assert len([fault for fault in found if fault.fix]) == 3
    repair([fault for fault in found if fault.fix])
    assert train(spec, tmp_path / "cut", cache).weights_sha256 == whole.weights_sha256


def test_damaged_digests_stop_a_run_with_one_line_and_can_go(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(Stopped):
        train(tiny_spec(), tmp_path, cache, stop_at=2)
    run = RunDirectory(tmp_path / tiny_spec().run_id)
    (run.checkpoints / digests.NAME).write_bytes(b'{"step": 2\n')
    with pytest.raises(BenchError, match=r"digests.jsonl: damaged; `bench doctor --fix`"):
        train(tiny_spec(), tmp_path, cache)
    repair(faults_of(run, run.run_id))
    assert train(tiny_spec(), tmp_path, cache).state == "done"


@pytest.mark.parametrize("damage", ["provenance.json", "a row", "all rows"])
def test_an_unfinished_run_that_nothing_can_continue_is_set_aside(
    damage: str, tmp_path: Path, cache: Path
) -> None:
    spec = tiny_spec()
    whole, run = whole_and_cut(tmp_path, cache, stop_at=5)
    assert words(run) == []
    rows = run.path / "metrics.jsonl"
    if damage == "provenance.json":
        (run.path / damage).write_bytes(b'{"code": ')
        rows.write_bytes(b"[]\n" + rows.read_bytes())  # goes with the first fault
    elif damage == "a row":
        rows.write_bytes(b"[]\n" + rows.read_bytes())
    else:
        rows.unlink()
    before = sorted(path.name for path in run.path.iterdir())
    found = faults_of(run, spec.run_id)
    assert all("`bench run` trains it anew" in fault.how for fault in found)
    repair(found)
    assert list(faults_of_runs(tmp_path / "cut")) == []
    assert not run.path.exists()
    aside = tmp_path / "cut" / "damaged" / spec.run_id
    assert sorted({path.name for path in aside.iterdir()} - {"lock"}) == before
    assert train(spec, tmp_path / "cut", cache).weights_sha256 == whole.weights_sha256
    run.set_aside()
    assert sorted(path.name for path in aside.parent.iterdir()) == [aside.name, f"{aside.name}-2"]


def test_a_finished_run_is_never_set_aside(finished: RunDirectory) -> None:
    for content in (b"[]", b"{}"):
        (finished.path / "provenance.json").write_bytes(content)
        (fault,) = faults_of(finished, finished.run_id)
        assert (fault.what, fault.fix) == ("not a record of what made the run", None)
        with pytest.raises(BenchError, match=r"provenance.json: damaged; see `bench doctor`"):
            finished.provenance()


def test_what_is_no_part_of_a_run_can_go(finished: RunDirectory) -> None:
    names = ["classified.json", "evaluation.json", "probe.json"]
    for name, content in zip(names, (b"[]", b"", b"{}"), strict=True):
        (finished.path / name).write_bytes(content)
    theirs = [finished.path / "evaluations/notes.json", finished.snapshots / "9x.safetensors"]
    for path in theirs:
        path.write_bytes(b"")
    found = faults_of(finished, finished.run_id)
    assert sorted(Path(fault.where).name for fault in found) == names
    repair(found)
    assert words(finished) == []
    assert all(path.exists() for path in theirs)


def test_what_cannot_be_read_is_not_removed(finished: RunDirectory) -> None:
    (finished.path / "result.json").unlink()
    (finished.path / "result.json").mkdir()
    (fault,) = faults_of(finished, finished.run_id)
    assert (fault.where, fault.what) == (str(finished.path / "result.json"), "Is a directory")
    assert fault.fix is None


def test_a_description_is_written_again_from_what_its_folder_is_called(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec())
    path = run.path / "spec.json"
    whole = path.read_bytes()
    for damage in (b"", whole[:-9], b"[]"):
        path.write_bytes(damage)
        (fault,) = faults_of_runs(tmp_path)
        assert (fault.where, fault.fix) == (path, None)
        RunDirectory.create(tmp_path, tiny_spec())
        assert path.read_bytes() == whole
    path.write_text(tiny_spec(method={"gamma": 0.3}).to_json())
    with pytest.raises(BenchError, match="holds another run"):
        RunDirectory.create(tmp_path, tiny_spec())


def test_a_living_run_is_left_alone(finished: RunDirectory) -> None:
    young, old = finished.path / ".abc.tmp", finished.path / ".def.tmp"
    for path in (young, old):
        path.write_bytes(b"being written")
    os.utime(old, (0, 0))
    with finished.locked():
        assert (young.exists(), old.exists()) == (True, False)
        os.utime(young, (0, 0))
        assert words(finished) == []


def test_a_run_that_has_continued_since_the_look_is_left_alone(finished: RunDirectory) -> None:
    metrics = finished.path / "metrics.jsonl"
    whole = metrics.read_bytes()
    metrics.write_bytes(whole[:-30])
    (torn,) = faults_of(finished, finished.run_id)
    assert torn.what == "its last line is incomplete"
    assert torn.fix is not None
    with finished.locked(), pytest.raises(BusyError):
        torn.fix()
    assert metrics.read_bytes() == whole[:-30]
    metrics.write_bytes(whole)
    torn.fix()
    assert metrics.read_bytes() == whole


def test_a_store_with_a_wrong_sum_is_found_and_made_again(tmp_path: Path) -> None:
    settings = tiny_spec().data
    before = open_store(settings, None, tmp_path)
    sound = np.array(before.images)
    assert list(faults_of_stores(tmp_path)) == []
    (path,) = tmp_path.glob("stores/*/images.npy")
    del before
    spoil(path)
    (fault,) = faults_of_stores(tmp_path)
    assert "does not match its sum" in fault.what
    repair([fault])
    assert np.array_equal(open_store(settings, None, tmp_path).images, sound)
    (path.parent / "store.json").write_text("[]")
    assert "damaged" in next(faults_of_stores(tmp_path)).what
    (tmp_path / "stores" / "notes").mkdir()  # somebody's own
    (fault,) = faults_of_stores(tmp_path)
    assert fault.fix is not None
    with FileLock(path.parent.with_suffix(".lock")):
        assert list(faults_of_stores(tmp_path)) == []
        with pytest.raises(BusyError, match="another process is preparing it"):
            fault.fix()
    assert path.exists()


def test_mlflow_that_shows_otherwise_is_found_and_repaired(tmp_path: Path) -> None:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.tracker import Tracker

    runs, uri = tmp_path / "runs", f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    fill(runs)
    Tracker(uri, plan(), runs).close()
    assert faults_of_view(uri, runs) == []

    client = MlflowClient(tracking_uri=uri)
    shown = {name: run.info.run_id for name, run in children(uri).items()}
    for name in ("tiny (demo)", "gamma=0.7 seed=0"):  # as a killed `bench run` leaves them
        client.update_run(shown[name], status="RUNNING")
    client.log_batch(shown["gamma=0.3 seed=0"], metrics=[Metric("train/l_real", 9.0, 1, 400)])
    found = faults_of_view(uri, runs)
    assert [fault.what for fault in found if "RUNNING" in fault.what] == [
        "RUNNING, but it is stopped",
        "RUNNING, but none of its runs is",
    ]
    assert [fault for fault in found if "gamma=0.3" in str(fault.where) and "l_real" in fault.what]
    assert len(found) == 3
    result = next(runs.glob("*/result.json"))
    whole = result.read_bytes()
    result.write_bytes(b"{")  # costs no other run its audit
    said = [fault.what for fault in faults_of_view(uri, runs)]
    assert f"{result}: damaged; see `bench doctor`" in said
    assert "RUNNING, but it is stopped" in said
    result.write_bytes(whole)
    repair(found)
    again = faults_of_view(uri, runs)
    assert again == []
    Tracker(uri, plan(), runs).close()  # what `bench sync` does
    assert set(children(uri, count=4)) == set(shown)
    assert faults_of_view(uri, runs) == []


def test_a_store_of_mlflow_that_is_locked_is_one_line(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from benchmark.tracking.tracker import Tracker

    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    fill(tmp_path / "runs")
    Tracker(uri, plan(), tmp_path / "runs").close()
    client = MlflowClient(tracking_uri=uri)
    for name in ("tiny (demo)", "gamma=0.7 seed=0"):
        client.update_run(children(uri)[name].info.run_id, status="RUNNING")
    with closing(sqlite3.connect(tmp_path / "mlflow" / "mlflow.db")) as other:
        other.execute("BEGIN IMMEDIATE")  # it can be read, and not written to
        done = bench("doctor", "--fix", "--mlflow", uri, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"not repaired: {uri} cannot be written (")
    assert "database is locked" in done.stderr
    found = [line for line in done.stdout.splitlines() if "RUNNING, but" in line]
    assert len(found) == 2
    assert all(line.startswith("found: ") for line in found)
    repair([each for each in faults_of_view(uri, tmp_path / "runs") if "RUNNING" in each.what])


def test_metrics_under_their_names_of_earlier_versions_are_found_and_made_again(
    tmp_path: Path,
) -> None:
    from benchmark.tracking.tracker import Tracker

    runs, uri = tmp_path / "runs", f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    fill(runs)
    Tracker(uri, plan(), runs).close()
    now = {name: run.data.metrics for name, run in children(uri).items()}
    with closing(sqlite3.connect(tmp_path / "mlflow" / "mlflow.db")) as database, database:
        for table in ("metrics", "latest_metrics"):
            for group, name in (("equilibrium", "m_global"), ("eval", "distance")):
                names = (f"{group}/{name}", f"convergence/{name}")
                database.execute(f"UPDATE {table} SET key = ? WHERE key = ?", names)
    found = faults_of_view(uri, runs)
    assert found
    assert all("equilibrium/m_global is not what" in fault.what for fault in found)
    repair(found)
    Tracker(uri, plan(), runs).close()
    assert {name: run.data.metrics for name, run in children(uri).items()} == now
    assert faults_of_view(uri, runs) == []


def test_gc_keeps_the_last_checkpoint_and_every_store_in_use(swept: Swept, tmp_path: Path) -> None:
    shutil.copytree(swept.folder / "runs", tmp_path / "runs")
    shutil.copytree((swept.folder / "cache").resolve(), tmp_path / "cache")
    other = open_store(tiny_spec(data={"count": 500}).data, None, tmp_path / "cache")
    del other
    used = {swept.runs()[0].provenance()["store"]}  # type: ignore[index]
    before = sorted(tmp_path.rglob("*"))
    done = bench("gc", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert done.stdout.count("not the last checkpoint of a finished run") == 2
    done = bench("gc", cwd=tmp_path)
    assert "was freed" in done.stdout
    assert {path.name for path in tmp_path.glob("cache/stores/*") if path.is_dir()} == used
    for run in tmp_path.glob("runs/began-*"):
        (kept,) = run.glob("checkpoints/[0-9]*.safetensors")
        assert kept.name.startswith("00000012-")
        assert faults_of(RunDirectory(run), run.name) == []
    assert list(find_garbage(tmp_path / "runs", tmp_path / "cache")) == []
    done = bench("gc", "--keep", "1", cwd=tmp_path)
    assert done.stdout.count("not among the last 1 snapshots") == 2
    for run in tmp_path.glob("runs/began-*"):
        assert [path.name[:8] for path in (run / "snapshots").iterdir()] == ["00000012"]
        assert faults_of(RunDirectory(run), run.name) == []


def test_gc_keeps_stores_where_a_run_does_not_say_which_it_needs(tmp_path: Path) -> None:
    open_store(tiny_spec().data, None, tmp_path / "cache")
    RunDirectory.create(tmp_path / "runs", tiny_spec())
    assert list(find_garbage(tmp_path / "runs", tmp_path / "cache")) == []


def test_gc_keeps_what_a_judge_compares_with(tmp_path: Path) -> None:
    """A view that no run was trained on, by a judge that is to come and by one that has judged."""
    view = RotatedView(name="rotated", degrees=30)
    data = tiny_spec().data
    stores = {
        name: open_store(each, None, tmp_path / "cache").name
        for name, each in {
            "own": data,
            "other view": data.model_copy(update={"view": view}),
            "nobody's": tiny_spec(data={"count": 500}).data,
        }.items()
    }
    run = tiny_run(tmp_path / "runs", tiny_spec())
    run.write_provenance({"code": {}, "data": {}, "store": stores["own"]})

    def garbage() -> list[str]:
        return [each.path.name for each in find_garbage(tmp_path / "runs", tmp_path / "cache")]

    assert sorted(garbage()) == sorted([stores["other view"], stores["nobody's"]])
    settings = JudgeSettings(features="efficientnet_lite0", samples=60, reference_view=view)
    run.write_evaluation(EvaluationSettings(every=6, judges={"rotated": settings}))
    assert garbage() == []
    device = torch.device("cpu")
    own, cache = open_store(data, None, tmp_path / "cache"), tmp_path / "cache"
    judge = Judge.of_data("rotated", settings, data, own, None, cache, device)
    Evaluations(run.path, judge.features, judge.digest).write_record(judge.record())
    assert garbage() == [stores["nobody's"]]


def test_gc_names_a_damaged_run_and_goes_on(swept: Swept, tmp_path: Path) -> None:
    shutil.copytree(swept.folder / "runs", tmp_path / "runs")
    open_store(tiny_spec(data={"count": 500}).data, None, tmp_path / "cache")
    damaged, sound = (tmp_path / "runs" / run.run_id for run in swept.runs())
    (damaged / "provenance.json").write_bytes(b"")
    (damaged / "result.json").write_bytes(b"")
    done = bench("gc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr == f"{Path('runs', damaged.name, 'result.json')}: damaged; see `bench doctor`\n"
    )
    assert len(weights.listed(damaged / "checkpoints")) == 2
    assert len(weights.listed(sound / "checkpoints")) == 1
    assert len([path for path in tmp_path.glob("cache/stores/*") if path.is_dir()]) == 1


def test_gc_says_what_it_could_not_remove(
    swept: Swept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(swept.folder / "runs", tmp_path / "runs")

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        done = bench("gc", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count(": not removed (Permission denied)\n") == 2
    assert done.stdout == "0.0 MB was freed\n"
