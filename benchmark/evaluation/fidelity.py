"""How close generated images are to real ones, from features of both.

FID, KID, precision and recall are torch-fidelity's; density and coverage are ours. Everything is
computed in float64: in float32 the Fréchet distance is off by up to 0.4, and distances between
equal rows are far from zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_fid import (
    KEY_METRIC_FID,
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torch_fidelity.metric_kid import (
    KEY_METRIC_KID_MEAN,
    KEY_METRIC_KID_STD,
    kid_features_to_metric,
)
from torch_fidelity.metric_prc import (
    KEY_METRIC_PRECISION,
    KEY_METRIC_RECALL,
    prc_features_to_metric,
)

from benchmark.evaluation.settings import Extractor, distance_column

# What a metric's value depends on beside the features. VERSION changes whenever a value may.
VERSION = "1"
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SEED = 2020
PRECISION_RECALL_NEIGHBOURS = 3
DENSITY_COVERAGE_NEIGHBOURS = 5
# Rows of a distance matrix held at once: 320 MB against 20,000 images.
_ROWS = 2000


@dataclass(frozen=True)
class Reference:
    """Features (N, F) of real images, with what every comparison needs of them."""

    extractor: Extractor
    features: Tensor

    @cached_property
    def doubles(self) -> Tensor:
        return self.features.double()

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Mean (F,) and covariance (F, F) of the features, as torch-fidelity keeps them."""
        return fid_features_to_statistics(self.doubles)  # type: ignore[no-any-return]

    @cached_property
    def radii(self) -> Tensor:
        """Distance (N,) of each image to its k-th nearest other one, k = 5."""
        return neighbour_distance(self.doubles, DENSITY_COVERAGE_NEIGHBOURS)


def judge(generated: Tensor, reference: Reference) -> dict[str, float]:
    """The columns `evaluation_columns` for features (N, F) of as many generated images.

    Lower is better for the Fréchet distance (Heusel et al. 2017, arXiv 1706.08500, equation 6)
    and KID (Bińkowski et al. 2018, arXiv 1801.01401, section 3; `kid_sd` is over subsets), higher
    for precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2),
    density and coverage. Raises ValueError where the counts differ: the distance's bias would.
    """
    if generated.shape != reference.features.shape:
        raise ValueError(f"{generated.shape} against {reference.features.shape}: not comparable")
    fake, real = generated.double(), reference.doubles
    frechet = fid_statistics_to_metric(
        fid_features_to_statistics(fake), reference.statistics, verbose=False
    )
    kid = kid_features_to_metric(
        fake,
        real,
        kid_subsets=KID_SUBSETS,
        kid_subset_size=kid_subset_size(len(real)),
        rng_seed=KID_SEED,
        verbose=False,
    )
    # torch-fidelity takes the generated features first.
    prc = prc_features_to_metric(
        fake,
        real,
        prc_neighborhood=PRECISION_RECALL_NEIGHBOURS,
        prc_batch_size=_ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    density, coverage = density_and_coverage(fake, real, reference.radii)
    return {
        distance_column(reference.extractor): frechet[KEY_METRIC_FID],
        "kid": kid[KEY_METRIC_KID_MEAN],
        "kid_sd": kid[KEY_METRIC_KID_STD],
        # Shares of N images, averaged by torch-fidelity in float32: undo its rounding.
        "precision": round(prc[KEY_METRIC_PRECISION] * len(fake)) / len(fake),
        "recall": round(prc[KEY_METRIC_RECALL] * len(real)) / len(real),
        "density": density,
        "coverage": coverage,
    }


def kid_subset_size(samples: int) -> int:
    """Images a KID subset: 1,000, or half of fewer than 2,000, so that subsets differ."""
    return min(KID_SUBSET_SIZE, samples // 2)


def density_and_coverage(fake: Tensor, real: Tensor, radii: Tensor) -> tuple[float, float]:
    """Naeem et al. 2020, arXiv 2002.09797, equations 4 and 5, k = 5.

    Density is how many of the balls around real images, each as wide as its 5th neighbour is far,
    an average generated image lies in, over 5; it may exceed 1. Coverage is the share of real
    images whose ball holds a generated one. Features (N, F) and (M, F), radii (M,).
    """
    held = torch.zeros(len(real), dtype=torch.int64)
    for start, distances in _distances(real, fake):
        rows = slice(start, start + len(distances))
        # Strictly less, as in the authors' code: the 5th neighbour itself is on the edge.
        held[rows] = (distances < radii[rows, None]).sum(1)
    density = held.sum().item() / (DENSITY_COVERAGE_NEIGHBOURS * len(fake))
    return density, (held > 0).double().mean().item()


def neighbour_distance(features: Tensor, neighbours: int) -> Tensor:
    """Euclidean distance (N,) of each row (N, F) to its nearest other row number `neighbours`."""
    # The row itself comes first, hence one more.
    parts = [d.kthvalue(neighbours + 1).values for _, d in _distances(features, features)]
    return torch.cat(parts)


def _distances(left: Tensor, right: Tensor) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(left), _ROWS):
        yield start, torch.cdist(left[start : start + _ROWS], right)
