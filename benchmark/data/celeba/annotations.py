"""CelebA's annotation files, as their authors wrote them or as others write them again.

The authors' have blanks between the fields; some begin with the number of rows and a line of column
names. Those of others are comma, semicolon or tab separated, with a line of names.
"""

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
_MOST = 2**31


@dataclass(frozen=True)
class Table:
    """`values[i, j]` is column j of image `names[i]`; float64 where decimals are allowed."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[Any]

    def column(self, name: str) -> NDArray[Any]:
        return self.values[:, self.columns.index(name)]


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    header: bool,
    decimals: bool = False,
    content: bytes | None = None,
) -> Table:
    """Read a file of `name number number ...` lines.

    With `header` it names its columns (which must contain `columns`), as those of attributes, boxes
    and landmarks do; without, it need not, as the partition and identity files. `content` are the
    bytes of a packed file. Every fault raises InputError with the file and the line.
    """
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text ({of_system(error)})") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    lines = text.split("\n") if text else []
    split = _splitter(lines[:3])
    head = _head(path, [split(line) for line in lines[:2]], split is str.split, columns, header)
    values, rows = array("d"), dict[str, None]()
    kind = "numbers" if decimals else "integers"
    for number, line in enumerate(lines[head.begin :], head.begin + 1):
        fields = split(line)
        name = fields.pop(head.name_at) if len(fields) == len(head.columns) + 1 else ""
        if not name:
            raise InputError(
                f"{path}:{number}: expected a file name and {len(head.columns)} {kind}, found "
                f"{line.rstrip()[:60]!r}"
            )
        if name in rows:
            raise InputError(f"{path}:{number}: {name} occurs twice")
        try:
            found = [float(field) for field in fields]
        except ValueError:
            found = [math.nan]
        if not all(abs(each) < _MOST and (decimals or each.is_integer()) for each in found):
            raise InputError(f"{path}:{number}: not all {kind}: {line.rstrip()[:60]!r}")
        rows[name] = None
        values.extend(found)
    if head.announced not in (None, len(rows)):
        raise InputError(
            f"{path}:1: {head.announced} rows announced, {len(rows)} found; the file is truncated "
            "or edited"
        )
    if not rows:
        raise InputError(f"{path}: no rows")
    table = np.frombuffer(values).reshape(len(rows), len(head.columns))
    return Table(tuple(rows), head.columns, table if decimals else table.astype(np.int64))


class _Head(NamedTuple):
    """What the first lines say."""

    begin: int  # the line of the first row, from 0
    announced: int | None  # rows
    columns: tuple[str, ...]  # without that of the names
    name_at: int = 0


def _head(
    path: Path, lines: list[list[str]], blanks: bool, wanted: tuple[str, ...], header: bool
) -> _Head:
    """`lines` are the first two, split, at `blanks` or elsewhere."""
    begin, announced = 0, None
    if lines and len(lines[0]) == 1 and lines[0][0].isdecimal() and len(lines[0][0]) <= 20:
        begin, announced = 1, int(lines.pop(0)[0])
    first = lines[0] if lines else []
    at = next((at for at, field in enumerate(first) if field.lower() in _NAMES), None)
    names = bool(first) and not any(map(_is_number, first))
    if names and (at is not None or (announced is None and not blanks)):
        at = at or 0
        found = _Head(begin + 1, announced, (*first[:at], *first[at + 1 :]), at)
    elif announced is not None and header and first:  # the authors do not name the images' column
        found = _Head(begin + 1, announced, tuple(first))
    elif header:
        raise InputError(f"{path}:1: expected the number of rows, then a line of column names")
    else:
        found = _Head(begin, announced, wanted)
    if not header and len(found.columns) == len(wanted) == 1:
        return found._replace(columns=wanted)  # it is the one that the file is about
    spelt = {name.lower(): name for name in wanted}
    columns = tuple(spelt.get(name.lower(), name) for name in found.columns)
    missing = [name for name in wanted if name not in columns]
    if missing or not columns:
        raise InputError(
            f"{path}:{found.begin}: column {missing[0] if missing else 'of any name'} is missing; "
            f"found: {' '.join(columns)}"
        )
    return found._replace(columns=columns)


def _splitter(lines: Sequence[str]) -> Callable[[str], list[str]]:
    """By the separator that the first lines have, or else by blanks."""
    for separator in ",\t;":
        if any(separator in line for line in lines):
            return lambda line: [field.strip(' \t"') for field in line.split(separator)]
    return str.split


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False
