"""Archives of images (zip, tar, Parquet), and what opens them, folders, and folders of archives."""

import os
import tarfile
import threading
import weakref
import zlib
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.files import MOST_BYTES, Files, Folder, Stamps, stamp
from benchmark.data.containers.listing import (
    SYSTEM,
    Listing,
    images_among,
    is_of_the_system,
    suffix_of,
)
from benchmark.data.images import Unreadable
from benchmark.errors import InputError, of_system

_KEPT_BYTES = 256_000_000  # of a Parquet file's row groups


class Packed:
    """What all archives share: their files change when the archive does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamps(self, names: Sequence[str]) -> Stamps:
        return np.tile(np.array(stamp(os.fspath(self.path)), dtype=np.int64), (len(names), 1))

    def _unreadable(self) -> Unreadable:
        return Unreadable(
            f"cannot be unpacked from {self.path.name} (encrypted, damaged or too large)"
        )


class Archive(Packed, ABC):
    """An archive of files by name, unpacked one by one and only into memory.

    Those in a folder that has the archive's own name are named by their path in that folder.
    """

    def __init__(self, path: Path, stem: str, members: Mapping[str, tuple[int, Any]]) -> None:
        """`members`: size of each, and what `_unpacked` finds it by."""
        super().__init__(path)
        inside = f"{stem}/"
        within = {n.removeprefix(inside): m for n, m in members.items() if n.startswith(inside)}
        chosen = within or members
        self._members = {n: m for n, m in chosen.items() if not is_of_the_system(n)}
        system = sum(map(is_of_the_system, members))
        beside = len(members) - system - len(self._members)
        self._left_out = {SYSTEM: system, f"outside of {inside}": beside}

    @abstractmethod
    def _unpacked(self, size: int, member: Any) -> bytes: ...

    def names(self) -> list[str]:
        """All but those of the system, sorted."""
        return sorted(self._members)

    def images(self) -> Listing:
        return images_among(self.names(), self._left_out)

    def read(self, name: str) -> bytes:
        size, member = self._members.get(name, (MOST_BYTES + 1, None))
        # RuntimeError: encrypted, or packed in a way that is not known here.
        with suppress(OSError, EOFError, ValueError, RuntimeError, BadZipFile, zlib.error):
            if size <= MOST_BYTES:
                return self._unpacked(size, member)
        raise self._unreadable()


class Zip(Archive):
    """Raises InputError where `path` is no zip archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = ZipFile(path)
        # The last is for a format that zipfile cannot read, such as one of several volumes.
        except (OSError, BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{path}: not a valid zip archive ({of_system(error)}); fetch it again"
            ) from None
        found = {info.filename: (info.file_size, info) for info in self._zip.infolist()}
        # A folder's name ends in a slash; a damaged member may have none at all.
        members = {n: m for n, m in found.items() if n and not n.endswith("/")}
        super().__init__(path, path.stem, members)

    def _unpacked(self, size: int, member: Any) -> bytes:
        return self._zip.read(member)


class Tar(Archive):
    """Raises InputError where `path` is no whole tar archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
            weakref.finalize(self, self._file.close)
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                found: dict[str, tuple[int, int]] = {}
                for member in archive:
                    name, linked = (
                        each.removeprefix("./") for each in (member.name, member.linkname)
                    )
                    if member.isfile():
                        found[name] = member.size, member.offset_data
                    elif member.islnk() and linked in found:  # one file of two names
                        found[name] = found[linked]
        except (OSError, EOFError, ValueError, tarfile.TarError) as error:
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


class Parquet(Packed):
    """The images in a Parquet file (Hugging Face's data sets), and what it says of them.

    An image is a column of bytes, or of {bytes, path}; a row is named by its number. Raises
    InputError where it has none or is not whole.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import pyarrow as arrow
        from pyarrow import parquet

        try:
            self._file = parquet.ParquetFile(path)
            schema = self._file.schema_arrow
        except (OSError, ValueError, arrow.ArrowException) as error:
            raise InputError(
                f"{path}: not a valid Parquet file ({of_system(error)}); fetch it again"
            ) from None
        column = _image_column(schema)
        if column is None:
            raise InputError(
                f"{path}: no column of images among {', '.join(schema.names)}; one holds bytes, "
                "or bytes and path"
            )
        self._column: str = column
        # What says something of a row by a single number: attributes, persons.
        self.numbers: list[str] = [
            field.name
            for field in schema
            if arrow.types.is_boolean(field.type) or arrow.types.is_integer(field.type)
        ]
        groups = range(self._file.num_row_groups)
        sizes = [self._file.metadata.row_group(i).num_rows for i in groups]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._groups: OrderedDict[int, list[bytes | None]] = OrderedDict()
        self._bytes: dict[int, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def images(self) -> Listing:
        return Listing([f"{row:08d}" for row in range(len(self))])

    def read(self, name: str) -> bytes:
        row = int(name)
        group = int(np.searchsorted(self._ends, row, side="right"))
        begin = int(self._ends[group - 1]) if group else 0
        with self._lock:
            content = self._group(group)[row - begin]
        if content is None or len(content) > MOST_BYTES:
            raise self._unreadable()
        return content

    def _group(self, number: int) -> list[bytes | None]:
        import pyarrow as arrow

        if number not in self._groups:
            try:
                table = self._file.read_row_group(number, columns=[self._column])
                found = table.column(0).to_pylist()
                values = [each["bytes"] if isinstance(each, dict) else each for each in found]
            except (OSError, ValueError, arrow.ArrowException):
                metadata = self._file.metadata.row_group(number)
                values = [None] * int(metadata.num_rows)
            self._groups[number] = values
            self._bytes[number] = sum(len(value) for value in values if value is not None)
            while len(self._groups) > 1 and sum(self._bytes.values()) > _KEPT_BYTES:
                oldest, _ = self._groups.popitem(last=False)
                del self._bytes[oldest]
        self._groups.move_to_end(number)
        return self._groups[number]

    def column(self, name: str) -> NDArray[np.int64]:
        """A column of `numbers`, (rows,); nothing said counts as 0."""
        values = self._file.read(columns=[name]).column(0).to_pylist()
        return np.array([int(value or 0) for value in values], dtype=np.int64)


def _image_column(schema: Any) -> str | None:
    """The first column of images."""
    import pyarrow as arrow

    def is_bytes(kind: Any) -> bool:
        return bool(arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind))

    for field in schema:
        parts = field.type if arrow.types.is_struct(field.type) else ()
        if is_bytes(field.type) or any(p.name == "bytes" and is_bytes(p.type) for p in parts):
            return str(field.name)
    return None


_KINDS: dict[str, Callable[[Path], Files]] = {".zip": Zip, ".tar": Tar, ".parquet": Parquet}
PACKED = tuple(_KINDS)
# Archives that hold the images of a folder that has none itself; the first kind found.
_OF_SHARDS = (".parquet", ".tar", ".zip")


def open_files(root: Path, name: str) -> Files | None:
    """The folder `name` in `root`, or else the archive `name`.zip, .tar or .parquet.

    A folder without an image, but with archives, is what is in these. None where there is neither.
    Raises InputError where an archive is not whole.
    """
    path = root / name
    if path.is_dir():
        return open_path(path)
    for suffix in PACKED:
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            return open_path(packed)
    return open_path(path) if path.is_file() and suffix_of(name) in PACKED else None


def open_path(path: Path) -> Files:
    """The images in a folder or PACKED file; raises InputError where an archive is not whole."""
    if not path.is_dir():
        return _KINDS[suffix_of(path.name)](path)
    folder = Folder(path)
    if folder.images().names:
        return folder
    return Shards.of(path, folder.names(), folder.images().left_out) or folder


class Shards:
    """The images of several archives below a folder, named by archive and name in it."""

    def __init__(self, path: Path, names: Sequence[str], left_out: Mapping[str, int]) -> None:
        """Raises InputError where one is not whole."""
        self.path = path
        self.archives: dict[str, Files] = {
            name: _KINDS[suffix_of(name)](path / name) for name in names
        }
        self._left_out = Counter(left_out)
        self._left_out.subtract(suffix_of(name) for name in names)

    @classmethod
    def of(
        cls, path: Path, files: Sequence[str], left_out: Mapping[str, int] | None = None
    ) -> "Shards | None":
        """Those of the first kind of archive that is among `files`; None where there is none."""
        for suffix in _OF_SHARDS:
            names = [name for name in files if suffix_of(name) == suffix]
            if names:
                return cls(path, names, left_out or {})
        return None

    def images(self) -> Listing:
        names: list[str] = []
        left_out = +self._left_out
        for archive, files in self.archives.items():
            found = files.images()
            names += [f"{archive}/{name}" for name in found.names]
            left_out += Counter(found.left_out)
        return Listing(names, left_out)

    def read(self, name: str) -> bytes:
        archive = self._archive_of(name)
        return self.archives[archive].read(name[len(archive) + 1 :])

    def stamps(self, names: Sequence[str]) -> Stamps:
        by_archive = {archive: files.stamps([""])[0] for archive, files in self.archives.items()}
        nowhere = np.zeros(4, dtype=np.int64)
        found = [by_archive.get(self._archive_of(name), nowhere) for name in names]
        return np.array(found, dtype=np.int64).reshape(-1, 4)

    def _archive_of(self, name: str) -> str:
        """Empty where it is in none."""
        end = name.find("/")
        while end >= 0 and name[:end] not in self.archives:
            end = name.find("/", end + 1)
        return name[: max(end, 0)]
