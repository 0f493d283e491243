"""What one judge's features say of embedded images and of the paths between them."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.evaluation import latent
from benchmark.evaluation.features import cached_features, extract
from benchmark.evaluation.frechet import Floats
from benchmark.evaluation.metrics import Comparison, Reference, computed_by
from benchmark.evaluation.networks import FeatureNetwork
from benchmark.evaluation.sharpness import laplacian_variance
from benchmark.probe.embedding import EmbeddedImages, Pixels, Targets, all_pairs, blends, gap
from benchmark.probe.record import FeatureResult, JudgeResult, Walk


@dataclass(frozen=True)
class Real:
    """Real images that one judge compares with, the same for every run."""

    targets: Targets
    heldout: Pixels  # (S, 3, S, S), which its spread is measured on
    reference: Pixels  # (M, 3, S, S) that middles are compared with; none of them embedded
    validation: Pixels  # (M, 3, S, S)
    training: Pixels  # (M, 3, S, S), in the generator's place


@dataclass(frozen=True)
class JudgeView:
    """One judge's network, and what it sees in the real images."""

    network: FeatureNetwork
    real: Real
    cache: Path

    def of_real(self, images: Pixels) -> Tensor:
        return cached_features(self.network, images, self.cache)

    def of_made(self, images: Tensor) -> Floats:
        return np.asarray(extract(self.network, [images]).double().numpy())

    @cached_property
    def spread(self) -> float:
        """The mean distance of two held-out images."""
        return float(torch.pdist(self.of_real(self.real.heldout).double()).mean())

    @cached_property
    def _reference(self) -> Reference:
        real = self.real
        sharpness = float(laplacian_variance(torch.from_numpy(real.reference)).mean())
        features, validation = map(self._floats, (real.reference, real.validation))
        return Reference(features, validation, sharpness)

    def _floats(self, images: Pixels) -> Floats:
        return np.asarray(self.of_real(images).double().numpy())

    def metrics(self, images: Pixels | Tensor) -> dict[str, float]:
        """Of as many images as the reference has, where they are finite."""
        features = self._floats(images) if isinstance(images, np.ndarray) else self.of_made(images)
        sharpness = float(laplacian_variance(torch.as_tensor(images)).mean())
        compared = Comparison(features, sharpness, self._reference)
        known = computed_by(self.network.domain, None)
        values = {name: float(each.compute(compared)) for name, each in known.items()}
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def evaluate(self, found: list[EmbeddedImages], samples: Tensor) -> JudgeResult:
        """Of the codes found by each way, and of as many samples as there are middles."""
        real = self.real
        pairs = all_pairs(found[0].count, len(found[0].middles))
        floors = {
            "sampled": self.metrics(samples[: len(real.reference)]),
            "blended": self.metrics(blends(real.targets.heldout, pairs)),
            "real": self.metrics(real.training),
        }
        results = [self._features_of(each, floors) for each in found]
        return JudgeResult(
            embedded=results[0], searched=results[1] if len(results) > 1 else None, **floors
        )

    def _features_of(
        self, found: EmbeddedImages, floors: dict[str, dict[str, float]]
    ) -> FeatureResult:
        targets = self.real.targets
        photographs = np.concatenate([targets.heldout, targets.training])
        made = self.of_made(found.made[: len(photographs)])
        errors = np.linalg.norm(made - self._floats(photographs), axis=1) / self.spread
        middle = self.metrics(found.middles)
        return FeatureResult(
            features=gap(errors[: found.count], errors[found.count :]),
            linear=self._walk(found.linear),
            spherical=self._walk(found.spherical),
            mirrored=self._walk(found.mirrored),
            middle=middle,
            middle_over_blended=_ratio(middle, floors["blended"]),
            middle_over_sampled=_ratio(middle, floors["sampled"]),
        )

    def _walk(self, paths: Tensor) -> Walk:
        features = self.of_made(paths.flatten(0, 1)).reshape(*paths.shape[:2], -1)
        length, longest = latent.path_lengths(features)
        ends = np.linalg.norm(features[-1] - features[0], axis=1)
        return Walk(
            length=float(length.mean()) / self.spread,
            ends=float(ends.mean()) / self.spread,
            longest_step=float(longest.mean()),
        )


def _ratio(middle: dict[str, float], other: dict[str, float]) -> float:
    """Of the two distances."""
    return middle["distance"] / other["distance"]
