"""The sliced Wasserstein distance between two sets of features, in float64."""

import numpy as np

from benchmark.evaluation.frechet import Floats

DIRECTIONS = 1000
SEED = 2020


def sliced_wasserstein(left: Floats, right: Floats) -> float:
    """Distance between the rows of two (N, F) arrays, in the features' own units, not rescaled.

    The root of the mean, over random directions, of the squared Wasserstein-2 distance between the
    projections, which sorting gives exactly (Rabin et al. 2011; Bonneel et al. 2015). The
    directions are the same for every pair of sets. MIND (Berthet et al. 2026, arXiv 2605.06797) is
    3 F times its square on Inception features. Raises ValueError if the shapes differ.
    """
    if left.shape != right.shape:
        raise ValueError(f"{left.shape} against {right.shape}: not comparable")
    directions = np.random.RandomState(SEED).standard_normal((left.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    gaps = np.sort(left @ directions, axis=0) - np.sort(right @ directions, axis=0)
    return float(np.sqrt(np.square(gaps).mean()))
