"""Slurm's state of a run's job; the job's id is in the run's folder, in slurm.json."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from benchmark.errors import BenchError
from benchmark.files import write_atomic
from benchmark.runs.directory import RunDirectory

RECORD = "slurm.json"
# States of a job that will not continue by itself. In any other state it is waiting or running.
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "TIMEOUT"),
}
AT_ONCE = 500  # ids on one command line


@dataclass(frozen=True)
class Job:
    """How a job stands in Slurm's own words, and its exit code once it has one."""

    state: str
    code: int = 0

    @property
    def is_alive(self) -> bool:
        return self.state not in ENDED


def jobs() -> dict[str, Job]:
    """The user's jobs that Slurm still knows, by id; raises BenchError where it does not answer."""
    wanted = "--Format=JobArrayID:64,State:32,exit_code:16"
    said = _slurm("squeue", "--me", "--noheader", "--array", "--states=all", wanted)
    found = {}
    for line in said.splitlines():
        number, state, code = line[:64].strip(), line[64:96].strip(), line[96:].strip()
        found[number] = Job(state, int(code) >> 8 if code.isdigit() else 0)
    return found


def cancel(numbers: Iterable[str]) -> None:
    """SIGTERM, for which a run writes a checkpoint; SIGKILL after the cluster's KillWait."""
    left = list(numbers)
    for first in range(0, len(left), AT_ONCE):
        _slurm("scancel", *left[first : first + AT_ONCE])


def job_of(run: RunDirectory) -> str | None:
    """The id of the last job that was queued for a run."""
    found = run.record(RECORD, "job")
    return None if found is None else str(found["job"])


def record(run: RunDirectory, number: str) -> None:
    write_atomic(run.path / RECORD, json.dumps({"job": number}).encode() + b"\n")


def living(runs: Iterable[RunDirectory], known: Mapping[str, Job]) -> Iterator[tuple[str, str]]:
    """Run id and job id of every run that has a job which waits or runs.

    A damaged record names none: its run is queued anew, and waits for a living job by its lock.
    """
    for run in runs:
        number = None
        with suppress(BenchError):
            number = job_of(run)
        if number is not None and number in known and known[number].is_alive:
            yield run.run_id, number


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=60
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise BenchError(
            f"{command[0]}: {error}; is this a machine that submits to Slurm?"
        ) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BenchError(f"{command[0]}: {said[0]}")
    return done.stdout
