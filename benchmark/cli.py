"""The command `bench`: parse, call, print."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.checked import load_plan, try_methods
from benchmark.commands.compare import compare
from benchmark.commands.correlate import correlate
from benchmark.commands.data import data
from benchmark.commands.evaluate import evaluate
from benchmark.commands.init import init
from benchmark.commands.options import (
    allow_slow_option,
    cache_option,
    data_option,
    device_option,
    executor_options,
    file_argument,
    graphs_option,
    instructions_option,
    lanes_option,
    mlflow_option,
    output_options,
    profile_options,
    replace_option,
    report_option,
    results_of_plan_option,
    runs_option,
    written,
)
from benchmark.commands.plans import plan, register, validate
from benchmark.commands.preference import preference
from benchmark.commands.probe import probe
from benchmark.commands.report import report
from benchmark.commands.retire import retire
from benchmark.commands.runs import doctor, export, gc, import_, reproduce, show
from benchmark.commands.schema import schema
from benchmark.commands.sections import Sections
from benchmark.commands.sweeps import logs, ls, status, stop
from benchmark.commands.tables import say
from benchmark.errors import EXIT_STOPPED, BenchError, InputError, in_words
from benchmark.surroundings import settle
from benchmark.text import single_line

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan
    from benchmark.spec import RunSpec
    from benchmark.sweep.run import Places


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="began-bench")
def bench(debug: bool) -> None:
    """Reproduce and ablate BEGAN and EBGAN on faces.

    `bench COMMAND -h` explains a command.
    """


@click.command()
@file_argument
@profile_options
@data_option
@runs_option
@cache_option
@results_of_plan_option
@report_option
@mlflow_option
@device_option
@graphs_option
@instructions_option
@allow_slow_option
@click.option(
    "--trust-tables",
    is_flag=True,
    help="Skip runs that are finished in the tables of --results; keep their rows.",
)
@replace_option
@click.option("--dry-run", is_flag=True, help="Print what would be trained; write nothing.")
@executor_options
@lanes_option
@output_options
def run(
    file: Path,
    profile: str,
    overrides: tuple[str, ...],
    data_root: Path | None,
    runs: Path,
    cache: Path,
    results: Path | None,
    report: Path | None,
    mlflow: str,
    device: str,
    graphs: bool,
    instructions: str | None,
    allow_slow: bool,
    trust_tables: bool,
    replace: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train every run of FILE; write its tables and the report.

    Run the same command again to resume an interrupted sweep.
    """
    from benchmark.executors.choice import Asked, choose

    plan = load_plan(file, profile, overrides)
    start = choose(Asked(device=device, **asked), plan, runs)
    from benchmark.sweep.output import choose_output
    from benchmark.sweep.run import Places, Work, refuse_overwriting, run_plan

    places = Places(runs, cache, *written(plan, results, report), data_root, mlflow)
    if dry_run:
        refuse_overwriting(plan, places, replace=replace)
        _print_what_would_run(plan, places, asked["jobs"], trust_tables, as_json)
        return
    output = choose_output(quiet=quiet, as_json=as_json)
    planned = [*(plan.search.runs if plan.search else ()), *plan.runs]
    begun = {each.run_id for each in planned if places.run(each.run_id).state() != "queued"}
    try_methods(file, [each.spec for each in planned if each.run_id not in begun])
    work = Work(device, graphs, instructions, allow_slow)
    kept = {"trust_tables": trust_tables, "replace": replace}
    sys.exit(run_plan(plan, places, start, work, output, **kept))


def _print_what_would_run(
    plan: "Plan", places: "Places", jobs: int | None, trust_tables: bool, as_json: bool
) -> None:
    from benchmark.ablation.cost import default_jobs
    from benchmark.sweep.dry_run import lines, what_would_run

    steps = what_would_run(plan, places, trust_tables=trust_tables)
    if not as_json:
        for line in lines(plan, steps, jobs or default_jobs(plan)):
            say(line)
    for each in steps if as_json else ():
        planned = {"run_id": each.planned.run_id, "label": each.planned.label}
        click.echo(json.dumps({**planned, "action": each.action, "why": each.why or None}))


@bench.command("run-one", hidden=True)
@click.argument("run_dirs", nargs=-1, required=True)
@data_option
@cache_option
@device_option
@graphs_option
@instructions_option
@allow_slow_option
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Only recorded.")
@click.option("--evaluation", help="As JSON; otherwise as the run's folder says.")
@click.option("--leash", is_flag=True, help="Stop when standard input closes.")
@click.option("--evaluate-only", is_flag=True, help="Train nothing.")
@click.option("--judge", "judges", multiple=True, help="With --evaluate-only: only these.")
def run_one(
    run_dirs: tuple[str, ...],
    data_root: Path | None,
    cache: Path,
    device: str,
    graphs: bool,
    instructions: str | None,
    allow_slow: bool,
    overrides: tuple[str, ...],
    evaluation: str | None,
    leash: bool,
    evaluate_only: bool,
    judges: tuple[str, ...],
) -> None:
    """Train one run, or several side by side as lanes.

    Every executor calls this.
    """
    from benchmark.executors.instructions import hold_to
    from benchmark.executors.threads import pin_threads
    from benchmark.runs.directory import RunDirectory

    # Until its work begins: executors restart a worker that a signal ended.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if instructions:
        hold_to(instructions)
    runs = [RunDirectory(Path(path)) for path in run_dirs]
    # Before anything imports NumPy, which starts its threads: a run's method does.
    pin_threads(max(run.threads() for run in runs))
    if leash:
        from benchmark.executors.local import obey_leash

        obey_leash()
    _check_lanes([run.spec() for run in runs])
    from benchmark.evaluation.settings import EvaluationSettings
    from benchmark.training.loop import Stopped
    from benchmark.worker import Where, evaluate_one
    from benchmark.worker import run_one as work

    context = {"overrides": list(overrides)}
    asked = EvaluationSettings.model_validate_json(evaluation) if evaluation else None
    where = Where(
        data_root, cache, device, context, graphs, allow_slow=allow_slow, evaluation=asked
    )
    try:
        if evaluate_only:
            for run in runs:
                evaluate_one(run, where, judges)
            return
        if len(runs) > 1:
            from benchmark.lanes import run_lanes

            sys.exit(run_lanes(runs, where))
        result = work(runs[0], where)
    except Stopped:
        click.echo("stopped with a checkpoint")
        sys.exit(EXIT_STOPPED)
    if result.state == "failed":
        raise BenchError(result.failure())


def _check_lanes(specs: "Sequence[RunSpec]") -> None:
    """Raise InputError where the runs of one process cannot be its lanes."""
    from benchmark.executors.packing import can_be_a_lane

    found = {spec.training.threads for spec in specs}
    if len(specs) > 1 and (len(found) > 1 or not all(map(can_be_a_lane, specs))):
        raise InputError("lanes need the same training.threads and no training.precision: tf32")


@click.command()
@file_argument
@profile_options
@runs_option
@results_of_plan_option
@mlflow_option
@replace_option
def sync(
    file: Path,
    profile: str,
    overrides: tuple[str, ...],
    runs: Path,
    results: Path | None,
    mlflow: str,
    replace: bool,
) -> None:
    """Bring MLflow and the tables of FILE up to date.

    Both are made from the run directories. A finished run that is in the tables but not in --runs
    stays as the tables have it. Refuses tables with finished runs that FILE does not have.
    """
    from benchmark.claims.evidence import write_evidence
    from benchmark.results.source import only_recorded
    from benchmark.results.tables import read_tables
    from benchmark.results.tuning import write_search
    from benchmark.results.writer import write_results
    from benchmark.sweep.run import left_out, other_steps, renewed
    from benchmark.tracking.tracker import Tracker

    found = load_plan(file, profile, overrides)
    tables, _ = written(found, results)
    found = write_search(found, runs, tables, replace=replace)
    kept = only_recorded(found, runs, tables)
    folder = write_results(found, runs, tables, replace=replace)
    if kept:
        say(f"{len(kept)} finished runs are not in {runs}; kept as the tables have them")
    if lacking := other_steps(found, read_tables(folder)):
        say(lacking)
    write_evidence(folder)
    behind: dict[str, str] = {}
    anew: dict[str, str] = {}
    for part in (found.search, found):
        if part is not None:
            tracker = Tracker(mlflow, part, runs)
            tracker.close()
            behind |= tracker.left_out
            anew |= tracker.renewed
    tracker.publish(folder)
    if told := renewed(anew):
        say(f"MLflow: {told}")
    said = left_out(behind)
    click.echo(f"tables: {folder}")
    if said:
        raise BenchError(f"MLflow: {said}")


@click.command()
@mlflow_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    help="Port to serve on.",
)
def ui(mlflow: str, port: int) -> None:
    """Serve MLflow with the curves and samples of the runs.

    On 127.0.0.1, until Ctrl-C.
    """
    from benchmark.tracking.page import serve

    serve(mlflow, port)


bench.add_section("Run", init, data, validate, plan, register, run, evaluate, stop)
bench.add_section("Inspect", ls, status, logs, show, probe, ui)
bench.add_section("Compare", correlate, compare, preference, reproduce, report)
bench.add_section("Maintain", sync, retire, doctor, gc, export, import_, schema)


def main() -> None:
    """Entry point: one line for an expected error, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    settle()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        bench(prog_name="bench")
    except Exception as error:
        said = in_words(error)
        if debug or said is None:
            raise
        say(f"bench: {single_line(said)}", err=True)
        sys.exit(error.exit_code if isinstance(error, BenchError) else BenchError.exit_code)
