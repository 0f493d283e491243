"""What people see while runs go on."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import InputError
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.status import Follow, RunStatus
from benchmark.sweep.output import (
    Failure,
    JsonOutput,
    Output,
    QuietOutput,
    Summary,
    choose_output,
)
from benchmark.sweep.progress import line, screen, sweep_left, sweep_line
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
    assert console.file.getvalue().splitlines()[0] == (
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
        run.write_result(Result(state="done", step=12, reason=None, **ended))
        assert "step 12 of 12, evaluating, signal 0.2, distance 431.3" in line(follow.look())
        judged(run, 12, distance=300.5)
    assert line(follow.look()).endswith("done, step 12 of 12, signal 0.2, distance 300.5")


def test_a_damaged_run_stops_no_sweep(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    console = Console(file=io.StringIO(), width=40)
    with run.locked(), Output(console).progress(PLAN, [(planned, run)]) as progress:
        progress.update()
        with run.metrics.open("ab") as file:
            file.write(b"no row\n")
        progress.update(last=True)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("step 6 of 12") == 1


def test_a_run_that_waits_or_stopped_claims_no_speed(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    assert Follow(planned.label, planned.spec, run, tiny_evaluation()).look().steps_a_second is None


def _status(state: str, step: int = 0, speed: float | None = None, **known: Any) -> RunStatus:
    figures = {"signal": 0.1779, "distance": 923.5, "collapsed": False, "reason": None}
    name = known.pop("label", f"gamma=0.5 seed={step}")
    return RunStatus(
        f"{state}-{step}", name, state, step, 1000, steps_a_second=speed, **{**figures, **known}
    )


def test_the_sweep_has_a_time_left() -> None:
    running = [_status("running", 500, 2.0), _status("running", 900, 2.0)]
    waiting = [_status("queued"), _status("stopped", 200), _status("done", 1000)]
    # 250 s, 50 s, 500 s and 400 s of work, two at once.
    assert sweep_left([*running, *waiting]) == 600
    assert sweep_line([*running, *waiting]) == (
        "sweep: 1 of 5 runs done, 2 running, about 10 min left"
    )
    assert sweep_left(running) == 250  # not before the longest of them
    assert sweep_left(waiting) is None
    assert sweep_line(waiting) == "sweep: 1 of 3 runs done"


@pytest.mark.parametrize("width", [80, 140])
def test_a_screen_has_a_line_a_run_and_one_for_the_sweep(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=7)
    runs = [_status("done", 1000 + step) for step in range(9)]
    runs += [_status("running", 850, 2.1, label="a long name of a variant " * 4, collapsed=True)]
    console.print(screen(runs, 7, width))
    lines = _lines(console)
    assert len(lines) == 6
    assert max(map(len, lines)) <= width
    assert lines[-1].rstrip() == "sweep: 9 of 10 runs done, 1 running, about 71 s left; 4 are shown"
    assert "71 s" in "".join(lines[:-1])
    assert ("steps/s" in "".join(lines)) == (width == 140)
    low = Console(file=io.StringIO(), width=width, height=2)
    low.print(screen(runs, 2, width))
    assert _lines(low)[-1].rstrip().endswith("; 0 are shown")


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
    with Output(terminal).progress(PLAN, [_run(tmp_path)]) as progress:
        progress.update()
    assert isinstance(terminal.file, io.StringIO)
    drawn = terminal.file.getvalue()
    assert drawn.count("gamma=0.5 seed=0") > 1
    assert "\x1b[1A" in drawn  # the cursor goes up, to where the first was


def test_quiet_and_json_are_not_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        choose_output(quiet=True, as_json=True)
