"""A data set from outside the package, named by its import path."""

import hashlib
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchmark.data.settings import ExternalData, Split
from benchmark.data.views.rotated import Visits
from benchmark.errors import InputError
from benchmark.imports import load_class

_NEEDED = ("title", "fingerprint", "splits", "decode", "name", "__len__")


class External:
    """Any class that is built as `Class(size=, data_root=, **options)` and offers what
    FaceSource does, but for `pixels` and `visits`; its `subject` is "images" if it says none."""

    visits: Visits | None = None

    def __init__(self, settings: ExternalData, data_root: Path | None) -> None:
        """Raises InputError where the class is not there or is no data set."""
        self._settings, self.size = settings, settings.size
        made = load_class(settings.name)
        try:
            self._source: Any = made(size=settings.size, data_root=data_root, **settings.options)
        except TypeError as error:
            raise InputError(
                f"data.name: {settings.name} cannot be built with size, data_root and "
                f"data.options ({error})"
            ) from None
        missing = [name for name in _NEEDED if not hasattr(self._source, name)]
        if missing:
            raise InputError(
                f"data.name: {settings.name} has no {missing[0]}; a data set offers what "
                "FaceSource in benchmark/data/source.py does"
            )
        self.title: str = self._source.title
        self.subject: str = getattr(self._source, "subject", "images")
        if hasattr(self._source, "labels"):
            self.labels = self._source.labels

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        return str(self._source.name(index))

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        found = self._source.splits()
        return {part: np.asarray(found[part], dtype=np.int64) for part in get_args(Split)}

    def pixels(self) -> str:
        """Over the settings and what the class itself says decides its pixels."""
        text = f"external/{self._settings.model_dump_json()}/{self._source.fingerprint()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def fingerprint(self) -> str:
        return self.pixels()

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The class's own images; raises InputError where their shape or type is another."""
        images, whole = self._source.decode(indices)
        wanted = (len(indices), 3, self.size, self.size)
        if images.shape != wanted or images.dtype != np.uint8 or whole.shape != wanted[:1]:
            raise InputError(
                f"data.name: {self._settings.name} decodes to {images.dtype} {images.shape}; "
                f"wanted are uint8 {wanted} and one flag an image"
            )
        return images, whole
