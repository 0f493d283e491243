"""The judge as a whole, on smooth made-up images."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.store import FaceStore
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import evaluator as evaluator_module
from benchmark.evaluation import fidelity
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.settings import EvaluationSettings, evaluation_columns

CPU = torch.device("cpu")
SETTINGS = EvaluationSettings(every=1, samples=70, features="efficientnet_lite0")


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


def generator(images: NDArray[np.uint8]) -> Callable[[int, int], Tensor]:
    return lambda start, count: torch.from_numpy(images[start : start + count])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def evaluator(cache: Path) -> Evaluator:
    return Evaluator(SETTINGS, store_of(90, 80), cache, CPU)


def test_asks_for_each_image_once_and_fills_the_columns(evaluator: Evaluator) -> None:
    asked: list[int] = []

    def sample(start: int, count: int) -> Tensor:
        asked.extend(range(start, start + count))
        return torch.from_numpy(smooth_images(70, seed=5)[start : start + count])

    row = evaluator.evaluate(sample)
    assert asked == list(range(70))
    assert list(row) == evaluation_columns("efficientnet_lite0")


def test_distance_grows_with_noise_and_with_collapse(evaluator: Evaluator) -> None:
    clean = smooth_images(70, seed=5)
    noise = np.random.default_rng(6).normal(0, 1, clean.shape)
    noisy = [(clean + sd * noise).clip(0, 255).astype(np.uint8) for sd in (0, 10, 40)]
    rows = [evaluator.evaluate(generator(images)) for images in noisy]
    distances = [row["fd_efficientnet_lite0"] for row in rows]
    assert distances == sorted(distances)
    assert distances[2] > 1.5 * distances[0]
    assert rows[0]["kid"] < rows[2]["kid"]
    assert rows[0]["coverage"] > rows[2]["coverage"]
    collapsed = evaluator.evaluate(generator(clean[:1].repeat(70, axis=0)))
    assert collapsed["fd_efficientnet_lite0"] > distances[0]
    assert collapsed["recall"] <= 1 / 70
    assert collapsed["coverage"] < 0.3 < rows[0]["coverage"]
    assert collapsed["spread"] < 1e-6
    assert [row["collapsed"] for row in (collapsed, *rows)] == [1, 0, 0, 0]
    assert rows[0]["sharpness"] == pytest.approx(1, abs=0.15)
    assert rows[2]["sharpness"] > 1.5


def test_one_plausible_face_is_called_collapsed_though_it_looks_real(evaluator: Evaluator) -> None:
    """A generator that makes one real image, barely varied: precise, sharp and worthless."""
    face = smooth_images(160, seed=0)[90:91].repeat(70, axis=0)
    noise = np.random.default_rng(7).integers(-2, 3, (70, 1, 1, 1))
    row = evaluator.evaluate(generator((face + noise).clip(0, 255).astype(np.uint8)))
    healthy = evaluator.evaluate(generator(smooth_images(70, seed=5)))
    assert row["precision"] > 0.95
    assert row["precision"] >= healthy["precision"]
    assert row["collapsed"] == 1
    assert row["spread"] < 0.1 < 0.8 < healthy["spread"]
    assert row["coverage"] < 0.3 < healthy["coverage"]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_samples_give_finite_numbers(evaluator: Evaluator, level: int) -> None:
    row = evaluator.evaluate(generator(np.full((70, 3, 16, 16), level, np.uint8)))
    assert all(np.isfinite(list(row.values())))
    assert (row["sharpness"], row["collapsed"]) == (0, 1)


def test_blank_or_equal_references_are_refused_at_the_start(cache: Path) -> None:
    store = store_of(90, 80)
    store.images[90:170] = store.images[90]
    with pytest.raises(InputError, match="smooth images: the test images are blank or all alike"):
        Evaluator(SETTINGS, store, cache, CPU)
    store.images[90:170] = 200
    with pytest.raises(InputError, match="blank or all alike"):
        Evaluator(SETTINGS, store, cache, CPU)


def test_another_view_is_what_samples_are_compared_with(
    evaluator: Evaluator, tmp_path: Path
) -> None:
    """Trained on one store, compared with another; the energies are watched on the first."""
    trained, seen = store_of(90, 80), store_of(90, 80)
    seen.images[:] = seen.images[..., ::-1] // 2
    other = Evaluator(SETTINGS, trained, tmp_path, CPU, reference=seen)
    assert np.array_equal(other.heldout, evaluator.heldout)
    samples = generator(smooth_images(70, seed=5))
    darker = generator(smooth_images(70, seed=5)[..., ::-1] // 2)
    rows = [e.evaluate(s) for e in (evaluator, other) for s in (samples, darker)]
    for column in ("fd_efficientnet_lite0", "fd_efficientnet_lite0_validation"):
        same, wrong, wrong_too, same_too = (row[column] for row in rows)
        assert max(same, same_too) < min(wrong, wrong_too)
    floors = [Evaluator(SETTINGS, trained, tmp_path, CPU).floor(), other.floor()]
    assert floors[0]["fd_efficientnet_lite0"] < 0.8 * floors[1]["fd_efficientnet_lite0"]


def test_validation_images_judge_too_and_the_validation_part_can_be_the_reference(
    evaluator: Evaluator, cache: Path
) -> None:
    samples = generator(smooth_images(70, seed=5))
    row = evaluator.evaluate(samples)
    settings = SETTINGS.model_copy(update={"reference": "validation"})
    swapped = Evaluator(settings, store_of(90, 80), cache, CPU).evaluate(samples)
    name = "fd_efficientnet_lite0"
    assert row[name] != row[f"{name}_validation"]
    assert swapped[name] == swapped[f"{name}_validation"] == row[f"{name}_validation"]


def test_heldout_images_are_validation_images_fixed_by_the_settings(evaluator: Evaluator) -> None:
    store = store_of(90, 80)
    chosen = evaluator_module.first_positions(store.splits["validation"], 64)
    assert evaluator.heldout.shape == (64, 3, 16, 16)
    assert np.array_equal(evaluator.heldout, store.images[chosen])


def test_floor_is_near_a_fresh_draw_and_computed_once(
    evaluator: Evaluator, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = evaluator.floor()
    assert list(floor) == evaluation_columns("efficientnet_lite0")
    fresh = evaluator.evaluate(generator(smooth_images(70, seed=5)))
    name = "fd_efficientnet_lite0"
    assert floor[name] == pytest.approx(fresh[name], rel=0.25)
    monkeypatch.delattr(fidelity, "judge")
    assert Evaluator(SETTINGS, store_of(90, 80), cache, CPU).floor() == floor
    (path,) = (cache / "floors").glob("*.json")
    path.write_text(path.read_text()[:20])
    with pytest.raises(AttributeError):  # it would be computed again
        evaluator.floor()
    monkeypatch.undo()
    assert evaluator.floor() == floor


@pytest.mark.parametrize(
    "changed",
    [slice(0, 90), slice(90, 170), slice(170, 245)],
    ids=["train", "reference", "validation"],
)
def test_floor_follows_the_data(evaluator: Evaluator, cache: Path, changed: slice) -> None:
    store = store_of(90, 80)
    store.images[changed] //= 2
    assert Evaluator(SETTINGS, store, cache, CPU).floor() != evaluator.floor()


def test_too_few_images_say_how_many_and_what_to_set(cache: Path) -> None:
    message = r"evaluation\.samples: 70 is more than the 60 test images of smooth images; set it"
    with pytest.raises(InputError, match=message):
        Evaluator(SETTINGS, store_of(90, 60), cache, CPU)
    with pytest.raises(InputError, match="60 train images"):
        Evaluator(SETTINGS, store_of(60, 80), cache, CPU).floor()
    with pytest.raises(InputError, match=r"evaluation\.samples: 70 is more than the 66 validation"):
        Evaluator(SETTINGS, store_of(90, 80, 66), cache, CPU)
    with pytest.raises(InputError, match=r"evaluation\.heldout: 64 is more than the 60 validation"):
        Evaluator(SETTINGS, store_of(90, 80, 60), cache, CPU)


def test_floor_in_an_unusable_cache_folder(tmp_path: Path) -> None:
    evaluator = Evaluator(SETTINGS, store_of(90, 80), tmp_path, CPU)
    (tmp_path / "floors").write_text("in the way")
    with pytest.raises(BenchError, match="cannot keep the real-against-real"):
        evaluator.floor()


def test_global_random_states_are_left_alone(cache: Path) -> None:
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()
    evaluator = Evaluator(SETTINGS, store_of(90, 80), cache, CPU)
    evaluator.evaluate(generator(smooth_images(70, seed=5)))
    evaluator.floor()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert np.random.get_state()[2:] == numpy_state[2:]
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])


def test_description_names_weights_counts_and_reference(evaluator: Evaluator) -> None:
    described = evaluator.describe()
    assert described["features"] == "efficientnet_lite0"
    assert len(str(described["weights_sha256"])) == 64
    assert (described["samples"], described["kid_subset_size"]) == (70, 35)
    assert (described["reference"], described["data"]) == ("test", "f" * 8)


def test_reference_is_a_shuffled_part_not_the_first_images() -> None:
    chosen = evaluator_module.first_positions(np.arange(1000, 3000), 500)
    assert len(set(chosen)) == 500
    assert set(chosen) <= set(range(1000, 3000))
    assert 150 < sum(position >= 2000 for position in chosen) < 350
    # More images wanted: the same ones and others.
    assert set(chosen) < set(evaluator_module.first_positions(np.arange(1000, 3000), 600))
