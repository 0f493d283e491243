"""The files of a tar archive, as it is or packed by gzip (webdataset's shards, .tar.gz)."""

import tarfile
import threading
import weakref
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from benchmark.data.containers.files import Archive
from benchmark.errors import InputError, of_system

SUFFIXES = (".tar", ".tar.gz", ".tgz")
_BLOCK = 8_000_000  # of unpacked bytes between two places where unpacking can start
_KEPT = 8  # blocks
_GZIP = 31  # zlib's name for gzip's format
_READ = 1 << 16


class Tar(Archive):
    """Read in any order. Raises InputError where `path` is no whole tar archive."""

    def __init__(self, path: Path) -> None:
        try:
            raw = path.open("rb")
            weakref.finalize(self, raw.close)
            packed = path.suffix.lower() != ".tar"
            self._file = cast(BinaryIO, Unpacking(raw)) if packed else raw
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                found = {
                    member.name.removeprefix("./"): (member.size, member.offset_data)
                    for member in archive
                    if member.isfile()
                }
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise InputError(
                f"{path}: not a valid tar archive ({of_system(error)}); fetch it again"
            ) from None
        self._lock = threading.Lock()
        super().__init__(path, path.name.partition(".")[0], found)

    def _unpacked(self, size: int, member: Any) -> bytes:
        with self._lock:
            self._file.seek(member)
            content = self._file.read(size)
        if len(content) < size:
            raise EOFError
        return content


class Unpacking:
    """What a gzip file unpacks to, read in any order.

    While it is read to its end for the first time, the state of the unpacking is kept every few
    megabytes; to go back is to start from the state before. It costs no disk and little memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 0
        # Where each block begins: the state of unpacking, and how far the file had been read.
        self._starts = [(zlib.decompressobj(_GZIP), 0)]
        self._unpacked = lru_cache(_KEPT)(self._unpack)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            number, begin = divmod(self._at, _BLOCK)
            part = self._block(number)[begin : begin + size]
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            size -= len(part)
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        while number >= (known := len(self._starts)):
            self._unpacked(known - 1)
            if len(self._starts) == known:  # it ends before
                return b""
        return self._unpacked(number)

    def _unpack(self, number: int) -> bytes:
        """A block; raises EOFError where the file ends before its end."""
        start, read = self._starts[number]
        state = start.copy()
        self._file.seek(read)
        parts, left, waiting = [], _BLOCK, state.unconsumed_tail
        while left > 0:
            if state.eof:
                following = state.unused_data or self._file.read(_READ)
                if not following.strip(b"\0"):
                    break
                state, waiting = zlib.decompressobj(_GZIP), following
            waiting = waiting or self._file.read(_READ)
            if not waiting:
                raise EOFError("it breaks off")
            parts.append(state.decompress(waiting, left))
            left -= len(parts[-1])
            waiting = state.unconsumed_tail
        if left == 0 and number + 1 == len(self._starts):
            self._starts.append((state, self._file.tell()))
        return b"".join(parts)
