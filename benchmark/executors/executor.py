"""What every executor does: start workers, look after them, start them again, stop when asked.

A worker is one `bench run-one RUN_DIR`, wherever it is: a child process, a Ray task, a Slurm job.
"""

import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Generic, Protocol, TypeVar

from benchmark.errors import BusyError
from benchmark.runs.directory import RunDirectory

POLL_S = 0.2
RESTARTS = 2  # of a worker that was killed before its run got any further
UNLIMITED = 1_000_000_000  # jobs: the cluster's own queue decides
Worker = TypeVar("Worker")


class Executor(Protocol):
    """Trains runs somewhere."""

    @property
    def stopped(self) -> bool:
        """Whether somebody asked it to stop."""

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        """Train every run that has no result; the last exit code of each worker, by run id.

        Stops on SIGINT and SIGTERM: every worker writes a checkpoint first. A second signal kills.
        """

    def stop(self) -> None:
        """What the first signal does."""


# From the options of `bench run-one` and what to call between polls.
Start = Callable[[Sequence[str], Callable[[], None]], Executor]


@dataclass
class Polling(ABC, Generic[Worker]):
    """The loop that the executors share; `tick` is called between polls.

    A run that another living process writes is waited for, never written by two.
    """

    jobs: int  # workers at once
    arguments: Sequence[str]  # options of `bench run-one`
    tick: Callable[[], None]
    stopped: bool = False
    poll_s: float = POLL_S
    _workers: dict[str, Worker] = field(default_factory=dict)
    _restarts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _runs: dict[str, RunDirectory] = field(default_factory=dict)

    @abstractmethod
    def _start(self, runs: Sequence[RunDirectory]) -> Mapping[str, Worker]:
        """Start or queue a worker for each run."""

    @abstractmethod
    def _ended(self) -> Mapping[str, int]:
        """Exit codes of workers that have ended since the last call; below 0 it was killed."""

    @abstractmethod
    def _end(self, workers: Sequence[Worker], kill: bool) -> None:
        """Ask workers to write a checkpoint and end, or kill them."""

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        waiting = [run for run in runs if run.result() is None]
        self._runs = {run.run_id: run for run in waiting}
        codes: dict[str, int] = {}
        with self._signals():
            while (waiting and not self.stopped) or self._workers:
                self._start_some(waiting)
                for run_id, code in self._ended().items():
                    codes[run_id] = code
                    del self._workers[run_id]
                    if self._again(run_id, code):
                        waiting.append(self._runs[run_id])
                self.tick()
                time.sleep(self.poll_s)
        return codes

    def stop(self) -> None:
        again, self.stopped = self.stopped, True
        self._end(list(self._workers.values()), again)

    def _start_some(self, waiting: list[RunDirectory]) -> None:
        room = 0 if self.stopped else self.jobs - len(self._workers)
        if room <= 0 or not waiting:
            return
        ready: list[RunDirectory] = []
        later: list[RunDirectory] = []
        for at, run in enumerate(waiting):
            if len(ready) == room:
                later += waiting[at:]
                break
            if run.result() is None:  # of whoever held it
                (later if run.is_locked() else ready).append(run)
        waiting[:] = later
        if ready:
            started = self._start(ready)
            self._workers.update(started)
            if self.stopped:  # the signal came while they were being started
                self._end(list(started.values()), False)

    def _again(self, run_id: str, code: int) -> bool:
        if code == BusyError.exit_code:  # another process was quicker
            return True
        if code >= 0 or self.stopped:
            return False
        at = run_id, self._runs[run_id].reached()
        self._restarts[at] += 1
        return self._restarts[at] <= RESTARTS

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            self.stop()

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, stop) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
