"""What is handed to Slurm and what its answers are taken for, without a Slurm."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("submitit", reason="needs the extra: pip install .[slurm]")

from benchmark.cli import bench
from benchmark.commands.options import _minutes
from benchmark.errors import BenchError, InputError
from benchmark.executors import slurm, slurm_queue
from benchmark.executors.choice import Asked, choose
from benchmark.executors.slurm import Queue, RunOne, SlurmJobs
from benchmark.executors.slurm_queue import Job
from benchmark.runs.directory import Result, RunDirectory
from benchmark.runs.doctor import faults_of
from tests.sweep.test_status import plan

FAKE = """#!/bin/sh
echo "$0 $@" >> "{folder}/said.txt"
case "$0" in
  *sbatch) cat "$1" > "{folder}/sbatch.sh"; echo "Submitted batch job 7" ;;
  *squeue) cat "{folder}/squeue.txt" ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of Slurm that write down what they are given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "srun"):
        (folder / name).write_text(FAKE.format(folder=folder))
        (folder / name).chmod(0o755)
    (folder / "squeue.txt").write_text("")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def says(folder: Path, **jobs: tuple[str, int]) -> None:
    """Make squeue list jobs: their state and exit code, as it pads them."""
    lines = [f"{name[1:]:<64}{state:<32}{code << 8:<16}\n" for name, (state, code) in jobs.items()]
    (folder / "squeue.txt").write_text("".join(lines))


def made(root: Path, count: int) -> list[RunDirectory]:
    return [RunDirectory.create(root, each.spec) for each in plan(count).runs]


def queue(folder: Path, **asked: object) -> Queue:
    return Queue.of(Asked("slurm", **asked), "gamma", 2, folder)


def test_one_array_asks_for_what_was_said(fake: Path, tmp_path: Path) -> None:
    runs = made(tmp_path, 3)
    asked = {"partition": "faces", "time": 90, "gpus_per_run": 1.0, "sbatch": ("account=me",)}
    where = queue(tmp_path / "slurm", **asked)
    executor = SlurmJobs(2, ["--cache", "c"], lambda: None, queue=where)
    executor._start_some([(run,) for run in runs])
    assert executor._workers == {runs[0].run_id: "7_0", runs[1].run_id: "7_1"}
    assert slurm_queue.job_of(runs[0]) == "7_0"
    assert slurm_queue.job_of(runs[2]) is None
    script = (fake / "sbatch.sh").read_text().splitlines()
    for wanted in (
        *("array=0-1%2", "partition=faces", "time=90", "gpus-per-node=1", "account=me"),
        *("cpus-per-task=2", "requeue", "signal=USR2@90", "job-name=bench-gamma"),
    ):
        assert f"#SBATCH --{wanted}" in script


def test_jobs_of_a_driver_that_died_are_taken_over(fake: Path, tmp_path: Path) -> None:
    runs = made(tmp_path, 3)
    for run, number in zip(runs, ("5_0", "5_1", "5_2"), strict=True):
        slurm_queue.record(run, number)
    says(fake, j5_0=("RUNNING", 0), j5_1=("PENDING", 0), j5_2=("NODE_FAIL", 0))
    executor = SlurmJobs(9, [], lambda: None, queue=queue(tmp_path / "slurm"))
    assert executor._start([(run,) for run in runs]) == {
        **{runs[0].run_id: "5_0", runs[1].run_id: "5_1", runs[2].run_id: "7"},
    }


def test_how_a_job_ended_decides_whether_it_is_queued_again(fake: Path, tmp_path: Path) -> None:
    runs = made(tmp_path, 10)
    executor = SlurmJobs(9, [], lambda: None, queue=queue(tmp_path / "slurm"), ask_every_s=0)
    executor._runs = {run.run_id: run for run in runs}
    executor._workers = {run.run_id: f"5_{at}" for at, run in enumerate(runs)}
    done = {"step": 12, "reason": None, "weights_sha256": "", "wall_s": 1, "cpu_s": 1, "decays": []}
    runs[0].write_result(Result.model_validate({"state": "done", **done}))
    says(
        fake,
        **{"j5_0": ("COMPLETING", 0), "j5_1": ("RUNNING", 0), "j5_2": ("PENDING", 0)},
        **{"j5_3": ("FAILED", 75), "j5_4": ("FAILED", 1), "j5_5": ("CANCELLED", 0)},
        **{"j5_6": ("NODE_FAIL", 0)},  # and Slurm has forgotten the next one
        **{"j5_8": ("COMPLETED", 0)},  # whose result is not seen here yet
        **{"j5_9": ("FAILED", 137)},  # its run's process was killed
    )
    found = executor._ended()
    codes = {at: found.get(run.run_id) for at, run in enumerate(runs)}
    assert codes == {0: 0, 1: None, 2: None, 3: 75, 4: 1, 5: 130, 6: -9, 7: -9, 8: 0, 9: -9}
    again = {at: executor._again(runs[at].run_id, code) for at, code in codes.items() if code}
    assert again == {3: True, 4: False, 5: False, 6: True, 7: True, 9: True}
    assert runs[6].log.read_text() == "slurm: job ended, NODE_FAIL\n"
    executor.stop()
    assert "scancel 5_0 5_1 5_2" in (fake / "said.txt").read_text()
    assert not executor._again(runs[3].run_id, 75)


def test_a_controller_that_does_not_answer_ends_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (run,) = made(tmp_path, 1)
    executor = SlurmJobs(9, [], lambda: None, queue=queue(tmp_path), ask_every_s=0)
    executor._runs, executor._workers = {run.run_id: run}, {run.run_id: "5"}
    assert executor._ended() == {}
    with pytest.raises(BenchError, match="squeue"):
        slurm_queue.jobs()


def test_a_controller_that_fails_at_a_start_or_a_stop_is_asked_again(
    fake: Path, tmp_path: Path
) -> None:
    runs = made(tmp_path, 2)
    executor = SlurmJobs(9, [], lambda: None, queue=queue(tmp_path), ask_every_s=0)
    executor._runs = {run.run_id: run for run in runs}
    waiting = [(runs[1],)]
    for name in ("squeue", "scancel"):
        (fake / name).write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BenchError, match="squeue"):  # no job of ours is there yet
        executor._start_some(waiting)
    executor._workers, waiting = {runs[0].run_id: "5"}, [(runs[1],)]
    executor._start_some(waiting)
    assert waiting == [(runs[1],)]
    with pytest.raises(BenchError, match="scancel"):
        executor.stop()
    assert not executor.stopped
    for name in ("squeue", "scancel"):
        (fake / name).write_text(FAKE.format(folder=fake))
    executor._start_some(waiting)
    assert (waiting, len(executor._workers)) == ([], 2)
    executor.stop()
    assert executor.stopped


def test_a_job_that_is_told_has_its_run_stop_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What submitit does on Slurm's signal: call `checkpoint` and queue what it returns."""
    (run,) = made(tmp_path, 1)
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(75)); time.sleep(60)"
    started: list[subprocess.Popen[bytes]] = []

    def start(runs: object, arguments: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", code]))
        return started[-1]

    class ToldError(Exception):
        pass

    def told(*_: object) -> None:
        queued.append(job.checkpoint())
        raise ToldError

    queued: list[object] = []
    monkeypatch.setattr(slurm, "start_worker", start)
    job = RunOne(run, ["--device", "cpu"])
    before = [signal.signal(number, told) for number in (signal.SIGUSR2, signal.SIGTERM)]
    try:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGUSR2))
        signal.alarm(2)
        with pytest.raises(ToldError):
            job()
    finally:
        for number, handler in zip((signal.SIGUSR2, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert started[0].returncode == 75
    again = queued[0].function
    assert (again._run.path, again._arguments) == (run.path, ("--device", "cpu"))
    assert again._worker is None
    tried = [again]  # its run has no checkpoint yet: one more job, and then no more
    tried.append(tried[-1].checkpoint().function)
    assert tried[-1].checkpoint() is None
    assert "more --time" in run.log.read_text()
    (run.checkpoints).mkdir()
    (run.checkpoints / "00000004-0.safetensors").touch()
    assert tried[-1].checkpoint() is not None


def test_words_that_slurm_could_not_take(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--gpus-per-run 0.5: Slurm allocates whole GPUs"):
        choose(Asked("slurm", gpus_per_run=0.5), plan(1), tmp_path)
    written = {"90": 90, "01:30:00": 90, "1-00:00:30": 1441, "00:00:20": 1}
    for text, minutes in written.items():
        assert _minutes(None, None, text) == minutes
    for text in ("", "soon", "0", "1-5", "0-5", "1:30"):
        with pytest.raises(Exception, match="allowed: MINUTES"):
            _minutes(None, None, text)


def test_a_living_job_is_one_that_slurm_may_start_or_start_again() -> None:
    living = ("PENDING", "REQUEUED", "COMPLETING", "SUSPENDED", "RESIZING")
    assert all(Job(state).is_alive for state in living)
    assert not any(Job(state).is_alive for state in ("TIMEOUT", "CANCELLED", "PREEMPTED"))


def test_judging_waits_for_no_job_that_trains(fake: Path, tmp_path: Path) -> None:
    (run,) = made(tmp_path, 1)
    slurm_queue.record(run, "5_0")
    says(fake, j5_0=("RUNNING", 0))
    executor = SlurmJobs(9, [], lambda: None, trains=False, queue=queue(tmp_path / "slurm"))
    assert executor._start([(run,)]) == {run.run_id: "7"}
    assert slurm_queue.job_of(run) == "5_0"  # `bench run` finds it again


@pytest.mark.parametrize("record", ["{", "[]", "{}"])
def test_a_damaged_record_of_a_job_costs_no_other_run_anything(
    fake: Path, tmp_path: Path, record: str
) -> None:
    runs = made(tmp_path, 2)
    (runs[0].path / "slurm.json").write_text(record)
    slurm_queue.record(runs[1], "5_1")
    says(fake, j5_1=("RUNNING", 0))
    why = f"{runs[0].path / 'slurm.json'}: damaged; see `bench doctor`"
    said = CliRunner().invoke(bench, ["status", "--runs", str(tmp_path)])
    assert f"{runs[1].run_id}: Slurm job 5_1 RUNNING" in said.output.splitlines()
    assert why in said.output.splitlines()
    said = CliRunner().invoke(bench, ["stop", "--runs", str(tmp_path)])
    assert (said.exit_code, said.output) == (1, f"asked to stop: Slurm job 5_1\n{why}\n")
    (fault,) = faults_of(runs[0], runs[0].run_id)
    assert fault.where == runs[0].path / "slurm.json"
    executor = SlurmJobs(9, [], lambda: None, queue=queue(tmp_path / "slurm"))
    assert executor._start([(run,) for run in runs]) == {runs[0].run_id: "7", runs[1].run_id: "5_1"}
    assert slurm_queue.job_of(runs[0]) == "7"


def test_stop_reaches_every_job_beside_a_damaged_run(fake: Path, tmp_path: Path) -> None:
    runs = made(tmp_path, 3)
    for run, number in zip(runs, ("5_0", "5_1", "5_2"), strict=True):
        slurm_queue.record(run, number)
    says(fake, j5_0=("RUNNING", 0), j5_1=("RUNNING", 0), j5_2=("PENDING", 0))
    damaged = runs[1].path / "result.json"
    damaged.write_text("{")
    said = CliRunner().invoke(bench, ["stop", "--runs", str(tmp_path)])
    asked = [f"asked to stop: Slurm job 5_{at}" for at in range(3)]
    assert sorted(said.output.splitlines()) == [f"{damaged}: damaged; see `bench doctor`", *asked]
    assert said.exit_code == 1
    assert "scancel" in (fake / "said.txt").read_text()
