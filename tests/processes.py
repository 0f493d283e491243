"""The command in this process, its workers forked from one that has imported torch already.

A new process that imports torch and MLflow costs about ten seconds of a core. Where a process of
its own is what a test is about, it takes `bench_apart`.
"""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli import main
from benchmark.executors.environment import environment
from benchmark.executors.threads import pin_threads
from benchmark.runs.directory import RunDirectory
from benchmark.stopping import STOP

Command = Callable[..., subprocess.CompletedProcess[str]]

# Nothing of tests: the server does not know this folder, and torch-fidelity installs a `tests` too.
_PRELOADED = ["benchmark.worker", "benchmark.cli", "torch._dynamo"]
_PRELOADED += ["benchmark.sweep.run", "benchmark.tracking.tracker"]


@cache
def forks() -> ForkServerContext:
    """What makes processes that start in milliseconds, with one thread each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    before = dict(os.environ)
    pin_threads(1)
    ensure_running()
    os.environ.clear()
    os.environ.update(before)
    return context


def bench(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command; an error that it does not put into words is raised."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in STOP}
    before = dict(os.environ)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            chdir(cwd),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            os.environ.update(variables)
            patch.setattr(sys, "argv", ["bench", *arguments])
            fork_workers(patch)
            main()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def fork_workers(patch: pytest.MonkeyPatch) -> None:
    """What starts workers in this process forks them from now on."""
    patch.setattr("benchmark.executors.local.start_worker", start_worker)
    patch.setattr("benchmark.reproduction.reproduce.start_worker", start_worker)


def bench_apart(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as people start it."""
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, **variables},
    )


class Forked:
    """As much of subprocess.Popen as executors use."""

    stdin = None

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
        self._process = forks().Process(
            target=_bench, args=(list(arguments), Path.cwd(), dict(variables), log)
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._process.pid or 0, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_worker(runs: Sequence[RunDirectory], arguments: Sequence[str]) -> Any:
    """In place of that of benchmark.executors.local, without a leash."""
    command = ["run-one", *arguments, "--", *(str(run.path) for run in runs)]
    return Forked(command, environment(os.environ, Path.cwd()), runs[0].log)


def _bench(arguments: list[str], folder: Path, variables: dict[str, str], log: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["bench", *arguments]
    main()
