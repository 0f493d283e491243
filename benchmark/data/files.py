"""Photographs by name, as bytes: what a data set is made of, wherever it lies."""

import hashlib
import os
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile, ZipFile

from PIL import Image, UnidentifiedImageError

from benchmark.errors import InputError, of_system

# CelebA comes in the first two; nothing else is even tried (PIL would run Ghostscript on an EPS).
FORMATS = ("JPEG", "PNG", "WEBP")
# More pixels than any face needs; decoding them would fill the memory.
_MOST_PIXELS = 50_000_000
_MOST_BYTES = 200_000_000
_BOMBS = Image.DecompressionBombError, Image.DecompressionBombWarning
_ORIENTATION = 0x0112
_CHUNK = 256  # files that a thread reads in one go
_THREADS = min(16, os.cpu_count() or 1)


class Files(Protocol):
    """Named files that can be read from several threads at once."""

    def names(self) -> list[str]:
        """All of them, sorted."""

    def read(self, name: str) -> bytes | None:
        """The content, or None where it cannot be read."""


class Unreadable(Exception):  # noqa: N818 - a finding, counted, not an error of the program
    """Why an image cannot be taken."""


class Folder:
    """The files of a folder, named by their path in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        found = (path for path in self._path.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._path).as_posix() for path in found)

    def read(self, name: str) -> bytes | None:
        path = self._path / name
        try:
            return path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return None


class Archive:
    """The files of a zip archive, unpacked one by one and only into memory.

    Those in a folder that has the archive's own name are named by their path in that folder.
    Raises InputError where `path` is no zip archive.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = ZipFile(path)
        except (OSError, BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{path}: not a whole zip archive ({of_system(error)}); fetch it again"
            ) from None
        inside = f"{path.stem}/"
        # A folder's name ends in a slash; a damaged member may have none at all.
        found = {info.filename: info for info in self._zip.infolist()}
        members = {name: info for name, info in found.items() if name and not name.endswith("/")}
        within = {n.removeprefix(inside): m for n, m in members.items() if n.startswith(inside)}
        self._members = within or members

    def names(self) -> list[str]:
        return sorted(self._members)

    def read(self, name: str) -> bytes | None:
        member = self._members.get(name)
        if member is None or member.file_size > _MOST_BYTES:
            return None
        try:
            return self._zip.read(member)
        except (OSError, EOFError, BadZipFile, zlib.error, RuntimeError, ValueError):
            return None  # RuntimeError: encrypted, or packed in a way that is not known here


def open_files(root: Path, name: str) -> Folder | Archive | None:
    """The folder `name`, or else the archive `name`.zip, in `root`; None where neither is."""
    if (root / name).is_dir():
        return Folder(root / name)
    if (root / f"{name}.zip").is_file():
        return Archive(root / f"{name}.zip")
    return None


def content_digest(files: Files, names: Sequence[str]) -> bytes:
    """SHA-256 over the names and the contents, in this order; where they lie does not enter."""

    def digest(some: Sequence[str]) -> list[bytes]:
        contents = (files.read(name) for name in some)
        return [b"missing" if c is None else hashlib.sha256(c).digest() for c in contents]

    total = hashlib.sha256()
    chunks = [names[i : i + _CHUNK] for i in range(0, len(names), _CHUNK)]
    with ThreadPoolExecutor(min(_THREADS, len(chunks) or 1)) as pool:
        for some, contents in zip(chunks, pool.map(digest, chunks), strict=True):
            for name, content in zip(some, contents, strict=True):
                total.update(hashlib.sha256(name.encode()).digest() + content)
    return total.digest()


def decode(content: bytes | None) -> Image.Image:
    """The photograph, loaded, in colour.

    Grey becomes RGB. CMYK, palettes and transparency are refused: their colours would be a guess.
    Raises Unreadable where it is damaged, too large or of another kind.
    """
    if content is None:
        raise Unreadable("missing, or not to be read")
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
        if image.width * image.height > _MOST_PIXELS:
            raise Unreadable(f"too large: {image.width} x {image.height} pixels")
        if image.mode not in ("RGB", "L") or "transparency" in image.info:
            raise Unreadable(f"neither RGB nor grey, but {image.mode}")
        image.load()
    except UnidentifiedImageError:
        raise Unreadable(f"no image of these kinds: {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError, *_BOMBS) as error:
        raise Unreadable(f"damaged ({of_system(error)})") from None
    return image if image.mode == "RGB" else image.convert("RGB")


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 for an image that is stored as it is meant to be seen."""
    if "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        raise Unreadable("faulty EXIF data") from None
