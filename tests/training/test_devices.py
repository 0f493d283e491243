"""A run on two processes is the run on one, whatever its method does with a batch.

In double precision there is no room for another method: averaging the gradients of each half's own
loss, or batch norm over each half, is off by a thousandth and more after a step.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.data.store import open_store
from benchmark.executors.local import start_worker
from benchmark.methods.registry import build
from benchmark.runs.directory import Row, RunDirectory
from benchmark.spec import RunSpec
from benchmark.training.devices import Group, Rank, SharedRows, group
from benchmark.training.launch import exit_code
from benchmark.training.loop import Trainer, follow
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, images
from tests.methods.test_every_method import settings_of
from tests.reliability.processes import wait
from tests.training.test_loop import CPU, QuietJudge, values

STEPS = 6
# Every method, and every way in which one looks at its batch.
CASES: dict[str, dict[str, Any]] = {
    "k and its balance": {"name": "began"},
    "one pass for both players": {"name": "began", "shared_z": True},
    "batch norm, skips and a carry": {
        "name": "began",
        **{"batch_norm": True, "skips": True, "carry_steps": 4},
    },
    "noise, a drawn code and turns": {
        "name": "began",
        **{"noise_sd": 0.1, "kl_weight": 1.0, "eta": 2, "updates": "alternating"},
    },
    "a leak": {"name": "began", "leak": True, "design": "author"},
    "codes of fakes": {"name": "began_cs"},
    "pairs of codes": {"name": "ebgan", "pulling_away": 0.1},
    "pairs of images, a norm over the batch": {
        "name": "ebgan",
        **{"pulling_away": 0.1, "pulling_away_form": "pixels"},
        **{"energy": "batch_l2", "shared_z": True},
    },
    "pairs of dimensions": {
        "name": "ebgan",
        **{"pulling_away": 0.1, "pulling_away_form": "dimensions", "energy": "pixel_mean"},
    },
    "turns with batch norm": {"name": "dcgan"},
    "a gradient's gradient": {"name": "wgan_gp", "critic": 2},
}
SPECS = [
    tiny_spec(
        training={
            **{"steps": 8, "log_every": 1, "checkpoint_every": 4},
            **{"devices": devices, "precision": precision},
        }
    )
    .model_copy(update={"method": settings_of(**block)})
    .model_copy(update={"seed": 3})
    for precision in ("float32", "bfloat16")
    for block in (CASES["k and its balance"], CASES["pairs of codes"])
    for devices in (1, 2)
]


class Doubles(FixedDraw):
    def uniform(self, stream: str, *shape: int) -> Tensor:
        return super().uniform(stream, *shape).double()

    def normal(self, stream: str, *shape: int) -> Tensor:
        return super().normal(stream, *shape).double()


Trained = tuple[list[dict[str, float]], dict[str, np.ndarray[Any, Any]]]


def trained(block: dict[str, Any], *, shared: bool) -> Trained:
    """What each step says, and the last weights."""
    torch.manual_seed(0)
    method = build(settings_of(**block), 16).double().to(memory_format=torch.channels_last)
    rows_shared = SharedRows(method) if shared else None
    said = []
    for step in range(STEPS):
        x = images(seed=step).double().contiguous(memory_format=torch.channels_last)
        if rows_shared is None:
            metrics = method.update(x, Doubles(step))
        else:
            with rows_shared.out():
                metrics = method.update(x, Doubles(step))
        said.append({name: float(value) for name, value in metrics.items()})
    return said, {name: value.double().numpy() for name, value in method.state_dict().items()}


def of_two(number: int, folder: Path, cache: Path, said: Connection) -> None:
    """One of the two processes: all cases, then the runs of SPECS that are shared."""
    torch.set_num_threads(1)
    with group(Rank(number, 2, str(folder / "store")), CPU) as processes:
        said.send([trained(block, shared=True) for block in CASES.values()])
        for spec in SPECS[1::2]:
            train_shared(spec, folder, cache, processes)
        if not processes.leads:
            assert not processes.waits()  # for the end


def train_shared(spec: RunSpec, folder: Path, cache: Path, processes: Group) -> None:
    store = open_store(spec.data, None, cache)
    run = RunDirectory(folder / spec.run_id)
    if processes.leads:
        Trainer(run, store, CPU, processes).train(QuietJudge(), lambda: False)
        processes.end()
    elif processes.waits():
        follow(run, store, processes)


Two = tuple[list[Trained], list[Trained], Path]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Two]:
    """What each of two processes found, and the folder of the runs that they shared."""
    folder = tmp_path_factory.mktemp("two")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmark.worker"])
    for spec in SPECS:
        RunDirectory.create(folder, spec)
        open_store(spec.data, None, cache)
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [
        context.Process(target=of_two, args=(number, folder, cache, said))
        for number, (_, said) in enumerate(pipes)
    ]
    for process, (_, said) in zip(processes, pipes, strict=True):
        process.start()
        said.close()
    try:
        first, second = (heard.recv() for heard, _ in pipes)
        for process in processes:
            process.join(600)
            assert process.exitcode == 0
        yield first, second, folder
    finally:
        for process in processes:
            process.kill()


@pytest.mark.parametrize("case", CASES)
def test_two_processes_make_the_steps_of_one(case: str, two: Two) -> None:
    at = list(CASES).index(case)
    (said, weights), (said_too, weights_too) = two[0][at], two[1][at]
    alone_said, alone_weights = trained(CASES[case], shared=False)
    assert said == said_too  # both have the same bits
    assert all(np.array_equal(weights[name], weights_too[name]) for name in weights)
    for step, row in enumerate(alone_said):
        assert said[step] == pytest.approx(row, rel=1e-9, abs=1e-12)
    for name, value in alone_weights.items():
        # A bias before batch norm has no gradient but rounding, which Adam makes much of.
        np.testing.assert_allclose(weights[name], value, rtol=1e-7, atol=1e-8, err_msg=name)


# In bfloat16 each process rounds the gradients of its own rows before they are added.
@pytest.mark.parametrize(
    ("at", "near"),
    [(0, 1e-4), (2, 1e-4), (4, 0.05), (6, 0.05)],
    ids=["began", "ebgan_pt", "began_bfloat16", "ebgan_pt_bfloat16"],
)
def test_a_shared_run_logs_the_curves_of_one_process(
    at: int, near: float, two: Two, tmp_path: Path, cache: Path
) -> None:
    alone, shared = SPECS[at : at + 2]
    run = RunDirectory.create(tmp_path, alone)
    Trainer(run, open_store(alone.data, None, cache), CPU).train(QuietJudge(), lambda: False)
    expected, found = values(tmp_path, alone), values(two[2], shared)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert sum(kind == "train" for _, kind, _ in found) == 8
    for (_, _, one), (_, _, other) in zip(expected, found, strict=True):
        assert other == pytest.approx(one, rel=near, abs=near / 100)


@pytest.mark.parametrize(
    ("codes", "asked", "expected"),
    [
        ({0: 75}, True, 75),
        ({0: 75, 1: -signal.SIGTERM}, True, 75),
        ({0: 75, 1: -signal.SIGKILL}, True, 75),  # it hung, and was ended after a while
        ({0: 1, 1: -signal.SIGKILL}, False, -signal.SIGKILL),  # the leader sees it gone
        ({1: -signal.SIGKILL, 0: 75}, False, -signal.SIGKILL),
        ({0: -signal.SIGSEGV, 1: 1}, False, -signal.SIGSEGV),
        ({0: 69, 1: -signal.SIGTERM}, False, 69),
        ({1: 1, 0: -signal.SIGTERM}, False, 1),
        ({0: -signal.SIGTERM}, True, -signal.SIGTERM),  # before it could write a checkpoint
        ({1: 1}, False, 1),
    ],
)
def test_the_exit_code_says_how_the_run_ended(
    codes: dict[int, int], asked: bool, expected: int
) -> None:
    assert exit_code(codes, asked) == expected


# Of a run that is killed, stopped and goes on, by the command that every executor starts.


def shared_spec(steps: int) -> RunSpec:
    return tiny_spec(
        training={"steps": steps, "checkpoint_every": 10, "devices": 2},
        evaluation={"every": steps, "repeats": 0},
    )


def ranks(parent: int) -> list[int]:
    """The processes that the launcher started, the leader first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            environment = (path.parent / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended just now
            continue
        if int(fields[1]) == parent:
            number = [each for each in environment if each.startswith(b"RANK=")]
            found.append((number, int(path.parent.name)))
    return [process for number, process in sorted(found) if number]


class Killed:
    """A run on two processes and the worker of the moment."""

    def __init__(self, root: Path, cache: Path, steps: int) -> None:
        self.run = RunDirectory.create(root, shared_spec(steps))
        self._arguments = ["--cache", str(cache), "--device", "cpu"]

    def start_until_it_gets_on(self) -> Any:
        before = self.run.reached()
        worker = start_worker(self.run, self._arguments)
        wait(lambda: self.run.reached() > before or worker.poll() is not None)
        assert worker.poll() is None, self.run.log.read_text()
        return worker

    def finish(self) -> list[Row]:
        assert start_worker(self.run, self._arguments).wait(600) == 0, self.run.log.read_text()
        return self.run.rows()


def test_a_run_whose_process_is_killed_goes_on_from_its_checkpoint(
    tmp_path: Path, cache: Path
) -> None:
    killed = Killed(tmp_path, cache, 80)
    worker = killed.start_until_it_gets_on()
    os.kill(ranks(worker.pid)[1], signal.SIGKILL)
    assert worker.wait(600) == -signal.SIGKILL  # as the executors expect of a lost worker
    assert not killed.run.is_locked()
    assert killed.run.result() is None
    steps = [row.step for row in killed.finish() if row.kind == "train"]
    assert steps == list(range(2, 81, 2))  # none twice, none missing
    result = killed.run.result()
    assert result is not None
    assert result.state == "done"


@pytest.mark.slow
def test_a_run_stopped_and_orphaned_ends_at_the_bits_of_one_that_ran_through(
    tmp_path: Path, cache: Path
) -> None:
    whole = Killed(tmp_path / "whole", cache, 100)
    whole.finish()
    cut = Killed(tmp_path / "cut", cache, 100)
    worker = cut.start_until_it_gets_on()
    worker.terminate()
    assert worker.wait(600) == 75
    worker = cut.start_until_it_gets_on()
    left = ranks(worker.pid)
    worker.kill()  # the others see their leash cut and stop with a checkpoint
    worker.wait()
    wait(lambda: not any(Path(f"/proc/{process}").exists() for process in left))
    assert not cut.run.is_locked()
    assert cut.run.result() is None
    cut.finish()
    first, second = whole.run.result(), cut.run.result()
    assert first is not None
    assert second is not None
    assert first.weights_sha256 == second.weights_sha256
