"""A real Ray cluster whose driver is stopped and killed and one of whose nodes is lost."""

import os
import time
from typing import Any

import pytest

from benchmark.runs.directory import RunDirectory
from tests.executors.conftest import Sweep, check_same
from tests.reliability.processes import wait

psutil = pytest.importorskip("psutil")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
BACK_S = 30  # from a node's death until its run trains again; times the load, where it is starved


def below(node: Any) -> list[Any]:
    """The processes of a node: its raylet, Ray's workers, and the runs that these started."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


def trained_by(node: Any, runs: list[RunDirectory]) -> RunDirectory:
    commands = [" ".join(process.cmdline()) for process in below(node)]
    (found,) = (run for run in runs if any(run.run_id in each for each in commands))
    return found


def test_a_sweep_outlives_its_driver_and_a_node(
    cluster: Any, local: Sweep, elsewhere: Sweep
) -> None:
    elsewhere.executor = ("ray", cluster.address)
    driver = elsewhere.start()
    wait(lambda: any(run.reached() for run in elsewhere.runs()))
    asked = elsewhere.bench("stop", "tiny.yaml")
    assert "asked to stop: tiny (demo)" in asked.stdout, asked.stderr
    assert driver.wait(300) == 130, elsewhere.said()
    assert {run.state() for run in elsewhere.runs()} == {"stopped", "queued"}

    driver = elsewhere.start()
    second = cluster.add_node(num_cpus=2, **cluster.memory)
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    before = elsewhere.step()
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > before)

    lost = trained_by(cluster.first, elsewhere.runs())
    for process in below(cluster.first):
        process.kill()
    died = time.time()
    cluster.remove_node(cluster.first, allow_graceful=False)
    wait(lambda: any(row.time > died + 0.5 for row in lost.rows()))
    back = next(row.time for row in lost.rows() if row.time > died + 0.5) - died
    print(f"training again {back:.1f} s after its node's death, load {os.getloadavg()[0]:.1f}")
    assert trained_by(second, [lost]).run_id == lost.run_id
    assert driver.wait(900) == 0, elsewhere.said()
    check_same(local, elsewhere)
    assert back < BACK_S * max(1.0, os.getloadavg()[0])
