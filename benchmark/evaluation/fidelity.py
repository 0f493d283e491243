"""How close generated images are to real ones, from features of both.

Everything is computed in float64: in float32 the Fréchet distance is off by up to 0.4, and
distances between equal rows are far from zero. KID, precision and recall are torch-fidelity's
figures, from sums that all of them share (see `pairs.py`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from benchmark.errors import BenchError
from benchmark.evaluation import pairs
from benchmark.evaluation.frechet import Floats, Gaussian
from benchmark.evaluation.pairs import Within
from benchmark.evaluation.settings import Extractor, distance_column

# What a metric's value depends on beside the features. VERSION changes whenever a value may.
VERSION = "2"
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SEED = 2020


@dataclass(frozen=True)
class Reference:
    """Features (N, F) of real images, with what every comparison needs of them."""

    extractor: Extractor
    features: Tensor
    # (N, F), of as many validation images.
    validation: Tensor

    @cached_property
    def gaussian(self) -> Gaussian:
        return Gaussian(doubles(self.features))

    @cached_property
    def validation_gaussian(self) -> Gaussian:
        return Gaussian(doubles(self.validation))

    @cached_property
    def subsets(self) -> tuple[Floats, Floats]:
        """Rows of KID's subsets, generated and real (N, KID_SUBSETS): 1 if in it, else 0."""
        count = len(self.features)
        draws, size = np.random.RandomState(KID_SEED), kid_subset_size(count)
        marks = np.zeros((2, count, KID_SUBSETS))
        for subset in range(KID_SUBSETS):
            for side in marks:
                side[draws.choice(count, size, replace=False), subset] = 1
        return marks[0], marks[1]

    @cached_property
    def within(self) -> Within:
        return pairs.within(self.gaussian.features, self.subsets[1])


def judge(generated: Tensor, reference: Reference, collapse_below: float) -> dict[str, float]:
    """`evaluation_columns` but sharpness, for features (N, F) of as many generated images.

    Lower is better for the Fréchet distances and KID (Bińkowski et al. 2018, arXiv 1801.01401,
    section 3; `kid_sd` is over subsets), higher for precision and recall (Kynkäänniemi et al. 2019,
    arXiv 1904.06991, equations 1 and 2), density and coverage (Naeem et al. 2020, arXiv 2002.09797,
    equations 4 and 5). `spread` is the mean distance between two generated images over that between
    two real ones. Raises ValueError where the counts differ: the distance's bias would; BenchError
    where a feature is not finite.
    """
    if generated.shape != reference.features.shape:
        raise ValueError(f"{generated.shape} against {reference.features.shape}: not comparable")
    if not generated.isfinite().all():
        raise BenchError("the features of the generated images are not finite; look at the grid")
    fake, name = doubles(generated), distance_column(reference.extractor)
    distance = reference.gaussian.distance(fake)
    own, real = pairs.within(fake, reference.subsets[0]), reference.within
    across = pairs.between(fake, reference.gaussian.features, reference.subsets, own, real)
    size = kid_subset_size(len(fake))
    kid = (own.kernel + real.kernel) / (size * (size - 1)) - 2 * across.kernel / size**2
    spread = own.distance / real.distance
    return {
        name: distance,
        f"{name}_validation": reference.validation_gaussian.distance(fake),
        f"{name}_infinite": reference.gaussian.extrapolated(fake, distance),
        "kid": float(kid.mean()),
        "kid_sd": float(kid.std()),
        "precision": across.precision,
        "recall": across.recall,
        "density": across.density,
        "coverage": across.coverage,
        "spread": spread,
        "collapsed": float(spread < collapse_below),
    }


def kid_subset_size(samples: int) -> int:
    """Images a KID subset: 1,000, or half of fewer than 2,000, so that subsets differ."""
    return min(KID_SUBSET_SIZE, samples // 2)


def doubles(features: Tensor) -> Floats:
    return np.asarray(features.double().numpy())
