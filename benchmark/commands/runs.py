"""Commands on runs that are there: show, reproduce."""

import sys
from pathlib import Path

import click

from benchmark.commands.options import (
    cache_option,
    data_option,
    device_option,
    results_option,
    runs_option,
)

DIFFERENT = 3  # exit code: the run was trained again and came out otherwise


@click.command()
@click.argument("run")
@runs_option
def show(run: str, runs: Path) -> None:
    """Print what RUN (an id or a folder) is, what made it and what came of it."""
    from benchmark.show import describe, find_run

    for line in describe(find_run(run, runs)):
        click.echo(line)


@click.command()
@click.argument("run", required=False)
@click.option("--steps", type=click.IntRange(1), help="Compare the first N steps only.")
@click.option("--ablation", help="Instead of RUN: random finished runs of this ablation.")
@click.option("--profile", default="demo", show_default=True, help="With --ablation.")
@click.option("--sample", type=click.IntRange(1), default=2, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which ones.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="Allowed difference; by default 0, or 0.001 where code, versions or hardware differ.",
)
@runs_option
@results_option
@data_option
@cache_option
@device_option
def reproduce(
    run: str | None,
    steps: int | None,
    ablation: str | None,
    profile: str,
    sample: int,
    seed: int,
    tolerance: float | None,
    runs: Path,
    results: Path,
    data_root: Path | None,
    cache: Path,
    device: str,
) -> None:
    """Train RUN again in a fresh process and compare metrics, samples and weights.

    Exit code 0: identical, or the same within the tolerance that is stated; 3: a difference.
    """
    from benchmark.errors import InputError
    from benchmark.reproduce import Here, pick
    from benchmark.reproduce import reproduce as again
    from benchmark.show import find_run

    if (run is None) == (ablation is None):
        raise InputError("give a RUN or --ablation NAME, one of the two")
    if run is not None:
        chosen = [find_run(run, runs)]
    else:
        chosen = pick(str(ablation), profile, results, runs, sample, seed)
    same = True
    for each in chosen:
        click.echo(f"{each.run_id}: training it again")
        found = again(each, steps, Here(cache, data_root, device), tolerance, click.echo)
        click.echo(f"{each.run_id}: {found}")
        same &= found.same
    sys.exit(0 if same else DIFFERENT)
