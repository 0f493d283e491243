"""Tables in a terminal: drawn by rich, or tab-separated text where it is not a terminal."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from benchmark.numbers import significant
from benchmark.text import folded, single_line

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_GAP = 2  # blanks between columns
_PROSE = 20  # characters from which a cell is broken into lines of at least as many


def say(line: str, *, err: bool = False) -> None:
    """Print a line; in a terminal that is narrower, as several with every word whole."""
    terminal = (sys.stderr if err else sys.stdout).isatty()
    for part in folded(line, shutil.get_terminal_size().columns) if terminal else [line]:
        click.echo(part, err=err)


def show(title: str, table: "pd.DataFrame", empty: str = "none") -> None:
    """Print a table under its title, or `empty`; numbers with three significant digits."""
    names = [str(column) for column in table.columns]
    rows = [[single_line(_text(value)) for value in row] for row in table.itertuples(index=False)]
    if not sys.stdout.isatty():
        lines = ["\t".join(row) for row in (names, *rows)] if rows else [empty]
        click.echo("\n".join([f"# {title}", *lines]))
        return
    from rich.console import Console

    console = Console()
    drawn = _drawn(title, names, rows, console.width) if rows else [title, empty]
    for line in (*drawn, ""):
        console.print(line, markup=False, highlight=False)


def _drawn(
    title: str, names: list[str], rows: list[list[str]], width: int
) -> "Iterator[str | Table]":
    """The table where it fits without breaking a word; else without empty columns.

    Else without what is the same in every row, and where that is too wide too, a line a value.
    """
    columns = list(zip(names, *rows, strict=True))
    if not _fits(columns, width):
        columns = [column for column in columns if any(column[1:])]
    same = [] if _fits(columns, width) else [c for c in columns if _is_same(c)]
    left = [column for column in columns if column not in same]
    yield title
    if _fits(left, width):
        yield _table(left, width)
    else:
        for row in range(1, len(rows) + 1):
            yield ""
            for column in left:
                if column[row]:
                    said = f"{column[0]}: {column[row]}"
                    yield from textwrap.wrap(said, width, subsequent_indent="  ")
    if same:
        said = ", ".join(f"{name} {value}" for name, value, *_ in same)
        yield from textwrap.wrap(f"In every row: {said}", width)


def _table(columns: list[tuple[str, ...]], width: int) -> "Table":
    from rich.table import Table
    from rich.text import Text

    # As Text: in a string rich would obey what stands in square brackets.
    drawn = Table(box=None, padding=(0, _GAP, 0, 0))
    natural = sum(max(map(len, column)) + _GAP for column in columns)
    for column in columns:
        # Prose gives way; what is short keeps its words whole.
        short = max(map(len, column[1:]), default=0) <= _PROSE
        fixed = _least(column) if natural > width and short else None
        drawn.add_column(Text(column[0]), overflow="fold", width=fixed)
    for row in list(zip(*columns, strict=True))[1:]:
        drawn.add_row(*map(Text, row))
    return drawn


def _is_same(column: tuple[str, ...]) -> bool:
    return len(column) > 2 and len(set(column[1:])) == 1


def _fits(columns: list[tuple[str, ...]], width: int) -> bool:
    return sum(_least(column) + _GAP for column in columns) <= width


def _least(column: tuple[str, ...]) -> int:
    """Of its width: every word whole, and prose not a word a line."""
    words = max(len(word) for text in column for word in text.split() or [""])
    return max(words, min(_PROSE, max(map(len, column[1:]), default=0)))


def _text(value: object) -> str:
    return significant(value, 3) if isinstance(value, float) else str(value)
