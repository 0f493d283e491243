"""`bench run --lanes` from a file to the report."""

import json
from pathlib import Path

from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_run
from tests.lanes.conftest import seen, specs
from tests.processes import bench

SWEEP = """\
name: tiny
question: Do lanes work?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 8, batch: 4, log_every: 2, checkpoint_every: 4, lr_decay: {on: never}}
  evaluation: {every: 8, repeats: 0, judges: {efficientnet_lite0: {samples: 60}}}
sweep:
  method.gamma: [0.3, 0.5, 0.7]
seeds: [0]
profiles: {demo: {}}
"""
NO_MLFLOW = ("--mlflow", "http://127.0.0.1:9")


def test_three_runs_in_one_process(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    (tmp_path / "cache").symlink_to(cache)
    done = bench("run", "tiny.yaml", "--lanes", "3", "--graphs", *NO_MLFLOW, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 runs done, 0 failed" in done.stdout
    runs = [RunDirectory(path.parent) for path in (tmp_path / "runs").glob("*/spec.json")]
    commands = {tuple((run.provenance() or {})["command"]) for run in runs}
    assert len(commands) == 1  # one process
    for run in runs:
        assert str(run.path.relative_to(tmp_path)) in next(iter(commands))
    found = json.loads((tmp_path / "results/tiny/demo/ablation.json").read_text())
    assert found["lanes"] == {run.run_id: 3 for run in runs}
    details = (tmp_path / "results/tiny/demo/details.md").read_text()
    assert "3 runs trained as lanes, up to 3 in one process" in details
    assert len({seen(run)[0] for run in runs}) == 3


def test_evaluating_trains_no_lane(tmp_path: Path, cache: Path) -> None:
    pair = [tiny_run(tmp_path, spec) for spec in specs()[:2]]
    paths = [str(run.path) for run in pair]
    for run in pair:  # as left by a sweep that was stopped
        run.checkpoints.mkdir()
    done = bench("run-one", *paths, "--cache", str(cache), "--evaluate-only", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [run.state() for run in pair] == ["stopped", "stopped"]
    refused = bench("evaluate", "tiny.yaml", "--lanes", "2", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--lanes" in refused.stderr
