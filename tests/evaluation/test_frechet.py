"""The Fréchet distance against the general matrix square root, and its extrapolation."""

import numpy as np
import pytest
import scipy.linalg
from torch_fidelity.metric_fid import fid_statistics_to_metric

from benchmark.evaluation.frechet import Floats, Gaussian


def correlated(count: int, width: int, seed: int, shift: float = 0.0) -> Floats:
    """Rows with a covariance that is neither diagonal nor that of another seed."""
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(width, width)) / np.sqrt(width)
    return draws.normal(size=(count, width)) @ mixing + shift


def by_square_root(fake: Floats, real: Floats) -> float:
    """Equation 6 as it stands, by SciPy's general square root of the product."""
    s, s_r = np.cov(fake.T), np.cov(real.T)
    root = scipy.linalg.sqrtm(s @ s_r).real
    gap = fake.mean(0) - real.mean(0)
    return float(gap @ gap + np.trace(s + s_r - 2 * root))


def by_plain_product(fake: Floats, real: Floats) -> float:
    """torch-fidelity's own function."""
    statistics = [{"mu": f.mean(0), "sigma": np.cov(f.T)} for f in (fake, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False).popitem()[1])


# More images than features on both sides, on one, and on the other.
@pytest.mark.parametrize("counts", [(200, 300), (200, 30), (30, 200), (40, 41), (40, 40)])
def test_one_tolerance_on_every_route(counts: tuple[int, int]) -> None:
    fake, real = correlated(counts[0], 40, seed=1, shift=0.3), correlated(counts[1], 40, seed=2)
    found = Gaussian(real).distance(fake)
    full_rank = min(counts) > 40
    # Rounding in the general root and the plain product of singular matrices is what is large.
    assert found == pytest.approx(by_square_root(fake, real), rel=1e-10 if full_rank else 1e-4)
    assert found == pytest.approx(by_plain_product(fake, real), rel=1e-10 if full_rank else 1e-4)
    # Exact at any rank: the trace of the root is the nuclear norm of A A_r^T, A^T A = S.
    a, b = ((f - f.mean(0)) / np.sqrt(len(f) - 1) for f in (fake, real))
    gap = fake.mean(0) - real.mean(0)
    exact = gap @ gap + (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")
    assert found == pytest.approx(exact, rel=1e-6)
    assert Gaussian(fake).distance(real) == pytest.approx(found, rel=1e-6)


def test_one_dimension_by_hand() -> None:
    """(m - m_r)^2 + (s - s_r)^2: means 1 and 4, deviations 1 and 2."""
    fake, real = np.array([[0.0], [1], [2]]), np.array([[2.0], [4], [6]])
    assert Gaussian(real).distance(fake) == pytest.approx(3**2 + 1**2, rel=1e-14)


def test_constant_features_are_at_the_distance_of_a_point() -> None:
    real = correlated(50, 8, seed=1)
    point = np.ones((60, 8))
    wanted = np.square(1 - real.mean(0)).sum() + np.trace(np.cov(real.T))
    assert Gaussian(real).distance(point) == pytest.approx(wanted, rel=1e-12)
    assert Gaussian(point).distance(real) == pytest.approx(wanted, rel=1e-12)
    assert Gaussian(point).distance(point[:5]) == 0
    assert Gaussian(real).extrapolated(point, wanted) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("count", [400, 4000])
def test_extrapolation_comes_near_the_distance_of_endless_samples(count: int) -> None:
    """The generator's own Gaussian is known: what is left is the real side's."""
    width = 300
    spectrum = np.arange(1, width + 1) ** -0.75
    draws = np.random.default_rng(3)
    real, fake = (draws.normal(size=(n, width)) * spectrum for n in (400, count))
    target, s_r = Gaussian(real), np.cov(real.T)
    root = np.sqrt(scipy.linalg.eigvalsh(np.diag(spectrum) @ s_r @ np.diag(spectrum)).clip(0)).sum()
    mean = real.mean(0)
    endless = mean @ mean + (spectrum**2).sum() + np.trace(s_r) - 2 * root
    distance = target.distance(fake)
    found = target.extrapolated(fake, distance)
    assert distance - endless > 0
    assert abs(found - endless) < 0.35 * (distance - endless)
    assert target.extrapolated(fake, distance) == found
