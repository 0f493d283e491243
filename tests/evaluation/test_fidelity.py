"""The measures of fidelity against formulas written out anew."""

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation import fidelity
from benchmark.evaluation.fidelity import Reference, judge
from benchmark.evaluation.settings import evaluation_columns

Floats = NDArray[np.float64]


def features(count: int, width: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator) * spread + shift


def judged(fake: Tensor, real: Tensor) -> dict[str, float]:
    return judge(fake, Reference("efficientnet_lite0", real))


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """Generated features narrower than the real ones: precision and recall differ widely."""
    return features(80, 6, seed=1, spread=0.5, shift=0.2), features(80, 6, seed=2)


def test_columns_are_those_promised(pair: tuple[Tensor, Tensor]) -> None:
    assert list(judged(*pair)) == evaluation_columns("efficientnet_lite0")
    inception = judge(pair[0], Reference("inception_2015", pair[1]))
    assert list(inception) == evaluation_columns("inception_2015")
    assert inception["fid"] == judged(*pair)["fd_efficientnet_lite0"]
    assert all(type(value) is float for value in inception.values())


def test_frechet_distance_by_the_general_square_root(pair: tuple[Tensor, Tensor]) -> None:
    fake, real = (f.double().numpy() for f in pair)
    root = scipy.linalg.sqrtm(np.cov(fake.T) @ np.cov(real.T)).real
    trace = np.trace(np.cov(fake.T) + np.cov(real.T) - 2 * root)
    wanted = ((fake.mean(0) - real.mean(0)) ** 2).sum() + trace
    assert judged(*pair)["fd_efficientnet_lite0"] == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_with_fewer_images_than_features() -> None:
    """tr (S1 S2)^(1/2) is the nuclear norm of A1 A2', A the centred features / sqrt(N - 1)."""
    fake, real = features(60, 200, seed=1), features(60, 200, seed=2, spread=2)
    a, b = ((f - f.mean(0)).double().numpy() / np.sqrt(59) for f in (fake, real))
    means = (fake.double().mean(0) - real.double().mean(0)).square().sum().item()
    wanted = means + (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")
    assert judged(fake, real)["fd_efficientnet_lite0"] == pytest.approx(wanted, rel=1e-5)


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
    monkeypatch.setattr(fidelity, "_ROWS", 33)  # several parts, the last one smaller
    row = judged(*pair)
    assert row["density"] == pytest.approx(held.sum() / (5 * 80))
    assert row["coverage"] == pytest.approx(held.any(0).mean())
    assert 0.1 < row["coverage"] < 1


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
