"""Runs on a Ray cluster: one Ray Core task per run, whose process is the task's child.

A lost worker or node costs a run the steps since its last checkpoint: the task is submitted again
and continues elsewhere. The runs lie in a folder that all nodes share at the same path, on a file
system whose locks are shared too (NFS 4, Lustre mounted with flock). Every node needs the same
installation.
"""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from benchmark.errors import EXIT_STOPPED, BenchError
from benchmark.executors.executor import Pack, Polling
from benchmark.executors.local import start_worker
from benchmark.runs.directory import RunDirectory

LOST = -signal.SIGKILL
PAUSE_S = 0.5
CONNECT_S = 10
PATIENCE_S = 30.0  # for a node that can run a task to join, before it is said that none can


@dataclass(frozen=True)
class Cluster:
    """Where the tasks go and what each of them takes."""

    address: str  # "auto": the cluster that this machine is part of
    cpus: int
    gpus: float  # a part of one lets several runs share it

    def lacks(self) -> str:
        """What a task needs, where no living node has it, and what they have; else empty."""
        nodes = [each["Resources"] for each in ray.nodes() if each["Alive"]]
        found = Counter((each.get("CPU", 0), each.get("GPU", 0)) for each in nodes)
        if any(cpus >= self.cpus and gpus >= self.gpus for cpus, gpus in found):
            return ""
        has = "; ".join(f"{count} x {_room(*each)}" for each, count in sorted(found.items()))
        return (
            f"a run needs {_room(self.cpus, self.gpus)}, which no node of the Ray cluster has "
            f"({has or 'it has none'}); runs wait until such a node joins"
        )


def _room(cpus: float, gpus: float) -> str:
    return f"CPU: {cpus:g}, GPU: {gpus:g}"


@dataclass
class RayTasks(Polling["ray.ObjectRef[int]"]):
    """Workers that are tasks of a Ray cluster, which queues those that do not fit."""

    poll_s: float = PAUSE_S
    cluster: Cluster = field(default_factory=lambda: Cluster("auto", 1, 0))
    _look: float = 0.0  # when to look again whether a node can run a task

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        """As every executor; raises BenchError where no cluster answers."""
        connect(self.cluster.address)
        self._look = time.monotonic() + PATIENCE_S
        try:
            return super().run(runs)
        finally:
            ray.shutdown()

    def _start(self, packs: Sequence[Pack]) -> Mapping[str, "ray.ObjectRef[int]"]:
        task = ray.remote(work).options(
            num_cpus=self.cluster.cpus,
            num_gpus=self.cluster.gpus,
            max_retries=0,  # `_again` decides: it knows whether the run got any further
        )
        here, arguments = str(Path.cwd()), list(self.arguments)
        return {run.run_id: task.remote(run, arguments, here) for (run,) in packs}

    def _ended(self) -> Mapping[str, int]:
        if not self._workers:
            return {}
        if time.monotonic() > self._look:
            self.lacks = self.cluster.lacks()
            self._look = time.monotonic() + PATIENCE_S
        tasks = list(self._workers.values())
        ended, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        done = set(ended)
        return {
            run_id: self._code(run_id, task)
            for run_id, task in self._workers.items()
            if task in done
        }

    def _code(self, run_id: str, task: "ray.ObjectRef[int]") -> int:
        try:
            code: int = ray.get(task)
            return code
        except TaskCancelledError:
            return EXIT_STOPPED
        except RayTaskError as error:  # before the run's process was there
            code, why = BenchError.exit_code, str(error).strip().splitlines()[-1]
        except RayError as error:
            code, why = LOST, f"{type(error).__name__}, a worker or its node was lost"
        with self._runs[run_id].log.open("a", encoding="utf-8") as log:
            log.write(f"ray: {why}\n")
        return code

    def _end(self, workers: Sequence["ray.ObjectRef[int]"], kill: bool) -> None:
        for task in workers:
            ray.cancel(task, force=kill)

    def _again(self, run_id: str, code: int) -> bool:
        # A node that is drained stops its run with a checkpoint.
        return (code == EXIT_STOPPED and not self.stopped) or super()._again(run_id, code)


def connect(address: str) -> None:
    """Join the cluster; raises BenchError where none answers."""
    try:
        host, _, port = address.rpartition(":")
        if port.isdigit() and "//" not in address:  # Ray itself takes minutes to give up
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:160]
        raise BenchError(
            f"--executor ray: no cluster at {address} ({first}); `ray start --head` starts one "
            "here, --address names another"
        ) from None


def work(run: RunDirectory, arguments: Sequence[str], folder: str) -> int:
    """In a Ray worker: the run's process from start to end; its exit code.

    A task that is cancelled has its run write a checkpoint. Where the Ray worker itself dies, the
    run's process sees its leash cut and does the same.
    """
    os.chdir(folder)  # paths may be relative to where the sweep was started
    worker = start_worker([run], arguments)
    try:
        while (code := worker.poll()) is None:
            time.sleep(PAUSE_S)
        return code
    except KeyboardInterrupt:  # ray.cancel
        worker.terminate()
        return worker.wait()
