"""A plain folder (or zip archive) of images, FFHQ and the like, as a data set."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from benchmark.data.files import (
    Files,
    Unreadable,
    content_digest,
    decode,
    open_files,
    orientation,
)
from benchmark.data.settings import FolderSettings, Split
from benchmark.data.views.rotated import Visits
from benchmark.data.views.square import Square, sample
from benchmark.errors import InputError
from benchmark.seeds import derive

READER_VERSION = 1
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PROBED = 16


class FolderOfImages:
    """The centre square of every image below a folder, turned as its EXIF data say.

    An image's part is a hash of its name: 80 % training, 10 % validation, 10 % test, and adding or
    removing images moves no other from part to part.
    """

    subject = "images"
    visits: Visits | None = None

    def __init__(self, settings: FolderSettings, data_root: Path | None) -> None:
        """Raises InputError where the folder is missing or holds no images."""
        self.settings, self.size = settings, settings.size
        if data_root is None:
            raise InputError(
                f"data: the folder {settings.folder} is wanted; give --data-root (or BENCH_DATA) "
                "the folder that it lies in"
            )
        found = open_files(data_root, settings.folder)
        if found is None:
            raise InputError(
                f"{data_root / settings.folder}: no such folder or .zip; --data-root must be what "
                f"{settings.folder} lies in"
            )
        self._files: Files = found
        self._names = [n for n in self._files.names() if n.lower().endswith(_SUFFIXES)]
        if not self._names:
            raise InputError(
                f"{data_root / settings.folder}: no images ({', '.join(_SUFFIXES)}) in it"
            )
        self.title = f"images of {settings.folder}"
        self._pixels: str | None = None

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return f"{self.settings.folder}/{self._names[index]}"

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        tenth = np.array([derive(0, f"part/{name}") % 10 for name in self._names])
        return {
            "train": np.flatnonzero(tenth < 8),
            "validation": np.flatnonzero(tenth == 8),
            "test": np.flatnonzero(tenth == 9),
        }

    def pixels(self) -> str:
        """Over the settings, the version, every name and content, and a few images' pixels."""
        if self._pixels is None:
            self._pixels = self._digest()
        return self._pixels

    def _digest(self) -> str:
        settings = self.settings.model_dump_json(exclude={"folder"})
        digest = hashlib.sha256(f"folder/{READER_VERSION}/{settings}".encode())
        digest.update(content_digest(self._files, self._names))
        digest.update(self.decode(np.arange(min(_PROBED, len(self))))[0].tobytes())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """`pixels` and the settings: the names, which the parts are drawn by, are in both."""
        text = f"{self.pixels()}/{self.settings.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, size, size); one that is not whole is black and flagged."""
        images = np.zeros((len(indices), 3, self.size, self.size), dtype=np.uint8)
        whole = np.zeros(len(indices), dtype=np.bool_)
        for row, index in enumerate(indices.tolist()):
            try:
                images[row] = self._seen(index)
            except Unreadable:
                continue
            whole[row] = True
        return images, whole

    def fault(self, index: int) -> str | None:
        """Why an image is not whole, None for one that is."""
        try:
            self._seen(index)
        except Unreadable as why:
            return str(why)
        return None

    def _seen(self, index: int) -> NDArray[np.uint8]:
        image = decode(self._files.read(self._names[index]))
        if orientation(image) != 1:
            image = ImageOps.exif_transpose(image)
        side = self.settings.crop * min(image.size)
        return sample(image, Square(image.width / 2, image.height / 2, side), self.size)
