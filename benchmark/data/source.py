"""The interface between a data set and the store."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.data.photographs import Reading


class FaceSource(Protocol):
    """Images by index, in an order fixed by the data alone.

    One with labels offers `labels() -> (names, array)`: attribute names (("Smiling",
    "Eyeglasses")), and uint8 (len, names) of 0 and 1.
    """

    title: str  # what captions call the data
    subject: str  # what its images are of: "faces", "digits"
    size: int  # side of the images in pixels
    # If images are rotated at every visit: how to make images from the output of `decode`.
    visits: Visits | None
    absent: NDArray[np.int64]  # images that are named but missing: in no part, and not broken

    def __len__(self) -> int: ...

    def pixels(self) -> str:
        """64 hexadecimal digits over everything that determines the output of `decode`."""

    def fingerprint(self) -> str:
        """64 hexadecimal digits over that and the parts, and nothing else."""

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        """Indices of each part."""

    def copies(self) -> NDArray[np.int64]:
        """Indices that are left out because an earlier part holds the same image."""

    def notes(self) -> Sequence[str]:
        """How files were interpreted and what was left out, in words."""

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, size, size) of indices (N,), and which of them (N,) are whole.

        With `visits`, their canvases (N, 3, visits.canvas, visits.canvas).
        """

    def name(self, index: int) -> str:
        """An image's name for messages when it is broken."""


class Complete:
    """Mixin for a data set from which nothing can be missing, such as a drawn one."""

    absent = np.array([], dtype=np.int64)

    def copies(self) -> NDArray[np.int64]:
        return self.absent

    def notes(self) -> Sequence[str]:
        return ()


def open_source(
    settings: DataSettings, data_root: Path | None, reading: "Reading | None" = None
) -> FaceSource:
    """The data set that `settings` name; raises InputError where its files are missing."""
    if isinstance(settings, FacesSettings):
        from benchmark.data.faces.dataset import ProceduralFaces

        return ProceduralFaces(settings)
    if isinstance(settings, CelebASettings):
        from benchmark.data.celeba.dataset import CelebA

        return CelebA(settings, data_root, reading)
    if isinstance(settings, FolderSettings):
        from benchmark.data.folder import FolderOfImages

        return FolderOfImages(settings, data_root, reading)
    from benchmark.data.external import External

    return External(settings, data_root)


def labels_of(source: FaceSource) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The names of a data set's attributes, and (len, names) of 0 and 1; none where it has none.

    Raises InputError where they are of another shape or hold other numbers.
    """
    if not hasattr(source, "labels"):
        return (), np.zeros((len(source), 0), dtype=np.uint8)
    names, values = source.labels()
    values = np.asarray(values)
    if values.shape != (len(source), len(names)) or not np.isin(values, (0, 1)).all():
        raise InputError(
            f"{source.title}: its labels must be 0 or 1, {len(names)} for each of its "
            f"{len(source)} images; they are {values.dtype} {values.shape}"
        )
    return tuple(names), values.astype(np.uint8)
