"""Commands on runs that are there: show, reproduce, export, import, doctor, gc."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from benchmark.commands import completion
from benchmark.commands.options import (
    FILE,
    RESULTS,
    cache_option,
    data_option,
    device_option,
    finite,
    mlflow_option,
    profile_option,
    results_of_plan_option,
    results_option,
    run_argument,
    runs_option,
    written_before,
)
from benchmark.commands.tables import say
from benchmark.errors import EXIT_DIFFERENT, BenchError, InputError, in_words, of_system
from benchmark.executors.instructions import NAMES
from benchmark.text import counted


@click.command()
@run_argument
@runs_option
@results_option
def show(run: str, runs: Path, results: Path) -> None:
    """Print RUN's settings, provenance and results.

    RUN is an id or a folder. If its folder is not here, print what the tables of --results say.
    """
    from benchmark.reproduction.recorded import describe as describe_recorded
    from benchmark.reproduction.reproduce import find
    from benchmark.runs.directory import RunDirectory
    from benchmark.runs.show import describe

    found = find(run, results, runs)
    lines = describe(found) if isinstance(found, RunDirectory) else describe_recorded(found)
    for line in lines:
        say(line)


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@click.option("--steps", type=click.IntRange(1), help="Compare only the first N steps.")
@click.option(
    "--instructions",
    type=click.Choice(NAMES),
    help="Vector instructions to train with.  [default: the run's, if recorded]",
)
@click.option("--ablation", help="Instead of RUN: random finished runs of an ablation.")
@profile_option("Of --ablation.")
@click.option(
    "--sample", type=click.IntRange(1), default=2, show_default=True, help="Runs of --ablation."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses those runs.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    callback=finite,
    help="Allowed difference.  [default: 0, or 0.001 if code, versions or hardware differ]",
)
@runs_option
@results_of_plan_option
@data_option
@cache_option
@device_option
def reproduce(
    run: str | None,
    steps: int | None,
    instructions: str | None,
    ablation: str | None,
    profile: str,
    sample: int,
    seed: int,
    tolerance: float | None,
    runs: Path,
    results: Path | None,
    data_root: Path | None,
    cache: Path,
    device: str,
) -> None:
    """Train RUN again; compare metrics, samples and weights.

    RUN is an id or a folder; it is trained in a fresh process. If its folder is not here, compare
    with the tables of --results.

    Exit codes: 0 identical, or the same within the stated tolerance; 3 a difference.
    """
    from benchmark.reproduction.reproduce import Here, find, pick
    from benchmark.reproduction.reproduce import reproduce as again

    if (run is None) == (ablation is None):
        raise InputError("give RUN or --ablation NAME, and not both")
    if run is not None:
        chosen = [find(run, results or RESULTS, runs)]
    else:
        tables = results or written_before(str(ablation), profile)
        chosen = pick(str(ablation), profile, tables, runs, sample, seed)
    same = True
    for each in chosen:
        click.echo(f"{each.run_id}: training it again")
        here = Here(cache, data_root, device, instructions)
        found = again(each, steps, here, tolerance, say, _bar)
        say(f"{each.run_id}: {found}")
        if found.caveat:
            say(f"warning: {each.run_id}: {found.caveat}", err=True)
        same &= found.same
    sys.exit(0 if same else EXIT_DIFFERENT)


@contextmanager
def _bar(last: int) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("training", total=last)
        yield lambda step: bar.update(task, completed=step)


@click.command()
@run_argument
@click.argument("archive", type=FILE, required=False)
@runs_option
@click.option("--last", is_flag=True, help="Leave out checkpoints, and all snapshots but the last.")
def export(run: str, archive: Path | None, runs: Path, last: bool) -> None:
    """Pack RUN into an archive that others can reproduce.

    RUN is an id or a folder. ARCHIVE is RUN_ID.zip by default. With --last it is
    small, and enough to judge the run again.
    """
    from benchmark.runs.archive import export_run
    from benchmark.runs.show import find_run

    found = find_run(run, runs)
    click.echo(f"{export_run(found, archive or Path(f'{found.run_id}.zip'), last=last)}")


@click.command("import")
@click.argument("archive", type=FILE)
@runs_option
@click.option("--limit", type=click.IntRange(1), help="Maximum bytes to unpack.  [default: 4 GiB]")
def import_(archive: Path, runs: Path, limit: int | None) -> None:
    """Bring in a run that `bench export` packed.

    Nothing in ARCHIVE is executed.
    """
    from benchmark.runs.archive import LIMIT, import_run

    run = import_run(archive, runs, limit or LIMIT)
    say(f"{run.path}; `bench reproduce {run.run_id}` trains it again")


@click.command()
@runs_option
@cache_option
@mlflow_option
@click.option("--fix", is_flag=True, help="Repair what can be repaired without losing a result.")
def doctor(runs: Path, cache: Path, mlflow: str, fix: bool) -> None:
    """Look for damaged runs and stores; repair them.

    Also finds runs that MLflow shows wrongly. Only --fix changes anything.

    Exit codes: 0 nothing is wrong, or all was repaired; 1 something is wrong, or could not be
    checked.
    """
    from benchmark.runs.doctor import Fault, faults_of_runs, faults_of_stores

    if not runs.is_dir():
        raise InputError(f"{runs}: no such folder; see --runs")
    faults = [*faults_of_runs(runs), *faults_of_stores(cache)]
    unchecked = out_of_reach = False
    view: list[Fault] = []
    try:
        from benchmark.tracking.audit import faults_of_view

        view = faults_of_view(mlflow, runs)
    except BenchError as error:
        unchecked = True
        say(f"MLflow was not checked: {error}")
    faults += view
    left = 0
    for fault in faults:
        repaired = False
        # Each would wait as long for a store that did not take one repair.
        if fix and fault.fix is not None and not (out_of_reach and fault in view):
            try:
                fault.fix()
                repaired = True
            except (BenchError, OSError) as error:  # as where a run has continued since the look
                say(f"not repaired: {in_words(error)}", err=True)
                out_of_reach |= fault in view
        left += not repaired
        say(f"{'repaired' if repaired else 'found'}: {fault}")
    click.echo(f"{counted(len(faults), 'fault')} found, {len(faults) - left} repaired")
    if left and not fix and any(fault.fix for fault in faults):
        click.echo(
            "next: bench doctor --fix, which does what follows each semicolon; no result is lost"
        )
    sys.exit(1 if left or unchecked else 0)


@click.command()
@runs_option
@cache_option
@click.option(
    "--keep",
    type=click.IntRange(1),
    help="Keep the last N snapshots of a finished run.  [default: all]",
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed; remove nothing.")
def gc(runs: Path, cache: Path, keep: int | None, dry_run: bool) -> None:
    """Remove old checkpoints and unused stores.

    Finished runs keep their last checkpoint, and every snapshot unless --keep says otherwise.
    """
    from benchmark.runs.garbage import find_garbage

    if not runs.is_dir():  # else every decoded data set would be one that no run uses
        raise InputError(f"{runs}: no such folder; give --runs the one that holds the runs")
    total, failed = 0, False
    for item in find_garbage(runs, cache, keep, lambda damaged: say(damaged, err=True)):
        try:
            if not dry_run:
                item.remove()
        except OSError as error:
            failed = True
            say(f"{item.path}: not removed ({of_system(error)})", err=True)
            continue
        total += item.size
        say(f"{item.path}: {item.size / 1e6:.1f} MB, {item.why}")
    click.echo(f"{total / 1e6:.1f} MB {'would be' if dry_run else 'was'} freed")
    sys.exit(1 if failed else 0)
