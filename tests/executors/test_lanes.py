"""Which runs share a process, and what becomes of them when it dies: with stubs, without torch."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from click import Command, Context, Option

from benchmark.ablation.cost import device_bytes
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.commands.options import _lanes
from benchmark.errors import BenchError, BusyError, InputError
from benchmark.executors import packing
from benchmark.executors.choice import Asked, choose
from benchmark.executors.local import Pool
from benchmark.executors.packing import PROCESS_BYTES, SHARE, Lanes, architecture, free_bytes
from benchmark.files import write_atomic
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from tests.conftest import tiny_evaluation, tiny_spec

GB = 10**9


def gammas(count: int) -> list[RunSpec]:
    return [tiny_spec(method={"gamma": (at + 1) / (count + 1)}) for at in range(count)]


def made(root: Path, specs: Sequence[RunSpec]) -> list[RunDirectory]:
    return [RunDirectory.create(root, spec) for spec in specs]


def sizes(root: Path, lanes: Lanes, specs: Sequence[RunSpec]) -> list[int]:
    return [len(pack) for pack in lanes.packs(made(root, specs))]


def test_what_changes_no_shape_shares_a_process() -> None:
    one = architecture(tiny_spec())
    for same in (
        tiny_spec(method={"gamma": 0.9, "lambda_k": 0.1}),
        tiny_spec(training={"lr": 1e-3, "steps": 99, "lr_decay": {"on": "never"}}),
        tiny_spec().model_copy(update={"seed": 9}),
    ):
        assert architecture(same) == one
    for other in (
        tiny_spec(method={"n": 3}),
        tiny_spec(method={"h": 5}),
        tiny_spec(method={"skips": True}),
        tiny_spec(method={"kl_weight": 0.1}),  # its encoder has two heads
        tiny_spec(data={"size": 32}),
        tiny_spec(data={"count": 999}),
        tiny_spec(training={"batch": 8}),
        tiny_spec(training={"threads": 2}),
        tiny_spec(training={"precision": "bfloat16"}),
        RunSpec.model_validate({**tiny_spec().model_dump(), "method": {"name": "dcgan", "n": 2}}),
    ):
        assert architecture(other) != one


def test_packs_keep_the_order_and_are_alike_in_size(tmp_path: Path) -> None:
    few = gammas(4)
    mixed = [few[0], tiny_spec(method={"n": 3}), few[1], few[2], few[3]]
    runs = made(tmp_path, mixed)
    assert Lanes(3).packs(runs) == [(runs[0], runs[2]), (runs[1],), (runs[3], runs[4])]
    assert Lanes().packs(runs) == [(run,) for run in runs]
    assert Lanes(None, None).packs(runs) == [(run,) for run in runs]  # auto, on a CPU
    assert sizes(tmp_path, Lanes(9), gammas(10)) == [5, 5]
    assert sizes(tmp_path, Lanes(4), gammas(4)) == [4]
    assert sizes(tmp_path, Lanes(4), []) == []
    tf32 = [
        tiny_spec(method={"gamma": gamma}, training={"precision": "tf32"}) for gamma in (0.1, 0.2)
    ]
    assert sizes(tmp_path, Lanes(9), tf32) == [1, 1]  # it is switched for a whole process


def test_by_memory_as_many_as_fit_and_one_at_least(tmp_path: Path) -> None:
    spec = tiny_spec()
    one = device_bytes(spec)
    assert one is not None
    for fit in (1, 3, 7):
        free = int((PROCESS_BYTES + (fit + 0.5) * one) / SHARE)
        assert Lanes(None, free).most(spec) == fit
    assert Lanes(None, 1000).most(spec) == 1
    assert Lanes(None, 10**15).most(spec) == packing.MOST
    big = tiny_spec(method={"n": 64, "h": 64, "z": 64}, data={"size": 64}, training={"batch": 16})
    assert Lanes(None, 80 * GB).most(big) >= 9
    outside = {**spec.model_dump(), "method": {"name": "tests.methods.plugins.codeless:Mixture"}}
    assert Lanes(None, 80 * GB).most(RunSpec.model_validate(outside)) == 1


def test_a_run_takes_less_than_is_reckoned() -> None:
    """Of BEGAN at 64 px, n = 64: FACTS has 0.98 GB for the whole process of a textbook step."""
    spec = tiny_spec(method={"n": 64, "h": 64, "z": 64}, data={"size": 64}, training={"batch": 16})
    found = device_bytes(spec)
    assert found is not None
    assert 0.98 * GB < found < 2.5 * GB


@pytest.mark.parametrize(
    ("code", "found"), [("print(5)", 5), ("print('')", None), ("raise SystemExit('no')", "no")]
)
def test_the_device_is_asked_in_another_process(
    code: str, found: int | str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_ASK", code)
    assert free_bytes("cpu") is None
    if isinstance(found, str):
        with pytest.raises(BenchError, match="give --lanes N"):
            free_bytes("auto")
    else:
        assert free_bytes("auto") == found


@pytest.mark.parametrize(("device", "found"), [("auto", 1), ("cuda", 1), ("cuda:1", 2)])
def test_the_memory_is_that_of_the_device(
    device: str, found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(
        """
class cuda:
    is_available = lambda: True
    mem_get_info = lambda device: ({"cuda": 1, "cuda:1": 2}[device], 9)
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert free_bytes(device) == found


def test_what_the_command_line_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.ablation.cost.usable", lambda: 8)
    monkeypatch.setattr(packing, "free_bytes", lambda device: None)
    plan = Plan("x", "?", None, "demo", (), (), tiny_evaluation(), (PlannedRun(tiny_spec(), {}),))

    def start(lanes: int | None = 1, jobs: int | None = None) -> tuple[int, Lanes]:
        found = choose(Asked(lanes=lanes, jobs=jobs), plan, tmp_path)
        assert isinstance(found, partial)
        return found.args[0], found.keywords["lanes"]

    assert start() == (8, Lanes(1))
    assert start(lanes=None) == (8, Lanes(None, None))
    assert start(lanes=3) == (2, Lanes(3))
    assert start(lanes=3, jobs=5) == (5, Lanes(3))
    monkeypatch.setattr(packing, "free_bytes", lambda device: 60 * GB)
    assert start() == (8, Lanes(1))
    assert start(lanes=None) == (1, Lanes(None, 60 * GB))
    assert start(lanes=None, jobs=2) == (2, Lanes(None, 30 * GB))
    with pytest.raises(InputError, match=r"--lanes does not apply to --executor ray"):
        choose(Asked("ray", lanes=2), plan, tmp_path)
    with pytest.raises(InputError, match=r"--lanes 33: at most 32 per process"):
        start(lanes=33)
    context, option = Context(Command("run")), Option(["--lanes"])
    assert _lanes(context, option, "auto") is None
    assert _lanes(context, option, "3") == 3
    for text in ("0", "-1", "many", ""):
        with pytest.raises(Exception, match="allowed: auto, or a number"):
            _lanes(context, option, text)


def done(run: RunDirectory, state: str = "done") -> None:
    found = {"state": state, "step": 1, "reason": None, "weights_sha256": ""}
    run.write_result(Result.model_validate({**found, "wall_s": 1, "cpu_s": 1, "decays": []}))


class Stubs:
    """Worker processes that end at once with a code; what their runs have by then, `act` does."""

    def __init__(self, codes: Sequence[int]) -> None:
        self.codes, self.packs = iter(codes), list[list[str]]()

    def start(
        self, runs: Sequence[RunDirectory], arguments: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        names = [run.run_id for run in runs]
        self.packs.append(names)
        self.act(runs[0].path.parent, names)
        code = next(self.codes)
        how = (
            f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
        )
        return subprocess.Popen([sys.executable, "-S", "-c", how])

    def act(self, root: Path, names: Sequence[str]) -> None:
        """Nothing comes of it."""


def test_each_run_of_a_process_has_its_own_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = made(tmp_path, gammas(3))

    class Some(Stubs):
        def act(self, root: Path, names: Sequence[str]) -> None:
            done(runs[0])
            done(runs[1], "failed")

    stubs = Some([1])
    monkeypatch.setattr("benchmark.executors.local.start_worker", stubs.start)
    codes = Pool(1, ["--cache", "c"], lambda: None, lanes=Lanes(3)).run(runs)
    assert stubs.packs == [[run.run_id for run in runs]]
    assert [codes[run.run_id] for run in runs] == [0, 1, 1]


def test_killed_together_they_begin_together_once_and_then_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two kills its process at every start; the other is none the worse for it."""
    bad, good = made(tmp_path, gammas(2))

    class OneBad(Stubs):
        def act(self, root: Path, names: Sequence[str]) -> None:
            if names == [good.run_id]:
                done(good)

    kill = -signal.SIGKILL
    stubs = OneBad([kill, kill, kill, 0])
    monkeypatch.setattr("benchmark.executors.local.start_worker", stubs.start)
    codes = Pool(1, [], lambda: None, lanes=Lanes(2)).run([bad, good])
    both = [bad.run_id, good.run_id]
    assert stubs.packs == [both, both, [bad.run_id], [good.run_id]]
    assert codes == {bad.run_id: kill, good.run_id: 0}


def test_killed_as_they_get_on_they_stay_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = made(tmp_path, gammas(2))

    class Further(Stubs):
        def act(self, root: Path, names: Sequence[str]) -> None:
            for run in runs:
                write_atomic(run.checkpoints / f"{len(self.packs):08d}-0.safetensors", b"")
                if len(self.packs) == 6:
                    done(run)

    stubs = Further([-signal.SIGKILL] * 5 + [0])
    monkeypatch.setattr("benchmark.executors.local.start_worker", stubs.start)
    codes = Pool(1, [], lambda: None, lanes=Lanes(2)).run(runs)
    assert stubs.packs == [[run.run_id for run in runs]] * 6
    assert set(codes.values()) == {0}


def test_a_run_that_is_held_is_waited_for_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = made(tmp_path, gammas(3))
    held = runs[1].locked()
    held.__enter__()

    class Held(Stubs):
        def act(self, root: Path, names: Sequence[str]) -> None:
            for run in runs:
                if run.run_id in names:
                    done(run)
            if len(names) == 2:
                held.__exit__(None, None, None)

    stubs = Held([0, 0])
    monkeypatch.setattr("benchmark.executors.local.start_worker", stubs.start)
    assert set(Pool(1, [], lambda: None, lanes=Lanes(3)).run(runs).values()) == {0}
    assert stubs.packs == [[runs[0].run_id, runs[2].run_id], [runs[1].run_id]]


def test_a_run_that_is_held_is_judged_beside_who_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = made(tmp_path, gammas(1))
    stubs = Stubs([BusyError.exit_code])  # its probe is left to who holds it
    monkeypatch.setattr("benchmark.executors.local.start_worker", stubs.start)
    with run.locked():
        codes = Pool(1, [], lambda: None, trains=False).run([run])
    assert codes == {run.run_id: BusyError.exit_code}
    assert stubs.packs == [[run.run_id]]
