"""The images in a Parquet file, as Hugging Face's data sets have them, and what it says of them.

An image is a column of bytes, or of {bytes, path}; a row is named by its number.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.containers.files import MOST_BYTES, Packed
from benchmark.data.containers.listing import Listing
from benchmark.errors import InputError, of_system

SUFFIXES = (".parquet",)
_KEPT_BYTES = 256_000_000  # of row groups
_IMAGE = ("image", "img", "jpg", "png", "picture", "photo", "face")


class Parquet(Packed):
    """The images of one Parquet file. Raises InputError where it has none or is not whole."""

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
                values = [_bytes_of(value) for value in table.column(0).to_pylist()]
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
    """The first column of images, one that is called so before others."""
    import pyarrow as arrow

    def is_bytes(kind: Any) -> bool:
        return bool(arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind))

    found = [
        field.name
        for field in schema
        if is_bytes(field.type)
        or (
            arrow.types.is_struct(field.type)
            and any(part.name == "bytes" and is_bytes(part.type) for part in field.type)
        )
    ]
    called = [name for name in found if name.lower() in _IMAGE]
    return next(iter([*called, *found]), None)


def _bytes_of(value: Any) -> bytes | None:
    content: bytes | None = value["bytes"] if isinstance(value, dict) else value
    return content
