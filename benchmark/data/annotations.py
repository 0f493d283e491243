"""CelebA's annotation files: a table reader that says where a file is wrong."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError

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


@dataclass(frozen=True)
class Table:
    """`values[i, j]` is column j of image `names[i]`."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.int64]


def read_table(path: Path, columns: tuple[str, ...], *, header: bool) -> Table:
    """Read a file of `name integer integer ...` lines.

    With `header` the first line counts the rows and the second names the columns (which must
    contain `columns`), as in the attribute, box and landmark files; without, the columns are
    `columns` in order, as in the partition and identity files. Every fault raises InputError
    with the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: missing; it belongs to CelebA's layout") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text ({error})") from None
    named, expected, start = columns, None, 0
    if header:
        expected, named = _header(path, lines, columns)
        start = 2
    rows = {}
    for number, line in enumerate(lines[start:], start + 1):
        name, values = _row(path, number, line, len(named))
        if name in rows:
            raise InputError(f"{path}:{number}: {name} is there twice")
        rows[name] = values
    if expected is not None and expected != len(rows):
        raise InputError(
            f"{path}:1: {expected} rows announced, {len(rows)} found; the file is cut or edited"
        )
    if not rows:
        raise InputError(f"{path}: no rows")
    return Table(tuple(rows), named, np.array(list(rows.values()), dtype=np.int64))


def _header(path: Path, lines: list[str], wanted: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    if len(lines) < 2 or not lines[0].strip().isdecimal() or len(lines[0]) > 20:
        raise InputError(f"{path}:1: expected the number of rows, then a line of column names")
    named = tuple(name for name in lines[1].split() if name != "image_id")
    missing = [name for name in wanted if name not in named]
    if missing:
        raise InputError(f"{path}:2: column {missing[0]} is missing; found: {' '.join(named)}")
    return int(lines[0]), named


def _row(path: Path, number: int, line: str, width: int) -> tuple[str, list[int]]:
    name, *fields = line.split() or [""]
    if not name or len(fields) != width:
        raise InputError(
            f"{path}:{number}: expected a file name and {width} integers, found {line[:60]!r}"
        )
    try:
        values = [int(field) for field in fields]
    except ValueError:
        values = None
    if values is None or any(abs(value) >= 2**31 for value in values):
        raise InputError(f"{path}:{number}: not all integers: {line[:60]!r}")
    return name, values
