"""A data set from outside the package, named by its import path."""

import hashlib
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchmark.data.settings import ExternalData, Split
from benchmark.data.source import Complete
from benchmark.data.views.rotated import Visits
from benchmark.errors import BenchError, InputError
from benchmark.imports import load_class

_NEEDED = ("title", "fingerprint", "splits", "decode", "name", "__len__")


class External(Complete):
    """Any class that is built as `Class(size=, data_root=, **options)` and offers FaceSource's
    interface, except what Complete provides and `pixels` and `visits`; `subject` defaults to
    "images".

    Any exception of its class becomes an InputError, so that a fault in it is one line.
    """

    visits: Visits | None = None

    def __init__(self, settings: ExternalData, data_root: Path | None) -> None:
        """Raises InputError if the class is missing or not a data set, or if its parts are not
        disjoint sets of image positions."""
        self._settings, self.size = settings, settings.size
        made = load_class(settings.name)
        try:
            self._source: Any = made(size=settings.size, data_root=data_root, **settings.options)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(
                f"data.name: {settings.name} cannot be built with size, data_root and "
                f"data.options ({_said(error)})"
            ) from error
        for name in _NEEDED:
            if not self._tried(name, partial(hasattr, self._source, name)):
                raise InputError(
                    f"data.name: {settings.name} has no {name}; a data set offers what FaceSource "
                    "in benchmark/data/source.py does"
                )
        self.title = str(self._source.title)
        self.subject = str(getattr(self._source, "subject", "images"))
        self._count = int(self._ask("__len__"))
        if self._count < 1:
            raise self._refusal("__len__", f"returned {self._count}; expected the number of images")
        self._splits = self._read_splits()
        if hasattr(self._source, "labels"):
            self.labels = lambda: self._ask("labels")

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return str(self._ask("name", index))

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        return self._splits

    def pixels(self) -> str:
        """Digest over the settings and whatever the class declares to determine its pixels."""
        said = self._ask("fingerprint")
        if not isinstance(said, str) or not said:
            raise self._refusal(
                "fingerprint",
                f"returned a {type(said).__name__}; expected text that identifies the pixels",
            )
        if said != self._ask("fingerprint"):
            raise self._refusal("fingerprint", "returned another text at each call")
        text = f"external/{self._settings.model_dump_json()}/{said}"
        return hashlib.sha256(text.encode()).hexdigest()

    def fingerprint(self) -> str:
        return self.pixels()

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The class's own images; raises InputError if their shape or type is wrong."""
        found = self._ask("decode", indices.copy())
        if not isinstance(found, tuple) or len(found) != 2:
            raise self._refusal("decode", "returned no pair; expected images and flags")
        images, whole = np.asarray(found[0]), np.asarray(found[1])
        wanted = (len(indices), 3, self.size, self.size)
        if images.shape != wanted or images.dtype != np.uint8:
            raise InputError(
                f"data.name: {self._settings.name} decodes to {images.dtype} {images.shape}; "
                f"expected uint8 {wanted} and one flag an image"
            )
        if whole.shape != wanted[:1] or whole.dtype != np.bool_:
            raise self._refusal(
                "decode",
                f"returned flags {whole.dtype} {whole.shape}; expected one bool an image, "
                f"{wanted[:1]}: whether it is whole",
            )
        return images, whole

    def _read_splits(self) -> dict[Split, NDArray[np.int64]]:
        found = self._ask("splits")
        parts: dict[Split, NDArray[np.int64]] = {}
        for part in get_args(Split):
            try:
                at = np.asarray(found[part])
            except (KeyError, TypeError, IndexError, ValueError):
                raise self._refusal(
                    "splits", f"has no {part!r}; expected train, validation and test"
                ) from None
            if at.ndim != 1 or (at.dtype.kind not in "iu" and len(at)):
                mask = " (np.flatnonzero makes positions of a mask)" * (at.dtype == np.bool_)
                raise self._refusal(
                    "splits", f"returned {part} as {at.dtype} {at.shape}; expected positions{mask}"
                )
            if len(at) == 0:
                raise self._refusal("splits", f"returned no {part} image")
            if at.min() < 0 or at.max() >= self._count:
                raise self._refusal(
                    "splits", f"returned {part} positions outside its {self._count} images"
                )
            parts[part] = at.astype(np.int64)
        everything, counts = np.unique(np.concatenate([*parts.values()]), return_counts=True)
        if (counts > 1).any():
            twice = int((counts > 1).sum())
            first = int(everything[counts > 1][0])
            raise self._refusal(
                "splits", f"has {twice} images in two parts or twice in one (the first is {first})"
            )
        return parts

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._tried(method, lambda: getattr(self._source, method)(*arguments))

    def _tried(self, name: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise self._refusal(name, f"fails ({_said(error)})") from error

    def _refusal(self, method: str, what: str) -> InputError:
        return InputError(f"data.name: {self._settings.name}: {method} {what}")


def _said(error: BaseException) -> str:
    """An error of somebody else's code on one line, with where it was raised."""
    text = " ".join(str(error).split())[:200]
    last = traceback.extract_tb(error.__traceback__)[-1]
    kind = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{kind}, {Path(last.filename).name}:{last.lineno}"
