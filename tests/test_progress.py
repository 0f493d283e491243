"""What people see while runs go on."""

import io
from pathlib import Path

from rich.console import Console

from benchmark.ablation import PlannedRun
from benchmark.progress import Progress
from benchmark.runs import Row, RunDirectory
from benchmark.standing import Follow
from tests.conftest import tiny_spec


def _run(root: Path) -> tuple[PlannedRun, RunDirectory]:
    planned = PlannedRun(tiny_spec(), {"method.gamma": 0.5})
    run = RunDirectory.create(root, planned.spec)
    for step in (2, 4, 6):
        values = {"m_global": 0.3 - step / 100}
        run.append(Row(step=step, kind="train", time=1000.0 + step / 4, values=values))
    run.append(Row(step=6, kind="eval", time=1002.0, values={"fd_efficientnet_lite0": 431.26}))
    return planned, run


def test_a_running_run_says_its_speed_and_time_left(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    with run.locked():
        found = Follow(planned.label, planned.spec, run).look()
        console = Console(file=io.StringIO(), width=200)
        with Progress([(planned, run)], console) as progress:
            progress.update()
    assert found.steps_a_second == 4.0  # 4 steps in a second of its rows
    assert found.seconds_left == 1.5
    assert isinstance(console.file, io.StringIO)
    line = console.file.getvalue().splitlines()[0]
    assert line == (
        "gamma=0.5 seed=0: running, step 6 of 12, 4 steps/s, 2 s left, signal 0.24, distance 431.3"
    )


def test_a_run_that_waits_or_stopped_claims_no_speed(tmp_path: Path) -> None:
    planned, run = _run(tmp_path)
    assert Follow(planned.label, planned.spec, run).look().steps_a_second is None
