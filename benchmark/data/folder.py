"""A plain folder (or archive, or folder of archives) of images, FFHQ and the like."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from benchmark.data.containers.archives import PACKED, open_files
from benchmark.data.containers.listing import shown
from benchmark.data.images import SUFFIXES, decode, orientation
from benchmark.data.photographs import Photographs, Reading
from benchmark.data.selection import drawn_by_name
from benchmark.data.settings import FolderSettings, Split
from benchmark.data.views.square import Square, sample
from benchmark.errors import InputError

READER_VERSION = 1


class FolderOfImages(Photographs):
    """The centre square of every image below a folder, turned as its EXIF data say.

    An image's part is a hash of its name: 80 % training, 10 % validation, 10 % test, and adding or
    removing images moves no other from part to part. Copies of one file are kept in one part.
    """

    subject = "images"

    def __init__(
        self, settings: FolderSettings, data_root: Path | None, reading: Reading | None = None
    ) -> None:
        """Raises InputError where the folder is missing or holds no images."""
        self.settings, self.size = settings, settings.size
        if data_root is None:
            raise InputError(
                f"data: the folder {settings.folder} is wanted; give --data-root (or BENCH_DATA) "
                "the folder that it lies in"
            )
        place = data_root / settings.folder
        files = open_files(data_root, settings.folder)
        if files is None:
            raise InputError(
                f"{place}: no such folder or .zip; --data-root must be what {settings.folder} lies "
                f"in (of archives {', '.join(PACKED)} are read)"
            )
        self.listing = files.images()
        if not self.listing.names:
            left_out = self.listing.said()
            there = f"; there are {left_out}" if left_out else ""
            raise InputError(
                f"{place}: no images ({', '.join(SUFFIXES)}) in it{there}; bench data check "
                f"{place} says what to do"
            )
        self.title, self.place = f"images of {settings.folder}", settings.folder
        names = self.listing.names
        super().__init__(files, names, names, reading or Reading())

    def name(self, index: int) -> str:
        return shown(f"{self.settings.folder}/{self._names[index]}")

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        return drawn_by_name(self._names)

    def notes(self) -> list[str]:
        left_out = self.listing.said()
        return [f"{self.settings.folder}: not read: {left_out}"] if left_out else []

    def _kind(self) -> bytes:
        settings = self.settings.model_dump_json(exclude={"folder"})
        return f"folder/{READER_VERSION}/{settings}".encode()

    def fingerprint(self) -> str:
        """`pixels`, the settings, and which copies are left out: the names, which the parts are
        drawn by, are in the first two."""
        text = f"{self.pixels()}/{self.settings.model_dump_json()}"
        digest = hashlib.sha256(text.encode())
        digest.update(self.copies().tobytes())
        return digest.hexdigest()

    def _seen(self, content: bytes, index: int) -> NDArray[np.uint8]:
        image = decode(content)
        if orientation(image) != 1:
            image = ImageOps.exif_transpose(image)
        side = self.settings.crop * min(image.size)
        return sample(image, Square(image.width / 2, image.height / 2, side), self.size)
