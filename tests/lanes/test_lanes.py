"""Runs side by side in one process: each ends as it would have alone, whatever the others do."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.errors import EXIT_STOPPED
from benchmark.lanes import exit_code
from benchmark.methods.began import BEGAN
from benchmark.methods.method import Draw
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.training.loop import Stopped
from benchmark.worker import Where, train
from tests.conftest import tiny_spec
from tests.lanes.conftest import beside, diverging, seen, specs

Lone = Callable[[RunSpec], RunDirectory]


def test_each_has_the_bits_of_the_run_alone(tmp_path: Path, cache: Path, lone: Lone) -> None:
    found = specs()
    code, runs = beside(tmp_path, found, cache)
    assert code == 0
    for run, spec in zip(runs, found, strict=True):
        assert seen(run) == seen(lone(spec))
        provenance = run.provenance()
        assert provenance is not None
        assert provenance["lanes"] == len(found)
        result = run.result()
        assert result is not None
        assert 0 < result.cpu_s < time.process_time()
    assert len({seen(run)[0] for run in runs}) == len(runs)
    of_one = lone(found[0]).provenance()
    assert of_one is not None
    assert "lanes" not in of_one


def cut_leash(process: subprocess.Popen[bytes]) -> None:
    """As the system does when whoever started the process is gone."""
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(subprocess.Popen.terminate, marks=pytest.mark.slow),
        pytest.param(cut_leash, marks=pytest.mark.slow),
        subprocess.Popen.kill,
    ],
)
def test_cut_short_and_begun_again_they_have_the_same_bits(
    cut: Callable[[subprocess.Popen[bytes]], None], tmp_path: Path, cache: Path, lone: Lone
) -> None:
    found = specs(steps=120)[:3]
    runs = [RunDirectory.create(tmp_path, spec) for spec in found]
    command = [sys.executable, "-m", "benchmark", "run-one", *(str(run.path) for run in runs)]
    command += ["--cache", str(cache), "--device", "cpu", "--leash"]
    killed = cut is subprocess.Popen.kill
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while process.poll() is None and not all(run.reached() for run in runs):
            time.sleep(0.02)
        cut(process)
        code = process.wait()  # before `with` closes the leash
    assert code == (-signal.SIGKILL if killed else EXIT_STOPPED)
    assert any(run.result() is None for run in runs)
    for run in runs:
        if not killed and run.result() is None:
            assert run.log.read_text().endswith("stopped with a checkpoint\n")
    assert beside(tmp_path, found, cache)[0] == 0
    for run, spec in zip(runs, found, strict=True):
        assert seen(run) == seen(lone(spec))


def test_one_that_diverges_fails_alone(tmp_path: Path, cache: Path) -> None:
    found = [specs()[0], diverging(), specs()[1]]
    code, runs = beside(tmp_path, found, cache)
    assert code == 1
    results = [run.result() for run in runs]
    assert [result and result.state for result in results] == ["done", "failed", "done"]
    assert "not finite" in runs[1].log.read_text()
    assert "not finite" not in runs[0].log.read_text()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "out of memory (CUDA out"),
        (RuntimeError("a bug"), "Traceback"),
    ],
)
def test_what_breaks_in_one_leaves_the_others(
    fault: Exception, words: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update: Callable[[BEGAN, Tensor, Draw], dict[str, Tensor]] = BEGAN.update

    def broken(self: BEGAN, x: Tensor, draw: Draw) -> dict[str, Tensor]:
        if self.settings.gamma == 0.3:
            raise fault
        return update(self, x, draw)

    monkeypatch.setattr(BEGAN, "update", broken)
    code, runs = beside(tmp_path, specs()[:2], cache)
    assert code == 1
    assert [run.state() for run in runs] == ["queued", "done"]
    assert words in runs[0].log.read_text()
    assert runs[1].log.read_text() == ""


def test_one_that_another_process_writes_is_to_be_tried_again(tmp_path: Path, cache: Path) -> None:
    found = specs()[:2]
    with RunDirectory.create(tmp_path, found[0]).locked():
        code, runs = beside(tmp_path, found, cache)
    assert code == 69
    assert [run.state() for run in runs] == ["queued", "done"]
    assert "another process" in runs[0].log.read_text()


def test_a_word_of_a_run_stands_in_its_own_log(tmp_path: Path, cache: Path) -> None:
    decays = tiny_spec(training={"lr_decay": {"on": "schedule", "every": 4}})
    _, runs = beside(tmp_path, [decays, specs()[1]], cache)
    assert runs[0].log.read_text().count("learning rate lowered") == 3
    assert runs[1].log.read_text() == ""


def test_one_that_is_told_to_stop_while_it_waits_does_not_begin(
    tmp_path: Path, cache: Path
) -> None:
    run = RunDirectory.create(tmp_path, specs()[0])
    with pytest.raises(Stopped):
        train(run, Where(None, cache, "cpu"), [signal.SIGTERM])
    assert run.provenance() is None


@pytest.mark.parametrize(
    ("codes", "whole"),
    [([0, 0], 0), ([0, 1], 1), ([1, 2], 2), ([1, 75, 0], 75), ([75, 69, 1], 69)],
)
def test_the_code_of_the_process(codes: list[int], whole: int) -> None:
    assert exit_code(codes) == whole
