"""What one judge's features say about embedded images and the paths between them."""

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
    heldout: Pixels  # (N, 3, S, S) on which the spread is measured
    reference: Pixels  # (M, 3, S, S) that middles are compared with; none of them is embedded
    validation: Pixels  # (M, 3, S, S)
    training: Pixels  # (M, 3, S, S), judged in the generator's place


@dataclass(frozen=True)
class JudgeView:
    """One judge's network, and its features of the real images."""

    network: FeatureNetwork
    real: Real
    cache: Path

    def real_features(self, images: Pixels) -> Tensor:
        return cached_features(self.network, images, self.cache)

    def generated_features(self, images: Tensor) -> Floats:
        return np.asarray(extract(self.network, [images]).double().numpy())

    @cached_property
    def spread(self) -> float:
        """The mean distance between two held-out images."""
        return float(torch.pdist(self.real_features(self.real.heldout).double()).mean())

    @cached_property
    def _reference(self) -> Reference:
        real = self.real
        sharpness = float(laplacian_variance(torch.from_numpy(real.reference)).mean())
        features, validation = map(self._floats, (real.reference, real.validation))
        return Reference(features, validation, sharpness)

    def _floats(self, images: Pixels) -> Floats:
        return np.asarray(self.real_features(images).double().numpy())

    def metrics(self, images: Pixels | Tensor) -> dict[str, float]:
        """The finite metrics of as many images as the reference has; real images are cached."""
        features = (
            self._floats(images)
            if isinstance(images, np.ndarray)
            else self.generated_features(images)
        )
        sharpness = float(laplacian_variance(torch.as_tensor(images)).mean())
        comparison = Comparison(features, sharpness, self._reference)
        computed = computed_by(self.network.domain, None)
        values = {name: float(each.compute(comparison)) for name, each in computed.items()}
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def evaluate(self, embedded: list[EmbeddedImages], samples: Tensor) -> JudgeResult:
        """Judge the codes found in each way, and as many samples as there are middles."""
        real = self.real
        pairs = all_pairs(embedded[0].count, len(embedded[0].middles))
        floors = {
            "sampled": self.metrics(samples[: len(real.reference)]),
            "blended": self.metrics(blends(real.targets.heldout, pairs)),
            "real": self.metrics(real.training),
        }
        results = [self._feature_result(each, floors) for each in embedded]
        return JudgeResult(
            embedded=results[0], searched=results[1] if len(results) > 1 else None, **floors
        )

    def _feature_result(
        self, embedded: EmbeddedImages, floors: dict[str, dict[str, float]]
    ) -> FeatureResult:
        targets = self.real.targets
        photographs = np.concatenate([targets.heldout, targets.training])
        rebuilt = self.generated_features(embedded.rebuilt[: len(photographs)])
        errors = np.linalg.norm(rebuilt - self._floats(photographs), axis=1) / self.spread
        middle = self.metrics(embedded.middles)
        return FeatureResult(
            features=gap(errors[: embedded.count], errors[embedded.count :]),
            linear=self._walk(embedded.linear),
            spherical=self._walk(embedded.spherical),
            mirrored=self._walk(embedded.mirrored),
            middle=middle,
            middle_over_blended=_ratio(middle, floors["blended"]),
            middle_over_sampled=_ratio(middle, floors["sampled"]),
        )

    def _walk(self, paths: Tensor) -> Walk:
        features = self.generated_features(paths.flatten(0, 1)).reshape(*paths.shape[:2], -1)
        length, longest = latent.path_lengths(features)
        ends = np.linalg.norm(features[-1] - features[0], axis=1)
        return Walk(
            length=float(length.mean()) / self.spread,
            ends=float(ends.mean()) / self.spread,
            longest_step=float(longest.mean()),
        )


def _ratio(middle: dict[str, float], other: dict[str, float]) -> float:
    """The ratio of the two distances."""
    return middle["distance"] / other["distance"]
