"""A finished run trained again is the same to the last bit, and what is not is named."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from benchmark.errors import BenchError, InputError
from benchmark.reproduction import reproduce as module
from benchmark.reproduction.comparison import compare
from benchmark.reproduction.reproduce import Here, differing, pick, reproduce
from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_spec
from tests.processes import bench
from tests.reliability.conftest import Swept


def test_a_random_run_of_a_sweep_is_identical(swept: Swept) -> None:
    done = bench("reproduce", "--ablation", "tiny", "--sample", "1", cwd=swept.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    # 6 training means, 2 of held-out images, 2 evaluations and a repeat; checkpoints at steps 4, 8
    # and 12, snapshots at 6 and 12.
    assert "identical to step 12: 11 rows, 2 grids, weights at 5 steps" in done.stdout
    assert "differs" not in done.stdout


def test_a_prefix_names_the_first_step_that_differs(finished: RunDirectory, cache: Path) -> None:
    spoil_rows(finished, step=6, column="l_real", factor=1 + 1e-15)
    said: list[str] = []
    seen: list[int] = []

    @contextmanager
    def watch(last: int) -> Iterator[Callable[[int], object]]:
        assert last == 8
        yield seen.append

    here = Here(cache, None, "auto")
    found = reproduce(finished, 8, here, None, said.append, watch)
    assert seen[0] < seen[-1]
    assert seen == sorted(seen)
    assert list(found.parted) == [6]
    assert "train l_real" in str(found)
    assert "differs first at step 6" in str(found)
    assert not said  # nothing differs around the run
    assert (found.rows, found.grids, found.weights) == (6, 1, 3)


def test_snapshots_are_those_that_the_run_has(finished: RunDirectory, cache: Path) -> None:
    """Another ablation that shares the run may have asked for others since."""
    evaluation = finished.evaluation()
    assert evaluation is not None
    other = evaluation.model_copy(update={"every": 4})
    (finished.path / "evaluation.json").write_text(other.model_dump_json())
    found = reproduce(finished, None, Here(cache, None, "auto"), None, lambda text: None)
    assert found.same, str(found)
    assert found.grids == 2


def test_a_judge_that_fails_in_the_new_process_is_no_reproduction(
    finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has a result; the process that judged it tells."""
    ended = iter([Ended(1), Ended(0)])
    monkeypatch.setattr(module, "start_worker", lambda *_: next(ended))
    worker = module._Worker(finished, [])
    with pytest.raises(BenchError):
        worker.train(None, lambda step: None)
    module._Worker(finished, []).train(None, lambda step: None)


def test_whatever_ends_it_its_process_and_folder_go(
    finished: RunDirectory, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(runs: object, arguments: object) -> subprocess.Popen[bytes]:
        started.append(start_worker(runs, arguments))
        return started[0]

    def gone(text: str) -> None:
        raise BrokenPipeError

    start_worker = module.start_worker
    monkeypatch.setattr(module, "start_worker", start)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    with pytest.raises(BrokenPipeError):
        reproduce(finished, None, Here(cache, None, "auto"), 0.1, gone)
    assert started[0].poll() == -signal.SIGKILL
    assert set(tmp_path.iterdir()) == before


class Ended:
    """A process that has ended with this code."""

    stdin = None

    def __init__(self, code: int) -> None:
        self.returncode = code

    def poll(self) -> int:
        return self.returncode


def test_only_what_is_not_the_same_here_is_said(finished: RunDirectory) -> None:
    then = finished.provenance()
    assert then is not None
    assert differing(then, then) == {}
    other = json.loads(json.dumps(then))
    other["cpu"] = "another"
    other["packages"]["torch"] = "0.1"
    other["command"] = ["elsewhere"]
    other["floor"] = {}
    assert list(differing(then, other)) == ["packages.torch", "cpu"]
    moved = json.loads(json.dumps(then))
    moved["code"]["commit"] = "of a new page of documentation"
    assert differing(then, moved) == {}
    moved["code"]["source_sha256"] = "of other code"
    assert set(differing(then, moved)) == {"code.source_sha256", "code.commit"}
    old = {"code": {"commit": then["code"]["commit"]}, "cpu": then["cpu"]}  # an older format
    assert differing(old, then) == {}


def test_another_machine_is_said_first_and_values_are_compared_within_a_tolerance(
    finished: RunDirectory, cache: Path
) -> None:
    record = finished.provenance()
    assert record is not None
    finished.write_provenance({**record, "cpu": "PDP-11"})
    spoil_rows(finished, step=6, column="l_real", factor=1.0005)
    said: list[str] = []
    found = reproduce(finished, 6, Here(cache, None, "auto"), None, said.append)
    assert "cpu: PDP-11 then" in said[0]
    assert "within 0.001" in said[1]
    assert found.same
    assert not found.bits
    assert 0 < found.worst < 0.001


def test_comparison_finds_every_kind_of_difference(finished: RunDirectory, tmp_path: Path) -> None:
    def spoilt(name: str) -> RunDirectory:
        shutil.copytree(finished.path, tmp_path / name)
        return RunDirectory(tmp_path / name)

    assert compare(finished, spoilt("same"), 12, 0.0).bits
    fewer = spoilt("fewer")
    fewer.cut_after(10)
    assert compare(finished, fewer, 12, 0.0).parted.keys() == {12}
    assert compare(finished, fewer, 10, 0.0).bits

    pixel = spoilt("pixel")
    path = pixel.samples / "00000006.png"
    grid = np.asarray(Image.open(path)).copy()
    Image.fromarray(grid).save(path, compress_level=0)  # other bytes, the same pixels
    assert compare(finished, pixel, 12, 0.0).bits
    grid[5, 5, 0] ^= 1
    Image.fromarray(grid).save(path)
    assert "samples" in compare(finished, pixel, 12, 0.0).parted[6][0]
    assert compare(finished, pixel, 12, 1e-3).same

    digest = spoilt("digest")
    path = digest.checkpoints / "digests.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    second = list(lines[1]["tensors"])[1]
    lines[1]["tensors"][second] = "0" * 16
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert compare(finished, digest, 12, 0.0).parted == {8: [f"digest of tensor {second}"]}

    weights = spoilt("weights")
    path = max(weights.checkpoints.glob("*.safetensors"))
    tensors = dict(load_file(path))
    name = next(name for name in sorted(tensors) if name.startswith("method/generator"))
    tensors[name] = tensors[name].copy()
    tensors[name].flat[0] += 0.01
    save_file(tensors, path)
    (said,) = compare(finished, weights, 12, 0.0).parted[12]
    assert said.startswith(f"tensor {name} differs by 0.01")
    assert not compare(finished, weights, 12, 1e-3).same
    assert compare(finished, weights, 12, 0.1).same
    tensors[name].flat[0] = np.nan  # as in a run that failed
    save_file(tensors, path)
    assert not compare(finished, weights, 12, 0.1).same
    both = RunDirectory(shutil.copytree(weights.path, tmp_path / "both"))
    tensors[name].flat[1] += 0.01
    save_file(tensors, max(both.checkpoints.glob("*.safetensors")))
    assert not compare(weights, both, 12, 1e-3).same
    assert compare(weights, both, 12, 0.1).same


def test_what_cannot_be_reproduced_is_bad_input(finished: RunDirectory, tmp_path: Path) -> None:
    here = Here(tmp_path / "cache", None, "cpu")
    for steps in (1, 13):
        with pytest.raises(InputError, match="allowed: 2 to 12"):
            reproduce(finished, steps, here, None, print)
    record = finished.provenance()
    assert record is not None
    finished.write_provenance({**record, "data": {**record["data"], "fingerprint": "f" * 64}})
    with pytest.raises(InputError, match="--data-root"):
        reproduce(finished, None, here, None, print)
    fresh = RunDirectory.create(tmp_path / "fresh", tiny_spec())
    with pytest.raises(InputError, match="not finished"):
        reproduce(fresh, None, here, None, print)
    done = bench("reproduce", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_the_sample_is_random_seeded_and_of_finished_runs(swept: Swept, tmp_path: Path) -> None:
    folder = swept.folder
    picked = {
        pick("tiny", "demo", folder / "results", folder / "runs", 1, seed)[0].run_id
        for seed in range(10)
    }
    assert picked == {run.run_id for run in swept.runs()}
    twice = [pick("tiny", "demo", folder / "results", folder / "runs", 1, 3) for _ in range(2)]
    assert twice[0][0].run_id == twice[1][0].run_id
    with pytest.raises(InputError, match="no tables here"):
        pick("tiny", "demo", tmp_path, folder / "runs", 1, 0)


def spoil_rows(run: RunDirectory, step: int, column: str, factor: float) -> None:
    path = run.path / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["step"] == step and column in row["values"]:
            row["values"][column] *= factor
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
