"""The decoded store: every image decoded, cropped and resized once, into a uint8 memory map.

    <cache>/stores/<pixels>/images.npy    (N, 3, S, S) uint8
    <cache>/stores/<pixels>/store.json    title, indices of broken images

<pixels> is the fingerprint of the pixels alone: choices of parts share one store.

It is written to a temporary folder and renamed, so that a partial store is never seen; a lock makes
a second preparation wait for the first.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from benchmark.cores import usable
from benchmark.data.fitness import only_copies, too_many_broken, unfit
from benchmark.data.photographs import Reading
from benchmark.data.settings import DataSettings, Split
from benchmark.data.source import FaceSource, labels_of, open_source
from benchmark.data.survey import Track, untracked
from benchmark.data.views.rotated import Visits
from benchmark.errors import BenchError, InputError
from benchmark.files import sha256

_CHUNK_BYTES = 2_000_000  # of images that a thread decodes at once
_THREADS = min(16, usable())  # PIL decodes without the interpreter's lock
_Decoded = tuple[NDArray[np.uint8], NDArray[np.bool_]]  # images, and which of them are whole


@dataclass(frozen=True)
class FaceStore:
    """Images and their parts, ready for training."""

    title: str
    fingerprint: str
    images: NDArray[np.uint8]  # (N, 3, S, S), or with visits canvases; a read-only memory map
    splits: Mapping[Split, NDArray[np.int64]]  # positions in images
    broken: tuple[str, ...]
    visits: Visits | None = None
    subject: str = "images"  # what the images are of
    attributes: tuple[str, ...] = ()  # the requested ones
    labels: NDArray[np.uint8] | None = None  # (N, attributes) of 0 and 1, where any were
    notes: tuple[str, ...] = ()  # how files were interpreted, and what was left out

    @property
    def name(self) -> str:
        """Of its folder in the cache, so that `bench gc` keeps it; empty where it has none."""
        images = self.images
        return Path(str(images.filename)).parent.name if isinstance(images, np.memmap) else ""

    @property
    def labels_sha256(self) -> str | None:
        """Digest of the attributes' names and all labels; the fingerprint covers images and
        parts."""
        if self.labels is None:
            return None
        names = "/".join(self.attributes).encode()
        return hashlib.sha256(names + b"\n" + self.labels.tobytes()).hexdigest()

    def batch(self, positions: NDArray[np.int64], seed: int, step: int) -> NDArray[np.uint8]:
        """What a run's training step sees of `positions`: a new array (N, 3, S, S).

        If images are rotated at every visit, the angle is a function of (seed, step, position).
        """
        return self._seen(positions, f"visit/{seed}/{step}")

    def fixed(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `positions`, (N, 3, S, S), the same for every run, seed and step.

        If images are rotated at every visit, they are rotated here as by `draw: image`.
        """
        return self._seen(positions, "image")

    def _seen(self, positions: NDArray[np.int64], stream: str) -> NDArray[np.uint8]:
        if self.visits is None:
            return np.ascontiguousarray(self.images[positions])
        return self.visits.batch(self.images, positions, stream)


def open_store(
    settings: DataSettings,
    data_root: Path | None,
    cache: Path,
    attributes: Sequence[str] = (),
    track: Track = untracked,
    asked: str = "method.attributes",
) -> FaceStore:
    """Open the store of `settings`, prepared first if it is not there.

    With `attributes`, which the setting `asked` names, it has labels; `track` may show progress.
    Raises InputError where the data or one of these attributes is missing, BenchError where too
    many images are broken, the cache cannot be written or the store in it is damaged. An existing
    store is only read.
    """
    source = open_source(settings, data_root, Reading(cache, track))
    folder = cache / "stores" / source.pixels()
    refusal = (None if folder.exists() else unfit(source)) or only_copies(source)
    if refusal is not None:
        raise InputError(refusal)
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):
                if not folder.exists():
                    _prepare(source, folder, track)
    except OSError as error:
        raise BenchError(
            f"{folder.parent}: cannot keep the decoded images there ({error.strerror or error}); "
            "free some space or give --cache another folder"
        ) from None
    store = _open(source, folder)
    return _with_labels(store, source, attributes, asked) if attributes else store


def _with_labels(
    store: FaceStore, source: FaceSource, attributes: Sequence[str], asked: str
) -> FaceStore:
    named, everything = labels_of(source)
    for name in attributes:
        if name not in named:
            raise InputError(
                f"{asked}: {store.title} has no attribute {name!r}; it has: "
                f"{', '.join(named) or 'none at all'}"
            )
    labels = np.ascontiguousarray(everything[:, [named.index(name) for name in attributes]])
    return replace(store, attributes=tuple(attributes), labels=labels)


def _open(source: FaceSource, folder: Path) -> FaceStore:
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        record = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        broken = np.array(record["broken"], dtype=np.int64)
        if images.shape != _shape(source) or images.dtype != np.uint8:
            raise ValueError(f"images.npy holds {images.shape} {images.dtype}")
        if broken.ndim != 1 or not ((broken >= 0) & (broken < len(images))).all():
            raise ValueError("store.json: broken points outside the images")
    except (OSError, EOFError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise BenchError(
            f"{folder}: a damaged store ({error!r}); delete that folder and start again"
        ) from None
    left_out = np.concatenate([broken, source.copies()])
    splits = {part: np.setdiff1d(at, left_out) for part, at in source.splits().items()}
    names = tuple(source.name(index) for index in broken.tolist())
    count = len(source.copies())
    said = [f"{count} copies of images in an earlier part are left out"] if count else []
    return FaceStore(
        title=source.title,
        fingerprint=source.fingerprint(),
        images=images,
        splits=splits,
        broken=names,
        visits=source.visits,
        subject=source.subject,
        notes=(*source.notes(), *said),
    )


def _shape(source: FaceSource) -> tuple[int, int, int, int]:
    side = source.visits.canvas if source.visits else source.size
    return len(source), 3, side, side


def _prepare(source: FaceSource, folder: Path, track: Track) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed preparation left
    temporary.mkdir(parents=True)
    try:
        broken = _fill(source, temporary / "images.npy", track)
        if refusal := too_many_broken(source, broken):
            raise BenchError(refusal)
        digest = sha256(temporary / "images.npy")
        # The title is for human readers, the checksum for `bench doctor`.
        record = {"title": source.title, "broken": broken, "images_sha256": digest}
        (temporary / "store.json").write_text(json.dumps(record), encoding="utf-8")
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(source: FaceSource, path: Path, track: Track) -> list[int]:
    """Write images.npy; returns the indices of broken images, without those that are not there.

    Through plain writes: on a full disk they raise, where a memory map would die of SIGBUS.
    """
    shape = _shape(source)
    length = max(1, min(128, _CHUNK_BYTES // prod(shape[1:])))
    chunks = np.split(np.arange(len(source)), range(length, len(source), length))
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    broken: list[int] = []
    with path.open("wb") as file, ThreadPoolExecutor(_THREADS) as pool:
        np.lib.format.write_array_header_1_0(file, header)
        decoded = _decoded(source, chunks, pool)
        for chunk, (images, whole) in track(decoded, "decoding", len(chunks)):
            if np.isin(chunk, source.absent).all():
                file.seek(images.nbytes, os.SEEK_CUR)  # a hole: it takes no space
            else:
                file.write(np.ascontiguousarray(images).data)
            broken += chunk[~whole].tolist()
        file.truncate(file.tell())
    absent = set(source.absent.tolist())
    return [index for index in broken if index not in absent]


def _decoded(
    source: FaceSource, chunks: Sequence[NDArray[np.int64]], pool: ThreadPoolExecutor
) -> Iterator[tuple[NDArray[np.int64], _Decoded]]:
    """Each chunk and its images; the threads stay a few chunks ahead and no more: a slow disk must
    not fill the memory."""
    ahead: deque[tuple[NDArray[np.int64], Future[_Decoded]]] = deque()
    for chunk in chunks:
        ahead.append((chunk, pool.submit(source.decode, chunk)))
        if len(ahead) > 2 * _THREADS:
            first, decoding = ahead.popleft()
            yield first, decoding.result()
    for first, decoding in ahead:
        yield first, decoding.result()
