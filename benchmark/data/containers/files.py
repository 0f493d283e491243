"""Files by name, as bytes: what a data set is made of, in a folder or packed in an archive."""

import os
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.listing import SYSTEM, Listing, images_among, is_of_the_system, walk
from benchmark.data.images import Unreadable
from benchmark.errors import InputError, of_system

MOST_BYTES = 200_000_000
Stamps = NDArray[np.int64]  # (N, 4): size, times of change in ns, inode


class Files(Protocol):
    """Named files that can be read from several threads at once."""

    path: Path  # where they lie

    def images(self) -> Listing:
        """Those that are images."""

    def read(self, name: str) -> bytes:
        """The content; raises Unreadable, which says why."""

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

    def read(self, name: str) -> bytes:
        path = self.path / name
        try:
            size = path.stat().st_size
            if size <= MOST_BYTES:
                return path.read_bytes()
        except FileNotFoundError:
            raise Unreadable("missing") from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise Unreadable(f"cannot be read ({of_system(error)})") from None
        raise Unreadable(f"too large: {size} bytes")

    def stamps(self, names: Sequence[str]) -> Stamps:
        root = os.fspath(self.path)
        found = [stamp(f"{root}/{name}") for name in names]
        return np.array(found, dtype=np.int64).reshape(-1, 4)


class Packed:
    """What all archives share: their files change when the archive does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamps(self, names: Sequence[str]) -> Stamps:
        return np.tile(np.array(stamp(os.fspath(self.path)), dtype=np.int64), (len(names), 1))

    def _unreadable(self) -> Unreadable:
        return Unreadable(
            f"cannot be unpacked from {self.path.name} (encrypted, damaged or too large)"
        )


class Archive(Packed, ABC):
    """An archive of files by name, unpacked one by one and only into memory.

    Those in a folder that has the archive's own name are named by their path in that folder.
    """

    def __init__(self, path: Path, stem: str, members: Mapping[str, tuple[int, Any]]) -> None:
        """`members`: size of each, and what `_unpacked` finds it by."""
        super().__init__(path)
        inside = f"{stem}/"
        within = {n.removeprefix(inside): m for n, m in members.items() if n.startswith(inside)}
        chosen = within or members
        self._members = {n: m for n, m in chosen.items() if not is_of_the_system(n)}
        system = sum(map(is_of_the_system, members))
        beside = len(members) - system - len(self._members)
        self._left_out = {SYSTEM: system, f"outside of {inside}": beside}

    @abstractmethod
    def _unpacked(self, size: int, member: Any) -> bytes: ...

    def names(self) -> list[str]:
        """All but those of the system, sorted."""
        return sorted(self._members)

    def images(self) -> Listing:
        return images_among(self.names(), self._left_out)

    def read(self, name: str) -> bytes:
        size, member = self._members.get(name, (MOST_BYTES + 1, None))
        # RuntimeError: encrypted, or packed in a way that is not known here.
        with suppress(OSError, EOFError, ValueError, RuntimeError, BadZipFile, zlib.error):
            if size <= MOST_BYTES:
                return self._unpacked(size, member)
        raise self._unreadable()


class Zip(Archive):
    """Raises InputError where `path` is no zip archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = ZipFile(path)
        except (OSError, BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{path}: not a valid zip archive ({of_system(error)}); fetch it again"
            ) from None
        found = {info.filename: (info.file_size, info) for info in self._zip.infolist()}
        # A folder's name ends in a slash; a damaged member may have none at all.
        members = {n: m for n, m in found.items() if n and not n.endswith("/")}
        super().__init__(path, path.stem, members)

    def _unpacked(self, size: int, member: Any) -> bytes:
        return self._zip.read(member)
