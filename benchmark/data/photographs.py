"""What CelebA's layout and plain folders share: photographs in files, decoded one by one."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.files import Files
from benchmark.data.images import RULES_VERSION, Unreadable
from benchmark.data.selection import in_an_earlier_part
from benchmark.data.settings import Split
from benchmark.data.survey import Survey, Track, survey, untracked
from benchmark.data.views.rotated import Visits

_PROBED = 16  # images whose pixels enter the fingerprint


@dataclass(frozen=True)
class Reading:
    """How files are read; it changes no pixel."""

    cache: Path | None = None  # where the sums of files are kept
    track: Track = untracked


class Photographs(ABC):
    """Photographs by name. A subclass defines the square crop, and the part of each image."""

    title: str
    subject: str
    place: str  # of the images below the data root
    size: int
    visits: Visits | None = None

    def __init__(
        self, files: Files, names: Sequence[str], found: Sequence[str | None], reading: Reading
    ) -> None:
        """`found` are the files of `names`, None for an image that is not there."""
        self.files, self._reading = files, reading
        self._names, self._found = names, found
        self.absent = np.array([i for i, file in enumerate(found) if file is None], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._names)

    @abstractmethod
    def name(self, index: int) -> str: ...

    @abstractmethod
    def fingerprint(self) -> str: ...

    @abstractmethod
    def notes(self) -> list[str]: ...

    @abstractmethod
    def _kind(self) -> bytes:
        """Everything that determines the pixels, except the image files."""

    @abstractmethod
    def splits(self) -> dict[Split, NDArray[np.int64]]:
        """The images of each part that are there."""

    @abstractmethod
    def _seen(self, content: bytes, index: int) -> NDArray[np.uint8]:
        """(3, side, side); raises Unreadable."""

    @property
    def _side(self) -> int:
        return self.visits.canvas if self.visits else self.size

    @cached_property
    def survey(self) -> Survey:
        """Of every image's file."""
        return survey(
            self.files,
            [file or "" for file in self._found],
            self._reading.cache,
            self._reading.track,
        )

    def pixels(self) -> str:
        """Over every image's name and content, all else that decides the pixels, the reader's
        version, that of the rules where an image follows one, and a few images' pixels: for
        another decoder, or a forgotten version.

        Neither the path nor the files' times enter.
        """
        return self._pixels

    @cached_property
    def _pixels(self) -> str:
        digest = hashlib.sha256(self._kind())
        digest.update(self.survey.digest(self._names))
        if self.survey.rules.any():
            digest.update(f"rules/{RULES_VERSION}".encode())
        digest.update(self.decode(np.arange(min(_PROBED, len(self))))[0].tobytes())
        return digest.hexdigest()

    def copies(self) -> NDArray[np.int64]:
        """Images that are left out because an earlier part holds the same file."""
        return self._copies

    @cached_property
    def _copies(self) -> NDArray[np.int64]:
        return in_an_earlier_part(self.splits(), self.survey.firsts())

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, side, side); one that is not whole is black and flagged.

        `side` is the images' size, or that of the canvases of `visits`.
        """
        images = np.zeros((len(indices), 3, self._side, self._side), dtype=np.uint8)
        whole = np.zeros(len(indices), dtype=np.bool_)
        for row, index in enumerate(indices.tolist()):
            try:
                images[row] = self._seen(self._content(index), index)
            except Unreadable:
                continue
            whole[row] = True
        return images, whole

    def fault(self, index: int) -> str | None:
        """Why an image is not whole, None for one that is."""
        try:
            self._seen(self._content(index), index)
        except Unreadable as why:
            return str(why)
        return None

    def _content(self, index: int) -> bytes:
        file = self._found[index]
        if file is None:
            raise Unreadable("missing")
        return self.files.read(file)
