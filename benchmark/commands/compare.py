"""`bench compare`: do two runs, cells or ablations differ?"""

import sys
from typing import TYPE_CHECKING

import click

from benchmark.errors import EXIT_BETTER, EXIT_DIFFERENT
from benchmark.numbers import significant

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--other-faces",
    is_flag=True,
    help="Compare even if judged against different faces, as two views of a data set are.",
)
@click.option("--fail-if-worse", is_flag=True, help="Exit with 0 unless B is worse.")
@click.option("--full", is_flag=True, help="Show every cell and column.")
@click.option("--json", "as_json", is_flag=True, help="Print every row and column as JSON.")
def compare(
    a: str, b: str, other_faces: bool, fail_if_worse: bool, full: bool, as_json: bool
) -> None:
    """Test whether B is better or worse than A.

    Each is a folder results/ABLATION/PROFILE (of this or another checkout), one of its cells as
    FOLDER:CELL, one of its runs as FOLDER:RUN_ID, or a run's own folder.

    Exit codes, by the distance: 0 no difference shown, or too few runs to tell; 3 B is worse; 4 B
    is better; 2 bad input, or not comparable (other metric version, judge, counts or data).
    """
    from benchmark.claims.comparison import compare_sides, read_side, sentence, verdict

    table = compare_sides(read_side(a), read_side(b), other_faces=other_faces)
    if as_json:
        click.echo(table.to_json(orient="records"))
    else:
        from benchmark.commands.tables import say, show

        say(sentence(table, a, b))
        show(f"{b} against {a}", table if full else _short(table))
    codes = {"worse": EXIT_DIFFERENT, "better": 0 if fail_if_worse else EXIT_BETTER}
    sys.exit(codes.get(verdict(table), 0))


def _short(table: "pd.DataFrame") -> "pd.DataFrame":
    """The first row of each outcome, in five columns."""
    import pandas as pd

    rows = []
    for _, row in table.drop_duplicates("outcome").iterrows():
        shown, low, high = (significant(row[key], 3) for key in ("difference", "low", "high"))
        difference = f"{shown} ({low} to {high})" if shown and low else shown
        columns = {"outcome": row["outcome"], "A": row["a"], "B": row["b"]}
        rows.append({**columns, "B - A (95 %)": difference, "verdict": row["verdict"]})
    return pd.DataFrame(rows)
