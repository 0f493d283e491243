"""Runs on a Slurm cluster: job arrays through submitit, one job per run.

At a time-out or pre-emption the job is signalled before its end, its run writes a checkpoint, and
the job is queued again. If the driver dies, its jobs remain with Slurm; a restarted driver takes
them over. All nodes share the runs folder, in which submitit keeps its own files too.
"""

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, Self

from submitit import SlurmExecutor
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

from benchmark.errors import EXIT_STOPPED, BenchError, InputError
from benchmark.executors import slurm_queue
from benchmark.executors.choice import Asked
from benchmark.executors.executor import RESTARTS, Pack, Polling
from benchmark.executors.local import start_worker
from benchmark.runs.directory import RunDirectory

LOST = -signal.SIGKILL
CANCELLED = 130
ARRAY = 1000  # jobs of an array; clusters allow 1001 unless they say otherwise
WARNING_S = 90  # at most, between the signal and a job's end: for a checkpoint
FOREVER = 1_000_000
PAUSE_S, ASK_EVERY_S = 1.0, 10.0
DEFAULT_MINUTES = 60


@dataclass(frozen=True)
class Queue:
    """Where the jobs go; `parameters` are those of submitit's SlurmExecutor."""

    folder: Path  # of submitit's own files and logs
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: Asked, name: str, threads: int, folder: Path) -> Self:
        """From the command line; raises InputError where Slurm could not give that."""
        gpus = asked.gpus_per_run or 0
        if gpus != int(gpus):
            raise InputError(
                f"--gpus-per-run {gpus:g}: Slurm allocates whole GPUs; request a fraction with "
                "--sbatch, as in --sbatch gres=shard:1, where the cluster supports it"
            )
        extra: dict[str, Any] = {"requeue": True}  # after the loss of a node too
        for pair in asked.sbatch:
            key, sign, value = pair.partition("=")
            extra[key] = value if sign else True
        minutes = asked.time or DEFAULT_MINUTES
        parameters = {
            "job_name": f"bench-{name}",
            "time": minutes,
            "cpus_per_task": threads,
            "signal_delay_s": min(WARNING_S, minutes * 15),
            "stderr_to_stdout": True,
            "additional_parameters": extra,
        }
        if asked.partition:
            parameters["partition"] = asked.partition
        if gpus:
            parameters["gpus_per_node"] = int(gpus)
        return cls(folder, parameters)


@dataclass
class SlurmJobs(Polling[str]):
    """Workers that are Slurm jobs, known by their ids."""

    poll_s: float = PAUSE_S
    queue: Queue = field(default_factory=lambda: Queue(Path("slurm")))
    ask_every_s: float = ASK_EVERY_S
    _asked: float = 0.0

    def _start(self, packs: Sequence[Pack]) -> Mapping[str, str]:
        runs = [run for (run,) in packs]
        try:
            known = slurm_queue.jobs()
        except BenchError:  # a busy controller, as in `_ended`
            if not self._workers:
                raise
            return {}
        started = {}
        if self.trains:  # queued by a driver that is gone
            started = dict(slurm_queue.living(runs, known))
        new = [run for run in runs if run.run_id not in started]
        for first in range(0, len(new), ARRAY):
            part = new[first : first + ARRAY]
            numbers = submit(self.queue, part, self.arguments, min(self.jobs, len(part)))
            for run, number in zip(part, numbers, strict=True):
                if self.trains:  # that of a job that trains stays
                    slurm_queue.record(run, number)
                started[run.run_id] = number
        return started

    def _ended(self) -> Mapping[str, int]:
        if not self._workers or time.monotonic() - self._asked < self.ask_every_s:
            return {}
        try:
            known = slurm_queue.jobs()
        except BenchError:  # a controller that is busy or restarted; the jobs go on
            return {}
        finally:
            self._asked = time.monotonic()
        codes = {
            run_id: self._code(run_id, known.get(number))
            for run_id, number in self._workers.items()
        }
        return {run_id: code for run_id, code in codes.items() if code is not None}

    def _code(self, run_id: str, job: slurm_queue.Job | None) -> int | None:
        result = self._runs[run_id].result()
        if result is not None and not self.pending(self._runs[run_id]):
            return 0 if result.state == "done" else 1
        if job is not None and job.is_alive:
            return None
        if job is not None and job.state == "COMPLETED":  # its result is seen here later
            return 0
        if job is not None and job.state == "CANCELLED":
            return CANCELLED
        if job is not None and job.state == "FAILED" and job.code:
            return job.code if job.code < 128 else 128 - job.code  # as `RunOne` writes a signal
        with self._runs[run_id].log.open("a", encoding="utf-8") as log:
            log.write(f"slurm: job ended, {job.state if job else 'and Slurm forgot how'}\n")
        return LOST

    def _end(self, workers: Sequence[str], kill: bool) -> None:
        slurm_queue.cancel(workers)
        self._asked = 0.0

    def _again(self, run_id: str, code: int) -> bool:
        return (code == EXIT_STOPPED and not self.stopped) or super()._again(run_id, code)


def submit(
    queue: Queue, runs: Sequence[RunDirectory], arguments: Sequence[str], at_once: int
) -> list[str]:
    """Queue one job per run, as one array; their ids. Raises BenchError where Slurm refuses."""
    if SlurmExecutor.affinity() < 0:
        raise BenchError("--executor slurm: there is no srun here; start it where jobs are queued")
    try:
        executor = SlurmExecutor(queue.folder, max_num_timeout=FOREVER)
        executor.update_parameters(**queue.parameters, array_parallelism=at_once)
        jobs = executor.submit_array([RunOne(run, arguments) for run in runs])
    except (FailedSubmissionError, FailedJobError, OSError, RuntimeError) as error:
        said = [line for line in str(error).strip().splitlines() if line] or [repr(error)]
        raise BenchError(f"--executor slurm: {said[-1][:200]}") from None
    return [job.job_id for job in jobs]


class RunOne:
    """In a Slurm job: the run's process from start to end. submitit calls `checkpoint` when told.

    The job's exit code is that of `bench run-one`.
    """

    def __init__(self, run: RunDirectory, arguments: Sequence[str], idle: int = 0) -> None:
        self._run, self._arguments = run, tuple(arguments)
        self._idle = idle  # jobs in a row whose time was too short for a checkpoint
        self._reached = ""
        self._worker: Popen[bytes] | None = None

    def __call__(self) -> None:
        self._reached = self._run.reached()
        self._worker = start_worker([self._run], self._arguments)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())  # scancel
        while (code := self._worker.poll()) is None:
            time.sleep(PAUSE_S)
        sys.exit(code if code >= 0 else 128 - code)

    def checkpoint(self) -> DelayedSubmission | None:
        """At a time-out or pre-emption: what is queued again, once the checkpoint is written.

        None if the run cannot make progress.
        """
        self._stop()
        if self._worker is not None:
            self._worker.wait()
        idle = self._idle + 1 if self._run.reached() == self._reached else 0
        if idle > RESTARTS:
            with self._run.log.open("a", encoding="utf-8") as log:
                log.write("slurm: the job ends before a first checkpoint; give it more --time\n")
            return None
        return DelayedSubmission(RunOne(self._run, self._arguments, idle))

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.terminate()
