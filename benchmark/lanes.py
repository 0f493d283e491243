"""Several runs in this process, side by side: each is a lane, a thread that does what a run does.

A lane has its own lock, checkpoints, rows, log and result, and on a GPU a stream and a graph of its
own; it executes the same code as a lone run, so that its bits are the same. The main thread owns
what belongs to the process: the signals, which stop all lanes, and standard output.
"""

import io
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TextIO

from benchmark.errors import EXIT_STOPPED, BenchError, BusyError, InputError, in_words
from benchmark.executors.packing import STREAMS
from benchmark.runs.directory import RunDirectory
from benchmark.training.loop import Stopped
from benchmark.worker import Where, stop_signals, train


def run_lanes(runs: Sequence[RunDirectory], where: Where) -> int:
    """Train all `runs` from their current state; the exit code of the process.

    A lane that fails, or runs out of memory, fails alone. Raises InputError where there are more
    runs than a GPU has streams for.
    """
    if len(runs) > STREAMS:
        raise InputError(f"{len(runs)} runs: a process has {STREAMS} lanes at most")
    signals = stop_signals()
    logs = _Logs(sys.stdout)
    beside = replace(where, lanes=len(runs))

    def lane(run: RunDirectory) -> int:
        try:
            with logs.of(run):
                return _train(run, beside, signals)
        except OSError as error:  # its log cannot be written
            print(f"bench: {in_words(error)}", flush=True)
            return BenchError.exit_code

    with (
        redirect_stdout(logs),
        redirect_stderr(logs),
        ThreadPoolExecutor(len(runs), thread_name_prefix="lane") as pool,
    ):
        futures = [pool.submit(lane, run) for run in runs]
        return exit_code([future.result() for future in futures])


def exit_code(codes: Sequence[int]) -> int:
    """One code for all lanes: 0 if all succeeded.

    If they differ, it is the one after which runs are retried: a run with a result is not retried,
    and a failed one will report its failure again.
    """
    for code in (BusyError.exit_code, EXIT_STOPPED):
        if code in codes:
            return code
    return max(codes)


def _train(run: RunDirectory, where: Where, signals: Sequence[int]) -> int:
    """The exit code that the run alone would have; its messages are printed."""
    try:
        result = train(run, where, signals)
    except Stopped:
        print("stopped with a checkpoint", flush=True)
        return EXIT_STOPPED
    except Exception as error:  # whatever it is, the other lanes continue
        said = in_words(error)
        print(f"bench: {said}" if said else traceback.format_exc(), flush=True)
        return error.exit_code if isinstance(error, BenchError) else BenchError.exit_code
    if result.state == "failed":
        print(f"bench: {result.failure()}", flush=True)
        return BenchError.exit_code
    return 0


class _Logs(io.TextIOBase):
    """Standard output that is each lane's own log in its thread."""

    def __init__(self, otherwise: TextIO) -> None:
        self._otherwise, self._own = otherwise, threading.local()

    @contextmanager
    def of(self, run: RunDirectory) -> Iterator[None]:
        """What this thread prints goes to the log of `run`."""
        with run.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            self._own.log = log
            try:
                yield
            finally:
                del self._own.log

    def write(self, text: str) -> int:
        return self._here().write(text)

    def flush(self) -> None:
        self._here().flush()

    def _here(self) -> TextIO:
        found: TextIO = getattr(self._own, "log", self._otherwise)
        return found
