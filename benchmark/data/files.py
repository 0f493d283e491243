"""Photographs by name, as bytes: what a data set is made of, wherever it lies."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Protocol

from PIL import Image

# CelebA comes in the first two; nothing else is even tried (PIL would run Ghostscript on an EPS).
FORMATS = ("JPEG", "PNG", "WEBP")
# More pixels than any face needs; decoding them would fill the memory.
_MOST_PIXELS = 50_000_000
_ORIENTATION = 0x0112


class Files(Protocol):
    """Named files that can be read from several threads at once."""

    def names(self) -> list[str]:
        """All of them, sorted."""

    def read(self, name: str) -> bytes | None:
        """The content, or None where it cannot be read."""


class Folder:
    """The files of a folder, named by their path in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        found = (path for path in self._path.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._path).as_posix() for path in found)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return None


def content_digest(files: Files, names: Iterable[str]) -> bytes:
    """SHA-256 over the names and the contents, in this order; where they lie does not enter."""

    def digest(name: str) -> bytes:
        content = files.read(name)
        return b"missing" if content is None else hashlib.sha256(content).digest()

    total = hashlib.sha256()
    names = list(names)
    with ThreadPoolExecutor() as pool:
        for name, content in zip(names, pool.map(digest, names), strict=True):
            total.update(hashlib.sha256(name.encode()).digest() + content)
    return total.digest()


def decode(content: bytes | None) -> Image.Image | None:
    """The photograph, loaded, in colour; None where it is torn, too large or of another kind.

    Grey becomes RGB. CMYK, palettes and transparency are refused: their colours would be a guess.
    """
    bombs = Image.DecompressionBombError, Image.DecompressionBombWarning
    try:
        image = Image.open(BytesIO(content or b""), formats=FORMATS)
        if image.mode not in ("RGB", "L") or image.width * image.height > _MOST_PIXELS:
            return None
        image.load()
    except (OSError, SyntaxError, ValueError, *bombs):
        return None
    return image if image.mode == "RGB" else image.convert("RGB")


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 for an image that is stored as it is meant to be seen."""
    if "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError):
        return 1
