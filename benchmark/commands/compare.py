"""`bench compare`: do two runs, cells or ablations differ?"""

import sys

import click

from benchmark.errors import EXIT_DIFFERENT


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--other-faces",
    is_flag=True,
    help="Compare although they were judged against other faces, as two views of one data set are.",
)
@click.option("--json", "as_json", is_flag=True, help="Every row, as JSON.")
def compare(a: str, b: str, other_faces: bool, as_json: bool) -> None:
    """Say whether B is better or worse than A.

    Each is a folder results/ABLATION/PROFILE (of this checkout or of another commit's), one of its
    cells as FOLDER:CELL, one of its runs as FOLDER:RUN_ID, or a run's own folder.

    Exit codes: 0 no difference seen, or too few runs to tell; 3 a difference of the distance found;
    2 not comparable (other metric version, extractor, counts or data) or bad input.
    """
    from benchmark.claims.comparison import compare_sides, different, read_side

    table = compare_sides(read_side(a), read_side(b), other_faces=other_faces)
    if as_json:
        click.echo(table.to_json(orient="records"))
    else:
        from benchmark.commands.tables import show

        show(f"{b} against {a}", table)
    sys.exit(EXIT_DIFFERENT if different(table) else 0)
