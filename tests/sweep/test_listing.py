"""`bench ls`: the runs of a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.runs.directory import Row
from benchmark.sweep.driver import Driver
from tests.conftest import judged, tiny_plan, tiny_run, tiny_spec
from tests.sweep.test_status import result

PLAN = tiny_plan(*(tiny_spec().model_copy(update={"seed": seed}) for seed in range(4)))


def _folder(root: Path) -> list[str]:
    """A run that is done and in a table, one that was begun, one that waits, a broken one."""
    done, begun, waiting, broken = (tiny_run(root / "runs", each.spec) for each in PLAN.runs)
    judged(done, 6, distance=431.26)
    judged(done, 12, distance=390.0)
    done.write_result(result("done"))
    for step in (2, 4):
        begun.append(Row(step=step, kind="train", time=1.0, values={"m_global": 0.2}))
    with (begun.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "ki')  # being written
    begun.checkpoints.mkdir()
    (broken.path / "spec.json").write_text("{")
    table = root / "results" / "gamma" / "short" / "runs.csv"
    table.parent.mkdir(parents=True)
    table.write_text(f"run_id,label,cell\n{done.run_id},gamma=0.5 seed=0,gamma=0.5\n")
    return [done.run_id, begun.run_id, waiting.run_id, broken.run_id]


def _say(root: Path, *options: str) -> str:
    places = ["--runs", str(root / "runs"), "--results", str(root / "results")]
    done = CliRunner().invoke(bench, ["ls", *places, *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_runs_are_listed_by_ablation(tmp_path: Path) -> None:
    done, begun, waiting, broken = _folder(tmp_path)
    lines = _say(tmp_path).splitlines()
    assert lines[0] == "gamma, short:"
    assert lines[1].split() == [done, "done", "12/12", "390", "gamma=0.5", "seed=0"]
    assert lines[2] == "other runs:"
    assert sorted(line.split() for line in lines[3:-1]) == sorted(
        [[begun, "stopped", "4/12"], [waiting, "queued", "0/12"], [broken, "damaged", "0/?"]]
    )
    assert lines[-1] == f"4 runs in {tmp_path / 'runs'}, 1 damaged (see `bench doctor`)"


def test_demonstrations_are_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folder(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "results").rename(tmp_path / "out" / "results")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(bench, ["ls"]).output.splitlines()[0] == "gamma, short:"


def test_a_sweep_under_way_names_its_runs(tmp_path: Path) -> None:
    _folder(tmp_path)
    with Driver.here(PLAN).driving(tmp_path / "runs"):
        found = {each["run_id"]: each for each in json.loads(_say(tmp_path, "--json"))}
    first, second, *_ = (found[each.run_id] for each in PLAN.runs)
    tiny = {"ablation": "tiny", "profile": "demo", "label": "gamma=0.5 seed=0"}
    gamma = {"ablation": "gamma", "profile": "short", "label": "gamma=0.5 seed=0"}
    assert first["places"] == [gamma, tiny]
    assert second["places"][0]["label"] == "gamma=0.5 seed=1"
    assert (first["state"], first["step"], first["steps"]) == ("done", 12, 12)
    assert (first["distance"], second["distance"]) == (390.0, None)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    _folder(tmp_path)
    code = """
import sys
from pathlib import Path
from benchmark.sweep.listing import list_runs
assert len(list_runs(Path("runs"), Path("results"))) == 4
print(sorted({"torch", "pandas", "numpy", "mlflow"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
