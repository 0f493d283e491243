"""Features of many images, and a cache of those of real images keyed by their content."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation.networks import FeatureNetwork, describe
from benchmark.files import cached, write_atomic
from benchmark.precision import full_precision

# Images per pass: fixed, because the last bits of a feature depend on it. 16 is the fastest on a
# CPU (5 to 6 ms per image with EfficientNet-Lite0 on one core; 50 takes 7.6 ms).
BATCH = 16


def extract(network: FeatureNetwork, images: Iterable[Tensor]) -> Tensor:
    """Features (N, F), float32 on the CPU, of uint8 tensors (n, 3, S, S) of any lengths n.

    How the images are split over the tensors does not change a bit of the features.
    """
    parts = []
    for batch in _rebatched(images):
        with torch.inference_mode(), full_precision():
            parts.append(network(batch).cpu().numpy())
    return torch.from_numpy(np.concatenate(parts))


def _rebatched(images: Iterable[Tensor]) -> Iterator[Tensor]:
    waiting: Tensor | None = None
    for part in images:
        if part.dtype != torch.uint8 or part.dim() != 4 or part.shape[1] != 3:
            raise ValueError(f"expected uint8 images (n, 3, S, S), not {part.dtype} {part.shape}")
        waiting = part if waiting is None else torch.cat([waiting, part])
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]
    if waiting is not None and len(waiting) > 0:
        yield waiting


def content_key(network: FeatureNetwork, images: NDArray[np.uint8]) -> str:
    """SHA-256 of all that the features of `images` (N, 3, S, S) depend on, to the last bit."""
    made_by = {
        **describe(network),
        "batch": BATCH,
        "device": name_of(network.device),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "shape": images.shape,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def name_of(device: torch.device) -> str:
    """The device's model, on which the last bits depend; a CPU's instructions are kept apart."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def cached_features(network: FeatureNetwork, images: NDArray[np.uint8], cache: Path) -> Tensor:
    """Features (N, F) of real `images` (N, 3, S, S), from `cache`/features if present.

    Concurrent processes compute them only once. A damaged file is recomputed. Raises BenchError
    if the cache cannot be written.
    """
    path = cache / "features" / f"{content_key(network, images)}.npy"
    with cached(path, "the features of real images"):
        features = _read(path, (len(images), network.width))
        if features is None:
            starts = range(0, len(images), BATCH)
            batches = (torch.from_numpy(images[i : i + BATCH].copy()) for i in starts)
            features = extract(network, batches).numpy()
            file = io.BytesIO()
            np.save(file, features, allow_pickle=False)
            write_atomic(path, file.getvalue())
    return torch.from_numpy(features)


def _read(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    try:
        features: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    complete = features.shape == shape and features.dtype == np.float32
    return features if complete and bool(np.isfinite(features).all()) else None
