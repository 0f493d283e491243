"""Runs on this machine: one OS process per run, or per some runs as lanes, a few at once.

A killed worker takes no other process's runs with it, and each has its own threads and allocator.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.executors.environment import environment
from benchmark.executors.executor import Pack, Polling
from benchmark.executors.packing import Lanes
from benchmark.runs.directory import RunDirectory


@dataclass
class Pool(Polling[subprocess.Popen[bytes]]):
    """Workers that are this process's children; `jobs` counts them, and not their lanes."""

    lanes: Lanes = field(default_factory=Lanes)

    def _packs(self, runs: Sequence[RunDirectory]) -> list[Pack]:
        return self.lanes.packs(runs)

    def _start(self, packs: Sequence[Pack]) -> Mapping[str, subprocess.Popen[bytes]]:
        started: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for pack in packs:
                worker = start_worker(pack, self.arguments)
                started |= {run.run_id: worker for run in pack}
        except BaseException:
            self._workers.update(started)  # so that they are stopped
            raise
        return started

    def _ended(self) -> Mapping[str, int]:
        polled = {run_id: worker.poll() for run_id, worker in self._workers.items()}
        ended = {run_id: code for run_id, code in polled.items() if code is not None}
        for run_id in ended:
            let_go(self._workers[run_id])
        return {run_id: self._code(self._runs[run_id], code) for run_id, code in ended.items()}

    def _code(self, run: RunDirectory, code: int) -> int:
        """Of one run; `code` is its process's, which speaks for the lanes that left no result."""
        result = run.result()
        if result is None or self.pending(run):
            return code
        return int(result.state == "failed")

    def _end(self, workers: Sequence[subprocess.Popen[bytes]], kill: bool) -> None:
        for worker in workers:
            worker.kill() if kill else worker.terminate()


def start_worker(runs: Sequence[RunDirectory], arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """`bench run-one` on `runs` in a process of its own, which writes to the log of the first.

    It is on a leash: it stops, with a checkpoint, when this process is gone for whatever reason.
    """
    # -P: what lies in the working folder replaces no module of ours.
    command = [sys.executable, "-P", "-m", "benchmark", "run-one", "--leash", *arguments]
    with runs[0].log.open("ab") as log:
        return subprocess.Popen(
            [*command, "--", *(str(run.path) for run in runs)],  # a path may begin with a dash
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment(os.environ, Path.cwd()),
            # Ctrl-C reaches the workers through us alone. In a session of its own each would be a
            # group of its own to Linux's scheduler, and `nice bench run` without effect.
            process_group=0,
        )


def let_go(worker: subprocess.Popen[bytes]) -> None:
    """Close this end of the leash of a worker that has ended."""
    if worker.stdin is not None:
        worker.stdin.close()


def obey_leash() -> None:
    """SIGTERM to this process when its standard input closes: whoever started it is gone."""
    leash = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    main = threading.main_thread().ident
    assert main is not None

    def watch() -> None:
        leash.read()
        # To the main thread, which a signal to another one would not wake where it waits for lanes.
        signal.pthread_kill(main, signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def how_it_ended(code: int | None) -> str:
    """An exit code of a worker that left no result, in words."""
    if code is None:
        return "it was never started"
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), usually because the system ran out of memory"
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}  # not of every real-time signal
        return f"its process was ended by {names.get(-code, f'signal {-code}')}"
    return "its process ended early"


def last_lines(path: Path, count: int = 3) -> list[str]:
    """The end of a log, for whoever has to be told why a run failed."""
    if not path.exists():
        return []
    return path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-count:]
