"""How many different faces a generator has: the birthday test, on distances in place of the eye.

Arora and Zhang 2017 (arXiv 1706.08224): where two of s samples are the same as often as not, the
generator has about s^2 different images. People looked at their closest pairs; here two samples are
the same where a face network finds them more alike than it finds all but a few pairs of different
photographs.
"""

import numpy as np

from benchmark.evaluation import pairs
from benchmark.evaluation.frechet import Floats

# Of the pairs of held-out images, those that count as the same, though they are different ones: one
# in 1,000. No generator can have many more identities than the inverse of it; a smaller share would
# rest on too few pairs of some hundred images.
ALIKE = 1e-3
_CALIBRATED = 2000  # images, of at most so many is the threshold: two million pairs


def threshold(heldout: Floats) -> float:
    """The distance of features (N, F) below which two images count as the same."""
    from scipy.spatial.distance import pdist  # slow to import

    return float(np.quantile(pdist(heldout[:_CALIBRATED]), ALIKE))


def identities(samples: Floats, nearer: float) -> float:
    """How many equally likely images would collide as often as these samples (N, F) do.

    Two draws of n equally likely images are the same with probability 1 / n, so that a first
    collision is expected among sqrt(pi n / 2) samples. All collisions count, of which the first is
    one: pairs over colliding pairs, and over one pair where none collides, which is then a lower
    bound.
    """
    count = len(samples)
    return count * (count - 1) / 2 / max(1, pairs.nearer(samples, nearer))
