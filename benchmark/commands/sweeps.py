"""Commands on running sweeps: status, logs, stop."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import (
    ASIDE,
    FOLDER,
    RESULTS,
    optional_file,
    profile_options,
    run_argument,
    runs_option,
    written,
)
from benchmark.commands.tables import say

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.ablation.plan import Plan
    from benchmark.sweep.status import Status

LOOK_EVERY_S = 1.0


@click.command()
@optional_file
@profile_options
@runs_option
@click.option("--watch", is_flag=True, help="Refresh every second until nothing is running.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(
    file: Path | None,
    profile: str,
    overrides: tuple[str, ...],
    runs: Path,
    watch: bool,
    as_json: bool,
) -> None:
    """Show the state of the runs of FILE, or of all runs.

    Works with every executor. A run is queued, running, stopped (with a checkpoint), done or
    failed; collapsed runs are marked.
    """
    from rich.console import Console

    from benchmark.sweep.status import Watch

    looking = Watch(runs, _plan(file, profile, overrides, runs))
    found = looking.look()
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    console = Console()
    if watch and console.is_terminal:
        from rich.live import Live

        from benchmark.sweep.progress import screen

        with Live(console=console, auto_refresh=False) as live:
            while found.drivers or any(each.state == "running" for each in found.statuses):
                live.update(screen(found.statuses, console.height, console.width), refresh=True)
                time.sleep(LOOK_EVERY_S)
                found = looking.look()
    _print(found, console)


@click.command()
@runs_option
@click.option(
    "--results",
    type=FOLDER,
    help=f"Folder with the tables.  [default: {RESULTS} and {ASIDE / RESULTS}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(runs: Path, results: Path | None, as_json: bool) -> None:
    """List the runs by ablation, with state, step and last distance.

    The ablation of a run is looked up in the tables of --results and in sweeps under way.
    """
    from benchmark.numbers import significant
    from benchmark.sweep.listing import DAMAGED, by_ablation, list_runs

    found = list_runs(runs, *([results] if results else [RESULTS, ASIDE / RESULTS]))
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found], indent=2))
        return
    for title, group in by_ablation(found).items():
        click.echo(f"{title}:")
        widest = max(len(each.run_id) for each, _ in group)
        for each, label in group:
            steps = f"{each.step}/{'?' if each.steps is None else each.steps}"
            distance = "" if each.distance is None else significant(each.distance)
            said = f"  {each.run_id:{widest}}  {each.state:7}  {steps:>13}  {distance:>7}  {label}"
            say(said.rstrip())
    damaged = _damaged(sum(each.state == DAMAGED for each in found))
    click.echo(", ".join(filter(None, [f"{len(found)} runs in {runs}", damaged])))


@click.command()
@run_argument
@runs_option
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run has ended.")
@click.option(
    "--lines", type=click.IntRange(0), default=20, show_default=True, help="Number of lines."
)
def logs(run: str, runs: Path, follow: bool, lines: int) -> None:
    """Print the end of RUN's log.

    RUN is an id or a folder. The log holds its metrics, its evaluations, the output of its
    process and how it ended.
    """
    from benchmark.runs.log import Log
    from benchmark.runs.show import find_run

    log = Log(find_run(run, runs))
    there = list(log.new())
    for line in there[-lines:] if lines else []:
        say(line)
    if not there and not follow:
        click.echo("nothing yet: the run has not begun")
    while follow and not log.ended:
        time.sleep(LOOK_EVERY_S / 2)
        for line in log.new():
            say(line)


@click.command()
@optional_file
@profile_options
@runs_option
def stop(file: Path | None, profile: str, overrides: tuple[str, ...], runs: Path) -> None:
    """Stop the sweep of FILE, or every sweep.

    Each run writes a checkpoint first, and `bench run` continues from there. Reaches sweeps on any
    machine that shares the runs folder.

    Exit code 1: no sweep is running, or a run with a Slurm job is damaged.
    """
    from benchmark.sweep.driver import drivers
    from benchmark.sweep.status import stop as ask

    plan = _plan(file, profile, overrides, runs)
    asked, damaged = ask(runs, plan)
    for each in asked:
        click.echo(f"asked to stop: {each}")
    for why in damaged:
        say(why)
    if not asked:
        what = "" if plan is None else f" of {plan.name}, profile {plan.profile},"
        click.echo(f"no sweep{what} is running in {runs}")
        for driver in drivers(runs):
            click.echo(f"running sweep: {driver}")
    if damaged or not asked:
        sys.exit(1)


def _plan(file: Path | None, profile: str, overrides: tuple[str, ...], runs: Path) -> "Plan | None":
    """With the tuned runs that are known by now."""
    from benchmark.ablation.plan import load

    if file is None:
        return None
    plan = load(file, profile, overrides)
    if plan.tuning is None:
        return plan
    from benchmark.results.tuning import with_winners

    return with_winners(plan, runs, written(plan, None)[0])


def _print(found: "Status", console: "Console") -> None:
    from benchmark.durations import duration
    from benchmark.sweep.progress import counted, line, sweep_left, table

    most = len(found.statuses) + len(found.damaged)
    if console.is_terminal:
        console.print(table(found.statuses, most, console.width))
    else:
        for each in found.statuses:
            click.echo(line(each))
    by_id = {each.run_id: each for each in found.statuses}
    for run_id, job in found.jobs.items():
        click.echo(f"{by_id[run_id].label}: Slurm job {job}")
    for each in found.statuses:
        if each.reason:
            say(f"{each.label}: {each.reason}")
    for why in found.damaged.values():
        say(why)
    for driver in found.drivers:
        click.echo(f"running sweep: {driver}")
    left = sweep_left(found.statuses)
    time_left = "" if left is None else f", about {duration(left)} left"
    said = [counted(found.statuses), _damaged(len(found.damaged))]
    click.echo(f"{most} runs: {', '.join(filter(None, said)) or 'none'}{time_left}")


def _damaged(count: int) -> str:
    return f"{count} damaged (see `bench doctor`)" if count else ""
