"""The measures of fidelity against formulas written out anew."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from benchmark.errors import BenchError
from benchmark.evaluation import pairs
from benchmark.evaluation.fidelity import Reference, judge
from benchmark.evaluation.settings import evaluation_columns

Floats = NDArray[np.float64]


def features(count: int, width: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator) * spread + shift


def judged(fake: Tensor, real: Tensor) -> dict[str, float]:
    return judge(fake, Reference("efficientnet_lite0", real, real.flip(0)), 0.3)


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """Generated features narrower than the real ones: precision and recall differ widely."""
    return features(80, 6, seed=1, spread=0.5, shift=0.2), features(80, 6, seed=2)


def test_columns_are_those_promised(pair: tuple[Tensor, Tensor]) -> None:
    promised = evaluation_columns("inception_2015")
    promised.remove("sharpness")  # of the images, not of their features
    inception = judge(pair[0], Reference("inception_2015", pair[1], pair[1]), 0.3)
    assert list(inception) == promised
    assert inception["fid"] == judged(*pair)["fd_efficientnet_lite0"]
    assert all(type(value) is float for value in inception.values())


@pytest.mark.parametrize("rows", [33, 2000])
@pytest.mark.parametrize("shape", [(80, 6), (120, 300)], ids=["narrow", "wide"])
def test_the_librarys_figures(
    shape: tuple[int, int], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch-fidelity's own functions on the same features, to 1e-9 (the distance to 1e-5)."""
    monkeypatch.setattr(pairs, "_ROWS", rows)
    fake, real = features(*shape, seed=1, spread=0.8, shift=0.1), features(*shape, seed=2)
    row, (x, y) = judged(fake, real), (fake.double(), real.double())
    statistics = (fid_features_to_statistics(f) for f in (x, y))
    fid = fid_statistics_to_metric(*statistics, verbose=False)
    size = shape[0] // 2
    kid = kid_features_to_metric(
        x, y, kid_subsets=100, kid_subset_size=size, rng_seed=2020, verbose=False
    )
    prc = prc_features_to_metric(x, y, prc_neighborhood=3, verbose=False)
    # Its general eigenvalues are off by 1e-6 where the covariances are rank-deficient.
    assert row["fd_efficientnet_lite0"] == pytest.approx(*fid.values(), rel=1e-5)
    assert row["kid"] == pytest.approx(kid["kernel_inception_distance_mean"], rel=1e-9)
    assert row["kid_sd"] == pytest.approx(kid["kernel_inception_distance_std"], rel=1e-9)
    assert row["precision"] == pytest.approx(prc["precision"], rel=1e-6)  # it averages in float32
    assert row["recall"] == pytest.approx(prc["recall"], rel=1e-6)


def test_the_validation_column_is_the_distance_to_the_validation_features(
    pair: tuple[Tensor, Tensor],
) -> None:
    validation = features(80, 6, seed=3, shift=1)
    row = judge(pair[0], Reference("efficientnet_lite0", pair[1], validation), 0.3)
    wanted = judged(pair[0], validation)["fd_efficientnet_lite0"]
    assert row["fd_efficientnet_lite0_validation"] == wanted != row["fd_efficientnet_lite0"]


def test_spread_and_collapse_by_their_definition(pair: tuple[Tensor, Tensor]) -> None:
    fake, real = pair
    means = [
        np.mean([np.linalg.norm(x - y) for i, x in enumerate(f) for y in f[:i]])
        for f in (fake.double().numpy(), real.double().numpy())
    ]
    row = judged(fake, real)
    assert row["spread"] == pytest.approx(means[0] / means[1], rel=1e-9)
    assert 0.45 < row["spread"] < 0.55
    reference = Reference("efficientnet_lite0", real, real)
    for bound, collapsed in ((row["spread"], 0.0), (row["spread"] + 1e-9, 1.0), (0.0, 0.0)):
        assert judge(fake, reference, bound)["collapsed"] == collapsed


def test_features_that_are_not_finite_are_refused(pair: tuple[Tensor, Tensor]) -> None:
    for wrong in (torch.nan, torch.inf):
        fake = pair[0].clone()
        fake[3, 2] = wrong
        with pytest.raises(BenchError, match="not finite"):
            judged(fake, pair[1])


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
    row = judged(*pair)
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
    row = judged(*pair)
    assert row["precision"] == pytest.approx(precision, rel=1e-12)
    assert row["recall"] == pytest.approx(recall, rel=1e-12)


def test_density_and_coverage_by_their_definition(
    pair: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, real = (f.double().numpy() for f in pair)
    held = np.array(inside(fake, real, balls(real, 5)))
    monkeypatch.setattr(pairs, "_ROWS", 33)  # several parts, the last one smaller
    row = judged(*pair)
    assert row["density"] == pytest.approx(held.sum() / (5 * 80))
    assert row["coverage"] == pytest.approx(held.any(0).mean())
    assert 0.1 < row["coverage"] < 1


@pytest.mark.parametrize("spread", [0.6, 1.0])
def test_density_and_coverage_of_their_authors_package(spread: float) -> None:
    """To 1e-12: both are counts."""
    prdc = pytest.importorskip("prdc", reason="the dev extra has it")
    fake, real = features(150, 12, seed=1, spread=spread), features(150, 12, seed=2)
    wanted = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=5)
    row = judged(fake, real)
    assert row["density"] == pytest.approx(wanted["density"], rel=1e-12)
    assert row["coverage"] == pytest.approx(wanted["coverage"], rel=1e-12)


def test_a_perfect_generator(pair: tuple[Tensor, Tensor]) -> None:
    row = judged(pair[1].clone(), pair[1])
    assert row["fd_efficientnet_lite0"] == pytest.approx(0, abs=1e-9)
    assert row["kid"] < min(0.1, judged(*pair)["kid"])
    assert row["precision"] == row["recall"] == row["coverage"] == 1
    assert row["density"] == pytest.approx(1, abs=0.25)


def test_a_collapsed_generator(pair: tuple[Tensor, Tensor]) -> None:
    """One good image over and over: precise, yet it covers nothing."""
    real = pair[1]
    row = judged(real.mean(0, keepdim=True).repeat(80, 1), real)
    assert row["precision"] == 1
    assert row["recall"] == 0
    assert row["coverage"] < 0.5
    assert row["coverage"] < judged(*pair)["coverage"]
    assert row["fd_efficientnet_lite0"] > 3


def test_unequal_counts_are_refused(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="not comparable"):
        judged(pair[0][:70], pair[1])


def test_quiet_and_without_global_randomness(
    pair: tuple[Tensor, Tensor], capfd: pytest.CaptureFixture[str]
) -> None:
    states = torch.get_rng_state(), np.random.get_state(legacy=True)[1].copy()
    first = judged(*pair)
    torch.rand(3)
    np.random.random(3)
    assert judged(*pair) == first
    torch.set_rng_state(states[0])
    judged(*pair)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert capfd.readouterr() == ("", "")
