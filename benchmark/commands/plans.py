"""Commands on an ablation before it runs: validate, plan, register."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands import completion
from benchmark.commands.checked import load_plan, load_profiles, try_methods
from benchmark.commands.options import (
    FILE,
    FOLDER,
    file_argument,
    profile_options,
    results_option,
    runs_option,
)
from benchmark.commands.tables import say, show
from benchmark.errors import InputError
from benchmark.text import counted

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan, PlannedRun
    from benchmark.claims.power import Prospect
    from benchmark.results.tables import Tables

pilot_option = click.option(
    "--pilot",
    type=FOLDER,
    help="Tables of the same cells, such as results/gamma/small: their spread gives the power,"
    " their seconds the rates of `tune.budget`.",
)


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True, shell_complete=completion.ablations)
def validate(files: tuple[Path, ...]) -> None:
    """Check ablation files in every profile; write nothing.

    Warns of claims that too few seeds can never support. What only the data can tell, such as
    whether they have as many images as a judge's samples, `bench run` says.
    """
    invalid = []
    for file in files:
        try:
            _validate(file)
        except InputError as error:
            if len(files) == 1:
                raise
            say(str(error), err=True)
            invalid.append(str(file))
    if invalid:
        raise InputError(f"invalid: {', '.join(invalid)}")


def _validate(file: Path) -> None:
    plans = load_profiles(file)
    wholes = [plan.with_costliest for plan in plans]
    try_methods(file, [planned.spec for plan in wholes for planned in plan.runs])
    for plan in wholes:
        search = f", and {len(plan.search.runs)} of its search" if plan.search else ""
        found = f"{plan.name}, profile {plan.profile}: {len(plan.runs)} runs{search}"
        click.echo(f"{file}: {found}")
    for warning in _hopeless([plan for plan in plans if plan.finding]):
        say(f"warning: {file}: {warning}", err=True)


@click.command()
@file_argument
@profile_options
@click.option("--jobs", type=click.IntRange(1), help="Runs in parallel.")
@pilot_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    file: Path,
    profile: str,
    overrides: tuple[str, ...],
    jobs: int | None,
    pilot: Path | None,
    as_json: bool,
) -> None:
    """Print the runs, cost and power of FILE; start nothing.

    The cost is a rough estimate. For each claim: whether the seeds are enough to support it and,
    with --pilot, its power.
    """
    from benchmark.ablation.cost import default_jobs, describe
    from benchmark.claims.power import table

    found = load_plan(file, profile, overrides)
    tables = _pilot(pilot)
    expected, rates = _prospects(found, tables), _rates(found, tables)
    jobs = jobs or default_jobs(found)
    if as_json:
        click.echo(json.dumps(_as_json(found, expected, rates, jobs), indent=2))
        return
    if found.search is not None:
        for line in _searched(found.search, found):
            say(line)
        say(f"search: {describe(found.search, jobs)}")
    for planned in found.runs:
        say(f"{planned.run_id}  {planned.label}")
    for planned in _tuned(found):
        say(f"{'(after the search)':{len(found.runs[0].run_id)}}  {planned.label}")
    costliest = "; each arm counted at its costliest setting" if found.search else ""
    say(f"{describe(found.with_costliest, jobs)}{costliest}")
    if expected:
        show("claims", table(expected))
        say(_of_the_chances(expected, found))
    if rates:
        said = ", ".join(f"{arm}: {rate:.3g}" for arm, rate in rates.items())
        say(f"measured in {pilot}, for tune.budget: rates: {{{said}}}")


def _of_the_chances(expected: "list[Prospect]", plan: "Plan") -> str:
    """What the chances mean; or how to get them, where they take a spread that is not known."""
    said = (
        "chance: to support the claim, were it true by twice its least effect; seeds: of each cell"
    )
    if any(math.isnan(each.chance) and each.least_p < 1 for each in expected):
        said += (
            "; unknown without the spread over seeds: train three or more of each cell, then give "
            f"--pilot their tables (results/{plan.place}, a demonstration's in out/)"
        )
    return said


def _pilot(folder: Path | None) -> "Tables | None":
    from benchmark.results.tables import read_tables

    return read_tables(folder) if folder else None


def _rates(plan: "Plan", pilot: "Tables | None") -> dict[str, float]:
    """Of the tuned arms that the pilot has."""
    from benchmark.results.tuning import measured_rates

    if plan.tuning is None or pilot is None:
        return {}
    found = measured_rates(pilot)
    return {arm: found[arm] for arm in plan.tuning.arms if arm in found}


def _as_json(
    plan: "Plan", expected: "list[Prospect]", rates: Mapping[str, float], jobs: int
) -> dict[str, Any]:
    from benchmark.ablation.cost import total

    return {
        "name": plan.name,
        "profile": plan.profile,
        "question": plan.question,
        "runs": [
            {
                "run_id": planned.run_id,
                "label": planned.label,
                "cell": planned.cell,
                "point": dict(planned.point),
                "seed": planned.spec.seed,
            }
            for planned in plan.runs
        ],
        "cost": asdict(total(plan.with_costliest, jobs)),
        "search": _search_as_json(plan, jobs),
        "rates": rates,
        "claims": [
            {
                **asdict(each),
                "decidable": bool(each.decidable),  # NumPy's own is none of JSON's
                "chance": None if math.isnan(each.chance) else each.chance,
            }
            for each in expected
        ],
    }


def _tuned(plan: "Plan") -> "list[PlannedRun]":
    """The runs that the search decides; their settings here are the costliest ones."""
    own = {planned.run_id for planned in plan.runs}
    return [planned for planned in plan.with_costliest.runs if planned.run_id not in own]


def _searched(search: "Plan", plan: "Plan") -> Iterator[str]:
    """One line a random setting: run, label, what was drawn."""
    assert plan.tuning is not None
    for planned, each in zip(search.runs, plan.tuning.drawn, strict=True):
        values = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in each.values.items())
        steps = planned.spec.training.steps
        yield f"{planned.run_id}  {planned.cell}  {steps} steps  {values}"


def _search_as_json(plan: "Plan", jobs: int) -> dict[str, Any] | None:
    from benchmark.ablation.cost import total

    if plan.tuning is None or plan.search is None:
        return None
    return {
        "runs": [
            {
                "run_id": each.search.run_id,
                "arm": each.arm,
                "setting": each.number,
                "values": dict(each.values),
                "steps": each.search.training.steps,
            }
            for each in plan.tuning.drawn
        ],
        "cost": asdict(total(plan.search, jobs)),
    }


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> list[int]:
    parts = text.split(",") if text else []
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r}; allowed: numbers of seeds, as in 5,10")
    return [int(part) for part in parts]


@click.command()
@file_argument
@click.option(
    "--profile",
    shell_complete=completion.profiles,
    required=True,
    help="Scale, such as short, small or paper.",
)
@click.option(
    "--looks", callback=_numbers, metavar="N,N", help="Seeds a cell at each look.  [default: all]"
)
@click.option("--pool", is_flag=True, help="Use the seeds of identical cells in other ablations.")
@pilot_option
@click.option("--amend", is_flag=True, help="Write it even though runs have begun.")
@runs_option
@results_option
def register(
    file: Path,
    profile: str,
    looks: list[int],
    pool: bool,
    pilot: Path | None,
    amend: bool,
    runs: Path,
    results: Path,
) -> None:
    """Register the claims of FILE before its runs.

    Writes the claims, and how they will be tested, into a file to commit. Claims are confirmatory
    if that commit comes before the runs, and exploratory otherwise.
    """
    from benchmark.ablation.registration import differences, of_plan, path_of, read, write
    from benchmark.claims.power import table
    from benchmark.statistics.looks import look_levels

    found = load_plan(file, profile)
    path = path_of(found)
    assert path is not None  # it was loaded from a file
    if not found.claims:
        raise InputError(f"{file}: no claims to register")
    made = of_plan(found, looks, pool)
    old = read(found) if path.exists() and not amend else None
    if old is not None and not differences(old, made):
        say(f"{path}: already registered; commit it unless you have")
        return
    # Those of a registration that is there too: another file of this name may have written it.
    registered = [run for each in old.runs.values() for run in each] if old else []
    planned = [*(found.search.runs if found.search else ()), *found.runs]
    wanted = list(dict.fromkeys([*(each.run_id for each in planned), *registered]))
    begun = _begun(wanted, runs, results / found.place)
    if begun and not amend:
        raise InputError(
            f"{file}: {len(begun)} of {len(wanted)} runs have begun ({begun[0]}), so it is too "
            "late to register them; --amend writes the file anyway, and claims that rest on them "
            "are exploratory"
        )
    levels = look_levels(made.looks, made.alpha)
    power = table(_prospects(found, _pilot(pilot), levels[-1])).to_string(index=False)
    spread = f"spreads of {pilot}" if pilot else "no pilot"
    heading = f"Power at level {levels[-1]:.4f}, {spread}; written by `bench register`"
    write(made, path, f"{heading}\n\n{power}")
    click.echo(f"{path}: {counted(len(made.claims), 'claim')}, {counted(len(made.seeds), 'seed')}")
    for seeds, level in zip(made.looks, levels, strict=True):
        click.echo(f"look at {counted(seeds, 'seed')} per cell: level {level:.4f}")
    say(
        f"next: git add {path}, git commit, and then bench run {file} --profile {profile}; runs of"
        " an earlier commit, or of changed code, are exploratory"
    )


def _prospects(
    plan: "Plan", pilot: "Tables | None", alpha: float | None = None
) -> "list[Prospect]":
    from benchmark.claims.power import prospects
    from benchmark.levels import ALPHA

    # A tuned cell's seeds are known before its settings are.
    return prospects(plan.with_costliest, pilot, alpha or ALPHA)


def _hopeless(plans: "Sequence[Plan]") -> Iterator[str]:
    """Each claim that cannot be supported, once for all profiles of which the same is to say."""
    profiles: dict[str, list[str]] = {}
    for plan in plans:
        for each in _prospects(plan, None):
            if not each.decidable:
                said = f"claims.{each.claim} cannot be supported: least p {each.least_p:.2g} with"
                said += f" {counted(each.seeds, 'seed')}{f' ({each.note})' if each.note else ''}"
                profiles.setdefault(said, []).append(plan.profile)
    for said, names in profiles.items():
        yield f"profile {', '.join(names)}: {said}"


def _begun(wanted: Sequence[str], runs: Path, tables: Path) -> list[str]:
    """The runs that have a record of what made them, or that the tables have finished."""
    from benchmark.results.places import ENDED, states
    from benchmark.runs.directory import RunDirectory

    known = states(tables)
    return [
        run_id
        for run_id in wanted
        if known.get(run_id) in ENDED or RunDirectory(runs / run_id).provenance() is not None
    ]
