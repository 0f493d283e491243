"""Sums over pairs of rows of one or two sets of features, in one pass over their inner products.

KID's kernel and the distances behind precision, recall, density, coverage and spread all follow
from the same products, so these are computed once, in float64, one block of rows at a time.
"""

from dataclasses import dataclass

import numpy as np

from benchmark.evaluation.frechet import Floats

PRECISION_RECALL_NEIGHBOURS = 3
DENSITY_COVERAGE_NEIGHBOURS = 5
# Rows per block: 160 MB of products against 10,000 images.
_ROWS = 2000


@dataclass(frozen=True)
class Within:
    """Sums over pairs of different rows of one set of features (N, F)."""

    kernel: Floats  # (K,) sum of KID's kernel over the ordered pairs in each of K subsets
    distance: float  # mean Euclidean distance
    near: Floats  # (N,) distance of each row to its 3rd nearest neighbour
    far: Floats  # (N,) distance of each row to its 5th nearest neighbour


@dataclass(frozen=True)
class Between:
    """Sums over pairs of a generated row and a real one."""

    kernel: Floats  # (K,) sum of KID's kernel over the pairs of each of K subsets
    precision: float
    recall: float
    density: float
    coverage: float


def within(features: Floats, subsets: Floats) -> Within:
    """Pairs within features (N, F); `subsets` (N, K) is 1 if a row is in a subset, else 0."""
    squares = np.square(features).sum(1)
    kernel, total, radii = np.zeros(subsets.shape[1]), 0.0, []
    # The row itself comes first, at distance 0.
    order = [PRECISION_RECALL_NEIGHBOURS, DENSITY_COVERAGE_NEIGHBOURS]
    for start in range(0, len(features), _ROWS):
        rows = slice(start, start + _ROWS)
        products = features[rows] @ features.T
        kernel += (subsets[rows] * (_kernel(products, features.shape[1]) @ subsets)).sum(0)
        distances = _distances(products, squares[rows], squares)
        own = np.arange(len(distances))
        distances[own, start + own] = 0
        total += distances.sum()
        radii.append(np.partition(distances, order, axis=1)[:, order])
    kernel -= _kernel(squares, features.shape[1]) @ subsets
    near, far = np.concatenate(radii).T
    return Within(kernel, float(total / (len(features) * (len(features) - 1))), near, far)


def between(
    fake: Floats, real: Floats, subsets: tuple[Floats, Floats], of_fake: Within, of_real: Within
) -> Between:
    """Pairs between features (N, F) and (M, F), with the subsets (N, K) and (M, K) of each.

    Precision is the share of generated images within a real image's ball, whose radius is the
    distance to its 3rd neighbour; recall is the reverse. Density is the mean number of such balls,
    with the 5th neighbour's distance as radius, that contain a generated image, over 5; it may
    exceed 1. Coverage is the share of real images whose ball contains a generated one.
    """
    squares = np.square(fake).sum(1), np.square(real).sum(1)
    kernel, precise = np.zeros(subsets[0].shape[1]), 0
    recalled, inside = np.zeros(len(real), bool), np.zeros(len(real), np.int64)
    for start in range(0, len(fake), _ROWS):
        rows = slice(start, start + _ROWS)
        products = fake[rows] @ real.T
        kernel += (subsets[0][rows] * (_kernel(products, real.shape[1]) @ subsets[1])).sum(0)
        distances = _distances(products, squares[0][rows], squares[1])
        precise += int((distances <= of_real.near).any(1).sum())
        recalled |= (distances <= of_fake.near[rows, None]).any(0)
        # Strictly less, as in the authors' code: the 5th neighbour itself is on the edge.
        inside += (distances < of_real.far).sum(0)
    return Between(
        kernel,
        precision=precise / len(fake),
        recall=float(recalled.mean()),
        density=float(inside.sum() / (DENSITY_COVERAGE_NEIGHBOURS * len(fake))),
        coverage=float((inside > 0).mean()),
    )


def nearer(features: Floats, distance: float) -> int:
    """The number of pairs of different rows (N, F) that are at most `distance` apart."""
    squares, count = np.square(features).sum(1), 0
    for start in range(0, len(features), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = _distances(features[rows] @ features.T, squares[rows], squares)
        count += int(np.triu(distances <= distance, start + 1).sum())
    return count


def _kernel(products: Floats, width: int) -> Floats:
    """KID's polynomial kernel (x y / F + 1)^3."""
    base = products / width + 1
    # Two products: NumPy's general power takes ten times as long.
    return np.asarray(base * base * base)


def _distances(products: Floats, left: Floats, right: Floats) -> Floats:
    """Euclidean distances (n, m) from inner products (n, m) and the rows' squared lengths."""
    squared = left[:, None] + right - 2 * products
    return np.sqrt(squared.clip(min=0, out=squared), out=squared)
