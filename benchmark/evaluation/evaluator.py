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
from benchmark.evaluation import fidelity, pairs
from benchmark.evaluation.extractors import describe, load_extractor
from benchmark.evaluation.features import cached_features, content_key, extract
from benchmark.evaluation.settings import EvaluationSettings, evaluation_columns
from benchmark.evaluation.sharpness import Watched, laplacian_variance
from benchmark.files import write_atomic
from benchmark.seeds import derive

# Generated images asked for at a time: fixed, because the codes of a run may depend on it.
_CHUNK = 64


class Evaluator:
    """The judge of one data set: the same reference images for every run and seed."""

    def __init__(
        self,
        settings: EvaluationSettings,
        store: FaceStore,
        cache: Path,
        device: torch.device,
        reference: FaceStore | None = None,
    ) -> None:
        """Load the extractor and the real images' features, computed unless they are in `cache`.

        `reference` holds the faces to compare with in another view (`reference_view`); without it
        they are those of `store`, which is trained on. Raises InputError where a part of the data
        has too few images or they are all alike, BenchError where the extractor's weights cannot
        be had.
        """
        self._settings, self._store, self._cache = settings, store, cache
        self._reference_store = reference or store
        self.heldout = _first(store, "validation", settings.heldout, "evaluation.heldout")
        self._images = {
            part: self._samples(self._reference_store, part)
            for part in {settings.reference, "validation"}
        }
        self._extractor = load_extractor(settings.features, device)
        real = self._images[settings.reference]
        self._reference = fidelity.Reference(
            settings.features,
            cached_features(self._extractor, real, cache),
            cached_features(self._extractor, self._images["validation"], cache),
        )
        self._sharpness = float(laplacian_variance(torch.from_numpy(real)).mean())
        if self._sharpness == 0 or bool((real == real[0]).all()):
            raise InputError(
                f"{self._reference_store.title}: the {settings.reference} images are blank or all "
                "alike, so nothing can be judged against them; look at the data"
            )

    def evaluate(self, sample: Callable[[int, int], Tensor]) -> dict[str, float]:
        """One row of `evaluation_columns`.

        `sample(start, count)` gives images start to start + count of this evaluation, uint8
        (count, 3, S, S) on any device. Raises BenchError where their features are not finite.
        """
        count = self._settings.samples
        images = Watched(sample(i, min(_CHUNK, count - i)) for i in range(0, count, _CHUNK))
        features = extract(self._extractor, images)
        return self._row(features, images.mean)

    def floor(self) -> dict[str, float]:
        """The same columns for as many training images: what a perfect generator would get.

        Kept in the cache by content, so that a sweep computes it once.
        """
        images = self._samples(self._store, "train")
        path = self._cache / "floors" / f"{self._floor_key(images)}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                found = self._read_floor(path)
                if found is None:
                    features = cached_features(self._extractor, images, self._cache)
                    sharpness = laplacian_variance(torch.from_numpy(images)).mean()
                    found = self._row(features, float(sharpness))
                    write_atomic(path, json.dumps(found, indent=2).encode() + b"\n")
        except OSError as error:
            raise BenchError(
                f"{path.parent}: cannot keep the real-against-real figures there "
                f"({error.strerror}); free some space or choose another cache folder"
            ) from None
        return found

    def describe(self) -> dict[str, str | int | float]:
        """What made the figures: extractor and weights, reference, counts and neighbourhoods."""
        extractor = describe(self._extractor)
        return {
            "features": extractor["name"],
            "weights_sha256": extractor["weights_sha256"],
            "input_size": int(extractor["input_size"]),
            "features_version": extractor["version"],
            "data": self._store.fingerprint,
            "reference": self._settings.reference,
            "reference_data": self._reference_store.fingerprint,
            "samples": self._settings.samples,
            "heldout": self._settings.heldout,
            "kid_subsets": fidelity.KID_SUBSETS,
            "kid_subset_size": fidelity.kid_subset_size(self._settings.samples),
            "precision_recall_neighbours": pairs.PRECISION_RECALL_NEIGHBOURS,
            "density_coverage_neighbours": pairs.DENSITY_COVERAGE_NEIGHBOURS,
            "collapse_below": self._settings.collapse_below,
            "fidelity_version": fidelity.VERSION,
        }

    def _samples(self, store: FaceStore, part: Split) -> NDArray[np.uint8]:
        return _first(store, part, self._settings.samples, "evaluation.samples")

    def _row(self, features: Tensor, sharpness: float) -> dict[str, float]:
        row = fidelity.judge(features, self._reference, self._settings.collapse_below)
        row["sharpness"] = sharpness / self._sharpness
        return {column: row[column] for column in evaluation_columns(self._settings.features)}

    def _floor_key(self, images: NDArray[np.uint8]) -> str:
        parts = images, self._images[self._settings.reference], self._images["validation"]
        made_by = [content_key(self._extractor, part) for part in parts]
        made_by += [fidelity.VERSION, str(self._settings.collapse_below)]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def _read_floor(self, path: Path) -> dict[str, float] | None:
        try:
            found: dict[str, float] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found if list(found) == evaluation_columns(self._settings.features) else None


def _first(store: FaceStore, part: Split, count: int, key: str) -> NDArray[np.uint8]:
    """Images (count, 3, S, S) of `part`, the same for every run and seed.

    Raises InputError, naming the setting `key`, where there are fewer.
    """
    positions = store.splits[part]
    if len(positions) < count:
        raise InputError(
            f"{key}: {count} is more than the {len(positions)} {part} images of "
            f"{store.title}; set it to {len(positions)} or less"
        )
    return store.fixed(np.array(first_positions(positions, count)))


def first_positions(positions: NDArray[np.int64], count: int) -> list[int]:
    """The first `count` of a fixed shuffling of `positions`, in the order of the store."""
    # Shuffled by hash: NumPy does not promise the same permutation in every version.
    return sorted(nsmallest(count, positions.tolist(), key=lambda p: derive(0, "evaluation", p)))
