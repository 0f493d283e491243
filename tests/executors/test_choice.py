"""What a run of several threads takes of a machine or a cluster."""

import os
from pathlib import Path

import pytest

from benchmark.ablation.cost import default_jobs
from benchmark.ablation.plan import Plan
from benchmark.executors.choice import Asked, choose
from tests.conftest import tiny_plan, tiny_spec


def plan(*threads: int) -> Plan:
    return tiny_plan(*(tiny_spec(training={"threads": each}) for each in threads))


def test_as_many_runs_at_once_as_there_are_cores_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(24), raising=False)
    assert default_jobs(plan(3)) == 8
    assert default_jobs(plan(3, 12)) == 2
    assert default_jobs(plan(3), lanes=4) == 2


def test_slurm_is_asked_for_the_cores_and_gpus_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra: pip install .[slurm]")
    start = choose(Asked("slurm", gpus_per_run=1.0), plan(3, 12), tmp_path)
    parameters = start.keywords["queue"].parameters
    assert parameters["cpus_per_task"] == 12
    assert parameters["gpus_per_node"] == 1


def test_ray_is_asked_for_the_cores_and_gpus_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra: pip install .[ray]")
    cluster = choose(Asked("ray", gpus_per_run=0.25), plan(6), tmp_path).keywords["cluster"]
    assert (cluster.cpus, cluster.gpus) == (6, 0.25)
    assert choose(Asked("ray"), plan(6), tmp_path).keywords["cluster"].gpus == 0
