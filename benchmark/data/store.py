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

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from benchmark.data.settings import DataSettings, Split
from benchmark.data.source import FaceSource, open_source
from benchmark.errors import BenchError

# Training goes on only if fewer than this share of the images is broken.
BROKEN_LIMIT = 1e-3
_CHUNK = 128


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

    Raises InputError where the data are missing, BenchError where too many images are broken
    or the cache cannot be written.
    """
    source = open_source(settings, data_root)
    fingerprint = source.fingerprint()
    folder = cache / "stores" / fingerprint
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                _prepare(source, folder)
    except OSError as error:
        raise BenchError(
            f"{folder.parent}: cannot keep the decoded images there ({error.strerror}); "
            "free some space or give --cache another folder"
        ) from None
    return _open(folder, fingerprint)


def _open(folder: Path, fingerprint: str) -> FaceStore:
    try:
        record = json.loads((folder / "store.json").read_text())
        images = np.load(folder / "images.npy", mmap_mode="r")
        splits = {part: np.array(at, dtype=np.int64) for part, at in record["splits"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise BenchError(
            f"{folder}: a damaged store ({error}); delete that folder and start again"
        ) from None
    return FaceStore(record["title"], fingerprint, images, splits, tuple(record["broken"]))


def _prepare(source: FaceSource, folder: Path) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed preparation left
    temporary.mkdir(parents=True)
    try:
        broken = _fill(source, temporary / "images.npy")
        _refuse_if_many(source, broken)
        gone = np.array(broken, dtype=np.int64)
        record = {
            "title": source.title,
            "splits": {
                part: np.setdiff1d(at, gone).tolist() for part, at in source.splits().items()
            },
            "broken": [source.name(index) for index in broken],
        }
        (temporary / "store.json").write_text(json.dumps(record))
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(source: FaceSource, path: Path) -> list[int]:
    shape = (len(source), 3, source.size, source.size)
    with path.open("wb") as file:
        # Reserve the space now: a full disk is an error here, not a bus error in the map.
        os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)) + 4096)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    chunks = np.split(np.arange(len(source)), range(_CHUNK, len(source), _CHUNK))
    broken: list[int] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk, (decoded, whole) in zip(chunks, pool.map(source.decode, chunks), strict=True):
            images[chunk[0] : chunk[-1] + 1] = decoded
            broken += chunk[~whole].tolist()
    images.flush()
    return broken


def _refuse_if_many(source: FaceSource, broken: list[int]) -> None:
    if broken and len(broken) >= BROKEN_LIMIT * len(source):
        names = ", ".join(source.name(index) for index in broken[:5])
        raise BenchError(
            f"{len(broken)} of {len(source)} images are missing, torn or of another size "
            f"(allowed: fewer than 1 in 1,000): {names}{', ...' if len(broken) > 5 else ''}; "
            "fetch them again"
        )
