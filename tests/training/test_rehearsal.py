"""Methods from outside: what is refused before it trains, and what trains, saves and resumes."""

import copy
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn, optim

from benchmark.ablation.plan import Plan
from benchmark.cli import bench
from benchmark.column import Column
from benchmark.commands.checked import try_methods
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.evaluation.metrics import METRICS, Metric
from benchmark.methods.method import Batch, Draw, MethodSettings
from benchmark.methods.registry import built_in, method_class
from benchmark.results.columns import refuse_taken
from benchmark.runs.directory import RunDirectory
from benchmark.runs.doctor import is_whole
from benchmark.spec import RunSpec
from benchmark.training import checkpoint
from benchmark.training.loop import Step, Stopped
from benchmark.training.rehearsal import rehearse
from tests.conftest import TINY, tiny_plan
from tests.methods.plugins.labelled import Conditional, ConditionalSettings
from tests.methods.plugins.small_gan import SmallGan
from tests.training.test_loop import train, values

CPU = torch.device("cpu")


def spec_of(kind: type, **settings: Any) -> RunSpec:
    name = f"{kind.__module__}:{kind.__name__}"
    return RunSpec.model_validate({**TINY, "method": {"name": name, **settings}})


# What is unusual, and right.


class Tied(SmallGan):
    """One layer, used twice."""

    def make_discriminator(self, size: int) -> nn.Module:
        twice = nn.Linear(8, 8)
        first, last = nn.Linear(3 * size**2, 8), nn.Linear(8, 1)
        return nn.Sequential(nn.Flatten(), first, twice, nn.ReLU(), twice, last)


class Shared(SmallGan):
    """Both players know the same weight, and the optimizer of each moves it."""

    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__(settings, size)
        self.generator[0].bias = self.discriminator[1].bias
        self.generator[0].bias.data = torch.zeros(3 * size**2)
        self.discriminator[1] = nn.Linear(3 * size**2, 3 * size**2)
        self.discriminator[1].bias = self.generator[0].bias
        self.optimizers = self.make_optimizers()


class Dropping(SmallGan):
    """Draws from every generator that belongs to nobody, in training and in sampling."""

    def make_discriminator(self, size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * size**2, 1))

    def generate(self, z: Tensor) -> Tensor:
        return self.generator(z + random.random() + float(np.random.rand()) + torch.rand(1))


class Numbers(SmallGan):
    """Buffers of every kind of number."""

    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__(settings, size)
        kinds = (torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool)
        for at, kind in enumerate(kinds):
            self.register_buffer(f"kept_{at}", torch.ones(3, dtype=kind))
        self.register_buffer("empty", torch.ones(0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        self.seen += batch.images.double().mean()
        return {**super().update(batch, draw), "loss_g": self.seen.clone()}


class Averaged(SmallGan):
    """Its samples are made by a mean of its generators."""

    sampled_by = ("mean",)

    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__(settings, size)
        self.mean = copy.deepcopy(self.generator).requires_grad_(False)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        found = super().update(batch, draw)
        for mean, now in zip(self.mean.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(now.detach(), 0.1)
        return found

    def generate(self, z: Tensor) -> Tensor:
        return (self.generator if self.training else self.mean)(z)


class Spectral(SmallGan):
    def make_discriminator(self, size: int) -> nn.Module:
        last = nn.utils.parametrizations.spectral_norm(nn.Linear(3 * size**2, 1))
        return nn.Sequential(nn.Flatten(), last)

    def make_optimizers(self) -> dict[str, optim.Optimizer]:
        return {
            "d": optim.NAdam(self.discriminator.parameters()),
            "g": optim.SGD(self.generator.parameters(), momentum=0.9),
        }


class MutableSettings(MethodSettings):
    options: dict[str, int] = {}  # noqa: RUF012
    """Of no use."""


class Mutating(SmallGan):
    """Changes the settings that it is given."""

    Settings = MutableSettings

    def __init__(self, settings: MutableSettings, size: int) -> None:
        settings.options["n"] = 3
        super().__init__(settings, size)


SOUND = [SmallGan, Tied, Shared, Dropping, Numbers, Averaged, Spectral, Mutating]


@pytest.mark.parametrize("kind", SOUND, ids=lambda kind: kind.__name__)
def test_what_is_unusual_and_right_trains_and_resumes_to_the_same_bits(
    kind: type, tmp_path: Path, cache: Path
) -> None:
    spec = spec_of(kind)
    before = spec.run_id
    rehearse(spec)
    whole = train(spec, tmp_path / "whole", cache)
    with pytest.raises(Stopped):
        train(spec, tmp_path / "cut", cache, stop_at=3)
    torch.manual_seed(7)  # another process has others
    random.seed(7)
    np.random.seed(7)
    resumed = train(spec, tmp_path / "cut", cache)
    assert whole.state == "done"
    assert resumed.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)
    assert spec.run_id == before
    for path in (tmp_path / "whole" / spec.run_id / "checkpoints").glob("*.safetensors"):
        assert is_whole(path)


def test_a_tied_weight_stays_one(tmp_path: Path, cache: Path) -> None:
    spec = spec_of(Tied)
    step = Step(spec, open_store(spec.data, None, cache), CPU, graphs=False)
    progress = checkpoint.Progress.model_validate(
        {"step": 0, "rate": {"lr": 1e-4}, "wall_s": 0.0, "cpu_s": 0.0}
    )
    with torch.no_grad():
        step.method.discriminator[2].weight.fill_(0.25)
    data = checkpoint.dump(step.method, progress)
    again = Step(spec, open_store(spec.data, None, cache), CPU, graphs=False).method
    checkpoint.restore(again, data)
    assert again.discriminator[2].weight is again.discriminator[4].weight
    assert bool((again.discriminator[4].weight == 0.25).all())


def test_seeds_differ_in_what_belongs_to_nobody_too(tmp_path: Path, cache: Path) -> None:
    spec = spec_of(Dropping)
    other = spec.model_copy(update={"training": spec.training.model_copy(update={
        "seeds": spec.training.seeds.model_copy(update={"latents": 9})})})  # fmt: skip
    digests = {train(each, tmp_path, cache).weights_sha256 for each in (spec, other)}
    assert len(digests) == 2


def test_lanes_do_not_draw_from_one_another(tmp_path: Path, cache: Path) -> None:
    from benchmark.lanes import run_lanes
    from benchmark.worker import Where

    spec = spec_of(Dropping)
    specs = [spec.model_copy(update={"seed": seed}) for seed in range(3)]
    alone = [train(each, tmp_path / "alone", cache).weights_sha256 for each in specs]
    runs = [RunDirectory.create(tmp_path / "beside", each) for each in specs]
    assert run_lanes(runs, Where(None, cache, "cpu")) == 0
    results = [run.result() for run in runs]
    assert [each.weights_sha256 for each in results if each] == alone


@pytest.mark.parametrize("name", built_in())
def test_the_package_s_own_draw_from_nobody(name: str, cache: Path) -> None:
    block = {"name": name, "n": 2}
    spec = RunSpec.model_validate({**TINY, "method": block})
    step = Step(spec, open_store(spec.data, None, cache), CPU, graphs=False)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    for number in (1, 2):
        step(number, 1e-4)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    assert before[0].equal(after[0])
    assert before[1:] == after[1:]


# What is wrong.


class Floats(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> Any:
        return {name: float(value) for name, value in super().update(batch, draw).items()}


class Vectors(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return {name: value.repeat(2) for name, value in super().update(batch, draw).items()}


class Attached(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        found = super().update(batch, draw)
        return {name: value.requires_grad_() for name, value in found.items()}


class Tuple(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> Any:
        return tuple(super().update(batch, draw).values())


class Bonus(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return {**super().update(batch, draw), "bonus": torch.tensor(1.0)}


class Lacking(SmallGan):
    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return {}


class NoNumber(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return {**super().update(batch, draw), "loss_g": torch.tensor(float("nan"))}


class Raising(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        raise RuntimeError("first line\nsecond line")


class Leaving(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        raise SystemExit(0)


class Unbuilt(SmallGan):
    def __init__(self, settings: MethodSettings, size: int) -> None:
        raise ValueError("n must be even")


class Seeding(SmallGan):
    def __init__(self, settings: MethodSettings, size: int) -> None:
        torch.manual_seed(0)
        super().__init__(settings, size)


class Lazy(SmallGan):
    def make_discriminator(self, size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(1))

    def make_optimizers(self) -> dict[str, optim.Optimizer]:
        return {"g": optim.Adam(self.generator.parameters())}


class Counting(SmallGan):
    """Every fifth update does more."""

    calls = 0

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        self.calls += 1
        found = super().update(batch, draw)
        if self.calls % 5 == 0:
            self.generator[0].bias.data.add_(1)
        return found


class OwnGenerator(SmallGan):
    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__(settings, size)
        self.source = np.random.default_rng()

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return super().update(Batch(batch.images + float(self.source.random())), draw)


class Growing(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        self.more = nn.Linear(2, 2)
        return super().update(batch, draw)


class Lbfgs(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        found = super().update(batch, draw)
        for state in self.optimizers["d"].state.values():
            state["calls"] = 3
        return found


class Elsewhere(SmallGan):
    def make_optimizers(self) -> dict[str, optim.Optimizer]:
        self.loose = torch.zeros(3, requires_grad=True)
        return {**super().make_optimizers(), "loose": optim.Adam([self.loose])}


class NoOptimizers(SmallGan):
    def make_optimizers(self) -> Any:
        return [optim.Adam(self.generator.parameters())]


class Touching(SmallGan):
    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        self.discriminator[1].bias.data.add_(1)
        return super().watch(batch, draw)


class Grey(SmallGan):
    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        return super().sample(count, draw, stream)[:, :1]


class Ignoring(Conditional):
    """Makes one sample, however many labels it is asked for."""

    def sample_with(self, labels: Tensor, draw: Draw, stream: str) -> Tensor:
        return self.sample(1, draw, stream)


class Unequal(Conditional):
    """Its samples of labels need a weight that no snapshot has."""

    def __init__(self, settings: ConditionalSettings, size: int) -> None:
        super().__init__(settings, size)
        self.tone = nn.Parameter(torch.zeros(()))
        self.optimizers["tone"] = optim.Adam([self.tone])

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        self.tone.data.add_(0.1)
        return super().update(batch, draw)

    def sample_with(self, labels: Tensor, draw: Draw, stream: str) -> Tensor:
        return self.sample(len(labels), draw, stream) + self.tone


class Forgotten(Averaged):
    sampled_by = ("generator",)


class Switching(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        torch.use_deterministic_algorithms(False)
        return super().update(batch, draw)


class Moving(SmallGan):
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        os.chdir("/")
        return super().update(batch, draw)


class Extra(SmallGan):
    def get_extra_state(self) -> Any:
        return {"a": 1}


FAULTS = {
    Floats: "update returns loss_d as a float; return a scalar tensor",
    Vectors: "update returns loss_d as float32 (2,); return a scalar tensor",
    Attached: "update returns loss_d with its gradients; detach it",
    Tuple: "update returns a tuple; return its columns by name",
    Bonus: "Bonus.update returns bonus, loss_d, loss_g, but the class declares loss_d, loss_g",
    Lacking: "Lacking.watch returns nothing, but the class declares loss_d, loss_g",
    NoNumber: "loss_g is nan in the first update",
    Raising: "update raises RuntimeError: first line second line",
    Leaving: "update raises SystemExit: 0",
    Unbuilt: "its constructor raises ValueError: n must be even",
    Seeding: "its constructor seeds torch's generator",
    Lazy: "discriminator.1.weight has no shape yet (a lazy module); give it its size",
    Counting: "its weights differ after resuming: it keeps state outside of its parameters",
    OwnGenerator: "loss_d differs after resuming: it keeps state outside of its parameters",
    Growing: "update adds or drops more.bias; make every weight in the constructor",
    Lbfgs: "optimizer 'd' (Adam) keeps calls as a int, and only tensors are saved",
    Elsewhere: "optimizer 'loose' trains what is no parameter of it",
    NoOptimizers: "needs `optimizers`: torch's, by name",
    Touching: "watch or sample changes its weights or buffers",
    Grey: "sample returns float32 (5, 1, 16, 16); wanted: floats (5, 3, 16, 16)",
    Ignoring: "sample_with returns float32 (1, 3, 16, 16); wanted: floats (5, 3, 16, 16)",
    Unequal: "its samples need more than sampled_by (generator, shares) names",
    Forgotten: "its samples need more than sampled_by (generator) names",
    Switching: "changes whether algorithms are deterministic, which is the whole process's",
    Moving: "changes the working folder, which is the whole process's",
    Extra: "its state _extra_state is a dict, and only tensors are saved",
}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_one_line_before_it_trains(
    kind: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = spec_of(kind, **{"attributes": ["Smiling"]} if issubclass(kind, Conditional) else {})
    with pytest.raises(InputError) as refused:
        rehearse(spec)
    assert str(refused.value).startswith(f"{spec.method.name}: {FAULTS[kind]}")
    assert "\n" not in str(refused.value)


class ArmSettings(MethodSettings):
    n: int = 4


class Armed(SmallGan):
    Settings = ArmSettings

    def __init__(self, settings: ArmSettings, size: int) -> None:
        if settings.n % 2:
            raise ValueError("n must be even")
        super().__init__(settings, size)

    @classmethod
    def cost(cls, settings: ArmSettings, size: int) -> Any:
        return 1 // 0 if settings.n == 6 else None


def test_every_setting_is_built_and_costed() -> None:
    file = Path("file.yaml")
    with pytest.raises(InputError, match=r"^file.yaml: .*Armed: its constructor raises .*even"):
        try_methods(file, [spec_of(Armed, n=2), spec_of(Armed, n=3)])
    with pytest.raises(InputError, match=r"its cost raises ZeroDivisionError"):
        try_methods(file, [spec_of(Armed, n=2), spec_of(Armed, n=6)])


ABLATION = """\
name: mine
question: Does it train?
base:
  method: {{name: "{}"}}
  data: {{name: faces, size: 16, count: 1000}}
  training: {{steps: 4, batch: 4, log_every: 2, checkpoint_every: 2}}
  evaluation: {{every: 4, judges: {{efficientnet_lite0: {{samples: 60}}}}}}
sweep: {{training.lr: [1.0e-3]}}
seeds: [0]
profiles: {{demo: {{}}}}
"""


@pytest.mark.parametrize("command", ["validate", "run"])
def test_the_commands_refuse_it(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(ABLATION.format(f"{__name__}:Counting"))
    done = CliRunner().invoke(bench, [command, "mine.yaml"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"mine.yaml: {__name__}:Counting: its weights differ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


# Names of columns.


def plan_with(*columns: str) -> Plan:
    class Named(SmallGan):
        pass

    Named.columns = dict.fromkeys(columns, Column("a column"))
    Named.heldout, Named.signal = columns[:1], columns[0]
    Named.__qualname__ = Named.__name__ = f"Named_{abs(hash(columns))}"
    globals()[Named.__name__] = Named
    return tiny_plan(spec_of(Named))


TAKEN = [
    *("distance", "kid", "precision", "vendi", "state", "seed", "label", "reason", "method"),
    *("collapsed", "best_step", "features", "judge", "draw", "value", "p", "verdict", "variant"),
    *("signal", "failed", "broken", "wall_s", "data", "reference", "runs"),
]


@pytest.mark.parametrize("name", TAKEN)
def test_a_column_that_the_tables_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="needs another name"):
        refuse_taken(plan_with("loss", name))
    refuse_taken(plan_with("loss", f"my_{name}"))


@pytest.mark.parametrize("name", ["run_id", "step", "lr", "heldout_loss", "_loss", "L(x)", "LOSS"])
def test_a_column_that_no_row_could_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"needs another name|needs a name|in case alone"):
        plan_with("loss", name)


def test_metrics_and_columns_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def metric(name: str) -> Mapping[str, Metric]:
        return {**METRICS, name: Metric(name, lambda _: 0.0, "", "", "1", "mine", "me")}

    known = dict(METRICS)
    for name, says in (("loss", "the column 'loss' .* is a metric"), ("seed", "metric seed: ")):
        monkeypatch.setattr("benchmark.results.columns.METRICS", metric(name))
        with pytest.raises(InputError, match=says):
            refuse_taken(plan_with("loss"))
    monkeypatch.setattr("benchmark.results.columns.METRICS", known)
    for own in built_in():  # the package's own are free to go
        settings = method_class(own).Settings.model_validate({"name": own})
        refuse_taken(tiny_plan(RunSpec.model_validate({**TINY, "method": settings})))


# Settings.


class Kinds(MethodSettings):
    kinds: frozenset[str] = frozenset({"a", "b"})


class Broken(MethodSettings):
    def model_post_init(self, context: Any) -> None:
        raise KeyError("n")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Kinds, "its settings cannot be written as JSON"),
        (Broken, "its settings raise KeyError: 'n'"),
        ("nothing", "Settings must be a subclass of"),
    ],
)
def test_settings_that_no_run_can_be_named_by_are_refused(settings: Any, says: str) -> None:
    class Set(SmallGan):
        Settings = settings

    Set.__qualname__ = Set.__name__ = f"Set_{getattr(settings, '__name__', settings)}"
    globals()[Set.__name__] = Set
    with pytest.raises(InputError, match=says) as refused:
        spec_of(Set)
    assert "\n" not in str(refused.value)


# What is met in the midst of training.


class Diverging(SmallGan):
    """What it watches is soon no number, while its losses are."""

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        found = super().watch(batch, draw)
        moved = self.optimizers["g"].state[self.generator[0].bias]["step"] > 3
        return {**found, "loss_g": torch.tensor(float("nan"))} if moved else found


def test_a_measure_that_is_no_number_fails_the_run(tmp_path: Path, cache: Path) -> None:
    result = train(spec_of(Diverging), tmp_path, cache)
    assert (result.state, result.step) == ("failed", 6)
    assert result.reason == "not finite: heldout_loss_g"
