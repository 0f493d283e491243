"""Judge a generator against held-out images, without disturbing its training."""

import hashlib
import json
from collections.abc import Callable
from heapq import nsmallest
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.settings import Split
from benchmark.data.store import FaceStore
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import fidelity
from benchmark.evaluation.extractors import describe, load_extractor
from benchmark.evaluation.features import cached_features, content_key, extract
from benchmark.evaluation.settings import EvaluationSettings, evaluation_columns
from benchmark.runs import write_atomic
from benchmark.seeds import derive

# Generated images asked for at a time: fixed, because the codes of a run may depend on it.
_CHUNK = 64


class Evaluator:
    """The judge of one data set: the same reference images for every run and seed."""

    def __init__(
        self, settings: EvaluationSettings, store: FaceStore, cache: Path, device: torch.device
    ) -> None:
        """Load the extractor and the reference's features, computed unless they are in `cache`.

        Raises InputError where a part of the data has too few images, BenchError where the
        extractor's weights cannot be had.
        """
        self._settings, self._store, self._cache = settings, store, cache
        self._reference_images = self._first(settings.reference)
        self._extractor = load_extractor(settings.features, device)
        self._reference = fidelity.Reference(
            settings.features, cached_features(self._extractor, self._reference_images, cache)
        )

    def evaluate(self, sample: Callable[[int, int], Tensor]) -> dict[str, float]:
        """One row of `evaluation_columns`.

        `sample(start, count)` gives images start to start + count of this evaluation, uint8
        (count, 3, S, S) on any device.
        """
        count = self._settings.samples
        images = (sample(i, min(_CHUNK, count - i)) for i in range(0, count, _CHUNK))
        return fidelity.judge(extract(self._extractor, images), self._reference)

    def floor(self) -> dict[str, float]:
        """The same columns for as many training images: what a perfect generator would get.

        Kept in the cache by content, so that a sweep computes it once.
        """
        images = self._first("train")
        path = self._cache / "floors" / f"{self._floor_key(images)}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                found = self._read_floor(path)
                if found is None:
                    features = cached_features(self._extractor, images, self._cache)
                    found = fidelity.judge(features, self._reference)
                    write_atomic(path, json.dumps(found, indent=2).encode() + b"\n")
        except OSError as error:
            raise BenchError(
                f"{path.parent}: cannot keep the real-against-real figures there "
                f"({error.strerror}); free some space or choose another cache folder"
            ) from None
        return found

    def describe(self) -> dict[str, str | int]:
        """What made the figures: extractor and weights, reference, counts and neighbourhoods."""
        extractor = describe(self._extractor)
        return {
            "features": extractor["name"],
            "weights_sha256": extractor["weights_sha256"],
            "input_size": int(extractor["input_size"]),
            "features_version": extractor["version"],
            "data": self._store.fingerprint,
            "reference": self._settings.reference,
            "samples": self._settings.samples,
            "kid_subsets": fidelity.KID_SUBSETS,
            "kid_subset_size": fidelity.kid_subset_size(self._settings.samples),
            "precision_recall_neighbours": fidelity.PRECISION_RECALL_NEIGHBOURS,
            "density_coverage_neighbours": fidelity.DENSITY_COVERAGE_NEIGHBOURS,
            "fidelity_version": fidelity.VERSION,
        }

    def _first(self, part: Split) -> NDArray[np.uint8]:
        """Images (samples, 3, S, S) of `part`, the same for every run and seed."""
        positions, count = self._store.splits[part], self._settings.samples
        if len(positions) < count:
            raise InputError(
                f"evaluation.samples: {count} is more than the {len(positions)} {part} images of "
                f"{self._store.title}; set it to {len(positions)} or less"
            )
        return self._store.fixed(np.array(first_positions(positions, count)))

    def _floor_key(self, images: NDArray[np.uint8]) -> str:
        keys = [content_key(self._extractor, i) for i in (images, self._reference_images)]
        return hashlib.sha256(json.dumps([*keys, fidelity.VERSION]).encode()).hexdigest()

    def _read_floor(self, path: Path) -> dict[str, float] | None:
        try:
            found: dict[str, float] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found if list(found) == evaluation_columns(self._settings.features) else None


def first_positions(positions: NDArray[np.int64], count: int) -> list[int]:
    """The first `count` of a fixed shuffling of `positions`, in the order of the store."""
    # Shuffled by hash: NumPy does not promise the same permutation in every version.
    return sorted(nsmallest(count, positions.tolist(), key=lambda p: derive(0, "evaluation", p)))
