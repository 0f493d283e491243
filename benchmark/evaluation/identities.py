"""How many different faces a generator can make: the birthday test, on distances instead of by eye.

Arora and Zhang 2017 (arXiv 1706.08224): if s samples contain a duplicate with probability one half,
the generator has about s^2 different images. They inspected the closest pairs by eye; here two
samples are the same if a face network finds them more alike than all but a few pairs of different
photographs.
"""

import numpy as np

from benchmark.data.batches import first_positions
from benchmark.evaluation import pairs
from benchmark.evaluation.frechet import Floats

# The false positive rate: the share of pairs of different held-out images that count as the same,
# one in 1,000. Its inverse bounds the number of identities that can be measured; a smaller rate
# would rest on too few pairs when there are only a few hundred images.
ALIKE = 1e-3
_CALIBRATED = 2000  # at most this many images set the threshold: two million pairs


def threshold(heldout: Floats) -> float:
    """The distance of features (N, F) below which two images count as the same."""
    from scipy.spatial.distance import pdist  # slow to import

    # A fixed draw: the data's own order may be that of classes.
    rows = first_positions(np.arange(len(heldout)), _CALIBRATED)
    return float(np.quantile(pdist(heldout[rows]), ALIKE))


def identities(samples: Floats, nearer: float) -> float:
    """The number of equally likely images that would collide as often as these samples (N, F).

    Two draws of n equally likely images are the same with probability 1 / n, so that a first
    collision is expected among sqrt(pi n / 2) samples. All collisions count, not only the first:
    the estimate is all pairs over colliding pairs. If none collides, one is assumed, which gives a
    lower bound.
    """
    count = len(samples)
    return count * (count - 1) / 2 / max(1, pairs.nearer(samples, nearer))
