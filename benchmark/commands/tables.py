"""Tables in a terminal: drawn by rich, or tab-separated text where it is not a terminal."""

import sys
from typing import TYPE_CHECKING

import click

from benchmark.numbers import significant
from benchmark.text import single_line

if TYPE_CHECKING:
    import pandas as pd


def show(title: str, table: "pd.DataFrame", empty: str = "none") -> None:
    """Print a table under its title, or `empty`; numbers with three significant digits."""
    rows = [[single_line(_text(value)) for value in row] for row in table.itertuples(index=False)]
    if not sys.stdout.isatty():
        click.echo(f"# {title}")
        if not rows:
            click.echo(empty)
            return
        for row in [list(map(str, table.columns)), *rows]:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # As Text: in a string rich would obey what stands in square brackets.
    drawn = Table(title=Text(title), title_justify="left", caption=None if rows else empty)
    for column in table.columns:
        drawn.add_column(Text(str(column)), overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def _text(value: object) -> str:
    if isinstance(value, float):
        return significant(value, 3)
    return str(value)
