"""Files by name, as bytes: what a data set is made of, in a folder or packed in an archive."""

import os
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.listing import SYSTEM, Listing, images_among, is_of_the_system, walk
from benchmark.errors import InputError, of_system

MOST_BYTES = 200_000_000
Stamps = NDArray[np.int64]  # (N, 4): size, times of change in ns, inode


class Files(Protocol):
    """Named files that can be read from several threads at once."""

    path: Path  # where they lie

    def images(self) -> Listing:
        """Those that are images."""

    def read(self, name: str) -> bytes | None:
        """The content, or None where it cannot be read."""

    def why_not(self, name: str) -> str:
        """Why `read` gives None."""

    def stamps(self, names: Sequence[str]) -> Stamps:
        """What changes whenever a file's content does; zeros where there is none."""


def stamp(path: str) -> tuple[int, int, int, int]:
    """Size, times of change and inode of a file, or zeros."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 200,000 takes as long again
    except (OSError, ValueError):
        return 0, 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class Folder:
    """The files of a folder, named by their path in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """All but those of the system, sorted."""
        return self._walked[0]

    def images(self) -> Listing:
        return self._images

    @cached_property
    def _walked(self) -> tuple[list[str], Counter[str]]:
        return walk(self.path)

    @cached_property
    def _images(self) -> Listing:
        return images_among(*self._walked)

    def read(self, name: str) -> bytes | None:
        path = self.path / name
        try:
            return path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return None

    def why_not(self, name: str) -> str:
        path = self.path / name
        try:
            if path.stat().st_size > MOST_BYTES:
                return f"too large: {path.stat().st_size} bytes"
            path.read_bytes()
        except FileNotFoundError:
            return "missing"
        except (OSError, ValueError) as error:
            return f"cannot be read ({of_system(error)})"
        return "cannot be read"

    def stamps(self, names: Sequence[str]) -> Stamps:
        root = os.fspath(self.path)
        found = np.zeros((len(names), 4), dtype=np.int64)
        for row, name in enumerate(names):
            found[row] = stamp(f"{root}/{name}")
        return found


class Packed:
    """What all archives share: their files change when the archive does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def why_not(self, name: str) -> str:
        return f"cannot be unpacked from {self.path.name} (encrypted, damaged or too large)"

    def stamps(self, names: Sequence[str]) -> Stamps:
        return np.tile(np.array(stamp(os.fspath(self.path)), dtype=np.int64), (len(names), 1))


class Archive(Packed):
    """The files of a zip archive, unpacked one by one and only into memory.

    Those in a folder that has the archive's own name are named by their path in that folder.
    Raises InputError where `path` is no zip archive.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._zip = ZipFile(path)
        except (OSError, BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{path}: not a valid zip archive ({of_system(error)}); fetch it again"
            ) from None
        inside = f"{path.stem}/"
        # A folder's name ends in a slash; a damaged member may have none at all.
        found = {info.filename: info for info in self._zip.infolist()}
        members = {name: info for name, info in found.items() if name and not name.endswith("/")}
        within = {n.removeprefix(inside): m for n, m in members.items() if n.startswith(inside)}
        chosen = within or members
        self._members = {n: m for n, m in chosen.items() if not is_of_the_system(n)}
        system = sum(map(is_of_the_system, members))
        beside = len(members) - system - len(self._members)
        self._left_out = {SYSTEM: system, f"outside of {inside}": beside}

    def names(self) -> list[str]:
        """All but those of the system, sorted."""
        return sorted(self._members)

    def images(self) -> Listing:
        return images_among(self.names(), self._left_out)

    def read(self, name: str) -> bytes | None:
        member = self._members.get(name)
        if member is None or member.file_size > MOST_BYTES:
            return None
        try:
            return self._zip.read(member)
        except (OSError, EOFError, BadZipFile, zlib.error, RuntimeError, ValueError):
            return None  # RuntimeError: encrypted, or packed in a way that is not known here
