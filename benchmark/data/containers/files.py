"""Files by name, as bytes: what a data set is made of, in a folder or (archives.py) packed."""

import os
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.listing import Listing, images_among, walk
from benchmark.data.images import Unreadable
from benchmark.errors import of_system

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
