"""A Ray cluster that is not there is one line at once, and one without room a line too."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

pytest.importorskip("ray", reason="needs the extra: pip install .[ray]")

import ray

from benchmark.errors import EXIT_STOPPED, BenchError
from benchmark.executors.ray import Cluster, RayTasks, connect
from benchmark.sweep.output import Output, QuietOutput
from benchmark.sweep.run import Places, Work, _Prepared, _train, _View
from tests.sweep.test_status import plan


def test_an_address_where_nobody_answers() -> None:
    began = time.monotonic()
    with pytest.raises(BenchError, match=r"no cluster at 127.0.0.1:9 .*--address") as caught:
        connect("127.0.0.1:9")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20


def test_a_request_that_no_node_can_meet_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e9}} for _ in range(2)]
    nodes += [{"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}]
    cancelled: list[object] = []
    for name, fake in {
        "init": lambda **_: None,
        "nodes": lambda: nodes,
        "wait": lambda tasks, **_: (cancelled, tasks),
        "cancel": lambda task, force: cancelled.append(task),
        "get": lambda task: EXIT_STOPPED,
    }.items():
        monkeypatch.setattr(ray, name, fake)
    monkeypatch.setattr(
        RayTasks, "_start", lambda self, packs: {each.run_id: 1 for (each,) in packs}
    )
    monkeypatch.setattr("benchmark.executors.ray.PATIENCE_S", 0)
    said: list[str] = []

    class Listening(QuietOutput):
        def warn(self, text: str) -> None:
            said.append(text)

    class Looking(_View):
        looks = 0

        def sync_if_due(self) -> None:
            self.looks += 1
            if self.looks == 3:
                nodes.append({"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}})
            if self.looks == 6:
                executor.stop()

        def close(self) -> None:
            pass

    output: Output = Listening(Console())
    places = Places(tmp_path, tmp_path, tmp_path, tmp_path, None, "")
    executor = RayTasks(9, [], lambda: None, poll_s=0.01, cluster=Cluster("auto", 4, 0.5))

    def start(arguments: Any, tick: Callable[[], None], *_: object) -> RayTasks:
        executor.tick = tick
        return executor

    prepared = _Prepared(plan(1), plan(1).runs, {}, lambda run: True)
    _train(prepared, places, start, Work("cpu"), Looking(plan(1), places, output), output)
    assert said == [
        "a run needs CPU: 4, GPU: 0.5, which no node of the Ray cluster has (2 x CPU: 2, GPU: 0); "
        "runs wait until such a node joins"
    ]
    assert executor.lacks == ""
