"""What every data set is to the store."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.settings import (
    CelebASettings,
    DataSettings,
    FacesSettings,
    FolderSettings,
    Split,
)
from benchmark.data.views.rotated import Visits


class FaceSource(Protocol):
    """Images by index, in an order fixed by the data alone."""

    title: str  # what captions call the data
    size: int  # side of the images in pixels
    # Where every visit turns an image anew: how to make images of what `decode` gives.
    visits: Visits | None

    def __len__(self) -> int: ...

    def pixels(self) -> str:
        """64 hexadecimal digits over everything that decides what `decode` gives."""

    def fingerprint(self) -> str:
        """64 hexadecimal digits over that and the parts, and nothing else."""

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        """Indices of each part."""

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, size, size) of indices (N,), and which of them (N,) are whole.

        With `visits`, their canvases (N, 3, visits.canvas, visits.canvas).
        """

    def name(self, index: int) -> str:
        """What to call an image when it is broken."""


def open_source(settings: DataSettings, data_root: Path | None) -> FaceSource:
    """The data set that `settings` name; raises InputError where its files are missing."""
    if isinstance(settings, FacesSettings):
        from benchmark.data.procedural import ProceduralFaces

        return ProceduralFaces(settings)
    if isinstance(settings, CelebASettings):
        from benchmark.data.celeba import CelebA

        return CelebA(settings, data_root)
    if isinstance(settings, FolderSettings):
        from benchmark.data.folder import FolderOfImages

        return FolderOfImages(settings, data_root)
    from benchmark.data.external import External

    return External(settings, data_root)
