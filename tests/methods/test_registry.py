"""Which methods there are, what their blocks may say, and what a class must be to be one."""

from typing import Any

import pytest
from pydantic import ValidationError
from torch import Tensor

from benchmark.ablation.messages import one_line
from benchmark.column import Column
from benchmark.errors import InputError
from benchmark.methods import columns, heldout_columns, train_columns
from benchmark.methods.began import BEGAN, BeganSettings
from benchmark.methods.method import Batch, Draw, LabelledSettings, Method, MethodSettings
from benchmark.methods.registry import build, built_in, built_in_settings, method_class
from benchmark.spec import RunSpec
from tests.conftest import TINY

ALI = "tests.methods.plugins.ali_like:ALI"


class Sound(Method):
    """Does nothing, but has all that a method must have."""

    columns = {"loss": Column("nothing")}  # noqa: RUF012
    heldout = ("loss",)
    signal = "loss"

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        raise NotImplementedError

    watch = update

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        raise NotImplementedError

    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__()


class NoSample(Sound):
    sample = Method.sample


class NoUpdate(Method):
    columns, heldout, signal = Sound.columns, (), "loss"


class NoColumns(Method):
    update = watch = Sound.update


class Taken(Sound):
    columns = {"loss": Column("nothing"), "step": Column("the step")}  # noqa: RUF012


class Derived(Sound):
    columns = {"loss": Column("nothing"), "heldout_loss": Column("its own")}  # noqa: RUF012


class NoSuchSignal(Sound):
    signal = "los"


class NoSuchHeldout(Sound):
    heldout = ("error",)


class Words(Sound):
    columns = {"loss": "nothing"}  # noqa: RUF012


class OtherSettings(Sound):
    Settings = Column


class NoAttributes(Sound):
    labelled = True


class NotLabelled(Sound):
    Settings = LabelledSettings


FAULTS = {
    NoSample: "must define sample, or latent and generate",
    NoUpdate: "does not define update and watch",
    NoColumns: "has no `columns`",
    Taken: "the column 'step' needs another name",
    Derived: "the column 'heldout_loss' needs another name",
    NoSuchSignal: "'los' is not one of its columns (loss)",
    NoSuchHeldout: "'error' is not one of its columns (loss)",
    Words: "columns must map each name to a benchmark.column.Column",
    OtherSettings: "Settings must be a subclass of",
    NoAttributes: "a labelled method's Settings, and no other's",
    NotLabelled: "a labelled method's Settings, and no other's",
    BeganSettings: "not a subclass of benchmark.methods.method.Method",
}


def spec_of(block: Any) -> RunSpec:
    return RunSpec.model_validate({**TINY, "method": block})


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_class_that_is_no_method_is_refused_in_one_line(kind: type) -> None:
    path = f"{kind.__module__}:{kind.__name__}"
    with pytest.raises(InputError) as refused:
        spec_of({"name": path})
    assert str(refused.value).startswith(f"{path}: {FAULTS[kind]}")
    assert "\n" not in str(refused.value)


def test_a_method_without_what_it_samples_by_is_refused() -> None:
    settings = spec_of({"name": f"{Sound.__module__}:Sound"}).method
    assert type(settings) is MethodSettings  # it has none of its own
    with pytest.raises(InputError, match=r"sampled_by must name .* it has no generator"):
        build(settings, 16)


def test_a_file_in_the_package_is_enough() -> None:
    assert built_in() == [
        *("ali", "began", "began_cs", "dcgan", "ebgan", "lapgan", "pixelcnn", "stackgan", "wgan"),
        "wgan_gp",
    ]
    assert method_class("began") is BEGAN
    assert [settings.__name__ for settings in built_in_settings()] == [
        *("AliSettings", "BeganSettings", "BeganCsSettings", "DcganSettings", "EbganSettings"),
        *("LapganSettings", "PixelCnnSettings", "StackGanSettings", "WganSettings"),
        "WganGpSettings",
    ]


@pytest.mark.parametrize("name", ["method", "began_networks", "nothing", "../began", ""])
def test_what_is_no_method_of_the_package_is_refused(name: str) -> None:
    with pytest.raises(
        InputError, match=r"unknown method .*; the package has: ali, began, began_cs"
    ):
        method_class(name)


@pytest.mark.parametrize("name", built_in())
def test_columns_are_explained(name: str) -> None:
    kind = method_class(name)
    assert kind.columns[kind.signal].better == "lower"  # as claims take it
    assert kind.signal in kind.heldout
    settings = kind.Settings.model_validate({"name": name})
    assert train_columns(settings) == list(columns(settings)) == [*kind.columns, "lr"]
    assert heldout_columns(settings) == [f"heldout_{column}" for column in kind.heldout]
    described = kind.Settings.model_json_schema()["properties"]
    assert [key for key, value in described.items() if "description" not in value] == ["name"]


MESSAGES = [
    ({"name": "began", "gama": 0.5}, "method.gama: unknown key, did you mean 'gamma'?; allowed: "),
    ({"name": ALI, "zz": 1}, "method.zz: unknown key, did you mean 'z'?; allowed: name, n, z"),
    ({"name": ALI, "z": 0}, "method.z: found 0"),
    ({"name": "dcgan", "gamma": 0.5}, "method.gamma: unknown key"),
    ({"name": "began", "gamma": 1.5}, "method.gamma: found 1.5"),
    ({"name": "begann"}, "method.name: found 'begann', did you mean 'began'?; allowed: ali, "),
    ({"n": 4}, "method.name: missing"),
]


@pytest.mark.parametrize(("block", "message"), MESSAGES, ids=lambda each: str(each)[:40])
def test_a_fault_in_the_block_is_one_line(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec_of(block)
    line = one_line("", refused.value, {**TINY, "method": block}, RunSpec)
    assert line.startswith(message)


def test_every_setting_is_described_and_comes_back() -> None:
    for block in ({"name": "began", "n": 2}, {"name": ALI, "n": 2}):
        spec = spec_of(block)
        settings = method_class(block["name"]).Settings
        assert type(spec.method) is settings
        assert set(spec.model_dump()["method"]) == set(settings.model_fields)
        again = RunSpec.from_json(spec.to_json())
        assert again == spec
        assert type(again.method) is settings
        assert again.run_id == spec.run_id
    assert spec_of({"name": "began", "n": 2}).run_id != spec_of({"name": "began", "n": 3}).run_id
