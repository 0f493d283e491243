"""From images to features, and a cache of real ones keyed by content.

torch-fidelity's own cache is keyed by a name alone and returns old figures after the data
changed, so it is not used.
"""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from benchmark.evaluation.extractors import describe
from benchmark.runs import write_atomic

BATCH = 25  # images a pass; fixed, since another size may change the last bits


@torch.inference_mode()
def extract(
    extractor: FeatureExtractorBase,
    images: Callable[[int, int], Tensor],
    count: int,
    device: torch.device,
) -> Tensor:
    """Features (count, F), float32 on the CPU, of uint8 images(start, n) -> (n, 3, S, S)."""
    parts = []
    for start in range(0, count, BATCH):
        batch = images(start, min(BATCH, count - start)).to(device)
        parts.append(extractor(batch)[0].float().cpu())
    return torch.cat(parts)


def extract_cached(
    extractor: FeatureExtractorBase, images: NDArray[np.uint8], cache: Path, device: torch.device
) -> tuple[Tensor, str]:
    """Features of uint8 images (N, 3, S, S), computed once, and the key of their content."""
    # How a device or a thread count rounds may differ, so they are part of the key.
    how = {**describe(extractor), "device": device.type, "threads": torch.get_num_threads()}
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    digest.update(str(images.shape).encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    key = digest.hexdigest()
    path = cache / "features" / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        try:
            found = np.load(path)
        except (OSError, ValueError, EOFError):  # not there, or torn
            pixels = torch.from_numpy(images)
            made = extract(extractor, lambda at, n: pixels[at : at + n], len(images), device)
            file = io.BytesIO()
            np.save(file, made.numpy())
            write_atomic(path, file.getvalue())
            return made, key
    return torch.from_numpy(found), key
