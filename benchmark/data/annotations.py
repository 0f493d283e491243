"""CelebA's annotation files: a table reader that says where a file is wrong."""

from array import array
from dataclasses import dataclass
from pathlib import Path

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
    rows: dict[str, None] = {}
    values = array("q")
    named, expected = columns, None
    try:
        with path.open(encoding="utf-8") as file:
            if header:
                expected, named = _header(path, file.readline(), file.readline(), columns)
            for number, line in enumerate(file, 3 if header else 1):
                name, fields = _row(path, number, line, len(named))
                if name in rows:
                    raise InputError(f"{path}:{number}: {name} is there twice")
                rows[name] = None
                values.extend(fields)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; it belongs to CelebA's layout") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text ({of_system(error)})") from None
    if expected is not None and expected != len(rows):
        raise InputError(
            f"{path}:1: {expected} rows announced, {len(rows)} found; the file is cut or edited"
        )
    if not rows:
        raise InputError(f"{path}: no rows")
    table = np.frombuffer(values, dtype=np.int64).reshape(len(rows), len(named))
    return Table(tuple(rows), named, table)


def _header(
    path: Path, first: str, second: str, wanted: tuple[str, ...]
) -> tuple[int, tuple[str, ...]]:
    if not second or not first.strip().isdecimal() or len(first.strip()) > 20:
        raise InputError(f"{path}:1: expected the number of rows, then a line of column names")
    named = tuple(name for name in second.split() if name != "image_id")
    missing = [name for name in wanted if name not in named]
    if missing or not named:
        which = missing[0] if missing else "of any name"
        raise InputError(f"{path}:2: column {which} is missing; found: {' '.join(named)}")
    return int(first), named


def _row(path: Path, number: int, line: str, width: int) -> tuple[str, list[int]]:
    line = line.rstrip()
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
