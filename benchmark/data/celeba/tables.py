"""CelebA's tables, wherever they are: in files, in an archive, in columns of a Parquet file."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba import annotations
from benchmark.data.celeba.annotations import Table
from benchmark.data.celeba.layout import (
    ANNOTATIONS,
    ATTRIBUTES,
    IDENTITIES,
    OFFICIAL_MD5,
    PARTITION,
)
from benchmark.data.containers.archives import Archive, Parquet, Shards
from benchmark.data.containers.files import Files
from benchmark.data.containers.listing import stem_of, suffix_of
from benchmark.data.images import Unreadable
from benchmark.errors import InputError

_STEMS = {stem_of(file).lower(): file for file in ANNOTATIONS}
_PERSON = ("celeb_id", "identity", "person_id", "identity_id")


def table_called(name: str) -> str | None:
    """The table of the authors' that a file of this name is; None for other files."""
    return _STEMS.get(stem_of(name).lower()) if suffix_of(name) in annotations.SUFFIXES else None


def rank(path: Path) -> int:
    """Of several files of one table the least is taken: the authors' own kind."""
    return annotations.SUFFIXES.index(suffix_of(path.name))


@dataclass(frozen=True)
class TableFile:
    """A table in a file, or packed in the archive that has the images too."""

    file: str  # its name in the authors' layout
    where: Path  # of a packed one the archive's path and its own in that
    packed: Callable[[], bytes] | None = None  # its content

    def read(self, *columns: str) -> Table:
        """The table, which must have these columns too; raises InputError."""
        kind = ANNOTATIONS[self.file]
        return annotations.read_table(
            self.where,
            (*kind.columns, *columns),
            header=kind.header,
            decimals=kind.decimals,
            content=None if self.packed is None else self.content(),
        )

    def content(self) -> bytes:
        """Raises OSError where it cannot be read, InputError where it cannot be unpacked."""
        if self.packed is None:
            return self.where.read_bytes()
        try:
            return self.packed()
        except Unreadable:
            raise InputError(f"{self.where}: cannot be unpacked; fetch the archive again") from None

    def sum(self) -> bytes:
        """Of the file's bytes; parts in another form count as the authors write them, so that
        Kaggle's CelebA has the fingerprint of the authors'."""
        if self.file == PARTITION and self.where.suffix != ".txt":
            table = self.read()
            return hashlib.sha256(as_authors_write(table.names, table.column("partition"))).digest()
        return hashlib.sha256(self.content()).digest()


@dataclass(frozen=True)
class TableOfColumns:
    """A table made of a Parquet file's columns."""

    where: Path
    make: Callable[[], Table]

    def read(self, *columns: str) -> Table:
        table = self.make()
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise InputError(
                f"{self.where}: column {missing[0]} is missing; found: {' '.join(table.columns)}"
            )
        return table

    def sum(self) -> bytes:
        table = self.make()
        digest = hashlib.sha256("/".join((*table.names, *table.columns)).encode())
        digest.update(table.values.tobytes())
        return digest.digest()


TableSource = TableFile | TableOfColumns


def as_authors_write(names: Sequence[str], values: NDArray[np.int64]) -> bytes:
    """list_eval_partition.txt as the authors have it: CelebA's lines end in CR LF."""
    rows = zip(names, values.tolist(), strict=True)
    text = "".join(f"{name} {value}\n" for name, value in rows)
    written = text.encode("utf-8", "surrogateescape")
    celebas = written.replace(b"\n", b"\r\n")
    return celebas if md5(celebas) == OFFICIAL_MD5[PARTITION] else written


def md5(data: bytes) -> str:
    """As CelebA's files are known by."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def md5_of(path: Path) -> str:
    """The same of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tables_within(files: Files) -> dict[str, TableSource]:
    """The tables in an archive, or in several, of images."""
    archives = files.archives if isinstance(files, Shards) else {"": files}
    found: dict[str, list[TableFile]] = {}
    for archive, each in archives.items():
        for name in each.names() if isinstance(each, Archive) else ():
            file = table_called(name)
            if file is not None:
                where = files.path / archive / name
                found.setdefault(file, []).append(TableFile(file, where, partial(each.read, name)))
    return {
        file: min(tables, key=lambda table: rank(table.where)) for file, tables in found.items()
    }


def tables_of_columns(files: Shards) -> dict[str, TableSource]:
    """What Parquet files say of their images."""
    kept = [each for each in files.archives.values() if isinstance(each, Parquet)]
    if len(kept) < len(files.archives):
        return {}
    shared = [name for name in kept[0].numbers if all(name in each.numbers for each in kept)]
    person = [name for name in shared if name.lower() in _PERSON]

    def table(columns: Sequence[str], called: Sequence[str]) -> Table:
        values = [np.stack([each.column(name) for name in columns], axis=1) for each in kept]
        return Table(tuple(files.images().names), tuple(called), np.concatenate(values))

    made: dict[str, TableSource] = {}
    attributes = [name for name in shared if name not in person]
    if attributes:
        made[ATTRIBUTES] = TableOfColumns(files.path, lambda: table(attributes, attributes))
    if person:
        made[IDENTITIES] = TableOfColumns(files.path, lambda: table(person[:1], ["identity"]))
    return made
