"""Runs on this machine: one OS process per run, a few at once.

A killed worker takes no other run with it, and each process has its own threads and allocator.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmark.ablation import Plan
from benchmark.errors import BusyError
from benchmark.executors import allocator
from benchmark.runs import RunDirectory

POLL_S = 0.2
RESTARTS = 2  # of a worker that was killed, by the system for memory above all

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def default_jobs(plan: Plan) -> int:
    """As many runs as fit on this machine's cores with the threads that each one has."""
    threads = max(planned.spec.training.threads for planned in plan.runs)
    return max(1, (os.cpu_count() or 1) // threads)


def pin_threads(threads: int) -> None:
    """Give NumPy's libraries as many threads as torch will have; call it before importing them.

    Their number can change the last digits of a figure.
    """
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))


@dataclass
class Pool:
    """At most `jobs` workers; `tick` is called between polls to show and track what goes on.

    A run that another living process writes is waited for, never written by two.
    """

    jobs: int
    arguments: Sequence[str]  # options of `bench run-one`
    tick: Callable[[], None]
    stopped: bool = False
    _workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _restarts: Counter[str] = field(default_factory=Counter)

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        """Start every run that has no result; returns the exit code of each, by run id."""
        waiting = [run for run in runs if run.result() is None]
        by_id = {run.run_id: run for run in waiting}
        codes: dict[str, int] = {}
        with self._signals():
            while (waiting and not self.stopped) or self._workers:
                self._start_some(waiting)
                for run_id, worker in list(self._workers.items()):
                    code = worker.poll()
                    if code is not None:
                        codes[run_id] = code
                        del self._workers[run_id]
                        if self._again(run_id, code):
                            waiting.append(by_id[run_id])
                self.tick()
                time.sleep(POLL_S)
        return codes

    def _start_some(self, waiting: list[RunDirectory]) -> None:
        for run in list(waiting):
            if self.stopped or len(self._workers) >= self.jobs:
                return
            if run.result() is not None:  # of whoever held it
                waiting.remove(run)
            elif not run.is_locked():
                waiting.remove(run)
                self._workers[run.run_id] = start_worker(run, self.arguments)

    def _again(self, run_id: str, code: int) -> bool:
        if code == BusyError.exit_code:  # another process was quicker
            return True
        if code >= 0 or self.stopped:
            return False
        self._restarts[run_id] += 1
        return self._restarts[run_id] <= RESTARTS

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            again, self.stopped = self.stopped, True
            for worker in self._workers.values():
                worker.kill() if again else worker.terminate()

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, stop) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def start_worker(run: RunDirectory, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """`bench run-one` on `run` in a process of its own, which writes to the run's log."""
    environment = {**os.environ, **allocator.variables()}
    with run.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmark", "run-one", str(run.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the workers through us alone
        )


def how_it_ended(code: int | None) -> str:
    """An exit code of a worker that left no result, in words."""
    if code is None:
        return "it was never started"
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as a system does that is out of memory"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return "its process ended early"


def last_lines(path: Path, count: int = 3) -> list[str]:
    """The end of a log, for whoever has to be told why a run failed."""
    if not path.exists():
        return []
    return path.read_text(errors="replace").strip().splitlines()[-count:]
