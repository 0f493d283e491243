"""Near-copies across the parts of a data set, found by a feature network.

Another JPEG of the same photograph, or a slightly different crop, would bias distances to held-out
images and memorisation probes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.photographs import Photographs
from benchmark.data.survey import Track, untracked
from benchmark.evaluation.features import extract
from benchmark.evaluation.networks import FeatureNetwork

# Cosine of two images' features by EfficientNet-Lite0 at 64 px. The two most alike of 1,500
# photographs of different people have 0.952; photographs re-encoded as JPEG or cropped by a pixel
# or two are mostly above 0.96; copies that are changed more are missed.
ALIKE = 0.96
_CHUNK = 256


@dataclass(frozen=True)
class Pair:
    """An image, its nearest image in an earlier part, and their cosine."""

    image: int
    nearest: int
    cosine: float


def near_copies(
    source: Photographs, network: FeatureNetwork, track: Track = untracked
) -> list[Pair]:
    """Held-out images that nearly duplicate one in an earlier part, the most alike first.

    Exact copies, which `source.survey` knows, and broken images are left out. The features alone
    take a few milliseconds per image.
    """
    firsts = source.survey.firsts()
    unique = firsts == np.arange(len(firsts))
    parts = [indices[unique[indices]] for indices in source.splits().values()]
    features, rows = _features(source, np.sort(np.concatenate(parts)), network, track)
    copies: list[Pair] = []
    for part, indices in enumerate(parts[1:], 1):
        earlier = rows[np.isin(rows, np.concatenate(parts[:part]))]
        later = rows[np.isin(rows, indices)]
        copies += pairs(features, rows, later, earlier)
    return sorted(copies, key=lambda pair: -pair.cosine)


def pairs(
    features: Tensor, rows: NDArray[np.int64], later: NDArray[np.int64], earlier: NDArray[np.int64]
) -> list[Pair]:
    """Pair each image of `later` with its nearest of `earlier`, if their cosine reaches ALIKE.

    `features` (N, F) belong to the images `rows` (N,), which are sorted.
    """
    if len(later) == 0 or len(earlier) == 0:
        return []
    unit = torch.nn.functional.normalize(features, dim=1)
    known = unit[torch.from_numpy(np.searchsorted(rows, earlier))]
    copies = []
    for start in range(0, len(later), _CHUNK):
        chunk = later[start : start + _CHUNK]
        cosines = unit[torch.from_numpy(np.searchsorted(rows, chunk))] @ known.T
        best, at = cosines.max(dim=1)
        for image, cosine, nearest in zip(chunk.tolist(), best.tolist(), at.tolist(), strict=True):
            if cosine >= ALIKE:
                copies.append(Pair(image, int(earlier[nearest]), cosine))
    return copies


def _features(
    source: Photographs, indices: NDArray[np.int64], network: FeatureNetwork, track: Track
) -> tuple[Tensor, NDArray[np.int64]]:
    """Features of the readable images, and which images these are."""
    chunks = [indices[i : i + _CHUNK] for i in range(0, len(indices), _CHUNK)]
    readable: list[NDArray[np.int64]] = []

    def decoded() -> Iterable[Tensor]:
        for chunk in track(chunks, "features", len(chunks)):
            images, whole = source.decode(chunk)
            readable.append(chunk[whole])
            yield torch.from_numpy(images[whole])

    features = extract(network, decoded())
    return features, np.concatenate(readable)
