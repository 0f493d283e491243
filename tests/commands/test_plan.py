"""`bench plan --json` and `bench run --dry-run`: what would be done, and nothing is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.ablation.plan import load
from benchmark.cli import bench
from benchmark.runs.directory import Row, RunDirectory
from tests.sweep.test_status import result
from tests.test_cli import TINY

CLAIM = """
claims:
  - id: up
    source: here
    says: It rises.
    test: {kind: trend, column: distance, over: method.gamma, direction: increasing,
           least_effect: 1.0}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("STEPS", "12") + CLAIM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(*arguments: str) -> Result:
    return CliRunner().invoke(bench, arguments)


def test_a_plan_for_programs(folder: Path) -> None:
    done = say("plan", "tiny.yaml", "--json", "--jobs", "2")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    plan = load(folder / "tiny.yaml", "demo")
    assert [run["run_id"] for run in found["runs"]] == [run.run_id for run in plan.runs]
    assert found["runs"][0]["point"] == {"method.gamma": 0.3}
    assert (found["cost"]["runs"], found["cost"]["at_once"]) == (2, 2)
    assert found["cost"]["seconds"] > 0
    (claim,) = found["claims"]
    assert (claim["claim"], claim["decidable"], claim["chance"]) == ("up", False, None)


def test_a_dry_run_says_what_each_run_has_left_and_writes_nothing(folder: Path) -> None:
    first, second = load(folder / "tiny.yaml", "demo").runs
    done = say("run", "tiny.yaml", "--dry-run")
    assert done.exit_code == 0, done.output
    assert [path.name for path in folder.iterdir()] == ["tiny.yaml"]
    assert done.output.splitlines()[0].split() == [first.run_id, "train", "gamma=0.3", "seed=0"]
    assert "would train 2, continue 0, evaluate 0 of 2 runs; nothing was written" in done.output
    finished, begun = (RunDirectory.create(folder / "runs", each.spec) for each in (first, second))
    finished.write_result(result("done"))
    begun.append(Row(step=4, kind="train", time=1.0, values={}))
    begun.checkpoints.mkdir()
    (begun.checkpoints / "00000002-0.safetensors").touch()  # what comes after is trained again
    before = sorted(folder.rglob("*"))
    lines = say("run", "tiny.yaml", "--dry-run", "--json").output.splitlines()
    assert [(each["action"], each["why"]) for each in map(json.loads, lines)] == [
        ("nothing", "done"),
        ("continue", "from step 2"),
    ]
    assert sorted(folder.rglob("*")) == before


def test_a_dry_run_misses_the_data_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    done = say("run", "tiny.yaml", "--dry-run", "--set", "data.name=celeba")
    assert "--data-root" in str(done.exception)
