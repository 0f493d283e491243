"""Judges a generator against held-out images, at equal counts, without disturbing training."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.settings import Split
from benchmark.data.store import FaceStore
from benchmark.errors import InputError
from benchmark.evaluation.extractors import describe, load_extractor
from benchmark.evaluation.features import extract, extract_cached
from benchmark.evaluation.fidelity import METRIC_VERSION, Reference, judge
from benchmark.evaluation.settings import EvaluationSettings, distance_column
from benchmark.runs import write_atomic


class Evaluator:
    """The extractor and the reference of one data set, ready for many evaluations."""

    def __init__(
        self, settings: EvaluationSettings, store: FaceStore, cache: Path, device: torch.device
    ) -> None:
        self.settings, self.store, self.cache, self.device = settings, store, cache, device
        images = self._images(settings.reference)
        self.extractor = load_extractor(settings.features, device)
        features, self._key = extract_cached(self.extractor, images, cache, device)
        self.reference = Reference(features)
        self.distance = distance_column(settings.features)

    def evaluate(self, sample: Callable[[int, int], Tensor]) -> dict[str, float]:
        """Figures of sample(start, count) -> uint8 (count, 3, S, S)."""
        generated = extract(self.extractor, sample, self.settings.samples, self.device)
        return judge(generated, self.reference, self.distance)

    def floor(self) -> dict[str, float]:
        """Real against real: training images against the same reference; the best to hope for."""
        images = self._images("train")
        features, key = extract_cached(self.extractor, images, self.cache, self.device)
        path = self.cache / "floors" / f"{key[:32]}-{self._key[:32]}-{METRIC_VERSION}.json"
        if not path.exists():
            figures = judge(features, self.reference, self.distance)
            write_atomic(path, json.dumps(figures).encode())
        found: dict[str, float] = json.loads(path.read_text())
        return found

    def describe(self) -> dict[str, str | int]:
        return {
            **describe(self.extractor),
            "metric_version": METRIC_VERSION,
            "samples": self.settings.samples,
            "reference": self.settings.reference,
        }

    def _images(self, split: Split) -> NDArray[np.uint8]:
        positions, wanted = self.store.splits[split], self.settings.samples
        if len(positions) < wanted:
            raise InputError(
                f"evaluation.samples: {wanted} is more than the {len(positions)} {split} images "
                f"of {self.store.title}; as many are needed for an unbiased comparison"
            )
        # A fixed choice, whatever the seed, so that all runs face the same images.
        chosen = np.random.Generator(np.random.Philox(0)).permutation(positions)[:wanted]
        return self.store.batch(np.sort(chosen))
