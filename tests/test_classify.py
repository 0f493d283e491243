"""A pair of generators, one a class, and the classifiers that learn from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import benchmark.classify as module
from benchmark.ablation.plan import Plan, PlannedRun, load
from benchmark.classes import generators, of_both
from benchmark.classify import classify
from benchmark.errors import BenchError, InputError
from benchmark.evaluation.columns import classified_columns
from benchmark.evaluation.settings import ClassifySettings
from benchmark.methods.stackgan import StackGAN
from benchmark.report.probes import classified as shown_in_report
from benchmark.results.source import source
from benchmark.results.writer import collect
from benchmark.runs import classified
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.sweep.data import Reader, open_stores
from benchmark.sweep.run import CLASSIFIERS, pending_of
from benchmark.training import snapshots
from benchmark.training.loop import new_method, to_uint8
from tests.conftest import tiny_evaluation, tiny_run, tiny_spec

FILE = Path(__file__).parents[1] / "ablations" / "augmentation.yaml"
CPU = torch.device("cpu")
SETTINGS = ClassifySettings(attribute="Eyeglasses", real=(20, "all"), seeds=2, steps=3)
EVALUATION = {"classify": SETTINGS.model_dump()}
Learnt = list[tuple[Tensor, Tensor, int, bool]]


def spec_of(*only: str, **changes: Any) -> RunSpec:
    return tiny_spec(data={"only": only}, **changes)


def ended(root: Path, spec: RunSpec, weights: str = "a") -> RunDirectory:
    """A run that is done, with an untrained generator for its last snapshot."""
    run = tiny_run(root, spec, **EVALUATION)
    snapshots.write(run.snapshots, 12, new_method(spec, CPU))
    run.write_result(
        Result(
            state="done", step=12, reason=None, weights_sha256=weights, wall_s=1, cpu_s=1, decays=[]
        )
    )
    return run


@pytest.fixture
def pair(tmp_path: Path) -> list[RunDirectory]:
    words = ("Eyeglasses", "not Eyeglasses")
    return [ended(tmp_path / "runs", spec_of(word), word) for word in words]


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> Learnt:
    """What classifiers learnt from; none is trained, and scores count up from 0."""
    seen: Learnt = []

    def trained(images: Tensor, labels: Tensor, seed: int, steps: int, *, augmented: bool) -> int:
        assert steps == 3
        seen.append((images, labels, seed, augmented))
        return len(seen) - 1

    monkeypatch.setattr(module, "trained", trained)
    monkeypatch.setattr(module, "balanced_accuracy", lambda network, *_: float(network))
    return seen


def run_it(pair: list[RunDirectory], cache: Path, at: int = 1) -> None:
    classify(pair[at], SETTINGS, None, cache, CPU)


def test_each_regime_has_its_images(
    pair: list[RunDirectory], tmp_path: Path, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generated images with glasses are white here, those without are black."""

    def white_or_black(run: RunDirectory, count: int, *_: object) -> Tensor:
        return torch.full((count, 3, 16, 16), 255 * (run.path == pair[0].path), dtype=torch.uint8)

    monkeypatch.setattr(module, "_generate", white_or_black)
    run_it(pair, tmp_path)
    of = of_both(pair[0].spec(), "Eyeglasses").data
    store = module.open_store(of, None, tmp_path, ("Eyeglasses",))
    assert store.labels is not None
    most = 2 * int(store.labels[store.splits["train"], 0].sum())
    assert 100 < most < 800
    counts = [len(images) for images, *_ in learnt]
    assert counts == [20] * 4 + [most] * 4 + [40] * 2 + [2 * most] * 2 + [most] * 2
    assert [augmented for *_, augmented in learnt] == [False, False, True, True] * 2 + [False] * 6
    assert len({seed for _, _, seed, _ in learnt}) == 2
    for images, labels, *_ in learnt:
        assert labels.float().mean() == 0.5
        flat = images.flatten(1).float()
        made = (flat == 255).all(1), (flat == 0).all(1)
        assert (labels[made[0]] == 1).all()
        assert (labels[made[1]] == 0).all()
    shares = [
        float((images == images[:, :1, :1, :1]).flatten(1).all(1).float().mean())
        for images, *_ in learnt
    ]
    assert shares == [0.0] * 8 + [0.5] * 4 + [1.0] * 2
    # Real images keep their own labels: those of class 1 are all among those with glasses.
    images, labels, *_ = learnt[4]
    having = store.images[store.splits["train"]][store.labels[store.splits["train"], 0] > 0]
    wanted = {each.tobytes() for each in having}
    assert {each.numpy().tobytes() for each in images[labels > 0]} == wanted


def test_generated_images_alone_are_as_many_as_the_most_real_ones(
    pair: list[RunDirectory], tmp_path: Path, learnt: Learnt
) -> None:
    few = SETTINGS.model_copy(update={"real": (20, 40)})
    classify(pair[0], few, None, tmp_path, CPU)
    assert [len(images) for images, *_ in learnt[-2:]] == [40, 40]


@pytest.mark.parametrize("real", [["all", 250], [1000, 250], [250, 250], ["all", "all"]])
def test_numbers_of_real_images_rise(real: list[Any]) -> None:
    with pytest.raises(ValueError, match="real must increase from one number to the next"):
        ClassifySettings(attribute="Eyeglasses", real=real)


def test_a_damaged_cache_is_made_again_and_other_faults_are_not_its_own(
    pair: list[RunDirectory], tmp_path: Path, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_it(pair, tmp_path)
    first = classified.numbers(pair[0], SETTINGS)
    (path,) = (tmp_path / "classifiers").glob("*.json")
    path.write_text("{")
    for run in pair:
        (run.path / "classified.json").unlink(missing_ok=True)
    learnt.clear()
    run_it(pair, tmp_path)
    assert classified.numbers(pair[0], SETTINGS) == first

    def faulty(*_: object, **__: object) -> Any:
        raise ValueError("of the computation")

    path.unlink()
    (pair[0].path / "classified.json").unlink()
    monkeypatch.setattr(module, "trained", faulty)
    with pytest.raises(ValueError, match="of the computation"):
        run_it(pair, tmp_path)


def test_the_numbers_are_means_and_differences(
    pair: list[RunDirectory], tmp_path: Path, learnt: Learnt
) -> None:
    run_it(pair, tmp_path)
    found = classified.numbers(pair[0], SETTINGS)
    means = {
        "real_20": 0.5, "augmented_20": 2.5, "real_all": 4.5, "augmented_all": 6.5,
        "generated_20": 8.5, "generated_all": 10.5, "generated_alone": 12.5,
    }  # fmt: skip
    assert {name: found[name] for name in means} == means
    assert found["gain_augmented_20"] == 2
    assert found["gain_generated_20"] == 8
    assert found["gain_over_augmented_all"] == 4
    assert found["shortfall"] == 4.5 - 12.5
    assert found["classifier_sd"] == pytest.approx(np.std([0, 1], ddof=1))
    assert {f"classified.{name}" for name in found} == {*classified_columns(SETTINGS.real)}


def test_nothing_is_learnt_twice(pair: list[RunDirectory], tmp_path: Path, learnt: Learnt) -> None:
    assert classified.left(pair[0], SETTINGS)
    run_it(pair, tmp_path, at=0)
    assert not classified.left(pair[0], SETTINGS)
    assert len(learnt) == 14
    run_it(pair, tmp_path, at=1)
    assert len(learnt) == 14
    # Another method's pair of the same seed shares what real images alone are worth.
    words, method = ("Eyeglasses", "not Eyeglasses"), {"name": "dcgan", "n": 8}
    block = {**tiny_spec().model_dump(mode="json"), "method": method}
    specs = [
        RunSpec.model_validate({**block, "data": spec_of(word).data.model_dump(mode="json")})
        for word in words
    ]
    run_it([ended(tmp_path / "runs", spec) for spec in specs], tmp_path)
    assert len(learnt) == 14 + 6
    # Other weights are other images.
    pair[1].write_result(pair[1].result().model_copy(update={"weights_sha256": "b"}))  # type: ignore[union-attr]
    assert classified.left(pair[0], SETTINGS)
    assert classified.numbers(pair[0], SETTINGS) == {}


def test_a_pair_waits_for_both(tmp_path: Path) -> None:
    first = ended(tmp_path / "runs", spec_of("Eyeglasses"))
    second = tiny_run(tmp_path / "runs", spec_of("not Eyeglasses"))
    for run in (first, second):
        classify(run, SETTINGS, None, tmp_path, CPU)  # which does nothing yet
        assert not classified.left(run, SETTINGS)
    assert classified.read(first) is None


def stackgan(*attributes: str, **changes: Any) -> RunSpec:
    method = {"name": "stackgan", "attributes": attributes, "n": 4, "z": 4, "c": 4, "d": 4}
    return RunSpec.model_validate(
        {**tiny_spec(**changes).model_dump(mode="json"), "method": method}
    )


def test_one_that_is_told_the_class_needs_no_other(
    tmp_path: Path, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples are as bright as their labels say: 255 with glasses, and 100 more smiling."""
    spec = stackgan("Smiling", "Eyeglasses")

    def sample_with(self: object, labels: Tensor, *_: object) -> Tensor:
        bright = (labels.float() @ torch.tensor([0.2, 1.0]) - 0.6)[:, None, None, None]
        return bright.expand(-1, 3, 16, 16)

    monkeypatch.setattr(StackGAN, "sample_with", sample_with)
    run = ended(tmp_path / "runs", spec)
    assert generators(spec, "Eyeglasses") == (spec,)
    assert generators(spec, "Bald") == ()
    assert classified.left(run, SETTINGS)
    run_it([run], tmp_path, at=0)
    assert not classified.left(run, SETTINGS)
    assert {f"classified.{name}" for name in classified.numbers(run, SETTINGS)} == {
        *classified_columns(SETTINGS.real)
    }
    images, labels, *_ = learnt[-1]
    levels = to_uint8(torch.tensor([-0.6, -0.4, 0.4, 0.6])).tolist()
    found = images[:, 0, 0, 0]
    assert {*found[labels == 0].tolist()} == {*levels[:2]}
    assert {*found[labels == 1].tolist()} == {*levels[2:]}
    store = module.open_store(spec.data, None, tmp_path, ("Smiling", "Eyeglasses"))
    assert store.labels is not None
    rows = store.labels[store.splits["train"]]
    for at, plain in ((0, levels[0]), (1, levels[2])):
        smiling = float((found[labels == at] != plain).float().mean())
        assert smiling == pytest.approx(rows[rows[:, 1] == at, 0].mean(), abs=0.12)


def test_a_labelled_method_without_the_ability_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "augmentation.yaml"
    plugin = "tests.methods.plugins.labelled:Conditional"
    start, _, _ = FILE.read_text().partition("sweep:\n")
    method = f"{{name: '{plugin}', attributes: [Male]}}"
    text = f"{start}seeds: [0]\nprofiles: {{paper: {{}}}}\nsweep: {{variants: {{told: {{method: "
    text += f"{method}}}}}}}\n"
    path.write_text(text)
    message = rf"told seed=0: {plugin} makes no samples of the labels asked for \(sample_with\)"
    with pytest.raises(InputError, match=message):
        load(path, "paper")
    path.write_text(text.replace("[Male]", "[Young]"))
    with pytest.raises(InputError, match=r"one run needs Male among its method\.attributes"):
        load(path, "paper")


def test_real_networks_learn_from_real_snapshots(pair: list[RunDirectory], tmp_path: Path) -> None:
    run_it(pair, tmp_path)
    first = classified.read(pair[0])
    assert first is not None
    assert all(0 <= score <= 1 for scores in first["scores"].values() for score in scores)
    (pair[0].path / "classified.json").unlink()
    for path in (tmp_path / "classifiers").glob("*.json"):
        path.unlink()
    run_it(pair, tmp_path)
    assert classified.read(pair[0]) == first
    (pair[0].path / "classified.json").unlink()
    last = next(pair[1].snapshots.glob("*"))
    earlier = last.with_name(f"00000001-{last.name.partition('-')[2]}")
    last.rename(earlier)
    with pytest.raises(BenchError, match="there is no snapshot of its last step"):
        run_it(pair, tmp_path)


def test_tables_have_them_and_claims_may_ask(
    pair: list[RunDirectory], tmp_path: Path, learnt: Learnt
) -> None:
    evaluation = tiny_evaluation(**EVALUATION)
    left: Callable[[RunDirectory], list[str]] = pending_of(evaluation)
    assert CLASSIFIERS in left(pair[0])
    assert CLASSIFIERS not in left(pair[1])
    run_it(pair, tmp_path)
    assert CLASSIFIERS not in left(pair[0])
    planned = [PlannedRun(run.spec(), {"variant": run.spec().data.only[0]}) for run in pair]  # type: ignore[union-attr]
    plan = Plan("pairs", "Do they help?", None, "demo", (), (), evaluation, tuple(planned))
    found = [source(each, run, evaluation) for each, run in zip(planned, pair, strict=True)]
    tables = collect(plan, found, tmp_path / "results")
    values = tables.values("classified.gain_generated_20")
    assert values.tolist() == pytest.approx([8.0, np.nan], nan_ok=True)
    (shown,) = shown_in_report(tables)
    assert shown.frame["real images"].tolist() == ["20", "all"]
    assert shown.frame["alone"].tolist() == ["0.5 (n=1)", "4.5 (n=1)"]
    assert shown.frame["gain, with generated"].tolist() == ["8 (n=1)", "6 (n=1)"]


def test_who_is_whose_other_class() -> None:
    spec = spec_of("Smiling", "not Eyeglasses")
    pair = generators(spec, "Eyeglasses")
    assert [each.data.only for each in pair] == [  # type: ignore[union-attr]
        ("Smiling", "Eyeglasses"),
        ("Smiling", "not Eyeglasses"),
    ]
    assert pair[1].run_id == spec.run_id != pair[0].run_id
    assert of_both(spec, "Eyeglasses").data.only == ("Smiling",)  # type: ignore[union-attr]
    assert generators(spec, "Bald") == ()
    assert generators(spec_of("Eyeglasses", "not Eyeglasses"), "Eyeglasses") == ()


def test_a_run_without_its_other_class_is_refused(tmp_path: Path) -> None:
    text = FILE.read_text()
    path = tmp_path / "augmentation.yaml"
    path.write_text(text)
    pairs = load(path, "short").runs
    assert len(pairs) == 35
    path.write_text(
        text.replace("BEGAN without: {data: {only: [not Male]}}", "BEGAN without: null")
    )
    message = r"evaluation\.classify: BEGAN with seed=0 has no run of the other class beside it"
    with pytest.raises(InputError, match=message):
        load(path, "short")
    path.write_text(text.replace("gain_generated_250", "gain_generated_300"))
    with pytest.raises(InputError, match=r"claims\.generated-help-few\.test\.column"):
        load(path, "short")


def test_too_few_real_images_are_refused_before_training(cache: Path) -> None:
    planned = [PlannedRun(spec_of("Eyeglasses"), {"variant": "with"})]
    asked = {"judges": {"efficientnet_lite0": {"samples": 50}}}
    many = {**SETTINGS.model_dump(), "real": [700]}
    count = {"data": {"only": ("Eyeglasses",), "count": 4000}}
    planned = [PlannedRun(tiny_spec(**count), {"variant": "with"})]
    evaluation = tiny_evaluation(**asked, classify=many)
    open_stores(evaluation, planned, Reader(None, cache))
    few = tiny_evaluation(**asked, classify={**many, "real": [100, 3000, "all"]})
    with pytest.raises(
        InputError, match=r"evaluation\.classify\.real: 3000 is more than the 1\d\d\d"
    ):
        open_stores(few, planned, Reader(None, cache))
    other = tiny_evaluation(**asked, classify={**many, "attribute": "Male"})
    with pytest.raises(
        InputError, match=r"evaluation\.classify\.attribute: .* no attribute 'Male'"
    ):
        open_stores(other, planned, Reader(None, cache))
