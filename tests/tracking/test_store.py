"""What people do to a store, and the stores that people name: one line, and the others go on."""

import logging
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.errors import BenchError
from benchmark.runs.directory import Row, RunDirectory
from tests.tracking.test_tracking import check_whole, children, fill, plan

pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, and a store that shows them; making one takes seconds."""
    from benchmark.tracking.tracker import Tracker

    root = tmp_path_factory.mktemp("original")
    fill(root / "runs")
    Tracker(f"sqlite:///{root}/mlflow/mlflow.db", plan(), root / "runs").close()
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    adopt(uri(copy))
    return copy


def adopt(store: str) -> None:
    """As `bench doctor --fix` does with a store that was copied or moved."""
    from benchmark.tracking.moved import moved_experiments, put_right
    from benchmark.tracking.store import client_of

    for experiment, here in list(moved_experiments(client_of(store), store)):
        put_right(store, experiment, here)


def uri(root: Path) -> str:
    return f"sqlite:///{root}/mlflow/mlflow.db"


def client(root: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri(root))


def follow(root: Path) -> Any:
    from benchmark.tracking.tracker import Tracker

    return Tracker(uri(root), plan(), root / "runs")


def one_more_row(root: Path, number: int) -> RunDirectory:
    run = RunDirectory(root / "runs" / plan().runs[number].run_id)
    values = {"l_real": 0.5, "m_global": 0.25, "k": 0.0}
    run.append(Row(step=402, kind="train", time=2.0e9, values=values))
    return run


def test_what_others_put_beside_our_runs_is_left_alone(root: Path) -> None:
    from benchmark.tracking.audit import faults_of_view

    there = children(uri(root))
    parent, child = (there[name].info for name in ("tiny (demo)", "gamma=0.7 seed=0"))
    store = client(root)
    beside = {"mlflow.parentRunId": parent.run_id}
    notes = store.create_run(parent.experiment_id, tags=beside, run_name="notes")
    store.log_metric(notes.info.run_id, "opinion", 1.0)
    store.log_metric(child.run_id, "train/opinion", 1.0, step=10**6)  # beyond all of our rows
    one_more_row(root, 2)
    tracker = follow(root)
    tracker.close()
    assert tracker.left_out == {}
    found = children(uri(root), count=5)
    assert found["gamma=0.7 seed=0"].data.metrics["convergence/m_global"] == 0.25
    assert found["notes"].data.metrics == {"opinion": 1.0}
    store.set_tag(child.run_id, "bench.evaluation", "{}")
    (fault,) = faults_of_view(uri(root), root / "runs")
    assert "gamma=0.7 seed=0" in str(fault.where)


def test_what_was_deleted_by_hand_is_there_again(root: Path) -> None:
    store = client(root)
    parent = children(uri(root))["tiny (demo)"].info
    store.delete_experiment(parent.experiment_id)
    tracker = follow(root)
    check_whole(uri(root))  # the experiment and all of its runs
    one_more_row(root, 2)
    store.delete_run(children(uri(root))["gamma=0.7 seed=0"].info.run_id)
    tracker.sync()
    assert list(tracker.left_out) == ["gamma=0.7 seed=0"]
    tracker.sync()
    assert tracker.left_out == {}
    found = children(uri(root), count=4)["gamma=0.7 seed=0"]
    assert found.data.metrics["convergence/m_global"] == 0.25


def test_a_run_that_mlflow_refuses_keeps_no_other_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.sweep.run import left_out
    from benchmark.tracking import tracked_run

    honest = tracked_run.metrics_of

    def refused(row: Row, signal: str) -> Any:
        for metric in honest(row, signal):
            metric._key = "no(name" if row.values.get("k") == 1.0 else metric.key
            yield metric

    monkeypatch.setattr(tracked_run, "metrics_of", refused)
    one_more_row(root, 1)
    run = RunDirectory(root / "runs" / plan().runs[0].run_id)
    run.append(Row(step=404, kind="train", time=2.0e9, values={"l_real": 0.0, "k": 1.0}))
    (root / "runs" / plan().runs[2].run_id / "evaluation.json").write_text("{")
    (root / "runs" / plan().runs[2].run_id / "result.json").write_text("{")  # damaged
    tracker = follow(root)
    tracker.close()
    assert sorted(tracker.left_out) == ["gamma=0.3 seed=0", "gamma=0.7 seed=0"]
    assert "no(name" in tracker.left_out["gamma=0.3 seed=0"]
    assert "bench doctor" in tracker.left_out["gamma=0.7 seed=0"]
    found = children(uri(root), count=4)
    assert found["gamma=0.5 seed=0"].data.metrics["convergence/m_global"] == 0.25
    said = left_out(tracker.left_out)
    assert "bench sync" in said
    assert "\n" not in said


def test_parameters_of_any_name_and_number_are_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.tracking import tracked_run

    odd = {"lr (G)": 1, "lr [G]": 2, "a//b": 3, "..": 4, "x" * 400: 5, "text": "v" * 7000}
    many = {**odd, **{f"key {number}": number for number in range(150)}}
    monkeypatch.setattr(tracked_run, "parameters", lambda planned: many)
    renamed = replace(plan(), overrides=("data.options.many=" + "9" * 9000,))
    from benchmark.tracking.tracker import Tracker

    for _ in range(2):  # found again, however long what tells it apart
        tracker = Tracker(uri(root), renamed, root / "runs")
        assert tracker.left_out == {}
    store = client(root)
    experiment = store.get_experiment_by_name("tiny")
    runs = store.search_runs([experiment.experiment_id], "params.text LIKE 'v%'")
    assert len(runs) == 3
    for run in runs:
        assert len(run.data.params) == len(many)
        assert sorted(run.data.params.values())[:5] == ["0", "1", "1", "10", "100"]


def test_a_store_that_may_only_be_read_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from benchmark.tracking.tracker import Tracker

    one_more_row(root, 2)
    locked = f"sqlite:///file:{root}/mlflow/mlflow.db?mode=ro&uri=true"
    with pytest.raises(BenchError, match="attempt to write a readonly database") as caught:
        Tracker(locked, plan(), root / "runs")
    assert "\n" not in str(caught.value)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: mode != os.W_OK or Path(path).suffix != ".db"
    )
    with pytest.raises(BenchError, match=r"is read-only for this user .*chmod g\+w"):
        follow(root)
    monkeypatch.setattr(os, "access", allowed)
    follow(root).close()
    check = children(uri(root))["gamma=0.7 seed=0"]
    assert check.data.metrics["convergence/m_global"] == 0.25


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("451aebb31d03", r"found version 451aebb31d03, .* 'mlflow db upgrade "),
        ("0123456789ab", r"is of a newer MLflow than [\d.]+: install that one, or give another"),
    ],
)
def test_a_store_of_another_mlflow_says_what_helps(
    root: Path, tmp_path: Path, revision: str, says: str
) -> None:
    from benchmark.tracking.store import client_of, reached

    other = tmp_path / f"{revision} db.db"
    shutil.copy(root / "mlflow" / "mlflow.db", other)
    with sqlite3.connect(other) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    database.close()
    with pytest.raises(BenchError, match=says) as caught:
        reached(f"sqlite:///{other}", lambda: client_of(f"sqlite:///{other}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["q?x", "p%20q", "h#sh tag", "ü'&"])
def test_a_store_lies_where_its_url_says(root: Path, tmp_path: Path, folder: str) -> None:
    from urllib.parse import quote

    from benchmark.tracking.store import sqlite_file
    from benchmark.tracking.tracker import Tracker

    shutil.move(root / "mlflow", tmp_path / folder)
    one_more_row(root, 2)
    there = f"sqlite:///{quote(str(tmp_path / folder))}/mlflow.db?timeout=9"
    assert sqlite_file(there) == tmp_path / folder / "mlflow.db"
    adopt(there)
    before = sorted(path.name for path in tmp_path.iterdir())
    Tracker(there, plan(), root / "runs").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    with sqlite3.connect(tmp_path / folder / "mlflow.db") as database:
        (count,) = database.execute("SELECT count(*) FROM metrics WHERE step = 402").fetchone()
    database.close()
    assert count == 3


def test_a_new_store_lies_in_the_folder_and_follows_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.tracking import store

    (tmp_path / "q?x%20").mkdir()
    monkeypatch.chdir(tmp_path / "q?x%20")
    asked: list[str] = []
    monkeypatch.setattr(store, "MlflowClient", lambda tracking_uri: asked.append(tracking_uri))
    before = os.umask(0o002)
    try:
        place = store.make_room("sqlite:///mlflow/mlflow.db?timeout=5", "tiny")
    finally:
        os.umask(before)
    assert asked == ["sqlite:///mlflow/.mlflow.db.new?timeout=5"]
    assert Path("mlflow/mlflow.db").stat().st_mode & 0o777 == 0o664  # SQLite's own is 0644
    assert place == (tmp_path / "q?x%20" / "mlflow" / "artifacts" / "tiny").as_uri()


NOWHERE = [
    (
        "mysql+pymysql://u:pw@h/n",
        r"^mysql\+pymysql://\*\*\*@h/n cannot be written .*named 'pymysql'",
    ),
    (
        "postgresql+psycopg2://u:pw@h/n",
        r"needs .*psycopg2: pip install 'began-bench\[postgres\]'.*psycopg://",
    ),
    ("mssql://u:pw@h/n", "cannot be written .*No module named 'pyodbc'"),
    ("postgres://u:pw@h/n", "cannot be written .*unsupported URI"),
    ("sqlite://", "names no file; write sqlite:///FOLDER/mlflow.db"),
    ("sqlite:///:memory:", "names no file"),
    ("sqlite://mlflow.db", "names no file"),
    ("foo://pw", "cannot be written .*unsupported URI"),
]


@pytest.mark.parametrize(("there", "says"), NOWHERE, ids=[each for each, _ in NOWHERE])
def test_a_store_that_cannot_be_is_one_line(there: str, says: str, tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    if there.startswith("postgresql+psycopg2"):
        try:
            import psycopg2  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("psycopg2 is installed")
    with pytest.raises(BenchError, match=says) as caught:
        Tracker(there, plan(), tmp_path)
    assert "\n" not in str(caught.value)
    assert ":pw@" not in str(caught.value)


def test_a_file_that_is_no_store_is_refused_at_once(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("notes\n" * 1000)
    for name in ("folder.db", "text.db"):
        with pytest.raises(BenchError, match=r"unable to open database file|not a database"):
            Tracker(f"sqlite:///{tmp_path}/{name}", plan(), tmp_path)
    with pytest.raises(
        BenchError, match="is a folder, which MLflow no longer writes to; write sql"
    ):
        Tracker(str(tmp_path / "mlruns"), plan(), tmp_path)


@pytest.mark.parametrize("error", [KeyError("bench"), RuntimeError("no home"), SystemExit(3)])
def test_whatever_is_raised_is_one_line_and_no_more(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from benchmark.sweep.output import Output
    from benchmark.sweep.run import Places, _View
    from benchmark.tracking import store, tracker

    said: list[str] = []

    class Listening(Output):
        def warn(self, text: str) -> None:
            said.append(text)

    def broken(*_: object) -> None:
        raise error

    places = Places(*[tmp_path] * 4, None, f"sqlite:///{tmp_path}/m.db")
    view = _View(plan(), places, Listening(Console()))
    with monkeypatch.context() as patched:
        patched.setattr(store, "client_of", broken)  # inside of what talks to MLflow
        view.sync_if_due()
    view._next = 0.0
    with monkeypatch.context() as patched:
        patched.setattr(tracker, "Tracker", broken)  # outside of it, as an import may fail
        view.sync_if_due()
        view.close()
    assert len(said) == 3
    for line in said:
        assert type(error).__name__ in line
        assert "the runs continue, and `bench sync`" in line
        assert "\n" not in line
