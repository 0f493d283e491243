"""SIGKILL at random moments and inside the worst ones: the run ends as if nothing had happened.

No hook in the program helps: a kill inside a checkpoint's write is one after which the unpublished
file is there, inside an evaluation one after which a grid has no row, inside MLflow's flush one
after which SQLite's journal is there.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from benchmark.files import TEMPORARY
from benchmark.reproduction.comparison import compare
from benchmark.runs import weights
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.training import checkpoint
from tests.reliability.processes import Server, plan, store, sweep, train

CPU_S = 120  # a condition that takes longer to come about fails the test


Start = Callable[..., ForkServerProcess]


class Killer:
    """Starts the run again and again, and kills it."""

    def __init__(self, start: Start, folder: Path, cache: Path, steps: int, seed: int) -> None:
        self.start, self.folder, self.cache, self.steps = start, folder, cache, steps
        self.rng = random.Random(seed)
        made = plan(steps)
        self.run = RunDirectory.create(folder / "runs", made.runs[0].spec)
        self.run.write_evaluation(made.evaluation)
        self.proven: Counter[str] = Counter()
        self._began = 0.0

    def kill(self, kind: str) -> None:
        """One kill; counts it as of its kind only where the evidence is left behind."""
        self._began = time.time()
        strike = {
            "anywhere": self._anywhere,
            "checkpoint": self._in_a_checkpoint,
            "evaluation": self._in_an_evaluation,
            "flush": self._in_a_flush,
        }[kind]
        process = self._sweep() if kind == "flush" else self._train()
        try:
            strike(process)
        finally:
            workers = _children(process)
            process.kill()
            _signal(workers, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
            self._wait(lambda: not self.run.is_locked())
        if self._evidence(kind):
            self.proven[kind] += 1

    def finish(self) -> None:
        process = self._sweep()
        process.join()

    def _train(self) -> ForkServerProcess:
        process = self.start(target=train, args=(self.run.path, self.cache))
        process.start()
        return process

    def _sweep(self) -> ForkServerProcess:
        process = self.start(
            target=sweep, args=(self.folder, self.cache, self.steps, store(self.folder))
        )
        process.start()
        return process

    def _anywhere(self, process: ForkServerProcess) -> None:
        if self.rng.random() < 0.7:  # the others fall into the start
            self._progressed(process)
        time.sleep(self.rng.uniform(0, 0.5))

    def _in_a_checkpoint(self, process: ForkServerProcess) -> None:
        self._progressed(process)
        self._caught(process, "checkpoint", pause=0)

    def _in_an_evaluation(self, process: ForkServerProcess) -> None:
        self._progressed(process)
        self._caught(process, "evaluation")

    def _in_a_flush(self, process: ForkServerProcess) -> None:
        self._progressed(process)
        self._caught(process, "flush", pause=0)

    def _caught(self, process: ForkServerProcess, kind: str, pause: float = 0.002) -> None:
        """Halt the processes while the evidence is there: a late kill misses a short write."""
        while True:
            self._wait(lambda: self._evidence(kind), process, pause)
            family = [process.pid, *_children(process)]
            _signal(family, signal.SIGSTOP)
            if self._evidence(kind):
                return
            _signal(family, signal.SIGCONT)

    def _evidence(self, kind: str) -> bool:
        if kind == "checkpoint":
            return bool(_unpublished(self.run.checkpoints))
        if kind == "evaluation":
            # Drawn by this process: an earlier kill may have left a grid too.
            grids = {
                int(path.stem)
                for path in self.run.samples.glob("[0-9]*.png")
                if path.stat().st_mtime > self._began
            }
            judged = {row.step for each in Evaluations.all(self.run.path) for row in each.rows()}
            return bool(grids - judged)
        if kind == "flush":
            return (self.folder / "mlflow" / "mlflow.db-journal").exists()
        return True

    def _progressed(self, process: ForkServerProcess) -> None:
        """Wait for a checkpoint or two, so that thirty kills are spread over the run."""
        wanted = self._step() + 10 * self.rng.randint(1, 2)
        self._wait(lambda: self._step() >= wanted, process)

    def _step(self) -> int:
        found = weights.listed(self.run.checkpoints)
        return int(found[-1].name[:8]) if found else 0

    def _wait(
        self,
        until: Callable[[], bool],
        process: ForkServerProcess | None = None,
        pause: float = 0.002,
    ) -> None:
        deadline = time.monotonic() + CPU_S
        while not until():
            assert time.monotonic() < deadline
            assert process is None or process.is_alive(), "it ended before it was killed"
            time.sleep(pause)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _unpublished(folder: Path) -> list[Path]:
    return list(folder.glob(TEMPORARY))


def _children(process: ForkServerProcess) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def survive(
    server: Server,
    folder: Path,
    cache: Path,
    kinds: list[str],
    steps: int,
) -> Counter[str]:
    """Kill a run by `kinds`, finish it, and compare it with one that was left alone."""
    whole = RunDirectory.create(folder / "whole", plan(steps).runs[0].spec)
    whole.write_evaluation(plan(steps).evaluation)
    process = server.Process(target=train, args=(whole.path, cache))
    process.start()
    process.join()
    killer = Killer(server.Process, folder, cache, steps, seed=len(kinds))
    for kind in kinds:
        killer.kill(kind)
    killer.finish()
    killed = killer.run
    assert killed.state() == "done", (folder / "said.txt").read_text()
    _same(whole, killed, steps)
    _same_in_mlflow(whole, folder)
    return killer.proven


def _same(whole: RunDirectory, killed: RunDirectory, steps: int) -> None:
    found = compare(whole, killed, steps, 0.0)
    assert found.bits, str(found)
    first, second = whole.result(), killed.result()
    assert first is not None
    assert second is not None
    assert first.weights_sha256 == second.weights_sha256
    # In order, none twice, none missing.
    seen = [(row.step, row.kind) for row in killed.rows()]
    assert seen == [(row.step, row.kind) for row in whole.rows()]
    assert [step for step, kind in seen if kind == "train"] == list(range(2, steps + 1, 2))
    assert [step for step, kind in seen if kind == "heldout"] == list(range(20, steps + 1, 20))
    judged = [_judged(run) for run in (whole, killed)]
    assert judged[0] == judged[1]
    wanted = [(step, 0) for step in range(20, steps + 1, 20)] + [(steps, 1)]
    assert [(step, draw) for step, draw, _ in judged[1]] == wanted
    for path in killed.path.rglob(TEMPORARY):
        os.utime(path, (0, 0))
    with killed.locked():
        assert not list(killed.path.rglob(TEMPORARY))
    assert len(weights.listed(killed.checkpoints)) <= checkpoint.KEPT


def _same_in_mlflow(whole: RunDirectory, folder: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store(folder))
    experiment = client.get_experiment_by_name("killed")
    assert experiment is not None
    runs = {
        run.data.tags.get("bench.run_id"): run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert set(runs) == {None, whole.run_id}  # the ablation and its one run
    run = runs[whole.run_id]
    assert run.info.status == "FINISHED"
    trained = [(row.step, row.values["l_real"]) for row in whole.rows() if row.kind == "train"]
    judged = [(step, values["kid"]) for step, draw, values in _judged(whole) if draw == 0]
    for name, wanted in (("train/l_real", trained), ("eval/kid", judged)):
        there = client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in there] == wanted


def _judged(run: RunDirectory) -> list[tuple[int, int, dict[str, float]]]:
    """What the judge says, each row once."""
    (found,) = Evaluations.all(run.path)
    assert len(found.path.read_text().splitlines()) == len(found.rows())
    return [(row.step, row.draw, row.values) for row in found.rows()]


def test_three_kills(server: Server, tmp_path: Path, cache: Path) -> None:
    kinds = ["flush", "checkpoint", "evaluation"]
    proven = survive(server, tmp_path, cache, kinds, steps=200)
    assert proven["checkpoint"] > 0
    assert proven["evaluation"] > 0
    assert proven["flush"] > 0


@pytest.mark.slow
def test_thirty_kills(server: Server, tmp_path: Path, cache: Path) -> None:
    kinds = ["anywhere"] * 12 + ["checkpoint"] * 8 + ["evaluation"] * 6 + ["flush"] * 4
    random.Random(30).shuffle(kinds)
    proven = survive(server, tmp_path, cache, kinds, steps=1200)
    print(f"30 kills survived; proven to be inside: {dict(proven)}")
    assert proven["checkpoint"] >= 4
    assert proven["evaluation"] >= 4
    assert proven["flush"] >= 2
