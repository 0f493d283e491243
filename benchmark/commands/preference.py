"""`bench preference`: ask people which samples look more like photographs."""

from pathlib import Path

import click

from benchmark.commands.options import (
    FILE,
    file_argument,
    profile_options,
    results_of_plan_option,
    written,
)
from benchmark.commands.tables import say


@click.command()
@file_argument
@profile_options
@results_of_plan_option
@click.option("--cell", "cells", multiple=True, help="Only these cells, at least two.")
@click.option(
    "--pairs", type=click.IntRange(1, 1000), default=60, show_default=True, help="Number of pairs."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws pairs and sides.")
@click.option(
    "--page",
    type=FILE,
    default=Path("preference.html"),
    show_default=True,
    help="The page.",
)
def preference(
    file: Path,
    profile: str,
    overrides: tuple[str, ...],
    results: Path | None,
    cells: tuple[str, ...],
    pairs: int,
    seed: int,
    page: Path,
) -> None:
    """Write a page that asks people which samples look better.

    It shows pairs of samples of FILE's cells, blind, and needs no network. What a person saves
    there goes into preference/ beside the tables; `bench report` counts it.
    """
    from benchmark.ablation.plan import load
    from benchmark.preference.answers import FOLDER
    from benchmark.preference.page import pairs as drawn
    from benchmark.preference.page import write_page
    from benchmark.results.tables import read_tables

    plan = load(file, profile, overrides)
    folder = written(plan, results)[0] / plan.place
    tables = read_tables(folder)
    write_page(tables, drawn(tables, cells, pairs, seed), page)
    click.echo(f"page: {page}, {pairs} pairs")
    say(f"next: people open it and send back a file each; put these into {folder / FOLDER}")
