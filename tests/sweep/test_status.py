"""`bench status`, `logs` and `stop`, whoever trains the runs."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.ablation.plan import Plan
from benchmark.cli import bench
from benchmark.errors import BenchError, InputError
from benchmark.executors.choice import Asked, choose
from benchmark.executors.executor import Pack, Polling
from benchmark.executors.local import Pool
from benchmark.files import write_atomic
from benchmark.runs.directory import Result, Row, RunDirectory, Tail
from benchmark.runs.log import Log
from benchmark.runs.status import Follow
from benchmark.sweep.driver import Driver, drivers
from tests.conftest import judged, tiny_plan, tiny_run, tiny_spec


def plan(count: int) -> Plan:
    specs = [tiny_spec().model_copy(update={"seed": seed}) for seed in range(count)]
    return tiny_plan(*specs, name="stubs")


def row(step: int, kind: str = "train", **values: float) -> Row:
    return Row(step=step, kind=kind, time=1000.0 + step, values=values)  # type: ignore[arg-type]


def result(state: str, reason: str | None = None) -> Result:
    return Result(
        state=state,  # type: ignore[arg-type]
        step=12,
        reason=reason,
        weights_sha256="0" * 64,
        wall_s=1,
        cpu_s=1,
        decays=[],
    )


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDirectory]:
    """Queued, running, stopped, failed for a collapse, done."""
    made = [tiny_run(tmp_path, each.spec) for each in plan(5).runs]
    _, running, stopped, failed, done = made
    for step in (2, 4, 6):
        running.append(row(step, m_global=0.5))
    stopped.checkpoints.mkdir()
    failed.append(row(6, m_global=0.5))
    judged(failed, 6, spread=0.0, distance=900)
    failed.write_result(result("failed", "collapsed: the samples' spread is 0"))
    done.append(row(12, m_global=0.5))
    judged(done, 12, spread=1.0, distance=90)
    done.write_result(result("done"))
    return made


def test_status_says_how_every_run_stands(runs: list[RunDirectory], tmp_path: Path) -> None:
    with runs[1].locked():
        said = CliRunner().invoke(bench, ["status", "--runs", str(tmp_path), "--json"])
    assert said.exit_code == 0, said.output
    found = json.loads(said.output)
    assert found["counts"] == {
        **{"queued": 1, "running": 1, "stopped": 1, "failed": 1, "done": 1, "collapsed": 1},
    }
    by_id = {each["run_id"]: each for each in found["runs"]}
    running = by_id[runs[1].run_id]
    assert (running["step"], running["steps_a_second"], running["seconds_left"]) == (6, 1.0, 6.0)
    failed = by_id[runs[3].run_id]
    assert failed["collapsed"] is True
    assert failed["reason"].startswith("collapsed")
    assert by_id[runs[4].run_id]["distance"] == 90
    assert found["drivers"] == []
    plain = CliRunner().invoke(bench, ["status", "--runs", str(tmp_path)]).output
    assert f"{runs[3].run_id}: collapsed: the samples' spread is 0" in plain
    assert plain.splitlines()[-1].startswith("5 runs: ")


def test_a_damaged_run_costs_no_other_its_status(runs: list[RunDirectory], tmp_path: Path) -> None:
    queued, running, stopped, failed, done = runs
    (queued.path / "spec.json").write_bytes(b"")
    (running.path / "metrics.jsonl").write_text("{}\n")
    (stopped.path / "evaluation.json").write_bytes(b"")
    (failed.path / "result.json").unlink()
    (failed.path / "result.json").mkdir()
    said = CliRunner().invoke(bench, ["status", "--runs", str(tmp_path)])
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert lines[0].startswith(f"{done.run_id}: done")
    assert sorted(lines[1:-1]) == sorted(
        [
            f"{queued.path / 'spec.json'}: damaged; `bench run FILE` writes it again",
            f"{running.path / 'metrics.jsonl'}: damaged; see `bench doctor`",
            f"{stopped.path / 'evaluation.json'}: damaged; `bench run FILE` writes it again",
            f"{failed.path / 'result.json'}: cannot be read (Is a directory)",
        ]
    )
    assert lines[-1] == "5 runs: 1 done, 4 damaged (see `bench doctor`)"
    said = CliRunner().invoke(bench, ["status", "--runs", str(tmp_path), "--json"])
    assert set(json.loads(said.output)["damaged"]) == {each.run_id for each in runs[:4]}
    said = CliRunner().invoke(bench, ["stop", "--runs", str(tmp_path)])
    assert (said.exit_code, said.output) == (1, f"no sweep is running in {tmp_path}\n")


def test_damaged_rows_are_said_at_every_look(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan(1).runs[0].spec)
    (run.path / "metrics.jsonl").write_text("{}\n")
    tail = Tail(run)
    for _ in range(2):
        with pytest.raises(BenchError, match="damaged"):
            tail.new()


def test_stop_names_the_profile_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.commands.sweeps._plan", lambda *_: plan(1))
    other = Driver.here(replace(plan(1), profile="short"))
    with other.driving(tmp_path):
        said = CliRunner().invoke(bench, ["stop", "stubs.yaml", "--runs", str(tmp_path)])
        assert not other.is_asked_to_stop(tmp_path)
    assert said.exit_code == 1
    assert said.output.splitlines() == [
        f"no sweep of stubs, profile demo, is running in {tmp_path}",
        f"running sweep: {other}",
    ]


def test_a_resumed_run_is_read_again_from_where_it_stands(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan(1).runs[0].spec)
    follow, tail = Follow("", plan(1).runs[0].spec, run, None), Tail(run)
    assert tail.new() == []
    for step in (2, 4, 6):
        run.append(row(step, m_global=step / 10))
    assert [each.step for each in tail.new()] == [2, 4, 6]
    assert (follow.look().step, follow.look().signal) == (6, 0.6)
    with run.log.with_name("metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "kind": "tr')  # being written
    assert tail.new() == []
    assert follow.look().step == 6
    run.cut_after(2)
    run.append(row(4, m_global=0.9))
    assert [each.step for each in tail.new()] == [2, 4]
    with run.locked():
        found = follow.look()
    assert (found.step, found.signal, found.steps_a_second) == (4, 0.9, 1.0)


class Idle(Polling[str]):
    """Workers that do nothing until they are told to end; the run of each goes on meanwhile."""

    def _start(self, packs: Sequence[Pack]) -> dict[str, str]:
        return {run.run_id: run.run_id for (run,) in packs}

    def _ended(self) -> dict[str, int]:
        return dict.fromkeys(self._workers, 75) if self.stopped else {}

    def _end(self, workers: Sequence[str], kill: bool) -> None:
        self.told = (list(workers), kill)


def test_stop_reaches_the_driver_through_the_runs_folder(
    runs: list[RunDirectory], tmp_path: Path
) -> None:
    driver = Driver.here(plan(5))

    def tick() -> None:
        assert drivers(tmp_path) == [driver]
        if not executor.stopped and driver.is_asked_to_stop(tmp_path):
            executor.stop()

    def ask() -> None:
        time.sleep(0.3)
        said.append(CliRunner().invoke(bench, ["stop", "--runs", str(tmp_path)]))

    said: list[object] = []
    executor = Idle(2, [], tick)
    asking = threading.Thread(target=ask)
    with driver.driving(tmp_path):
        asking.start()
        codes = executor.run(runs)
        asking.join()
    assert said[0].exit_code == 0, said[0].output  # type: ignore[attr-defined]
    assert codes == {runs[0].run_id: 75, runs[1].run_id: 75}  # two at once; three had no result
    assert executor.told == ([runs[0].run_id, runs[1].run_id], False)
    assert drivers(tmp_path) == []
    assert list((tmp_path / "sweeps").iterdir()) == []
    again = CliRunner().invoke(bench, ["stop", "--runs", str(tmp_path)])
    assert (again.exit_code, again.output) == (1, f"no sweep is running in {tmp_path}\n")


def test_a_driver_that_ended_before_it_was_asked_to_stop_leaves_nothing(tmp_path: Path) -> None:
    driver = Driver.here(plan(1))
    with driver.driving(tmp_path):
        assert driver.ask_to_stop(tmp_path)
        assert driver.is_asked_to_stop(tmp_path)
    assert not driver.ask_to_stop(tmp_path)
    assert list((tmp_path / "sweeps").iterdir()) == []


def test_two_drivers_of_one_host_name_and_process_number_are_told_apart(tmp_path: Path) -> None:
    """As in two containers that share a runs folder."""
    first, second = Driver.here(plan(1)), Driver.here(plan(1))
    with first.driving(tmp_path):
        assert not second.is_alive(tmp_path)  # it would wait for the first
        with second.driving(tmp_path):
            assert len(drivers(tmp_path)) == 2
            second.ask_to_stop(tmp_path)
            assert not first.is_asked_to_stop(tmp_path)
        assert drivers(tmp_path) == [first]


def test_a_driver_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from benchmark.sweep.driver import Driver
who = {{"host": "here", "process": os.getpid(), "token": "0", "since": 0.0}}
driver = Driver(ablation="stubs", profile="demo", **who)
with driver.driving(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert len(list((tmp_path / "sweeps").glob("*.json"))) == 1
    assert drivers(tmp_path) == []
    assert list((tmp_path / "sweeps").glob("*.json")) == []


def test_who_may_only_read_sees_a_driver_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver.here(plan(1))
    write_atomic(driver._file(tmp_path, ".json"), driver.model_dump_json().encode())

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert drivers(tmp_path) == []


def test_a_worker_that_is_killed_but_got_further_is_started_again(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan(1).runs[0].spec)
    run.checkpoints.mkdir()
    pool = Pool(1, [], lambda: None, _runs={run.run_id: run})
    tried = [pool._again(run.run_id, -9) for _ in range(2)]
    (run.checkpoints / "00000004-0.safetensors").touch()
    tried += [pool._again(run.run_id, -9) for _ in range(3)]
    assert tried == [True, True, True, True, False]


def test_logs_follows_until_the_run_has_ended(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan(1).runs[0].spec)
    run.log.write_text("one\ntwo\nthree\n")

    def write() -> None:
        time.sleep(0.3)
        with run.log.open("a") as log:
            log.write("four\n")
        run.write_result(result("done"))

    writing = threading.Thread(target=write)
    writing.start()
    command = ["logs", run.run_id, "--runs", str(tmp_path), "--lines", "2", "-f"]
    said = CliRunner().invoke(bench, command)
    writing.join()
    assert said.output == "two\nthree\nfour\ndone at step 12, after 1 s\n"


def test_logs_of_a_finished_run_are_not_empty(runs: list[RunDirectory], tmp_path: Path) -> None:
    def logs(run: RunDirectory, *options: str) -> list[str]:
        command = ["logs", run.run_id, "--runs", str(tmp_path), *options]
        return CliRunner().invoke(bench, command).output.splitlines()

    _, running, _, failed, done = runs
    failed.log.write_text("bench: not finite")
    assert logs(done) == [
        "step 12 (train): m_global 0.5",
        "step 12 (efficientnet_lite0): spread 1, distance 90",
        "done at step 12, after 1 s",
    ]
    assert logs(failed)[-2:] == [
        "bench: not finite",
        "failed at step 12: collapsed: the samples' spread is 0, after 1 s",
    ]
    assert logs(failed, "--lines", "1") == logs(failed)[-1:]
    assert logs(running, "--lines", "1") == ["step 6 (train): m_global 0.5"]
    assert logs(runs[0]) == ["nothing yet: the run has not begun"]


def test_an_option_of_another_executor_is_refused(tmp_path: Path) -> None:
    for asked, word in (
        (Asked("local", partition="faces"), "--partition does not apply to --executor local"),
        (Asked("ray", sbatch=("qos=low",)), "needs --executor slurm"),
        (Asked("slurm", address="auto"), "needs --executor ray"),
        (Asked("local", gpus_per_run=0.5), "needs --executor ray or slurm"),
    ):
        with pytest.raises(InputError, match=word):
            choose(asked, plan(1), tmp_path)
    assert choose(Asked(jobs=3), plan(1), tmp_path)([], lambda: None).jobs == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_extra_that_is_missing_is_one_line(
    tmp_path: Path, name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"benchmark.executors.{name}", raising=False)
    with pytest.raises(InputError, match=rf"{package}.*pip install 'began-bench\[{name}\]'"):
        choose(Asked(name), plan(1), tmp_path)


def test_a_run_on_a_leash_stops_when_its_starter_dies(tmp_path: Path) -> None:
    code = "import time, benchmark.executors.local as l; l.obey_leash(); time.sleep(60)"
    read, write = os.pipe()
    with subprocess.Popen([sys.executable, "-c", code], stdin=read) as process:
        os.close(read)
        time.sleep(0.2)
        assert process.poll() is None
        os.close(write)
        assert process.wait(60) == -15


def test_a_snapshot_that_is_judged_late_is_in_the_log(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec())
    log = Log(run)
    judged(run, 8, distance=80.0)
    assert list(log.new()) == ["step 8 (efficientnet_lite0): distance 80"]
    judged(run, 4, distance=90.0)
    assert list(log.new()) == ["step 4 (efficientnet_lite0): distance 90"]
    assert list(log.new()) == []
