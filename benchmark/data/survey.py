"""A survey of many images: their SHA-256 and the rules by which they are decoded.

Checksums of unchanged files (by size, times and inode) are cached, so that a data set is read once
and not at every run.
"""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmark.cores import usable
from benchmark.data.containers.files import Files, Stamps
from benchmark.data.images import RULES_VERSION, Rule, Unreadable, rules
from benchmark.files import write_atomic

_CHUNK = 256  # files that a thread reads in one go
_THREADS = min(16, usable())
# A file modified just before it was read may change again within one timestamp tick.
_SETTLED_NS = 2_000_000_000

Item = TypeVar("Item")


class Track(Protocol):
    """Shows progress through `count` things while it hands them on."""

    def __call__(self, things: Iterable[Item], name: str, count: int, /) -> Iterable[Item]: ...


def untracked(things: Iterable[Item], name: str, count: int, /) -> Iterable[Item]:
    """Shows nothing."""
    return things


@dataclass(frozen=True)
class Survey:
    """Image by image, (N, ...)."""

    sums: NDArray[np.uint8]  # (N, 32) SHA-256 of the content
    there: NDArray[np.bool_]  # whether it could be read
    rules: NDArray[np.uint16]  # as images.Rule

    def digest(self, names: Sequence[str]) -> bytes:
        """SHA-256 over names and contents, in this order; locations do not enter."""
        total = hashlib.sha256()
        sums = self.sums.tobytes()
        for row, name in enumerate(names):
            # A name that is not UTF-8 enters as its own bytes.
            total.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
            total.update(sums[32 * row : 32 * row + 32] if self.there[row] else b"missing")
        return total.digest()

    def firsts(self) -> NDArray[np.int64]:
        """For each image the first one of the same content, (N,); itself where there is none."""
        rows = np.arange(len(self.sums), dtype=np.int64)
        keys = np.ascontiguousarray(self.sums).view("V32")[:, 0]
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        return np.where(self.there, first[which.reshape(-1)], rows)

    def counts(self) -> dict[Rule, int]:
        """How many images follow each rule; unused rules are left out."""
        found = {rule: int((self.rules & rule != 0).sum()) for rule in Rule}
        return {rule: count for rule, count in found.items() if count}


def survey(
    files: Files, names: Sequence[str], cache: Path | None = None, track: Track = untracked
) -> Survey:
    """Read `names`, empty for what is not there; what `cache` knows of files that have not changed
    is not read again."""
    if not names:
        return _empty(0)
    known = _Known.load(cache, files, names) if cache is not None else None
    left = np.arange(len(names)) if known is None else np.flatnonzero(~known.fresh)
    found = known.survey if known is not None else _empty(len(names))
    if len(left) == 0:
        return found
    began = time.time_ns()
    chunks = [left[i : i + _CHUNK] for i in range(0, len(left), _CHUNK)]

    def read(rows: NDArray[np.int64]) -> tuple[bytes, list[bool], list[int]]:
        sums, there, followed = [bytes(32)] * len(rows), [False] * len(rows), [0] * len(rows)
        for at, row in enumerate(rows.tolist()):
            if not names[row]:
                continue
            with suppress(Unreadable):
                content = files.read(names[row])
                sums[at], there[at] = hashlib.sha256(content).digest(), True
                followed[at] = int(rules(content))
        return b"".join(sums), there, followed

    with ThreadPoolExecutor(min(_THREADS, len(chunks))) as pool:
        read_of = zip(chunks, pool.map(read, chunks), strict=True)
        for rows, (sums, there, followed) in track(read_of, "reading", len(chunks)):
            found.sums[rows] = np.frombuffer(sums, dtype=np.uint8).reshape(-1, 32)
            found.there[rows], found.rules[rows] = there, followed
    if known is not None:
        known.save(began)
    return found


def _empty(count: int) -> Survey:
    return Survey(
        np.zeros((count, 32), dtype=np.uint8),
        np.zeros(count, dtype=np.bool_),
        np.zeros(count, dtype=np.uint16),
    )


@dataclass(frozen=True)
class _Known:
    """What the cache knows of the files of one folder or archive."""

    path: Path
    names: bytes  # joined by NUL, which no file's name holds
    stamps: Stamps
    survey: Survey
    fresh: NDArray[np.bool_]  # whose sums are known

    @classmethod
    def load(cls, cache: Path, files: Files, names: Sequence[str]) -> "_Known":
        """Empty if there is no such file, or it is damaged or from other rules."""
        where = hashlib.sha256(os.fsencode(files.path.resolve())).hexdigest()[:32]
        path = cache / "sums" / f"{where}.npz"
        stamps, found = files.stamps(names), _empty(len(names))
        fresh = np.zeros(len(names), dtype=np.bool_)
        listed = "\0".join(names).encode("utf-8", "surrogateescape")
        damage = OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile
        with suppress(*damage), np.load(path, allow_pickle=False) as kept:
            rows = _rows(kept["names"].tobytes(), listed)
            if int(kept["version"]) == RULES_VERSION and rows is not None:
                same = (kept["stamps"][rows] == stamps).all(axis=1) & (rows >= 0)
                fresh[:] = same & kept["there"][rows]
                found.sums[fresh] = kept["sums"][rows][fresh]
                found.rules[fresh] = kept["rules"][rows][fresh]
                found.there[fresh] = True
        return cls(path, listed, stamps, found, fresh)

    def save(self, began: int) -> None:
        settled = self.stamps[:, 1:3].max(axis=1, initial=0) < began - _SETTLED_NS
        file = io.BytesIO()
        np.savez(
            file,
            version=np.array(RULES_VERSION),
            names=np.frombuffer(self.names, dtype=np.uint8),
            stamps=np.where(settled[:, None], self.stamps, -1),
            sums=self.survey.sums,
            there=self.survey.there,
            rules=self.survey.rules,
        )
        with suppress(OSError):  # a cache that cannot be written is only slower
            write_atomic(self.path, file.getvalue())


def _rows(kept: bytes, wanted: bytes) -> NDArray[np.int64] | None:
    """Where each wanted name is among those kept, -1 where it is not; None where none is."""
    if kept == wanted:
        return np.arange(wanted.count(b"\0") + 1)
    places = {name: row for row, name in enumerate(kept.split(b"\0"))}
    rows = np.array([places.get(name, -1) for name in wanted.split(b"\0")], dtype=np.int64)
    return rows if (rows >= 0).any() else None
