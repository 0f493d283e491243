"""From run directories to the tables of results/<ablation>/<profile>/ (see schema.py)."""

import dataclasses
import gzip
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmark.ablation.claims import logged_columns, swept_text
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.ablation.registration import read
from benchmark.errors import BenchError, InputError
from benchmark.evaluation.metrics import METRICS
from benchmark.files import write_atomic
from benchmark.methods import signal
from benchmark.results.description import describe
from benchmark.results.drawn import write_drawn
from benchmark.results.ends import ends, judged_columns, metric_names
from benchmark.results.places import ENDED, other_weights, own_samples, shared_samples, states
from benchmark.results.probes import STRIPS, probes, write_strips
from benchmark.results.registered import registration_record
from benchmark.results.schema import DIGITS, REQUIRED, TEXT, RegistrationRecord, table_path
from benchmark.results.source import JudgeInTables, Source, counted, judges_of, source, sources
from benchmark.results.tables import Row, Tables, read_tables
from benchmark.runs.directory import Kind, RunDirectory
from benchmark.strict import Strict
from benchmark.text import visible
from benchmark.tiles import GUTTER

GRID_ROWS = 2
"""Rows kept of a run's last grid: enough for results/; the run's folder keeps the full grids."""
EXACT = 2.0**53
"""Below it a float64 holds every whole number."""


def write_results(plan: Plan, runs_root: Path, results: Path, *, replace: bool = False) -> Path:
    """Write the tables of a plan from its runs, whatever state they are in; returns their folder.

    Finished runs in the tables that are not in `runs_root` are kept unchanged. Raises as
    `refuse_loss` does, unless such runs are to be replaced; BenchError if the folder cannot be
    written, or a run cannot be kept.
    """
    pooled = with_lent(plan, runs_root, results)
    if not replace:
        refuse_loss(pooled, results)
    found = sources(pooled, runs_root, results, replace=replace)
    searched = sources(plan.search, runs_root, results) if plan.search else ()
    tables = collect(plan, found, results, registration_record(plan, found, searched))
    gone = states(tables.folder).keys() - {each.planned.run_id for each in found}
    try:
        write_record(tables.folder / "ablation.json", tables.record)
        for name in REQUIRED:
            write_table(table_path(tables.folder, name), getattr(tables, name))
        (tables.folder / "train.csv").unlink(missing_ok=True)  # format 4 did not compress it
        if not plan.part:  # a search's grids stay with its runs
            _write_samples(tables.folder, found, gone)
        write_strips(tables.folder / STRIPS, plan, found)
        write_drawn(tables.folder, tables.record.setups)
    except OSError as error:
        raise BenchError(
            f"{tables.folder}: cannot write the tables ({error.strerror}); the runs are safe in"
            f" {runs_root}; make the folder writable or give --results another one, and run this"
            " again"
        ) from None
    return tables.folder


def with_lent(plan: Plan, runs_root: Path, results: Path) -> Plan:
    """With the finished runs lent by other ablations: of an identical cell, with seeds that the
    plan lacks, whose folder is in `runs_root`, or that are in the plan's own tables.

    A run's id is the hash of its training, so two cells are identical if their runs with the same
    seed have the same id. Runs are lent only if the registration says `pool`, which is decided
    before the runs. Raises InputError where the registration, or the tables of an ablation, cannot
    be read.
    """
    registration = read(plan)
    if registration is None or not registration.pool:
        return plan
    own = results / plan.place
    folders = [path.parent for path in results.glob(f"*/{plan.profile}/runs.csv")]
    ended = {folder: read_tables(folder).ended for folder in sorted(folders)}
    others = {run_id for folder, runs in ended.items() if folder != own for run_id in runs}
    seeds = sorted({int(run.row["seed"]) for runs in ended.values() for run in runs.values()})
    found = []
    for planned in {planned.cell: planned for planned in plan.runs}.values():
        for seed in seeds:
            spec = planned.spec.model_copy(update={"seed": seed})
            run_id = spec.run_id
            here = run_id in others and RunDirectory(runs_root / run_id).result() is not None
            if seed not in plan.seeds and (here or run_id in ended.get(own, {})):
                found.append(PlannedRun(spec, planned.point))
    return dataclasses.replace(plan, runs=(*plan.runs, *found))


def refuse_loss(plan: Plan, results: Path) -> None:
    """Raise InputError if a plan's tables have finished runs that are not in the plan."""
    folder, planned = results / plan.place, {each.run_id for each in plan.runs}
    lost = [run for run, state in states(folder).items() if state in ENDED and run not in planned]
    if lost:
        count = f"{len(lost)} finished runs" if len(lost) > 1 else "a finished run"
        raise InputError(
            f"{folder}: {count} there ({lost[0]}) would be lost, since {plan.path or plan.name} has"
            " other runs; give the file a `name` of its own, or --results another folder, or"
            " --replace to drop them"
        )


def write_record(path: Path, record: Strict) -> None:
    """As JSON, every default included."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
    write_atomic(path, f"{text}\n".encode())


def write_table(path: Path, table: pd.DataFrame) -> None:
    """As CSV, with numbers to DIGITS digits; whole numbers, such as steps and counts, in full.

    Compressed if the name ends in .gz, without the time, so that the same table is the same file.
    """
    text = table.to_csv(index=False, float_format=_digits, lineterminator="\n")
    data = visible(text).encode()  # exception texts may hold characters that CSV readers reject
    write_atomic(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _digits(value: Any) -> str:
    whole = value.is_integer() and abs(value) < EXACT
    return f"{value:.0f}" if whole else f"{value:.{DIGITS}g}"


def collect(
    plan: Plan,
    found: Sequence[Source],
    results: Path,
    registration: RegistrationRecord | None = None,
) -> Tables:
    """The tables of a plan's runs, in memory."""
    judges = judges_of(plan, found)
    trained, heldout = logged_columns([planned.spec for planned in plan.runs])
    rows = [row for judge in judges for each in found for row in counted(each, judge)]
    evaluations = _evaluations(rows)
    return Tables(
        folder=results / plan.place,
        record=describe(plan, found, judges, registration),
        judge=plan.evaluation.headline,
        runs=_runs(plan, found, judges[0], evaluations, trained, heldout),
        train=_curves(found, "train", trained),
        heldout=_curves(found, "heldout", heldout),
        evaluations=evaluations,
        probes=probes(found, plan.evaluation),
    )


def _evaluations(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    head = REQUIRED["evaluations"]
    given = {name for row in rows for name, value in row.items() if value == value}  # no NaN
    given -= set(head)
    metrics = [*(name for name in METRICS if name in given), *sorted(given - set(METRICS))]
    return pd.DataFrame(rows, columns=[*head, *metrics])


def _curves(found: Sequence[Source], kind: Kind, columns: Sequence[str]) -> pd.DataFrame:
    rows: list[Mapping[str, Any]] = []
    for each in found:
        if each.recorded:
            rows += each.recorded.rows(kind)
            continue
        head = {"run_id": each.planned.run_id}
        rows += [{**head, "step": r.step, **r.values} for r in each.rows if r.kind == kind]
    return pd.DataFrame(rows, columns=["run_id", "step", *columns])


def _runs(
    plan: Plan,
    found: Sequence[Source],
    headline: JudgeInTables,
    evaluations: pd.DataFrame,
    trained: Sequence[str],
    heldout: Sequence[str],
) -> pd.DataFrame:
    below = plan.evaluation.collapse_below
    last_steps = {
        each.planned.run_id: each.result.step
        for each in found
        if each.result is not None and each.result.state == "done"
    }
    ended = ends(evaluations, headline.entry.name, below, last_steps)
    said: dict[Any, Any] = ended.to_dict("index")
    judged = judged_columns(metric_names(evaluations))
    at = judged.index("best_step")
    columns = ["run_id", "label", "cell", "seed", *plan.swept, "method", "signal"]
    columns += ["state", "reason", "step", *judged[:2], *trained, *judged[2:at], *heldout]
    columns += [*judged[at:], *REQUIRED["runs"][9:]]
    rows = []
    for each in found:
        spec = each.planned.spec
        row: Row = {**(each.recorded.row if each.recorded else _outcome(each))}
        old = each.recorded.record if each.recorded else None
        as_now = old and (old.headline.name, old.evaluation.collapse_below)
        if as_now != (headline.recorded_as, below):  # otherwise it stays to the last digit
            row |= dict.fromkeys(judged, np.nan) | said.get(each.planned.run_id, {})
        row |= {key: swept_text(value) for key, value in each.planned.point.items()}
        row |= {"run_id": each.planned.run_id, "label": each.planned.label}
        row |= {"cell": each.planned.cell, "seed": spec.seed}
        rows.append({**row, "method": spec.method.name, "signal": signal(spec.method)})
    as_they_are = {*TEXT, *plan.swept, "seed"}
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({c: float for c in columns if c not in as_they_are})


def _outcome(source: Source) -> dict[str, Any]:
    """How a run went, apart from the judges; empty text where there is nothing to say."""
    result, provenance = source.result, source.provenance or {}
    data = provenance.get("data", {})
    return {
        "state": source.run.state(),
        "reason": (result.reason or "") if result else "",
        "step": source.rows[-1].step if source.rows else 0,
        **_last(source, "train"),
        **_last(source, "heldout"),
        "parameters": provenance.get("parameters"),
        "wall_s": result.wall_s if result else None,
        "cpu_s": result.cpu_s if result else None,
        "weights_sha256": result.weights_sha256 if result else "",
        "commit": source.commit or "",
        # For each of its starts, if they differ.
        "instructions": "+".join(
            dict.fromkeys(each["instructions"] for each in source.starts if "instructions" in each)
        ),
        "data": data.get("fingerprint", ""),
    }


def _last(source: Source, kind: Kind) -> dict[str, float]:
    return next((row.values for row in reversed(source.rows) if row.kind == kind), {})


def _write_samples(folder: Path, found: Sequence[Source], gone: Collection[str]) -> None:
    """The first rows of each run's last grid, without those of `gone` that nobody else has."""
    elsewhere = other_weights(folder)
    for each in found:
        grids, run_id = sorted(each.run.samples.glob("*.png")), each.planned.run_id
        if not grids or each.recorded:
            continue
        same = elsewhere.get(run_id, set()) <= {each.result.weights_sha256 if each.result else ""}
        path = (shared_samples if same else own_samples)(folder, run_id)
        write_atomic(path, first_rows(grids[-1], each.planned.spec.data.size))
        if same:
            own_samples(folder, run_id).unlink(missing_ok=True)
    for run_id in gone:
        own_samples(folder, run_id).unlink(missing_ok=True)
        if run_id not in elsewhere:
            shared_samples(folder, run_id).unlink(missing_ok=True)


def first_rows(grid: Path, size: int, rows: int = GRID_ROWS) -> bytes:
    """Lossless WebP of the grid's first rows: a quarter smaller than PNG."""
    with Image.open(grid) as image:
        height = min(image.height, rows * (size + GUTTER) + GUTTER)
        cropped = image.convert("RGB").crop((0, 0, image.width, height))
    file = io.BytesIO()
    cropped.save(file, format="WEBP", lossless=True, quality=100)
    return file.getvalue()


def tables_of_run(path: Path) -> Tables:
    """The tables' content for the run in a single folder.

    Raises BenchError if it is not a run, InputError if no judge has been assigned to it.
    """
    run = RunDirectory(path)
    evaluation = run.evaluation()
    if evaluation is None:
        raise InputError(f"{path}: no evaluation.json here, so no judge is named")
    planned = PlannedRun(run.spec(), {"run": run.run_id})
    plan = Plan(
        name="run",
        question=run.run_id,
        source=None,
        profile="",
        overrides=(),
        claims=(),
        evaluation=evaluation,
        runs=(planned,),
    )
    return collect(plan, [source(planned, run, evaluation)], path)
