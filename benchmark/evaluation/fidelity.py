"""Fidelity and variety from features, through torch-fidelity where it has them.

Fréchet distance (Heusel et al., arXiv 1706.08500), KID (Binkowski et al., 1801.01401), improved
precision and recall (Kynkäänniemi et al., 1904.06991), density and coverage (Naeem et al.,
2002.09797).
"""

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

# To be raised whenever the same features would give other figures.
METRIC_VERSION = 1
KID_SUBSETS = 50
NEIGHBOURS_PRC = 3  # Kynkäänniemi et al., section 3
NEIGHBOURS_DC = 5  # Naeem et al., section 4


@dataclass(frozen=True)
class Reference:
    """Held-out features (N, F) and what is computed of them once."""

    features: Tensor

    @cached_property
    def statistics(self) -> dict[str, Any]:
        statistics: dict[str, Any] = fid_features_to_statistics(self.features.double())
        return statistics

    @cached_property
    def radii(self) -> Tensor:
        """Distance (N,) of each feature to its k-th nearest other one."""
        distances = torch.cdist(self.features, self.features)
        return distances.kthvalue(NEIGHBOURS_DC + 1).values


def density_coverage(generated: Tensor, reference: Reference) -> tuple[float, float]:
    """Equations 4 and 5 of Naeem et al.; (M, F) against (N, F)."""
    inside = torch.cdist(generated, reference.features) < reference.radii
    density = inside.sum().item() / (NEIGHBOURS_DC * len(generated))
    coverage = inside.any(dim=0).double().mean().item()
    return density, coverage


def judge(generated: Tensor, reference: Reference, distance: str) -> dict[str, float]:
    """All figures of generated features (M, F); `distance` names the Fréchet distance."""
    frechet = fid_statistics_to_metric(
        fid_features_to_statistics(generated.double()), reference.statistics, verbose=False
    )
    kid = kid_features_to_metric(
        generated,
        reference.features,
        kid_subsets=KID_SUBSETS,
        kid_subset_size=min(1000, len(generated) // 2, len(reference.features) // 2),
        verbose=False,
    )
    prc = prc_features_to_metric(
        generated, reference.features, prc_neighborhood=NEIGHBOURS_PRC, verbose=False
    )
    density, coverage = density_coverage(generated, reference)
    return {
        distance: frechet[KEY_METRIC_FID],
        "kid": kid[KEY_METRIC_KID_MEAN],
        "kid_sd": kid[KEY_METRIC_KID_STD],
        "precision": prc[KEY_METRIC_PRECISION],
        "recall": prc[KEY_METRIC_RECALL],
        "density": density,
        "coverage": coverage,
    }
