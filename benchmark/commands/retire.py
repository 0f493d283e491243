"""`bench retire`: tables of a small scale give way to those of a larger one."""

from pathlib import Path

import click

from benchmark.commands.options import FOLDER


@click.command()
@click.argument("folder", type=FOLDER)
def retire(folder: Path) -> None:
    """Replace the tables in FOLDER by their verdicts.

    FOLDER, such as results/gamma/short, holds tables of an ablation that has been asked at a larger
    scale too. The report then compares the two by claims and cells alone. Everything that is
    deleted must be committed; the verdicts name the commit.
    """
    from benchmark.report.retired import retire

    click.echo(f"verdicts: {retire(folder)}; write the report again: bench report")
