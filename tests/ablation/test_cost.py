"""The rough estimate against what torch counts."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmark.ablation import cost
from benchmark.ablation.cost import describe, estimate
from benchmark.ablation.plan import load
from benchmark.methods.began import BEGAN, BeganSettings
from benchmark.methods.method import Batch
from benchmark.methods.registry import build, method_class
from tests.conftest import tiny_evaluation, tiny_spec
from tests.methods.fixed import FixedDraw, images

METHODS: list[dict[str, Any]] = [
    {"name": "began", "n": 8},
    {"name": "began", "n": 8, "kl_weight": 1.0},
    {"name": "ebgan", "n": 8},
    {"name": "ebgan", "n": 8, "shared_z": True},
    {"name": "dcgan", "n": 8},
    {"name": "ali", "n": 8},
    {"name": "ali", "n": 8, "discriminator": "maxout"},
    {"name": "lapgan", "n": 8},
    {"name": "stackgan", "n": 8, "stage_1": 1},
    {"name": "stackgan", "n": 8, "stage_1": 1, "attributes": ["Male", "Young"]},
    {"name": "pixelcnn", "n": 8, "layers": 2, "coordinates": True},
    {"name": "pixelcnn", "n": 8, "layers": 2, "code": 5, "output": "softmax", "levels": 16},
    {"name": "wgan", "n": 8, "critic": 2, "long_critic": 2},
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


@pytest.mark.parametrize("block", METHODS, ids=str)
@pytest.mark.parametrize("size", [16, 32, 64])
def test_operations_and_parameters(block: dict[str, Any], size: int) -> None:
    kind = method_class(block["name"])
    settings = kind.Settings.model_validate(block)
    work = kind.cost(settings, size)
    assert work is not None
    method: Any = build(settings, size)
    for counted, network in ((work.parameters, method), (work.generator, method.generator)):
        assert counted == sum(p.numel() for p in network.parameters() if p.ndim > 1)
    labels = torch.eye(4)[:, :2] if method.labelled else None
    with Counting() as counter:
        for step in range(2):
            method.update(Batch(images(4, size), labels), FixedDraw(step))
    # Two operations a multiply-add, two steps, four images.
    assert work.macs == pytest.approx(counter.operations / 2 / 2 / 4, rel=0.15)


def test_the_author_s_earlier_layers_have_the_papers_count() -> None:
    counts = {(32, 64): 2.17, (64, 64): 3.43, (128, 64): 5.24, (128, 128): 17.268}
    for (size, n), millions in counts.items():
        block = BeganSettings(name="began", n=n, design="author", skips=True)
        work = BEGAN.cost(block, size)
        assert work.parameters / 1e6 == pytest.approx(millions, rel=0.005)  # without biases


def test_cost_grows_with_what_is_asked_for() -> None:
    def cost_of(every: int = 6, repeats: int = 2, **training: Any) -> cost.Cost:
        found = estimate(
            tiny_spec(training=training), tiny_evaluation(every=every, repeats=repeats)
        )
        assert found is not None
        return found

    judging = cost_of().seconds - cost_of(repeats=0).seconds
    assert judging == pytest.approx(2 * 60 * 0.008)
    assert cost_of(steps=24, every=24).seconds > cost_of(steps=12, every=12).seconds
    assert cost_of(batch=8).seconds > cost_of().seconds
    generator = BEGAN.cost(BeganSettings(name="began", n=2, h=4, z=4), 16).generator
    more = cost_of(every=3).disk - cost_of().disk  # two more snapshots, each judged once
    assert more == 2 * (4 * generator + 64 * 2 * 16**2 + 2 * cost.BYTES_A_ROW)


def test_a_judge_of_the_last_snapshot_alone_costs_less() -> None:
    def seconds(snapshots: str) -> float:
        judge = {"samples": 60, "snapshots": snapshots}
        evaluation = tiny_evaluation(every=1, repeats=0, judges={"inception_2015": judge})
        found = estimate(tiny_spec(), evaluation)
        assert found is not None
        return found.seconds

    assert seconds("all") - seconds("last") == pytest.approx(11 * 60 * 0.15)


FILE = """
name: mixed
question: What does it cost?
base:
  method: {name: dcgan, n: 8}
  data: {name: faces, size: 32}
  training: {steps: 100}
  evaluation: {every: 100, judges: {efficientnet_lite0: {samples: 100}}}
sweep:
  SWEEP
seeds: [0, 1]
profiles: {demo: {}}
"""
OUTSIDE = "tests.methods.plugins.codeless:Mixture"


class Judge:
    """A feature network that does not say how long it takes."""


@pytest.mark.parametrize(
    ("methods", "said", "unsaid"),
    [
        ("dcgan, wgan_gp", " s on idle CPU cores", "unknown"),
        (f"dcgan, {OUTSIDE}", f"; 2 of unknown cost ({OUTSIDE})", "roughly 0 s"),
        (OUTSIDE, f"2 runs, 2 at once: 2 of unknown cost ({OUTSIDE})", "roughly"),
    ],
)
def test_what_is_said_of_a_plan(methods: str, said: str, unsaid: str, tmp_path: Path) -> None:
    line = describe(load(_file(tmp_path, f"[{methods}]"), "demo"), 2)
    assert said in line
    assert unsaid not in line


def test_a_judge_of_unknown_cost_is_named(tmp_path: Path) -> None:
    file = _file(tmp_path, "[dcgan, wgan_gp]")
    judges = "{other: {features: 'tests.ablation.test_cost:Judge', samples: 100}}"
    file.write_text(file.read_text().replace("{efficientnet_lite0: {samples: 100}}", judges))
    line = describe(load(file, "demo"), 2)
    assert line.endswith("in the runs folder; without judging by other, of unknown cost")


def _file(folder: Path, methods: str) -> Path:
    file = folder / "mixed.yaml"
    file.write_text(FILE.replace("SWEEP", f"method.name: {methods}"))
    return file


def test_a_cost_of_months_is_said_in_days() -> None:
    line = describe(load(Path(__file__).parents[2] / "ablations/gamma.yaml", "paper"), 2)
    assert re.search(
        r"roughly \d+ days on idle CPU cores \(.*on a GPU not known\), [\d.]+ GB", line
    )
