"""A run's bits do not depend on what goes on beside it, on who watches, or on the clock."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.executors.local import Pool
from benchmark.reproduction.comparison import compare
from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_spec
from tests.processes import bench
from tests.reliability.conftest import Swept
from tests.training.test_loop import Stopped, train, values


def test_alone_beside_others_under_load_and_with_other_thread_variables(
    swept: Swept, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep ran two at once; here one runs alone, beside a process that hogs a core."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(variable, "2")
    first = swept.runs()[0]
    alone, evaluation = RunDirectory.create(tmp_path / "alone", first.spec()), first.evaluation()
    assert evaluation is not None
    alone.write_evaluation(evaluation)
    spin = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(spin) as hog:
        try:
            Pool(1, ["--cache", str(cache), "--device", "cpu"], lambda: None).run([alone])
        finally:
            hog.kill()
    found = compare(first, alone, 12, 0.0)
    assert found.bits, str(found)
    assert (found.rows, found.grids, found.weights) == (11, 2, 5)


def test_snapshots_logging_and_checkpointing_more_often_trains_the_same_weights(
    tmp_path: Path, cache: Path
) -> None:
    never = {"on": "never"}
    usual = {"steps": 12, "lr_decay": never}
    digests = {
        train(spec, tmp_path / str(number), cache, every=every).weights_sha256
        for number, (spec, every) in enumerate(
            (spec, every)
            for every in (1, 6)
            for spec in (
                tiny_spec(training=usual),
                tiny_spec(training={**usual, "log_every": 1}),
                tiny_spec(training={**usual, "log_every": 12, "checkpoint_every": 12}),
                tiny_spec(training={**usual, "checkpoint_every": 2}),
            )
        )
    }
    assert len(digests) == 1


def test_the_thread_count_is_part_of_the_description() -> None:
    assert tiny_spec(training={"threads": 2}).run_id != tiny_spec().run_id


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny_spec()
    whole = train(spec, tmp_path / "whole", cache)
    jumps = random.Random(0)
    # Set back and forth by hours, also to before 1970.
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(-1e5, 1e9))
    with pytest.raises(Stopped):
        train(spec, tmp_path / "jumped", cache, stop_at=3)
    jumped = train(spec, tmp_path / "jumped", cache)
    assert jumped.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "jumped", spec) == values(tmp_path / "whole", spec)
    assert jumped.wall_s > 0
    times = [row.time for row in RunDirectory(tmp_path / "jumped" / spec.run_id).rows()]
    assert times != sorted(times)  # it did jump


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs Debian's package faketime")
@pytest.mark.slow
def test_a_whole_process_in_another_year(swept: Swept, tmp_path: Path, cache: Path) -> None:
    first = swept.runs()[0]
    run = RunDirectory.create(tmp_path / "runs", first.spec())
    command = ["faketime", "-f", "-400d", sys.executable, "-m", "benchmark", "run-one"]
    command += [str(run.path), "--cache", str(cache), "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert compare(first, run, 12, 0.0).bits
    assert run.rows()[0].time < first.rows()[0].time - 300 * 86400


def test_a_moved_run_directory_is_the_same_run(swept: Swept, tmp_path: Path) -> None:
    run = swept.runs()[0]
    shutil.copytree(run.path, tmp_path / "renamed")
    done = bench("show", "renamed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert RunDirectory(tmp_path / "renamed").spec().run_id == run.run_id
