"""What a run on several devices takes of a machine or a cluster."""

import os
from pathlib import Path

import pytest

from benchmark.ablation.cost import default_jobs
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import InputError
from benchmark.executors.choice import Asked, choose
from tests.conftest import tiny_spec


def plan(*devices: int) -> Plan:
    specs = [tiny_spec(training={"devices": each, "threads": 3}) for each in devices]
    runs = tuple(PlannedRun(spec, {"training.devices": spec.training.devices}) for spec in specs)
    return Plan("devices", "How many?", None, "demo", (), (), runs)


def test_so_many_runs_at_once_as_their_processes_have_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 24)
    assert default_jobs(plan(1)) == 8
    assert default_jobs(plan(1, 4)) == 2


def test_slurm_is_asked_for_the_cores_and_gpus_of_all_processes(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra: pip install .[slurm]")
    start = choose(Asked("slurm", gpus_per_run=4.0), plan(1, 4), tmp_path)
    parameters = start.keywords["queue"].parameters
    assert parameters["cpus_per_task"] == 12
    assert parameters["gpus_per_node"] == 4


def test_ray_is_asked_for_the_cores_and_gpus_of_all_processes(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra: pip install .[ray]")
    cluster = choose(Asked("ray", gpus_per_run=2.0), plan(2), tmp_path).keywords["cluster"]
    assert (cluster.cpus, cluster.gpus) == (6, 2.0)
    assert choose(Asked("ray"), plan(2), tmp_path).keywords["cluster"].gpus == 0


def test_other_gpus_than_devices_are_refused(tmp_path: Path) -> None:
    for asked in (Asked("ray", gpus_per_run=0.5), Asked("slurm", gpus_per_run=1.0)):
        with pytest.raises(InputError, match=r"training.devices: 4; give --gpus-per-run 4"):
            choose(asked, plan(4), tmp_path)
