"""What ends a sweep ends its workers: a closed terminal, an error beside them, a lost reader."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.executors.local import Pool, let_go, start_worker
from benchmark.runs.directory import RunDirectory
from benchmark.stopping import STOP
from benchmark.sweep.output import Lasting
from benchmark.worker import stop_signals
from tests.conftest import tiny_spec
from tests.executors.conftest import Sweep
from tests.reliability.processes import wait

Workers = list[subprocess.Popen[bytes]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers that do nothing for a minute, in place of those that train."""
    found: Workers = []

    def start(runs: object, arguments: object) -> subprocess.Popen[bytes]:
        if len(found) == 2:
            raise OSError(11, "Resource temporarily unavailable")
        found.append(subprocess.Popen(["sleep", "60"]))
        return found[-1]

    monkeypatch.setattr("benchmark.executors.local.start_worker", start)
    yield found
    for worker in found:
        worker.kill()
        worker.wait()


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP}
    if before[signal.SIGHUP] == signal.SIG_IGN:  # as where the tests run under nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def runs(root: Path, count: int) -> list[RunDirectory]:
    return [
        RunDirectory.create(root, tiny_spec(method={"gamma": 0.3 + at / 10})) for at in range(count)
    ]


@pytest.mark.parametrize("number", STOP, ids=lambda each: each.name)
def test_each_signal_stops_the_workers(
    number: signal.Signals, started: Workers, tmp_path: Path
) -> None:
    pool = Pool(1, [], lambda: os.kill(os.getpid(), number) if not pool.stopped else None)
    codes = pool.run(runs(tmp_path, 2))
    assert pool.stopped
    assert list(codes.values()) == [-signal.SIGTERM]  # asked, not killed; the second never began
    assert [worker.poll() for worker in started] == [-signal.SIGTERM]


def test_a_terminal_that_hangs_up_twice_kills_nothing(started: Workers, tmp_path: Path) -> None:
    def tick() -> None:
        if not pool.stopped:
            for worker in started:  # it takes its time, and is asked once
                worker.send_signal(signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
            for worker in started:
                worker.send_signal(signal.SIGCONT)

    pool = Pool(1, [], tick)
    assert list(pool.run(runs(tmp_path, 1)).values()) == [-signal.SIGTERM]


def test_a_hangup_that_is_ignored_stays_so(started: Workers, tmp_path: Path) -> None:
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: list[int] = []

    def tick() -> None:
        asked.append(1)
        if len(asked) == 1:
            os.kill(os.getpid(), signal.SIGHUP)
        if len(asked) == 3:
            assert not pool.stopped
            pool.stop()

    pool = Pool(1, [], tick)
    pool.run(runs(tmp_path, 1))
    assert len(asked) >= 3
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert stop_signals() == []
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_worker_stops_at_a_hangup_too() -> None:
    received = stop_signals()
    os.kill(os.getpid(), signal.SIGHUP)
    assert received == [signal.SIGHUP]


@pytest.mark.parametrize("error", [RuntimeError("beside the runs"), KeyboardInterrupt()])
def test_an_error_beside_the_workers_leaves_none(
    error: BaseException, started: Workers, tmp_path: Path
) -> None:
    def tick() -> None:
        raise error

    with pytest.raises(type(error)):
        Pool(1, [], tick).run(runs(tmp_path, 2))
    assert [worker.poll() for worker in started] == [-signal.SIGTERM]


def test_a_worker_that_cannot_be_started_leaves_none(started: Workers, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="temporarily unavailable"):
        Pool(3, [], lambda: None).run(runs(tmp_path, 3))
    assert [worker.poll() for worker in started] == [-signal.SIGTERM] * 2


def test_output_that_nobody_reads_costs_nothing() -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", buffering=1)
    lasting = Lasting(stream)
    assert lasting.write("heard\n") == 6
    assert os.read(reader, 10) == b"heard\n"
    os.close(reader)  # the terminal is closed, or `head` has seen enough
    for _ in range(3):
        assert lasting.write("lost\n") == 5
        lasting.flush()
    stream.close()  # Python's own last flush raises nothing either


def test_a_worker_is_beyond_control_c_and_within_nice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    worker = start_worker(runs(tmp_path, 1), [])
    group, session = os.getpgid(worker.pid), os.getsid(worker.pid)  # it is there until waited for
    worker.wait()
    let_go(worker)
    assert group != os.getpgid(0)
    assert session == os.getsid(0)


def test_workers_stop_when_their_driver_is_killed(elsewhere: Sweep) -> None:
    """By SIGKILL, as where memory runs out. `bench stop` would not see them."""
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    wait(lambda: not any(run.is_locked() for run in elsewhere.runs()))
    assert [run.state() for run in elsewhere.runs()] == ["stopped", "stopped"]
    for run in elsewhere.runs():
        assert run.log.read_text().endswith("stopped with a checkpoint\n")


def test_a_folder_that_begins_with_a_dash_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunDirectory(Path("-x", "run"))
    run.path.mkdir(parents=True)
    worker = start_worker([run], [])
    assert worker.wait() == 1
    let_go(worker)
    assert (
        run.log.read_text()
        == "bench: -x/run/spec.json: missing; `bench run FILE` writes it again\n"
    )
