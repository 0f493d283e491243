"""CelebA's annotation files, as their authors wrote them or as others write them again.

The authors' have blanks between the fields; some begin with the number of rows and a line of column
names. Those of others are comma, semicolon or tab separated, with or without a line of names, in
UTF-8 or UTF-16.
"""

import codecs
import csv
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError, of_system

LANDMARKS = (
    "lefteye_x",
    "lefteye_y",
    "righteye_x",
    "righteye_y",
    "nose_x",
    "nose_y",
    "leftmouth_x",
    "leftmouth_y",
    "rightmouth_x",
    "rightmouth_y",
)
SUFFIXES = (".txt", ".csv", ".tsv")
# What the column of file names is called where it has a name.
_NAMES = {
    "image_id", "image", "images", "image_name", "img", "file", "filename", "file_name", "name",
    "path", "id",
}  # fmt: skip
_SEPARATORS = ",\t;"
_MOST = 2**31


@dataclass(frozen=True)
class Table:
    """`values[i, j]` is column j of image `names[i]`; float64 where decimals are allowed."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[Any]


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    header: bool,
    decimals: bool = False,
    own: tuple[str, ...] = (),
    content: bytes | None = None,
) -> Table:
    """Read a file of `name number number ...` lines.

    With `header` the authors' file names its columns (which must contain `columns`), as those of
    attributes, boxes and landmarks do; without, the columns are `columns` in order, as in the
    partition and identity files. `own` are the columns of a file that others wrote without names,
    by default `columns`; `content` are the bytes of a packed one. Every fault raises InputError
    with the file and the line.
    """
    try:
        text = _text(path.read_bytes() if content is None else content)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; it belongs to CelebA's layout") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text ({of_system(error)})") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    begin, end = 0, len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    while begin < end and not lines[begin].strip():
        begin += 1
    split = _splitter(lines[begin:end][:3])
    head = _head(path, lines[begin:end][:2], begin + 1, split, header, own or columns)
    named = _named(path, head, columns, header)
    values = array("d" if decimals else "q")
    rows: dict[str, None] = {}
    for number in range(begin + head.lines, end):
        name, numbers = _row(path, number + 1, lines[number], split, head, decimals)
        if name in rows:
            raise InputError(f"{path}:{number + 1}: {name} occurs twice")
        rows[name] = None
        values.extend(numbers)
    if head.announced is not None and head.announced != len(rows):
        raise InputError(
            f"{path}:{begin + 1}: {head.announced} rows announced, {len(rows)} found; the file is "
            "truncated or edited"
        )
    if not rows:
        raise InputError(f"{path}: no rows")
    table = np.frombuffer(values, dtype=np.float64 if decimals else np.int64)
    return Table(tuple(rows), named, table.reshape(len(rows), len(named)))


def _text(data: bytes) -> str:
    """UTF-8, or UTF-16 by its mark or by every other byte of the first characters being 0."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    for zeros, name in ((data[1:8:2], "utf-16-le"), (data[:7:2], "utf-16-be")):
        if len(data) >= 8 and not any(zeros):
            return data.decode(name)
    return data.decode("utf-8-sig")


LineSplitter = Callable[[str], list[str]]


def _splitter(lines: Sequence[str]) -> LineSplitter:
    """By the separator that the first lines have, or else by blanks."""
    for separator in _SEPARATORS:
        if any(separator in line for line in lines):
            return lambda line: _separated(line, separator)
    return str.split


def _separated(line: str, separator: str) -> list[str]:
    if '"' in line:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator))]
    return [field.strip() for field in line.split(separator)]


@dataclass(frozen=True)
class _Head:
    """What the first lines say: their count, the rows that they announce, and the columns."""

    lines: int
    announced: int | None
    columns: tuple[str, ...]  # without that of the names
    name_at: int = 0
    ignored: int | None = None  # a column of row numbers, as pandas writes it


def _head(
    path: Path,
    lines: Sequence[str],
    first: int,
    split: LineSplitter,
    header: bool,
    own: tuple[str, ...],
) -> _Head:
    rows = [split(line) for line in lines]
    announced = None
    if rows and len(rows[0]) == 1 and rows[0][0].isdecimal() and len(rows[0][0]) <= 20:
        announced = int(rows[0][0])
        rows = rows[1:]
    begun = int(announced is not None)
    fields = rows[0] if rows else []
    words = [field.lower() for field in fields]
    known = next((at for at, word in enumerate(words) if word in _NAMES), None)
    is_named = bool(fields) and not any(_number(field) is not None for field in fields)
    if is_named and (known is not None or split is not str.split):
        if announced is not None and known is None:
            return _Head(begun + 1, announced, tuple(fields))
        at = known or 0
        ignored = 0 if at and words[0].partition(":")[0] in ("", "unnamed") else None
        rest = tuple(each for i, each in enumerate(fields) if i not in (at, ignored))
        return _Head(begun + 1, announced, rest, at, ignored)
    if announced is not None and header and fields:
        return _Head(begun + 1, announced, tuple(fields))
    if not header or (announced is None and not is_named and len(fields) == len(own) + 1):
        return _Head(begun, announced, own)
    raise InputError(f"{path}:{first}: expected the number of rows, then a line of column names")


def _named(path: Path, head: _Head, wanted: tuple[str, ...], header: bool) -> tuple[str, ...]:
    """The columns, called as they are wanted where they differ in case alone."""
    spelt = {name.lower(): name for name in wanted}
    if not header and len(wanted) == len(head.columns) == 1:
        return wanted  # one column is the one that the file is about, whatever it is called
    named = tuple(spelt.get(name.lower(), name) for name in head.columns)
    missing = [name for name in wanted if name not in named]
    if missing or not named:
        which = missing[0] if missing else "of any name"
        raise InputError(
            f"{path}:{head.lines}: column {which} is missing; found: {' '.join(named)}"
        )
    return named


def _row(
    path: Path, number: int, line: str, split: LineSplitter, head: _Head, decimals: bool
) -> tuple[str, list[Any]]:
    fields = split(line)
    kind = "numbers" if decimals else "integers"
    width = len(head.columns) + 1 + (head.ignored is not None)
    if len(fields) != width or not fields[head.name_at]:
        raise InputError(
            f"{path}:{number}: expected a file name and {len(head.columns)} {kind}, found "
            f"{line.rstrip()[:60]!r}"
        )
    name = fields.pop(head.name_at)
    if head.ignored is not None:
        del fields[head.ignored]
    try:
        values: list[Any] = [int(field) for field in fields]
    except ValueError:
        values = [_number(field) for field in fields]
    if any(
        value is None or abs(value) >= _MOST or not (decimals or value == int(value))
        for value in values
    ):
        raise InputError(f"{path}:{number}: not all {kind}: {line.rstrip()[:60]!r}")
    return name, values if decimals else [int(value) for value in values]


def _number(field: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
