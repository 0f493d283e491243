"""Every metric against its definition written out again, and the registry."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from benchmark.errors import InputError
from benchmark.evaluation import metrics, pairs
from benchmark.evaluation.metrics import METRICS, Comparison, Metric, Reference, load_metric
from benchmark.evaluation.sliced_wasserstein import sliced_wasserstein
from benchmark.evaluation.vendi import vendi_score

Floats = NDArray[np.float64]


def features(count: int, width: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator) * spread + shift


def compared(fake: Tensor, real: Tensor, validation: Tensor | None = None) -> dict[str, float]:
    """Every metric; images twice as sharp as the real ones."""
    x, y, z = (f.double().numpy() for f in (fake, real, real if validation is None else validation))
    comparison = Comparison(x, 6.0, Reference(y, z, 3.0))
    return {name: metric.compute(comparison) for name, metric in METRICS.items()}


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """Generated features narrower than the real ones: precision and recall differ widely."""
    return features(80, 6, seed=1, spread=0.5, shift=0.2), features(80, 6, seed=2)


# By the code that made the first committed results, on the same features.
BEFORE = {
    (80, 6): {
        "distance": 0.5731849623243424,
        "distance_validation": 0.6611384229371016,
        "distance_infinite": 0.13451242669466923,
        "kid": 0.0739969967166705,
        "kid_sd": 0.08356315317740386,
        "precision": 0.95,
        "recall": 0.7875,
        "density": 1.295,
        "coverage": 0.9625,
        "spread": 0.8485569007278628,
    },
    (120, 300): {
        "distance": 252.16269631102261,
        "distance_validation": 294.76043173749423,
        "distance_infinite": 199.83414723721373,
        "kid": 0.03713534803591812,
        "kid_sd": 0.007169935871139248,
        "precision": 1.0,
        "recall": 0.0,
        "density": 19.456666666666667,
        "coverage": 1.0,
        "spread": 0.8038437317652074,
    },
}


@pytest.mark.parametrize("shape", BEFORE)
def test_values_are_those_of_the_first_results(shape: tuple[int, int]) -> None:
    fake = features(*shape, seed=1, spread=0.8, shift=0.1)
    row = compared(fake, features(*shape, seed=2), features(*shape, seed=3, spread=1.1))
    # Another machine's linear algebra may round otherwise.
    for name, value in BEFORE[shape].items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("rows", [33, 2000])
@pytest.mark.parametrize("shape", [(80, 6), (120, 300)], ids=["narrow", "wide"])
def test_values_are_torch_fidelitys(
    shape: tuple[int, int], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own functions on the same features, to 1e-9 (the distance to 1e-5)."""
    monkeypatch.setattr(pairs, "_ROWS", rows)
    fake, real = features(*shape, seed=1, spread=0.8, shift=0.1), features(*shape, seed=2)
    row, (x, y) = compared(fake, real), (fake.double(), real.double())
    statistics = (fid_features_to_statistics(f) for f in (x, y))
    fid = fid_statistics_to_metric(*statistics, verbose=False)
    size = shape[0] // 2
    kid = kid_features_to_metric(
        x, y, kid_subsets=100, kid_subset_size=size, rng_seed=2020, verbose=False
    )
    prc = prc_features_to_metric(x, y, prc_neighborhood=3, verbose=False)
    # Its general eigenvalues are off by 1e-6 where the covariances are rank-deficient.
    assert row["distance"] == pytest.approx(*fid.values(), rel=1e-5)
    assert row["kid"] == pytest.approx(kid["kernel_inception_distance_mean"], rel=1e-9)
    assert row["kid_sd"] == pytest.approx(kid["kernel_inception_distance_std"], rel=1e-9)
    assert row["precision"] == pytest.approx(prc["precision"], rel=1e-6)  # it averages in float32
    assert row["recall"] == pytest.approx(prc["recall"], rel=1e-6)


def test_the_validation_column_is_the_distance_to_the_validation_features(
    pair: tuple[Tensor, Tensor],
) -> None:
    validation = features(80, 6, seed=3, shift=1)
    row = compared(*pair, validation)
    expected = compared(pair[0], validation)["distance"]
    assert row["distance_validation"] == expected != row["distance"]


def test_spread_and_sharpness_are_ratios_to_the_real_images(pair: tuple[Tensor, Tensor]) -> None:
    means = [
        np.mean([np.linalg.norm(x - y) for i, x in enumerate(f) for y in f[:i]])
        for f in (each.double().numpy() for each in pair)
    ]
    row = compared(*pair)
    assert row["spread"] == pytest.approx(means[0] / means[1], rel=1e-9)
    assert 0.45 < row["spread"] < 0.55
    assert row["sharpness"] == 2


def test_kid_by_its_definition(pair: tuple[Tensor, Tensor]) -> None:
    fake, real = (f.double().numpy() for f in pair)
    draws = np.random.RandomState(2020)

    def kernel(x: Floats, y: Floats) -> Floats:
        return (x @ y.T / 6 + 1) ** 3

    estimates = []
    for _ in range(100):
        x = fake[draws.choice(80, 40, replace=False)]
        y = real[draws.choice(80, 40, replace=False)]
        within = sum((kernel(s, s).sum() - np.trace(kernel(s, s))) / (40 * 39) for s in (x, y))
        estimates.append(within - 2 * kernel(x, y).mean())
    row = compared(*pair)
    assert row["kid"] == pytest.approx(np.mean(estimates), rel=1e-9)
    assert row["kid_sd"] == pytest.approx(np.std(estimates), rel=1e-9)


def balls(points: Floats, neighbours: int) -> list[float]:
    """Distance of each point to its nearest other one number `neighbours`."""
    return [
        sorted(float(np.linalg.norm(p - q)) for j, q in enumerate(points) if j != i)[neighbours - 1]
        for i, p in enumerate(points)
    ]


def inside(points: Floats, centres: Floats, radii: list[float]) -> list[list[bool]]:
    """For each point, which balls hold it."""
    pairs = list(zip(centres, radii, strict=True))
    return [[bool(np.linalg.norm(p - c) < r) for c, r in pairs] for p in points]


def test_precision_and_recall_by_their_definition(pair: tuple[Tensor, Tensor]) -> None:
    fake, real = (f.double().numpy() for f in pair)
    precision = np.mean([any(i) for i in inside(fake, real, balls(real, 3))])
    recall = np.mean([any(i) for i in inside(real, fake, balls(fake, 3))])
    assert precision > recall + 0.2  # so that confusing the two would show
    row = compared(*pair)
    assert row["precision"] == pytest.approx(precision, rel=1e-12)
    assert row["recall"] == pytest.approx(recall, rel=1e-12)


def test_density_and_coverage_by_their_definition(
    pair: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, real = (f.double().numpy() for f in pair)
    held = np.array(inside(fake, real, balls(real, 5)))
    monkeypatch.setattr(pairs, "_ROWS", 33)  # several parts, the last one smaller
    row = compared(*pair)
    assert row["density"] == pytest.approx(held.sum() / (5 * 80))
    assert row["coverage"] == pytest.approx(held.any(0).mean())
    assert 0.1 < row["coverage"] < 1


@pytest.mark.parametrize("spread", [0.6, 1.0])
def test_density_and_coverage_of_their_authors_package(spread: float) -> None:
    """To 1e-12: both are counts."""
    prdc = pytest.importorskip("prdc", reason="the dev extra has it")
    fake, real = features(150, 12, seed=1, spread=spread), features(150, 12, seed=2)
    expected = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=5)
    row = compared(fake, real)
    assert row["density"] == pytest.approx(expected["density"], rel=1e-12)
    assert row["coverage"] == pytest.approx(expected["coverage"], rel=1e-12)


def test_sliced_wasserstein_in_one_dimension_is_wasserstein() -> None:
    """Rows 0 and 4 against 1 and 7: optimal pairs are 1 and 3 apart, whatever their order."""
    left, right = np.array([[0.0], [4.0]]), np.array([[7.0], [1.0]])
    assert sliced_wasserstein(left, right) == pytest.approx(5**0.5, rel=1e-12)


def test_sliced_wasserstein_of_a_shift_and_of_a_scale() -> None:
    """A shift by s costs |s| / sqrt(F) in the mean over directions, and points do not matter.

    Points scaled about 0 by c cost |c - 1| times their root mean square, over sqrt(F).
    """
    points = features(200, 8, seed=1).double().numpy()
    shift = np.array([3.0, 0, 4.0, 0, 0, 0, 0, 0])
    assert sliced_wasserstein(points, points + shift) == pytest.approx(5 / 8**0.5, rel=0.05)
    size = float(np.sqrt(np.square(points).sum(1).mean()))
    assert sliced_wasserstein(points, 3 * points) == pytest.approx(2 * size / 8**0.5, rel=0.05)
    assert sliced_wasserstein(points, points[::-1]) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(points, 3 * points) == sliced_wasserstein(3 * points, points)
    with pytest.raises(ValueError, match="not comparable"):
        sliced_wasserstein(points, points[:100])


def test_sliced_wasserstein_sees_what_a_gaussian_does_not() -> None:
    """Two points against a normal distribution of the same mean and variance."""
    normal = features(4000, 1, seed=1).double().numpy()
    normal = (normal - normal.mean()) / normal.std()
    coins = np.sign(np.linspace(-1, 1, 4000))[:, None]
    row = compared(torch.tensor(coins), torch.tensor(normal))
    assert row["distance"] == pytest.approx(0, abs=1e-5)
    # W2 squared: 2 - 2 E|x|, E|x| = sqrt(2 / pi)
    assert row["sliced_wasserstein"] == pytest.approx((2 - 2 * (2 / np.pi) ** 0.5) ** 0.5, rel=0.02)


def test_vendi_counts_groups_of_equal_images() -> None:
    """Orthogonal groups of sizes 4, 2, 2: the exponential entropy of 1/2, 1/4, 1/4."""
    groups = np.eye(5)[[0, 0, 0, 0, 1, 1, 2, 2]] * [[3.0], [1], [7], [2], [5], [1], [1], [4]]
    assert vendi_score(groups) == pytest.approx(np.exp(1.5 * np.log(2)), rel=1e-12)
    assert vendi_score(np.eye(30)[:20]) == pytest.approx(20, rel=1e-12)
    assert vendi_score(np.ones((50, 3))) == pytest.approx(1, rel=1e-6)
    assert vendi_score(np.zeros((4, 3))) == 1


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)], ids=["more rows", "more features"])
def test_vendi_by_its_definition(shape: tuple[int, int]) -> None:
    rows = features(*shape, seed=1, shift=0.4).double().numpy()
    unit = [row / np.linalg.norm(row) for row in rows]
    kernel = np.array([[x @ y for y in unit] for x in unit]) / len(rows)
    eigenvalues = np.linalg.eigvalsh(kernel)
    entropy = -sum(e * np.log(e) for e in eigenvalues if e > 1e-15)
    assert vendi_score(rows) == pytest.approx(np.exp(entropy), rel=1e-9)


def test_a_perfect_generator(pair: tuple[Tensor, Tensor]) -> None:
    row = compared(pair[1].clone(), pair[1])
    assert row["distance"] == pytest.approx(0, abs=1e-9)
    assert row["kid"] < min(0.1, compared(*pair)["kid"])
    assert row["precision"] == row["recall"] == row["coverage"] == 1
    assert row["density"] == pytest.approx(1, abs=0.25)
    assert row["sliced_wasserstein"] == 0


def test_a_collapsed_generator(pair: tuple[Tensor, Tensor]) -> None:
    """One good image over and over: precise, yet it covers nothing."""
    real = pair[1]
    row = compared(real.mean(0, keepdim=True).repeat(80, 1), real)
    assert row["precision"] == 1
    assert row["recall"] == 0
    assert row["coverage"] < min(0.5, compared(*pair)["coverage"])
    assert row["distance"] > 3
    assert row["vendi"] == pytest.approx(1, abs=1e-6)


def test_unequal_counts_are_refused(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="not comparable"):
        compared(pair[0][:70], pair[1])


def test_quiet_and_without_global_randomness(
    pair: tuple[Tensor, Tensor], capfd: pytest.CaptureFixture[str]
) -> None:
    first, state = compared(*pair), np.random.get_state(legacy=True)[1].copy()
    assert compared(*pair) == first
    assert np.array_equal(np.random.get_state(legacy=True)[1], state)
    np.random.random(3)
    assert compared(*pair) == first
    assert all(type(value) is float for value in first.values())
    assert capfd.readouterr() == ("", "")


def test_a_metric_asked_for_alone_costs_nothing_else(
    pair: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("within", "between"):
        monkeypatch.delattr(pairs, name)
    x, y = (f.double().numpy() for f in pair)
    comparison = Comparison(x, 1.0, Reference(y, y, 1.0))
    assert METRICS["sliced_wasserstein"].compute(comparison) > 0
    with pytest.raises(AttributeError):
        METRICS["kid"].compute(comparison)


def test_every_metric_is_a_column_that_is_explained() -> None:
    assert next(iter(METRICS)) == "distance"
    assert METRICS["coverage"].better == "higher"
    for name, metric in METRICS.items():
        assert (metric.name, bool(metric.source), bool(metric.version)) == (name, True, True)


def test_the_registry_is_read_without_torch() -> None:
    code = (
        "import sys, benchmark.evaluation.columns, benchmark.evaluation.catalogue;"
        "print({'torch', 'torch_fidelity', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


NEW = """
from benchmark.evaluation.metrics import Metric

WIDEST = Metric(
    name="widest",
    compute=lambda comparison: float(comparison.features.max() - comparison.features.min()),
    better="",
    unit="features",
    version="3",
    meaning="the range of all features",
    source="widest.py",
)
SAME_NAME = Metric("kid", lambda comparison: 0.0, "lower", "", "1", "nothing", "widest.py")
SPACED = Metric("two words", lambda comparison: 0.0, "lower", "", "1", "nothing", "widest.py")
"""


def test_a_metric_in_a_file_of_its_own_gets_its_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: dict[str, Metric]
) -> None:
    (tmp_path / "widest.py").write_text(NEW)
    monkeypatch.syspath_prepend(tmp_path)
    metric = load_metric("widest:WIDEST")
    assert load_metric("widest:WIDEST") is metric  # twice is no collision
    assert list(METRICS)[-1] == "widest"
    assert METRICS["widest"].meaning == "the range of all features"
    fake = features(80, 6, seed=1)
    assert compared(fake, fake)["widest"] == pytest.approx(float(fake.max() - fake.min()))
    with pytest.raises(InputError, match="kid: the name is taken"):
        load_metric("widest:SAME_NAME")
    with pytest.raises(InputError, match="'two words': needs a version, and a name"):
        load_metric("widest:SPACED")
    with pytest.raises(InputError, match="widest:NEW: there is no NEW in widest"):
        load_metric("widest:NEW")
    with pytest.raises(InputError, match="widest:Metric: a type, not a benchmark Metric"):
        load_metric("widest:Metric")
    assert registry["kid"].meaning.startswith("unbiased kernel distance")


def test_parameters_follow_the_sample_count() -> None:
    assert metrics.parameters(70)["kid_subset_size"] == 35
    assert metrics.parameters(5000)["kid_subset_size"] == 1000
