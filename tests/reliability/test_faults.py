"""What the world does to a sweep: each time one line says what happened, and nothing is lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.errors import BenchError, BusyError
from benchmark.evaluation.judge import Judge
from benchmark.executors.local import Pool, how_it_ended
from benchmark.reproduction.comparison import compare
from benchmark.runs.directory import Row, RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.worker import Where, pick_device
from benchmark.worker import train as train_here
from tests.conftest import tiny_run, tiny_spec
from tests.processes import bench, bench_apart
from tests.reliability.conftest import Swept
from tests.reliability.processes import Server, plan, train
from tests.tracking.test_tracking import children, fill
from tests.tracking.test_tracking import plan as three

STEPS = 60


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; skips where this user may not mount one."""
    folder.mkdir()
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run_one(run: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return bench_apart("run-one", str(run), "--cache", str(cache), "--device", "cpu", cwd=run)


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunDirectory:
    """The run that nothing happened to."""
    run = RunDirectory.create(tmp_path_factory.mktemp("whole"), plan(STEPS).runs[0].spec)
    process = server.Process(target=train, args=(run.path, cache))
    process.start()
    process.join()
    assert run.state() == "done"
    return run


def finish(server: Server, run: RunDirectory, cache: Path, whole: RunDirectory) -> None:
    """Go on without the fault; the end is that of the run that nothing happened to."""
    process = server.Process(target=train, args=(run.path, cache))
    process.start()
    process.join()
    found = compare(whole, run, STEPS, 0.0)
    assert found.bits, str(found)
    steps = [row.step for row in run.rows() if row.kind == "train"]
    assert steps == list(range(2, STEPS + 1, 2))


def test_a_full_disk(server: Server, whole: RunDirectory, tmp_path: Path, cache: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        run = RunDirectory.create(disk / "runs", whole.spec())
        filler = disk / "somebody-elses.bin"
        filler.write_bytes(b"\0" * (2 * 2**20 - 150_000))  # no room for two checkpoints
        done = run_one(run.path, cache)
        assert done.returncode == 1
        said = done.stderr.strip().splitlines()
        assert len(said) == 1
        assert "No space left on device" in said[0]
        assert run.state() in ("stopped", "queued")
        filler.unlink()
        finish(server, run, cache, whole)


def test_a_read_only_folder(swept: Swept, tmp_path: Path, cache: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        run = RunDirectory.create(disk / "runs", tiny_spec())
        shutil.copytree(swept.runs()[0].path, disk / "runs" / swept.runs()[0].run_id)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = run_one(run.path, cache)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Read-only file system" in done.stderr
        # What is there can still be looked at.
        finished = RunDirectory(disk / "runs" / swept.runs()[0].run_id)
        done = bench("show", str(finished.path), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert run.state() == "queued"


def test_sqlite_locked_by_another_program(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker

    run = fill(tmp_path / "runs")[2]
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", three(), tmp_path / "runs")
    tracker.sync()
    values = {"l_real": 0.5, "m_global": 0.25, "k": 0.0}
    run.append(Row(step=402, kind="train", time=2.0e9, values=values))
    other = sqlite3.connect(tmp_path / "mlflow.db")
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.raises(BenchError, match="locked") as caught:
        tracker.sync()
    assert time.monotonic() - began < 60
    assert "\n" not in str(caught.value)
    other.rollback()
    other.close()
    tracker.close()
    stopped = children(f"sqlite:///{tmp_path}/mlflow.db", count=4)["gamma=0.7 seed=0"]
    assert stopped.data.metrics["convergence/m_global"] == 0.25


# An array beyond any machine's address space, asked for in the midst of training.
OUT_OF_MEMORY = """\
import numpy, torch
from benchmark.cli import main
from benchmark.methods.began import BEGAN
update, calls = BEGAN.update, []
def greedy(self, x, draw):
    calls.append(None)
    if len(calls) == 7:
        {}
    return update(self, x, draw)
BEGAN.update = greedy
main()
"""


@pytest.mark.parametrize("greedy", ["torch.empty(10**15)", "numpy.empty(10**15)"])
def test_a_worker_out_of_memory(
    greedy: str, server: Server, whole: RunDirectory, tmp_path: Path, cache: Path
) -> None:
    run = RunDirectory.create(tmp_path, whole.spec())
    command = [sys.executable, "-c", OUT_OF_MEMORY.format(greedy), "run-one", str(run.path)]
    command += ["--cache", str(cache), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()
    assert len(said) == 1, done.stderr
    assert "out of memory" in said[0]
    assert "--jobs" in said[0]
    finish(server, run, cache, whole)


def test_a_killed_worker_is_started_again(whole: RunDirectory, tmp_path: Path, cache: Path) -> None:
    run = RunDirectory.create(tmp_path, whole.spec())
    killed = []

    def kill_once() -> None:
        for worker in pool._workers.values():
            if not killed and list(run.checkpoints.glob("[0-9]*")):
                worker.kill()
                killed.append(worker.pid)

    pool = Pool(1, ["--cache", str(cache), "--device", "cpu"], kill_once)
    codes = pool.run([run])
    assert killed
    assert codes == {run.run_id: 0}
    assert compare(whole, run, STEPS, 0.0).bits


def test_a_worker_that_is_killed_every_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec())
    started = []

    def start(runs: object, arguments: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "60"])
        process.kill()
        started.append(process)
        return process

    monkeypatch.setattr("benchmark.executors.local.start_worker", start)
    codes = Pool(1, [], lambda: None).run([run])
    assert codes == {run.run_id: -signal.SIGKILL}
    assert len(started) == 3
    assert "out of memory" in how_it_ended(codes[run.run_id])
    assert how_it_ended(-signal.SIGABRT) == "its process was ended by SIGABRT"
    assert how_it_ended(-40) == "its process was ended by signal 40"


def test_a_device_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert str(pick_device("cuda:1")) == "cuda:1"
    assert str(pick_device("auto")) == "cuda"
    with pytest.raises(BenchError, match="--device cuda:2: torch sees no such device"):
        pick_device("cuda:2")


def test_a_run_that_another_process_writes_is_waited_for(
    swept: Swept, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path, swept.runs()[0].spec())
    other = run.locked()
    other.__enter__()
    ticks = []

    def started(*_: object) -> subprocess.Popen[bytes]:
        raise AssertionError("started beside a living writer")

    def tick() -> None:
        ticks.append(dict(pool._workers))
        if len(ticks) == 3:  # the other one finishes the run
            shutil.copytree(swept.runs()[0].path, run.path, dirs_exist_ok=True)
            other.__exit__(None, None, None)

    monkeypatch.setattr("benchmark.executors.local.start_worker", started)
    pool = Pool(1, [], tick)
    assert pool.run([run]) == {}
    assert run.state() == "done"
    # Where the other was quicker by a hair, the worker says so and the run goes back to the queue.
    assert pool._again("run", BusyError.exit_code)
    assert not pool._again("run", 1)


def test_sigterm_is_answered_within_its_grace(
    server: Server, whole: RunDirectory, tmp_path: Path, cache: Path
) -> None:
    run = RunDirectory.create(tmp_path, whole.spec())
    process = server.Process(target=train, args=(run.path, cache))
    process.start()
    while not run.rows() and process.is_alive():
        time.sleep(0.002)
    process.terminate()
    began = time.monotonic()
    process.join(30)
    assert process.exitcode == 75, "killed before its grace was over, or done before it"
    assert time.monotonic() - began < 30
    assert run.state() == "stopped"
    assert run.rows()[-1].step < STEPS
    finish(server, run, cache, whole)


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(swept: Swept, tmp_path: Path, cache: Path) -> None:
    shutil.copy(swept.folder / "tiny.yaml", tmp_path)
    (tmp_path / "cache").symlink_to(cache)
    command = [sys.executable, "-m", "benchmark", "run", "tiny.yaml", "--jobs", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    said = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for text in said:
        assert "2 of 2 runs done, 0 failed" in text
    for run, here in zip(swept.runs(), sorted(tmp_path.glob("runs/*/spec.json")), strict=True):
        found = compare(run, RunDirectory(here.parent), 12, 0.0)
        assert found.bits, str(found)
        assert len(RunDirectory(here.parent).rows()) == 9
    done = bench_apart("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    shown = client.search_runs([experiment.experiment_id])
    assert len(shown) == 3
    assert {run.info.status for run in shown} == {"FINISHED"}


def test_a_judge_that_fails_ends_no_training(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(judge: Judge, *_: object) -> dict[str, float]:
        raise BenchError(f"judge {judge.name}: the metric gap gives nan")

    monkeypatch.setattr(Judge, "evaluate", fail)
    run = tiny_run(tmp_path, tiny_spec(), repeats=0)
    where = Where(None, cache, "cpu")
    with pytest.raises(BenchError, match="the metric gap gives nan"):
        train_here(run, where, [])
    assert run.state() == "done"
    assert "step 6 was not judged: judge efficientnet_lite0: the metric" in capsys.readouterr().out
    monkeypatch.undo()
    train_here(run, where, [])
    assert [row.step for each in Evaluations.all(run.path) for row in each.rows()] == [6, 12]
