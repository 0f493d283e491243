"""The same bits: run through, stopped and resumed, with and without evaluation."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmark.data.store import open_store
from benchmark.errors import BenchError
from benchmark.methods import attributes, heldout_columns
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.training import checkpoint, snapshots
from benchmark.training.loop import Stopped, Trainer, new_method
from tests.conftest import tiny_spec

CPU = torch.device("cpu")


def train(
    spec: RunSpec,
    root: Path,
    cache: Path,
    stop_at: int | None = None,
    every: int | None = 6,
) -> Result:
    """Without a judge; `every`: steps between snapshots."""
    run = RunDirectory.create(root, spec)
    store = open_store(spec.data, None, cache, attributes(spec.method))
    trainer = Trainer(run, store, CPU, every=every)
    seen = []

    def should_stop() -> bool:
        seen.append(1)
        return stop_at is not None and len(seen) >= stop_at

    return trainer.train(should_stop, lambda snapshot: None)


def whole_and_cut(root: Path, cache: Path, stop_at: int) -> tuple[Result, RunDirectory]:
    """The result of a tiny run in root/whole, and the same run stopped half-way in root/cut."""
    spec = tiny_spec()
    whole = train(spec, root / "whole", cache)
    with pytest.raises(Stopped):
        train(spec, root / "cut", cache, stop_at)
    return whole, RunDirectory(root / "cut" / spec.run_id)


def values(root: Path, spec: RunSpec) -> list[tuple[int, str, dict[str, float]]]:
    rows = RunDirectory(root / spec.run_id).rows()
    return [(row.step, row.kind, row.values) for row in rows]


def test_a_run_again_gives_the_same_bits(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec()
    first = train(spec, tmp_path / "a", cache)
    second = train(spec, tmp_path / "b", cache)
    assert first.weights_sha256 == second.weights_sha256
    assert values(tmp_path / "a", spec) == values(tmp_path / "b", spec)
    other = train(spec.model_copy(update={"seed": 1}), tmp_path / "a", cache)
    assert other.weights_sha256 != first.weights_sha256


@pytest.mark.parametrize("stop_at", [1, 2, 3, 5])
def test_stopped_and_resumed_equals_uninterrupted(
    stop_at: int, tmp_path: Path, cache: Path
) -> None:
    spec = tiny_spec()
    whole, _ = whole_and_cut(tmp_path, cache, stop_at)
    resumed = train(spec, tmp_path / "cut", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)
    assert resumed.decays == whole.decays


def test_snapshots_change_no_bit_of_the_weights(tmp_path: Path, cache: Path) -> None:
    found = {
        train(tiny_spec(), tmp_path / str(every), cache, every=every).weights_sha256
        for every in (1, 5, None)
    }
    assert len(found) == 1
    steps = [each.step for each in snapshots.listed(_run(tmp_path / "5").snapshots)]
    assert steps == [5, 10, 12]  # the last step always has one
    assert [each.step for each in snapshots.listed(_run(tmp_path / "None").snapshots)] == [12]


def _run(root: Path) -> RunDirectory:
    return RunDirectory(root / tiny_spec().run_id)


def test_killed_run_resumes_to_the_same_bits(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec(training={"steps": 400, "checkpoint_every": 20})
    whole = train(spec, tmp_path / "whole", cache)
    run = RunDirectory.create(tmp_path / "killed", spec)
    command = [sys.executable, "-m", "benchmark", "run-one", str(run.path), "--cache", str(cache)]
    with subprocess.Popen([*command, "--device", "cpu"], env={**os.environ}) as worker:
        deadline = time.monotonic() + 300
        while len(list(run.checkpoints.glob("[0-9]*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
    assert run.state() == "stopped"
    resumed = train(spec, tmp_path / "killed", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    steps = [row.step for row in run.rows() if row.kind == "train"]
    assert steps == list(range(2, 401, 2))  # none twice, none missing


def test_a_corrupt_checkpoint_is_passed_over(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec()
    whole = train(spec, tmp_path / "whole", cache)
    with pytest.raises(Stopped):
        train(spec, tmp_path / "cut", cache, stop_at=5)
    files = sorted((tmp_path / "cut" / spec.run_id / "checkpoints").glob("[0-9]*"))
    assert len(files) == checkpoint.KEPT
    data = bytearray(files[-1].read_bytes())
    data[len(data) // 2] ^= 1
    files[-1].write_bytes(data)
    method = new_method(spec, CPU)
    progress = checkpoint.read_latest(files[-1].parent, method)
    assert progress is not None
    assert progress.step == int(files[-2].name.split("-")[0])
    assert train(spec, tmp_path / "cut", cache).weights_sha256 == whole.weights_sha256


def test_a_run_that_is_not_finite_is_a_failed_result(tmp_path: Path, cache: Path) -> None:
    never = {"on": "never"}
    spec = tiny_spec(method={"eta": 2}, training={"lr": 1.0, "steps": 400, "lr_decay": never})
    result = train(spec, tmp_path, cache)
    assert result.state == "failed"
    assert result.reason is not None
    assert "not finite" in result.reason
    assert RunDirectory(tmp_path / spec.run_id).state() == "failed"


def test_two_writers_are_refused(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec())
    with run.locked():
        assert run.state() == "running"
        with pytest.raises(BenchError, match="another process"), RunDirectory(run.path).locked():
            pass
    assert run.state() == "queued"


def test_energies_are_watched_over_the_same_images_and_codes(tmp_path: Path, cache: Path) -> None:
    never = {"on": "never"}
    spec = tiny_spec(training={"lr": 1e-12, "lr_decay": never})
    train(spec, tmp_path, cache, every=3)
    rows = [row for row in RunDirectory(tmp_path / spec.run_id).rows() if row.kind == "heldout"]
    assert [row.step for row in rows] == [3, 6, 9, 12]
    watched = set(rows[0].values)
    assert watched == set(heldout_columns(spec.method))
    for name in watched:  # weights that hardly move give the same values at every step
        values = [row.values[name] for row in rows]
        assert max(values) - min(values) < 1e-5
