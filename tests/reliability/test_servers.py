"""Real servers that go away and come back: MLflow's own, and PostgreSQL behind it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.errors import BenchError
from benchmark.runs.directory import Row, RunDirectory
from tests.reliability.processes import Server, plan, sweep, wait
from tests.tracking.test_tracking import check_whole, fill
from tests.tracking.test_tracking import plan as three

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
STEPS = 3000


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    uri = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    with (folder / "server.txt").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait(up)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_goes_away_and_comes_back(
    server: Server, tmp_path: Path, cache: Path
) -> None:
    from mlflow.tracking import MlflowClient

    port = free_port()
    run = RunDirectory(tmp_path / "runs" / plan(STEPS).runs[0].run_id)
    said = tmp_path / "said.txt"

    def points(uri: str) -> list[int]:
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name("killed")
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        ours = [each for each in found if each.data.tags.get("bench.run_id") == run.run_id]
        assert len(ours) <= 1
        history = client.get_metric_history(ours[0].info.run_id, "train/l_real") if ours else []
        return [point.step for point in history]

    with mlflow_server(tmp_path, port) as uri:
        process = server.Process(target=sweep, args=(tmp_path, cache, STEPS, uri))
        process.start()
        wait(lambda: len(points(uri)) > 0)
    wait(lambda: "the runs continue" in said.read_text())
    there = len(run.rows())
    wait(lambda: len(run.rows()) > there)  # and they do
    with mlflow_server(tmp_path, port) as uri:
        process.join(600)
        assert not process.is_alive()
        assert run.state() == "done"
        assert points(uri) == list(range(2, STEPS + 1, 2))
    assert said.read_text().count("the runs continue") == 1


@contextmanager
def postgres(folder: Path, port: int) -> Iterator[Callable[[str], None]]:
    """A cluster of its own on 127.0.0.1; yields a function that starts or stops it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not programs or os.geteuid() != 0:
        pytest.skip("needs Debian's package postgresql, and root to become its user")
    data, tools = folder / "data", programs[-1].parent
    folder.mkdir()
    shutil.chown(folder, "postgres")
    for parent in folder.parents:  # pytest's folders are closed to other users
        if parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)

    def run(*command: str) -> None:
        become = ["runuser", "-u", "postgres", "--"]
        done = subprocess.run([*become, *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def control(action: str) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {folder}"
        how = (
            ["-o", options, "-l", str(folder / "log")] if action == "start" else ["-m", "immediate"]
        )
        run(str(tools / "pg_ctl"), "-w", "-D", str(data), *how, action)

    run(str(tools / "initdb"), "-D", str(data), "-A", "trust", "-U", "bench", "--no-sync")
    control("start")
    try:
        yield control
    finally:
        if (data / "postmaster.pid").exists():
            control("stop")


def test_postgresql_that_crashes_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    from benchmark.tracking.tracker import Tracker

    monkeypatch.chdir(tmp_path)  # MLflow's own place for artifacts is below the working folder
    run = fill(tmp_path / "runs")[2]
    rows = run.rows()
    run.cut_after(200)
    port = free_port()
    uri = f"postgresql://bench@127.0.0.1:{port}/postgres"
    with postgres(tmp_path / "postgres", port) as control:
        tracker = Tracker(uri, three(), tmp_path / "runs")
        tracker.sync()
        control("stop")
        for row in rows:
            if row.step > 200:
                run.append(Row.model_validate(row.model_dump()))
        with pytest.raises(BenchError, match="cannot be written") as caught:
            tracker.sync()
        assert "\n" not in str(caught.value)
        control("start")
        Tracker(uri, three(), tmp_path / "runs").close()
        check_whole(uri)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        for store in list(SqlAlchemyStore._engine_map.values()):
            store.dispose()
