"""The common part of executors: start, monitor and restart workers, and stop when asked.

A worker is one `bench run-one RUN_DIR`, wherever it is: a child process, a Ray task, a Slurm job.
On this machine it may be given several runs, which it trains side by side as lanes.
"""

import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Generic, TypeVar

from benchmark.errors import BusyError
from benchmark.runs.directory import RunDirectory
from benchmark.stopping import on_stop

POLL_S = 0.2
RESTARTS = 2  # of a worker killed before its run made progress
UNLIMITED = 1_000_000_000  # jobs: the cluster's own queue decides
Worker = TypeVar("Worker")
Pack = tuple[RunDirectory, ...]  # runs of one worker


# Whether something is left to do for a run: to train it, or to evaluate it.
Pending = Callable[[RunDirectory], bool]


def unfinished(run: RunDirectory) -> bool:
    """Whether a run has no result yet."""
    return run.result() is None


@dataclass
class Polling(ABC, Generic[Worker]):
    """The loop that the executors share; `tick` is called between polls.

    A run that another living process writes is waited for, never written by two; unless the workers
    only judge, beside whoever trains.
    """

    jobs: int  # workers at once
    arguments: Sequence[str]  # options of `bench run-one`
    tick: Callable[[], None]
    pending: Pending = unfinished
    trains: bool = True  # whether the workers train, and do not only judge what is there
    stopped: bool = False  # whether somebody asked it to stop
    lacks: str = ""  # what no worker can start without, in one line
    poll_s: float = POLL_S
    _workers: dict[str, Worker] = field(default_factory=dict)
    _restarts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _runs: dict[str, RunDirectory] = field(default_factory=dict)

    @abstractmethod
    def _start(self, packs: Sequence[Pack]) -> Mapping[str, Worker]:
        """Start or queue a worker for each pack; by the ids of its runs. Those left out are asked
        for again."""

    @abstractmethod
    def _ended(self) -> Mapping[str, int]:
        """Exit codes of workers that have ended since the last call; below 0 it was killed."""

    @abstractmethod
    def _end(self, workers: Sequence[Worker], kill: bool) -> None:
        """Ask workers to write a checkpoint and end, or kill them."""

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        """Finish every run that is pending; the last exit code of each worker, by run id.

        Stops on the signals of stopping.py: every worker writes a checkpoint first. A second SIGINT
        or SIGTERM kills. It also stops them before raising an exception, so that no worker is left
        training.
        """
        wanted = [run for run in runs if self.pending(run)]
        self._runs = {run.run_id: run for run in wanted}
        waiting = self._packs(wanted)
        codes: dict[str, int] = {}
        with self._signals():
            try:
                self._look_after(waiting, codes)
            except BaseException:
                self._leave_none()
                raise
        return codes

    def _look_after(self, waiting: list[Pack], codes: dict[str, int]) -> None:
        """Until every worker has ended; their exit codes go to `codes`."""
        while (waiting and not self.stopped) or self._workers:
            self._start_some(waiting)
            ended = self._ended()
            codes.update(ended)
            for run_id in ended:
                del self._workers[run_id]
            again = [self._runs[id_] for id_, code in ended.items() if self._again(id_, code)]
            # One lane may crash all: runs without progress twice continue alone.
            alone = [run for run in again if self._restarts[run.run_id, run.reached()] > 1]
            waiting += self._packs([run for run in again if run not in alone])
            waiting += [(run,) for run in alone]
            self.tick()
            time.sleep(self.poll_s)

    def _leave_none(self) -> None:
        """Ask every worker to stop, if not asked before, and wait for them."""
        if not self.stopped:
            self.stop()
        while self._workers:
            for run_id in self._ended():
                del self._workers[run_id]
            time.sleep(self.poll_s)

    def stop(self) -> None:
        """What the first signal does; again, it kills."""
        self._end(list(dict.fromkeys(self._workers.values())), self.stopped)
        self.stopped = True  # not before: an error would leave workers that nobody asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A closed terminal hangs up twice, through its shell and the kernel: no wish to kill.
        if not self.stopped or number in (signal.SIGINT, signal.SIGTERM):
            self.stop()

    def _packs(self, runs: Sequence[RunDirectory]) -> list[Pack]:
        """Which runs share a worker: here each has its own."""
        return [(run,) for run in runs]

    def _start_some(self, waiting: list[Pack]) -> None:
        room = 0 if self.stopped else self.jobs - len(set(self._workers.values()))
        if room <= 0 or not waiting:
            return
        ready: list[Pack] = []
        later: list[Pack] = []
        for at, pack in enumerate(waiting):
            if len(ready) == room:
                later += waiting[at:]
                break
            left = [run for run in pack if self.pending(run)]  # by whoever held it
            held = [run for run in left if self.trains and run.is_locked()]
            later += [(run,) for run in held]
            if free := tuple(run for run in left if run not in held):
                ready.append(free)
        waiting[:] = later
        if ready:
            started = self._start(ready)
            self._workers.update(started)
            waiting += [pack for pack in ready if pack[0].run_id not in started]
            if self.stopped:  # the signal came while they were being started
                self._end(list(dict.fromkeys(started.values())), False)

    def _again(self, run_id: str, code: int) -> bool:
        if code == BusyError.exit_code:  # another process was quicker
            return self.trains
        if code >= 0 or self.stopped:
            return False
        at = run_id, self._runs[run_id].reached()
        self._restarts[at] += 1
        return self._restarts[at] <= RESTARTS

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = on_stop(self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


# From the options of `bench run-one`, what to call between polls, what is left to do, and whether
# that includes training.
Start = Callable[[Sequence[str], Callable[[], None], Pending, bool], Polling[Any]]
