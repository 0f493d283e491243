"""What people see while runs go on."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import InputError
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.status import Follow
from benchmark.sweep.output import (
    Failure,
    JsonOutput,
    Output,
    QuietOutput,
    Summary,
    choose_output,
)
from benchmark.sweep.progress import LiveProgress, line
from tests.conftest import judged, tiny_evaluation, tiny_plan, tiny_spec

PLAN = tiny_plan(tiny_spec())


def _run(root: Path) -> tuple[PlannedRun, RunDirectory]:
    planned = PlannedRun(tiny_spec(), {"method.gamma": 0.5})
    run = RunDirectory.create(root, planned.spec)
    for step in (2, 4, 6):
        values = {"m_global": 0.3 - step / 100}
        run.append(Row(step=step, kind="train", time=1000.0 + step / 4, values=values))
    judged(run, 6, distance=431.26)
    return planned, run


def test_a_running_run_says_its_speed_and_time_left(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    with run.locked():
        found = Follow(planned.label, planned.spec, run, tiny_evaluation()).look()
        console = Console(file=io.StringIO(), width=40)
        with Output(console).progress(PLAN, [(planned, run)]) as progress:
            progress.update()
    assert found.steps_a_second == 4.0  # 4 steps in a second of its rows
    assert found.seconds_left == 1.5
    assert isinstance(console.file, io.StringIO)
    line = console.file.getvalue().splitlines()[0]
    assert line == (
        "gamma=0.5 seed=0: running, step 6 of 12, 4 steps/s, 2 s left, signal 0.24, distance 431.3"
    )


def test_the_last_evaluation_is_no_time_left(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    run.append(Row(step=12, kind="train", time=1003.0, values={"m_global": 0.2}))
    with run.locked():
        said = line(Follow(planned.label, planned.spec, run, tiny_evaluation()).look())
    assert "step 12 of 12, evaluating, signal" in said
    assert "left" not in said


def test_a_run_is_done_when_its_last_step_is_judged(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    follow = Follow(planned.label, planned.spec, run, tiny_evaluation())
    run.append(Row(step=12, kind="train", time=1003.0, values={"m_global": 0.2}))
    ended = {"weights_sha256": "0" * 64, "wall_s": 1.0, "cpu_s": 1.0, "decays": []}
    with run.locked():
        run.write_result(Result(state="done", step=12, reason=None, **ended))  # type: ignore[arg-type]
        assert "step 12 of 12, evaluating, signal 0.2, distance 431.3" in line(follow.look())
        judged(run, 12, distance=300.5)
    assert line(follow.look()).endswith("done, step 12 of 12, signal 0.2, distance 300.5")


def test_a_run_that_waits_or_stopped_claims_no_speed(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    assert Follow(planned.label, planned.spec, run, tiny_evaluation()).look().steps_a_second is None


def _tell(output: Output, planned: PlannedRun, run: RunDirectory) -> None:
    """A sweep of one run that is killed; its console does not matter."""
    output.note("data: faces")
    with run.locked(), output.progress(PLAN, [(planned, run)]) as progress:
        progress.update()
    output.warn("MLflow: away")
    failure = Failure(planned, "its process was killed", ["Killed"])
    place = run.path.parent
    uri = "http://me:secret@host:5000"
    output.end(Summary(3, 2, [failure], False, place / "results", Path("REPORT.md"), uri))


def _lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_people_are_told_everything(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=40)
    planned, run = _run(tmp_path)
    _tell(Output(console), planned, run)
    assert [line for line in _lines(console) if "running" not in line] == [
        "data: faces",
        "MLflow: away",
        f"gamma=0.5 seed=0 ({run.run_id}) failed: its process was killed",
        "    Killed",
        "2 of 3 runs done, 1 failed",
        f"tables: {tmp_path / 'results'}",
        "report: REPORT.md",
        "MLflow: bench ui --mlflow http://***@host:5000",
    ]


def test_quiet_is_what_fails_and_one_line(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=40)
    planned, run = _run(tmp_path)
    _tell(QuietOutput(console), planned, run)
    assert _lines(console) == [
        "MLflow: away",
        f"gamma=0.5 seed=0 ({run.run_id}) failed: its process was killed",
        "    Killed",
        "2 of 3 runs done, 1 failed",
    ]


def test_json_is_one_object_a_line_and_nothing_else(tmp_path: Path) -> None:
    console, aside = (Console(file=io.StringIO(), width=40) for _ in range(2))
    planned, run = _run(tmp_path)
    _tell(JsonOutput(console, aside), planned, run)
    first, *_, last = [json.loads(line) for line in _lines(console)]
    assert first == {
        **{"event": "run", "run_id": run.run_id, "label": "gamma=0.5 seed=0", "state": "running"},
        **{"step": 6, "steps": 12, "steps_a_second": 4.0, "seconds_left": 1.5},
        **{"signal": pytest.approx(0.24), "distance": 431.26},
        **{"collapsed": False, "reason": None},
    }
    assert (last["event"], last["runs"], last["done"], last["failed"]) == ("end", 3, 2, 1)
    assert last["failures"][0]["run_id"] == run.run_id
    assert last["mlflow"] == "http://***@host:5000"
    assert _lines(aside) == ["data: faces", "MLflow: away"]


def test_a_terminal_has_a_table_that_is_drawn_again(tmp_path: Path) -> None:
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    assert isinstance(Output(terminal).progress(PLAN, [_run(tmp_path)]), LiveProgress)


def test_quiet_and_json_are_not_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one of the two"):
        choose_output(quiet=True, as_json=True)
