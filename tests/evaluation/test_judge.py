"""The judge as a whole, on smooth made-up images."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.settings import FacesSettings
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import judge as judge_module
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.metrics import Metric, computed_by, register
from benchmark.evaluation.settings import JudgeSettings
from benchmark.runs.evaluations import Evaluations

CPU = torch.device("cpu")
SETTINGS = JudgeSettings(features="efficientnet_lite0", samples=70)
QUICK = JudgeSettings(features=f"{__name__}:Means", samples=70)


class Means(nn.Module):
    """A network from outside, quick and with few features."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)


class Faces(Means):
    """The same, of faces."""

    domain = "faces"


class Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(len(images), 4)


def smooth_images(count: int, seed: int) -> NDArray[np.uint8]:
    """4 x 4 random colours, blown up to 16 x 16."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 4), dtype=np.uint8)
    return coarse.repeat(4, axis=2).repeat(4, axis=3)


def store_of(train: int, test: int, validation: int = 75) -> FaceStore:
    return FaceStore(
        title="smooth images",
        fingerprint="f" * 8,
        images=smooth_images(train + test + validation, seed=0),
        splits={
            "train": np.arange(train),
            "validation": np.arange(train + test, train + test + validation),
            "test": np.arange(train, train + test),
        },
        broken=(),
    )


def judge_of(
    store: FaceStore, cache: Path, settings: JudgeSettings = SETTINGS, **other: FaceStore
) -> Judge:
    return Judge("smooth", settings, store, other.get("reference", store), cache, CPU)


def generator(images: NDArray[np.uint8]) -> Callable[[int, int], Tensor]:
    return lambda start, count: torch.from_numpy(images[start : start + count])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def judge(cache: Path) -> Judge:
    return judge_of(store_of(90, 80), cache)


def test_asks_for_each_image_once_and_fills_the_columns(judge: Judge) -> None:
    asked: list[int] = []

    def sample(start: int, count: int) -> Tensor:
        asked.extend(range(start, start + count))
        return torch.from_numpy(smooth_images(70, seed=5)[start : start + count])

    row = judge.evaluate(sample)
    assert asked == list(range(70))
    assert list(row) == list(judge.versions) == list(computed_by("ImageNet", None))
    assert judge.evaluate(sample, ["spread", "kid"]) == {n: row[n] for n in ("kid", "spread")}
    with pytest.raises(InputError, match="judge smooth: there is no metric fid"):
        judge.evaluate(sample, ["fid"])


def test_distance_grows_with_noise_and_with_collapse(judge: Judge) -> None:
    clean = smooth_images(70, seed=5)
    noise = np.random.default_rng(6).normal(0, 1, clean.shape)
    noisy = [(clean + sd * noise).clip(0, 255).astype(np.uint8) for sd in (0, 10, 40)]
    rows = [judge.evaluate(generator(images)) for images in noisy]
    for column in ("distance", "sliced_wasserstein"):
        values = [row[column] for row in rows]
        assert values == sorted(values)
        assert values[2] > 1.2 * values[0]
    assert rows[0]["kid"] < rows[2]["kid"]
    assert rows[0]["coverage"] > rows[2]["coverage"]
    collapsed = judge.evaluate(generator(clean[:1].repeat(70, axis=0)))
    assert collapsed["distance"] > rows[0]["distance"]
    assert collapsed["recall"] <= 1 / 70
    assert collapsed["coverage"] < 0.3 < rows[0]["coverage"]
    assert collapsed["spread"] < 1e-6
    assert collapsed["vendi"] == pytest.approx(1, abs=1e-4)
    assert rows[0]["spread"] > 0.8
    assert rows[0]["sharpness"] == pytest.approx(1, abs=0.15)
    assert rows[2]["sharpness"] > 1.5


def test_one_plausible_face_is_precise_but_not_spread(judge: Judge) -> None:
    """A generator that makes one real image, barely varied: precise, sharp and worthless."""
    face = smooth_images(160, seed=0)[90:91].repeat(70, axis=0)
    noise = np.random.default_rng(7).integers(-2, 3, (70, 1, 1, 1))
    row = judge.evaluate(generator((face + noise).clip(0, 255).astype(np.uint8)))
    healthy = judge.evaluate(generator(smooth_images(70, seed=5)))
    assert row["precision"] > 0.95
    assert row["precision"] >= healthy["precision"]
    assert row["spread"] < 0.1 < 0.8 < healthy["spread"]
    assert row["coverage"] < 0.3 < healthy["coverage"]
    assert row["vendi"] < healthy["vendi"]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_samples_give_finite_numbers(judge: Judge, level: int) -> None:
    row = judge.evaluate(generator(np.full((70, 3, 16, 16), level, np.uint8)))
    assert all(np.isfinite(list(row.values())))
    assert row["sharpness"] == 0
    assert row["spread"] < 1e-6


def test_blank_or_equal_references_are_refused_at_the_start(cache: Path) -> None:
    store = store_of(90, 80)
    store.images[90:170] = store.images[90]
    with pytest.raises(InputError, match="smooth images: the test images are blank or all alike"):
        judge_of(store, cache)
    store.images[90:170] = 200
    with pytest.raises(InputError, match="blank or all alike"):
        judge_of(store, cache)


def test_a_network_that_tells_nothing_apart_is_refused(tmp_path: Path) -> None:
    settings = JudgeSettings(features=f"{__name__}:Constant", samples=70)
    with pytest.raises(InputError, match=r"all have the same features by .*:Constant"):
        judge_of(store_of(90, 80), tmp_path, settings)


def test_a_network_from_outside_judges_by_every_metric(tmp_path: Path) -> None:
    judge = judge_of(store_of(90, 80), tmp_path, QUICK)
    row = judge.evaluate(generator(smooth_images(70, seed=5)))
    assert list(row) == list(computed_by("", None))
    record = judge.record()
    assert record.network["width"] == 12
    assert record.parameters["samples_per_feature"] == 70 / 12
    rows = Evaluations(tmp_path, judge.features, judge.digest)  # a file that its name can have
    rows.write_record(record)
    assert rows.record() == record


def test_a_judge_of_faces_counts_identities(tmp_path: Path) -> None:
    settings = JudgeSettings(features=f"{__name__}:Faces", samples=70)
    judge = judge_of(store_of(90, 80), tmp_path, settings)
    assert list(judge.versions) == list(computed_by("faces", None))
    fresh = smooth_images(70, seed=5)
    rows = [judge.evaluate(generator(fresh[np.arange(70) % n])) for n in (70, 10, 1)]
    assert rows[0]["identities"] > 300
    # Of 10 images seven times each, 210 of the 2,415 pairs are the same.
    assert rows[1]["identities"] == pytest.approx(2415 / 210, abs=0.5)
    assert rows[2]["identities"] == 1


def brighter(store: FaceStore, share: float) -> FaceStore:
    """With labels: every so many images have the attribute, and are brighter by it."""
    labels = (np.arange(len(store.images)) * share) % 1 < share
    store.images[:] = store.images // 2 + 100 * labels[:, None, None, None].astype(np.uint8)
    return replace(store, attributes=("Bright",), labels=labels[:, None].astype(np.uint8))


def test_a_judge_that_is_told_an_attribute_estimates_its_share(tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"attribute": "Bright"})
    store = brighter(store_of(90, 80), 0.25)
    judge = judge_of(store, tmp_path, settings)
    plain = smooth_images(70, seed=5) // 2
    half = plain + 100 * (np.arange(70) % 2 == 0)[:, None, None, None].astype(np.uint8)
    row = judge.evaluate(generator(half))
    assert row["attribute_share"] == pytest.approx(0.5, abs=0.05)
    assert row["attribute_low"] < 0.45 < 0.55 < row["attribute_high"]
    training = np.mean([(i * 0.25) % 1 < 0.25 for i in range(90)])
    assert row["attribute_excess"] == pytest.approx(row["attribute_share"] - training)
    assert row["attribute_accuracy"] > 0.95
    assert judge.evaluate(generator(plain))["attribute_share"] < 0.05
    record = judge.record()
    assert record.floor["real"]["attribute_excess"] == pytest.approx(0, abs=0.05)
    assert record.settings["attribute"] == "Bright"
    assert record.parameters["labels_sha256"] == store.labels_sha256
    assert "attribute" not in QUICK.identity()  # who is not told one stays the judge that it was


def test_other_labels_of_the_same_images_are_another_judge(tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"attribute": "Bright"})
    store = brighter(store_of(90, 80), 0.25)
    assert store.labels is not None
    swapped = replace(store, labels=1 - store.labels)
    records = [judge_of(each, tmp_path, settings).record() for each in (store, swapped)]
    shares = [record.floor["real"]["attribute_share"] for record in records]
    assert shares[0] + shares[1] == pytest.approx(1)  # not those in the cache
    assert records[0].digest != records[1].digest


def test_an_attribute_that_the_features_do_not_tell_is_refused(tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"attribute": "Bright"})
    store = brighter(store_of(90, 80), 0.25)
    assert store.labels is not None
    by_chance = np.random.default_rng(0).integers(0, 2, store.labels.shape).astype(np.uint8)
    message = r"judges\.smooth\.attribute: .*:Means cannot tell Bright on .* J -?0\.[01]"
    with pytest.raises(InputError, match=message):
        judge_of(replace(store, labels=by_chance), tmp_path, settings)
    with pytest.raises(InputError, match="all have it, or none"):
        judge_of(replace(store, labels=0 * store.labels), tmp_path, settings)


def test_another_view_is_what_samples_are_compared_with(tmp_path: Path) -> None:
    """Trained on one store, compared with another."""
    trained, seen = store_of(90, 80), store_of(90, 80)
    seen.images[:] = seen.images[..., ::-1] // 2
    judge = judge_of(trained, tmp_path, QUICK)
    other = judge_of(trained, tmp_path, QUICK, reference=seen)
    samples = generator(smooth_images(70, seed=5))
    darker = generator(smooth_images(70, seed=5)[..., ::-1] // 2)
    rows = [e.evaluate(s) for e in (judge, other) for s in (samples, darker)]
    for column in ("distance", "distance_validation"):
        same, wrong, wrong_too, same_too = (row[column] for row in rows)
        assert max(same, same_too) < min(wrong, wrong_too)
    floors = [each.record().floor["real"]["distance"] for each in (judge, other)]
    assert floors[0] < 0.8 * floors[1]


def test_validation_images_judge_too_and_the_validation_part_can_be_the_reference(
    judge: Judge, cache: Path
) -> None:
    samples = generator(smooth_images(70, seed=5))
    row = judge.evaluate(samples)
    settings = SETTINGS.model_copy(update={"reference": "validation"})
    swapped = judge_of(store_of(90, 80), cache, settings).evaluate(samples)
    assert row["distance"] != row["distance_validation"]
    assert swapped["distance"] == swapped["distance_validation"] == row["distance_validation"]


def test_floors_are_a_perfect_and_a_blurred_generator(judge: Judge) -> None:
    floors = judge.record().floor
    assert list(floors) == ["real", "blurred"]
    assert all(list(floor) == list(judge.versions) for floor in floors.values())
    fresh = judge.evaluate(generator(smooth_images(70, seed=5)))
    assert floors["real"]["distance"] == pytest.approx(fresh["distance"], rel=0.25)
    assert floors["blurred"]["distance"] > 1.1 * floors["real"]["distance"]
    assert floors["blurred"]["sharpness"] < 0.5 < 0.85 < floors["real"]["sharpness"]


def test_floors_are_computed_once(
    judge: Judge, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floors = judge.record().floor
    monkeypatch.delattr(judge_module, "Comparison")
    assert judge_of(store_of(90, 80), cache).record().floor == floors
    for path in (cache / "floors").glob("*.json"):
        path.write_text(path.read_text()[:20])
    with pytest.raises(NameError):  # they would be computed again
        judge_of(store_of(90, 80), cache).record()
    monkeypatch.undo()
    assert judge_of(store_of(90, 80), cache).record().floor == floors


def test_blurred_images_are_halved_and_enlarged() -> None:
    """Of blocks of 4 x 4 the inner pixels stay; a checkerboard becomes grey."""
    images = smooth_images(2, seed=1)
    blurred = judge_module._blurred(images)
    assert blurred.dtype == np.uint8
    assert blurred.shape == images.shape
    assert np.array_equal(blurred[..., 1::4, 1::4], images[..., 1::4, 1::4])
    checkers = np.indices((16, 16)).sum(0) % 2 * np.uint8(200)
    grey = judge_module._blurred(np.broadcast_to(checkers.astype(np.uint8), (1, 3, 16, 16)).copy())
    assert (grey == 100).all()


@pytest.mark.parametrize(
    "changed",
    [slice(0, 90), slice(90, 170), slice(170, 245)],
    ids=["train", "reference", "validation"],
)
def test_floors_follow_the_data(cache: Path, changed: slice) -> None:
    before, store = judge_of(store_of(90, 80), cache, QUICK).record(), store_of(90, 80)
    store.images[changed] //= 2
    assert judge_of(store, cache, QUICK).record().floor != before.floor


def test_a_new_metric_is_computed_alone(
    cache: Path, judge: Judge, registry: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = judge.record()
    register(Metric("count", lambda c: float(len(c.features)), "", "", "1", "rows", "here"))
    metric = registry["kid"]
    registry["kid"] = Metric("kid", lambda c: 5.0, "lower", "", "2", metric.meaning, "here")
    monkeypatch.delattr("benchmark.evaluation.pairs.within")  # nothing else is computed again
    later = judge_of(store_of(90, 80), cache)
    record = later.record()
    rows = Evaluations(cache, judge.features, judge.digest)
    rows.write_record(before)
    rows.write_record(record)  # the scores of real images follow; which is newest does not change
    assert rows.record() == record.model_copy(update={"made": before.made})
    assert later.digest == judge.digest  # versions are each column's, not the judge's
    assert record.floor["real"] == {**before.floor["real"], "kid": 5.0, "count": 70.0}
    assert later.versions == {**judge.versions, "kid": "2", "count": "1"}
    assert later.evaluate(generator(smooth_images(70, seed=5)), ["count"]) == {"count": 70.0}


def test_a_metric_that_is_not_finite_is_refused(
    tmp_path: Path, registry: dict[str, Metric]
) -> None:
    register(Metric("broken", lambda c: float("nan"), "", "", "1", "nothing", "here"))
    judge = judge_of(store_of(90, 80), tmp_path, QUICK)
    with pytest.raises(BenchError, match="judge smooth: the metric broken gives nan"):
        judge.evaluate(generator(smooth_images(70, seed=5)))


def test_too_few_images_say_how_many_and_what_to_set(cache: Path) -> None:
    setting = r"evaluation\.judges\.smooth\.samples"
    message = f"{setting}: 70 is more than the 60 test images of smooth images; set it to 60 or"
    with pytest.raises(InputError, match=message):
        judge_of(store_of(90, 60), cache)
    with pytest.raises(InputError, match="60 train images"):
        judge_of(store_of(60, 80), cache).record()
    with pytest.raises(InputError, match=f"{setting}: 70 is more than the 66 validation"):
        judge_of(store_of(90, 80, 66), cache)


def test_floors_in_an_unusable_cache_folder(tmp_path: Path) -> None:
    judge = judge_of(store_of(90, 80), tmp_path, QUICK)
    (tmp_path / "floors").write_text("in the way")
    with pytest.raises(BenchError, match="cannot keep the real images' figures"):
        judge.record()


def test_global_random_states_are_left_alone(cache: Path) -> None:
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()
    judge = judge_of(store_of(90, 80), cache)
    judge.evaluate(generator(smooth_images(70, seed=5)))
    judge.record()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert np.random.get_state()[2:] == numpy_state[2:]
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])


def test_the_record_names_all_that_figures_depend_on(judge: Judge) -> None:
    record = judge.record()
    assert record.digest == judge.digest
    assert record.reference == judge.reference_fingerprint == "f" * 8
    assert record.settings == SETTINGS.identity()
    assert record.network["weights_sha256"].startswith("57934424")
    assert record.parameters["kid_subset_size"] == 35
    assert record.parameters["samples_per_feature"] == 70 / 1280
    assert json.loads(record.model_dump_json())["floor"]["blurred"]["vendi"] > 1
    assert judge.record() is record


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"snapshots": "last"}, True),
        ({"samples": 71}, False),
        ({"reference": "validation"}, False),
        ({"features": "efficientnet_lite0"}, False),
    ],
)
def test_the_digest_follows_the_settings(
    cache: Path, change: dict[str, str | int], same: bool
) -> None:
    settings = JudgeSettings.model_validate({**QUICK.model_dump(), **change})
    before, after = (judge_of(store_of(90, 80), cache, each) for each in (QUICK, settings))
    assert (after.digest == before.digest) is same


def test_the_digest_follows_the_network_and_not_the_name(
    judge: Judge, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(90, 80)
    assert Judge("other", SETTINGS, store, store, cache, CPU).digest == judge.digest
    monkeypatch.setattr("benchmark.evaluation.efficientnet_lite0.EfficientNetLite0.VERSION", "2")
    assert judge_of(store, cache).digest != judge.digest


def test_a_judge_opens_the_labels_of_its_data(cache: Path) -> None:
    """Half of the training faces have bangs, 9 % of the held-out ones."""
    block = {"name": "faces", "size": 16, "count": 1000}
    data = FacesSettings.model_validate({**block, "mix": {"attribute": "Bangs", "share": 0.5}})
    settings = JudgeSettings(features="efficientnet_lite0", samples=90, attribute="Bangs")
    store = open_store(data, None, cache)
    judge = Judge.of_data("told", settings, data, store, None, cache, CPU)
    floor = judge.record().floor["real"]
    assert floor["attribute_share"] - floor["attribute_excess"] == pytest.approx(0.5)
    assert floor["attribute_low"] < 0.5 < floor["attribute_high"]
    other = settings.model_copy(update={"attribute": "Male"})
    message = r"evaluation\.judges\.told\.attribute: procedural faces has no attribute 'Male'"
    with pytest.raises(InputError, match=message):
        Judge.of_data("told", other, data, store, None, cache, CPU)
