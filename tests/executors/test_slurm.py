"""A real Slurm on this host, whose driver is killed and one of whose jobs is pre-empted."""

import subprocess
import time

import pytest

from benchmark.executors import slurm_queue
from tests.executors.conftest import Sweep, check_same
from tests.reliability.processes import wait

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("queue")
def test_a_sweep_outlives_its_driver_and_a_preemption(local: Sweep, elsewhere: Sweep) -> None:
    elsewhere.executor = ("slurm",)
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    numbers = [slurm_queue.job_of(run) for run in elsewhere.runs()]
    driver = elsewhere.start()

    first = elsewhere.runs()[0]
    wait(lambda: elsewhere.step() > 20)
    said = elsewhere.bench("status", "tiny.yaml").stdout
    assert f"Slurm job {numbers[0]} RUNNING" in said
    subprocess.run(["scancel", "--signal=USR2", str(numbers[0])], check=True)
    wait(lambda: not first.is_locked())
    stopped, at = time.time(), first.reached()
    wait(lambda: first.reached() != at or first.result() is not None)
    print(f"training again {time.time() - stopped:.1f} s after its job was pre-empted")
    assert driver.wait(900) == 0, elsewhere.said()
    assert [slurm_queue.job_of(run) for run in elsewhere.runs()] == numbers  # the same jobs
    assert "stopped with a checkpoint" in first.log.read_text()
    check_same(local, elsewhere)


@pytest.mark.usefixtures("queue")
def test_stop_reaches_jobs_whose_driver_is_gone(elsewhere: Sweep) -> None:
    elsewhere.executor = ("slurm",)
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    said = elsewhere.bench("stop", "tiny.yaml")
    assert said.stdout.count("asked to stop: Slurm job") == 2, said.stderr
    wait(lambda: not any(run.is_locked() for run in elsewhere.runs()))
    assert {run.state() for run in elsewhere.runs()} == {"stopped"}
    assert "stopped with a checkpoint" in elsewhere.runs()[0].log.read_text()
