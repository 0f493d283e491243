"""Training images kept on the device, so that a step waits for no disk and no transfer."""

from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.store import FaceStore

# The share of the device's free memory that images may take: the networks need the rest.
_SHARE = 0.25
# By fingerprint and device, so that lanes share one copy. Lanes are set up one after another.
_kept: WeakValueDictionary[tuple[str, str], Tensor] = WeakValueDictionary()


class Batches:
    """A store's batches as uint8 tensors, the same bytes from the device as from the disk."""

    def __init__(
        self, store: FaceStore, device: torch.device, resident: bool | None = None
    ) -> None:
        """`resident` None: yes on a GPU, if they fit and images are not rotated anew at each
        visit."""
        self._store, self._device = store, device
        if resident is None:
            resident = device.type == "cuda" and store.visits is None and _fits(store, device)
        self._images = _on(device, store) if resident else None

    def batch(self, positions: NDArray[np.int64], seed: int, step: int) -> Tensor:
        """As FaceStore.batch, (N, 3, S, S) uint8 on the device."""
        if self._images is None:
            return torch.from_numpy(self._store.batch(positions, seed, step)).to(self._device)
        return self._images[torch.from_numpy(positions).to(self._device)]


def _on(device: torch.device, store: FaceStore) -> Tensor:
    key = store.fingerprint, str(device)
    found = _kept.get(key)
    if found is None:
        found = _kept[key] = torch.from_numpy(np.array(store.images)).to(device)
    return found


def _fits(store: FaceStore, device: torch.device) -> bool:
    if (store.fingerprint, str(device)) in _kept:
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return store.images.nbytes <= _SHARE * free
