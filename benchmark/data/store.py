"""The decoded store: every image decoded, cropped and resized once, into a uint8 memory map.

    <cache>/stores/<fingerprint>/images.npy    (N, 3, S, S) uint8
    <cache>/stores/<fingerprint>/store.json    title, parts, broken files

It is written beside its place and renamed into it, so that half a store is never seen; a lock
makes a second preparation wait for the first.
"""

import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from benchmark.data.settings import DataSettings, Split
from benchmark.data.source import FaceSource, open_source
from benchmark.errors import BenchError

# Training goes on only if fewer than this share of the images is broken.
BROKEN_LIMIT = 1e-3
_CHUNK = 128  # images that a thread decodes at once
_THREADS = min(16, os.cpu_count() or 1)  # PIL decodes without the interpreter's lock


@dataclass(frozen=True)
class FaceStore:
    """Images and their parts, ready for training."""

    title: str
    fingerprint: str
    images: NDArray[np.uint8]  # (N, 3, S, S), a read-only memory map
    splits: Mapping[Split, NDArray[np.int64]]  # positions in images
    broken: tuple[str, ...]

    def batch(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """A copy (N, 3, S, S) of the images at `positions`."""
        return np.ascontiguousarray(self.images[positions])


def open_store(settings: DataSettings, data_root: Path | None, cache: Path) -> FaceStore:
    """Open the store of `settings`, prepared first if it is not there.

    Raises InputError where the data are missing, BenchError where too many images are broken,
    the cache cannot be written or the store in it is damaged. A store that is there is only read.
    """
    source = open_source(settings, data_root)
    fingerprint = source.fingerprint()
    folder = cache / "stores" / fingerprint
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):
                if not folder.exists():
                    _prepare(source, folder)
    except OSError as error:
        raise BenchError(
            f"{folder.parent}: cannot keep the decoded images there ({error.strerror or error}); "
            "free some space or give --cache another folder"
        ) from None
    return _open(source, folder, fingerprint)


def _open(source: FaceSource, folder: Path, fingerprint: str) -> FaceStore:
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        record = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        splits = {
            part: np.array(record["splits"][part], dtype=np.int64) for part in get_args(Split)
        }
        broken = tuple(record["broken"])
        if images.shape != _shape(source) or images.dtype != np.uint8:
            raise ValueError(f"images.npy holds {images.shape} {images.dtype}")
        for part, at in splits.items():
            if at.ndim != 1 or not ((at >= 0) & (at < len(images))).all():
                raise ValueError(f"store.json: {part} points outside the images")
    except (OSError, EOFError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise BenchError(
            f"{folder}: a damaged store ({error!r}); delete that folder and start again"
        ) from None
    return FaceStore(source.title, fingerprint, images, splits, broken)


def _shape(source: FaceSource) -> tuple[int, int, int, int]:
    return len(source), 3, source.size, source.size


def _prepare(source: FaceSource, folder: Path) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed preparation left
    temporary.mkdir(parents=True)
    try:
        broken = _fill(source, temporary / "images.npy")
        _refuse_if_many(source, broken)
        gone = np.array(broken, dtype=np.int64)
        record = {
            "title": source.title,  # for whoever looks in here; FaceStore's comes from the source
            "splits": {
                part: np.setdiff1d(at, gone).tolist() for part, at in source.splits().items()
            },
            "broken": [source.name(index) for index in broken],
        }
        (temporary / "store.json").write_text(json.dumps(record), encoding="utf-8")
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(source: FaceSource, path: Path) -> list[int]:
    """Write images.npy; returns the indices of broken images.

    Through plain writes: on a full disk they raise, where a memory map would die of SIGBUS.
    """
    chunks = np.split(np.arange(len(source)), range(_CHUNK, len(source), _CHUNK))
    header = {"descr": "|u1", "fortran_order": False, "shape": _shape(source)}
    broken: list[int] = []
    with path.open("wb") as file, ThreadPoolExecutor(_THREADS) as pool:
        np.lib.format.write_array_header_1_0(file, header)
        # A few chunks at a time, so that a slow disk does not fill the memory.
        for first in range(0, len(chunks), 4 * _THREADS):
            some = chunks[first : first + 4 * _THREADS]
            for chunk, (decoded, whole) in zip(some, pool.map(source.decode, some), strict=True):
                file.write(np.ascontiguousarray(decoded).data)
                broken += chunk[~whole].tolist()
    return broken


def _refuse_if_many(source: FaceSource, broken: list[int]) -> None:
    if broken and len(broken) >= BROKEN_LIMIT * len(source):
        names = ", ".join(source.name(index) for index in broken[:5])
        raise BenchError(
            f"{len(broken)} of {len(source)} images are missing, torn or of another size "
            f"(allowed: fewer than 1 in 1,000): {names}{', ...' if len(broken) > 5 else ''}; "
            "fetch them again"
        )
