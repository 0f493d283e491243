"""The files of a tar archive, as it is or packed by gzip (webdataset's shards, .tar.gz)."""

import io
import tarfile
import threading
import weakref
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, cast

from benchmark.data.containers.files import MOST_BYTES, Packed
from benchmark.data.containers.listing import SYSTEM, Listing, images_among, is_of_the_system
from benchmark.errors import InputError, of_system

SUFFIXES = (".tar", ".tar.gz", ".tgz")
_BLOCK = 8_000_000  # of unpacked bytes between two places where unpacking can start
_KEPT = 8  # blocks
_GZIP = 31  # zlib's name for gzip's format
_READ = 1 << 16


class Tar(Packed):
    """A tar archive's files, read in any order and never unpacked to a disk.

    Those in a folder that has the archive's own name are named by their path in that folder.
    Raises InputError where `path` is no whole tar archive.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            raw = path.open("rb")
            weakref.finalize(self, raw.close)
            packed = path.suffix.lower() != ".tar"
            self._file = cast(BinaryIO, GzipFile(raw)) if packed else raw
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                members = {m.name.removeprefix("./"): m for m in archive if m.isfile()}
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise InputError(
                f"{path}: not a valid tar archive ({of_system(error)}); fetch it again"
            ) from None
        inside = f"{path.name.partition('.')[0]}/"
        within = {n.removeprefix(inside): m for n, m in members.items() if n.startswith(inside)}
        chosen = within or members
        self._members = {
            name: (member.offset_data, member.size)
            for name, member in chosen.items()
            if not is_of_the_system(name)
        }
        system = sum(map(is_of_the_system, members))
        beside = len(members) - system - len(self._members)
        self._left_out = {SYSTEM: system, f"outside of {inside}": beside}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """All but those of the system, sorted."""
        return sorted(self._members)

    def images(self) -> Listing:
        return images_among(self.names(), self._left_out)

    def read(self, name: str) -> bytes | None:
        offset, size = self._members.get(name, (0, MOST_BYTES + 1))
        if size > MOST_BYTES:
            return None
        try:
            with self._lock:
                self._file.seek(offset)
                content = self._file.read(size)
        except (OSError, EOFError, zlib.error, ValueError):
            return None
        return content if len(content) == size else None


class GzipFile(io.RawIOBase):
    """What a gzip file unpacks to, read in any order.

    While it is read to its end for the first time, the state of the unpacking is kept every few
    megabytes; to go back is to start from the state before. It costs no disk and little memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # Where each block begins: the state of unpacking, and how far the file had been read.
        self._starts = [(zlib.decompressobj(_GZIP), 0)]
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0
        self._size: int | None = None

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += self._length()
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        parts = []
        left = self._length() - self._at if size < 0 else size
        while left > 0:
            number, begin = divmod(self._at, _BLOCK)
            part = self._block(number)[begin : begin + left]
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return b"".join(parts)

    def _length(self) -> int:
        number = len(self._starts) - 1
        while self._size is None:
            self._block(number)
            number += 1
        return self._size

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            for missing in range(min(number, len(self._starts) - 1), number + 1):
                if self._size is not None and missing * _BLOCK >= self._size:
                    return b""
                self._blocks[missing] = self._unpack(missing)
                while len(self._blocks) > _KEPT:
                    self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _unpack(self, number: int) -> bytes:
        """A block; raises EOFError where the file ends before its end."""
        start, read = self._starts[number]
        state = start.copy()
        self._file.seek(read)
        parts, left, waiting = [], _BLOCK, state.unconsumed_tail
        while left > 0:
            if state.eof:
                following = state.unused_data or self._file.read(_READ)
                read = self._file.tell()
                if not following.strip(b"\0"):
                    self._size = number * _BLOCK + _BLOCK - left
                    break
                state, waiting = zlib.decompressobj(_GZIP), following
            if not waiting:
                waiting = self._file.read(_READ)
                if not waiting:
                    raise EOFError("it breaks off")
            part = state.decompress(waiting, left)
            parts.append(part)
            left -= len(part)
            waiting = state.unconsumed_tail
        if left == 0 and number + 1 == len(self._starts):
            self._starts.append((state, self._file.tell()))
        return b"".join(parts)
