"""`bench report`: what the tables under results/ say, for people and for other programs."""

import sys
from pathlib import Path

import click

from benchmark.commands.options import FILE, FOLDER, report_of, report_option, results_option
from benchmark.commands.tables import say


@click.command()
@results_option
@report_option
@click.option("--html", type=FILE, help="Also write one self-contained page.")
@click.option("--export", "tables", type=FOLDER, help="Also write tables as CSV, JSON and LaTeX.")
def report(results: Path, report: Path | None, html: Path | None, tables: Path | None) -> None:
    """Write REPORT.md and its figures from the results folder.

    Exit code 1: a section could not be drawn; it says why, and the others are complete.
    """
    from benchmark.report.document import faults
    from benchmark.report.markdown import write_markdown
    from benchmark.report.overview import compose
    from benchmark.results.tables import read_all

    damaged: dict[Path, str] = {}
    found = read_all(results, damaged)
    document = compose(found, damaged, tolerant=True)
    path = report or report_of(results)
    write_markdown(document, path)
    click.echo(f"report: {path}")
    if html is not None:
        from benchmark.report.html import write_page

        write_page(document, html)
        click.echo(f"page: {html}")
    if tables is not None:
        from benchmark.report.export import export

        click.echo(f"tables: {len(export(found, document, tables))} files in {tables}")
    for fault in faults(document):
        say(f"warning: {fault}", err=True)
    sys.exit(1 if faults(document) else 0)
