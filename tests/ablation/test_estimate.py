"""The rough estimate against what torch counts."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmark.ablation.cost import describe, estimate, work_of
from benchmark.ablation.plan import load
from benchmark.methods.registry import build
from benchmark.methods.settings import BeganSettings, MethodSettings
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, images

METHODS: list[dict[str, Any]] = [
    {"name": "began", "n": 8},
    {"name": "ebgan", "n": 8},
    {"name": "ebgan", "n": 8, "shared_z": True},
    {"name": "dcgan", "n": 8},
    {"name": "wgan_gp", "n": 8, "critic": 2},
]


class Counting(TorchDispatchMode):
    """Counts operations as FlopCounterMode does, which cannot follow a gradient's gradient."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            count = flop_registry[func._overloadpacket]
            self.operations += count(*args, **(kwargs or {}), out_val=out)
        return out


def settings_of(block: dict[str, Any]) -> MethodSettings:
    adapter: TypeAdapter[Any] = TypeAdapter(MethodSettings)
    return adapter.validate_python(block)  # type: ignore[no-any-return]


@pytest.mark.parametrize("block", METHODS, ids=str)
@pytest.mark.parametrize("size", [16, 32, 64])
def test_operations_and_parameters(block: dict[str, Any], size: int) -> None:
    settings = settings_of(block)
    work = work_of(settings, size)
    assert work is not None
    method = build(settings, size)
    assert work.parameters == sum(p.numel() for p in method.parameters() if p.ndim > 1)
    with Counting() as counted:
        for step in range(2):
            method.update(images(4, size), FixedDraw(step))
    # Two operations a multiply-add, two steps, four images.
    assert work.macs == pytest.approx(counted.operations / 2 / 2 / 4, rel=0.15)


def test_the_author_s_earlier_layers_have_the_papers_count() -> None:
    counts = {(32, 64): 2.17, (64, 64): 3.43, (128, 64): 5.24, (128, 128): 17.268}
    for (size, n), millions in counts.items():
        block = BeganSettings(name="began", n=n, design="author", skips=True)
        work = work_of(block, size)
        assert work is not None
        assert work.parameters / 1e6 == pytest.approx(millions, rel=0.005)  # without biases


def test_cost_grows_with_what_is_asked_for() -> None:
    def seconds(**changes: Any) -> float:
        cost = estimate(tiny_spec(**changes))
        assert cost is not None
        return cost.seconds

    judging = seconds() - seconds(evaluation={"repeats": 0})
    assert judging == pytest.approx(2 * 60 * 0.008)
    steps = seconds(training={"steps": 24}, evaluation={"every": 24})
    assert steps > seconds(training={"steps": 12}, evaluation={"every": 12})
    assert seconds(training={"batch": 8}) > seconds()


FILE = """
name: mixed
question: What does it cost?
base:
  method: {name: dcgan, n: 8}
  data: {name: faces, size: 32}
  training: {steps: 100}
  evaluation: {every: 100, samples: 100, features: efficientnet_lite0}
sweep:
  SWEEP
seeds: [0, 1]
profiles: {demo: {}}
"""
OUTSIDE = "outside:Mine"
MINE = "class Mine:\n    train_columns, watch_columns, signal = ('loss',), ('loss',), 'loss'\n"


@pytest.mark.parametrize(
    ("methods", "said", "unsaid"),
    [
        ("dcgan, wgan_gp", " s on idle CPU cores", "unknown"),
        (
            f"dcgan, {OUTSIDE}",
            "; 2 at a cost unknown here (outside:Mine)",
            "roughly 0 s on idle CPU cores",
        ),
        (OUTSIDE, "2 runs, 2 at once: 2 at a cost unknown here (outside:Mine)", "roughly"),
    ],
)
def test_what_is_said_of_a_plan(
    methods: str, said: str, unsaid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "outside.py").write_text(MINE)
    file = tmp_path / "mixed.yaml"
    file.write_text(FILE.replace("SWEEP", f"method.name: [{methods}]"))
    line = describe(load(file, "demo"), 2)
    assert said in line
    assert unsaid not in line
