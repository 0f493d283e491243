"""From run directories to results/<ablation>/<profile>/: tidy tables, one row a run or a step.

runs.csv          one row a run: what it is, how it went, and its last and best values
train.csv         run_id, step, the training columns of all methods (empty where one lacks it)
evaluations.csv   run_id, step, the evaluation columns and the held-out columns of all methods
repeats.csv       run_id, draw, the evaluation columns: more samples from the last weights
probes.csv        run_id and what `bench probe` found (see probe.py), of the runs that it has seen
ablation.json     what every number depends on (see results/description.py)
samples/          the first rows of each run's last grid
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
from PIL import Image

from benchmark.ablation.plan import Plan
from benchmark.ablation.registration import registered
from benchmark.errors import BenchError
from benchmark.evaluation.settings import distance_column, evaluation_columns
from benchmark.files import write_atomic
from benchmark.methods import heldout_columns, signal, train_columns
from benchmark.results.description import describe
from benchmark.results.published import Published
from benchmark.results.source import Found, only_published
from benchmark.results.tables import TEXT
from benchmark.runs.directory import Kind, Row
from benchmark.spec import RunSpec

NO_PROBES = pd.DataFrame(columns=["run_id"])
# A run's folder keeps its whole grids; the first samples of the last one are enough for results/.
GRID_ROWS = 2
# Of a number in a CSV: they tell any two float32 apart; more would be noise in the history.
DIGITS = 9
# Of runs.csv, what a run is.
NAMES = ("run_id", "label", "cell", "seed", "method", "signal", "distance")
# Between the images of a grid and around them (see evaluation/samples.py).
_GUTTER = 2


def write_results(plan: Plan, runs_root: Path, results: Path) -> Path:
    """Write the tables of a plan from its runs, whatever state they are in; returns their folder.

    A finished run that the tables have and `runs_root` has not stays as they have it. Raises
    BenchError where the results folder cannot be written.
    """
    folder = results / plan.name / plan.profile
    kept = only_published(plan, runs_root, results)
    found = [Found.read(each, runs_root, kept.get(each.run_id)) for each in plan.runs]
    described = describe(plan, found, _claims_at_start(plan, runs_root, found))
    try:
        write_atomic(folder / "ablation.json", _json(described))
        for name, table in _tables(found).items():
            _write_csv(folder / f"{name}.csv", table)
        for each in found:
            grids = sorted(each.run.samples.glob("*.png"))
            if grids and not each.kept:
                path = folder / "samples" / f"{each.planned.run_id}.png"
                write_atomic(path, first_rows(grids[-1], each.planned.spec.data.size))
        _remove_strangers(folder / "samples", {planned.run_id for planned in plan.runs})
    except OSError as error:
        raise BenchError(
            f"{folder}: cannot write the tables ({error.strerror}); the runs are safe in "
            f"{runs_root}; mend the folder or give --results another one, and run this again"
        ) from None
    return folder


def _claims_at_start(plan: Plan, runs_root: Path, found: list[Found]) -> str | None:
    """The digest that the tables have of it, if their runs began elsewhere: that was earlier."""
    kept = next((each.kept for each in found if each.kept), None)
    if kept is not None:
        digest: str | None = kept.record["claims_at_start"]
        return digest
    at_start = registered(runs_root, plan)
    return at_start.claims_sha256 if at_start else None


@dataclass(frozen=True)
class _Columns:
    """The columns of all runs, each in the order of its first appearance."""

    trained: list[str]
    judged: list[str]
    heldout: list[str]
    distances: list[str]

    @classmethod
    def of(cls, specs: list[RunSpec]) -> Self:
        def union(columns: Callable[[RunSpec], list[str]]) -> list[str]:
            return list(dict.fromkeys(column for spec in specs for column in columns(spec)))

        return cls(
            trained=union(lambda spec: train_columns(spec.method)),
            judged=union(lambda spec: evaluation_columns(spec.evaluation.features)),
            heldout=union(lambda spec: heldout_columns(spec.method)),
            distances=union(lambda spec: [distance_column(spec.evaluation.features)]),
        )


def _tables(found: list[Found]) -> dict[str, pd.DataFrame]:
    columns = _Columns.of([each.planned.spec for each in found])
    evaluated = [*columns.judged, *columns.heldout]
    return {
        "runs": pd.DataFrame([_run_record(each, columns) for each in found]),
        "train": _curves(found, "train", ["run_id", "step", *columns.trained]),
        "evaluations": _curves(found, "eval", ["run_id", "step", *evaluated]),
        "repeats": _curves(found, "repeat", ["run_id", "draw", *columns.judged]),
        "probes": _probes(found),
    }


def _run_record(found: Found, columns: _Columns) -> dict[str, Any]:
    planned, spec = found.planned, found.planned.spec
    return {
        "run_id": planned.run_id,
        "label": planned.label,
        "cell": planned.cell,
        "seed": spec.seed,
        **{key: _plain(value) for key, value in planned.point.items()},
        "method": spec.method.name,
        "signal": signal(spec.method),
        "distance": distance_column(spec.evaluation.features),
        **(_published(found.kept) if found.kept else _outcome(found, columns)),
    }


def _published(run: Published) -> dict[str, Any]:
    """How a run went, as the tables had it; the names of what it is are those of the plan."""
    names = {*NAMES, *run.record["swept"]}
    went = {name: text or None for name, text in run.row.items() if name not in names}
    return {
        name: text if text is None or name in TEXT else float(text) for name, text in went.items()
    }


def _outcome(found: Found, columns: _Columns) -> dict[str, Any]:
    result, provenance = found.result, found.provenance
    distance = distance_column(found.planned.spec.evaluation.features)
    return {
        "state": found.run.state(),
        "reason": result.reason if result else None,
        "step": found.rows[-1].step if found.rows else 0,
        **_measured(found.rows, distance, columns),
        "parameters": provenance.get("parameters") if provenance else None,
        "wall_s": result.wall_s if result else None,
        "cpu_s": result.cpu_s if result else None,
        "weights_sha256": result.weights_sha256 if result else None,
        "commit": found.made.commit if found.made else None,
        "instructions": _instructions(provenance) if provenance else None,
        "data": found.made.fingerprint if found.made else None,
    }


def _instructions(provenance: dict[str, Any]) -> str:
    """Of each of its starts, if they were not the same."""
    starts = [*provenance.get("earlier", []), provenance]
    return "+".join(dict.fromkeys(s["instructions"] for s in starts if "instructions" in s))


def _measured(rows: list[Row], distance: str, columns: _Columns) -> dict[str, float | None]:
    """The last row of each kind, the evaluation chosen by validation, and evaluation noise."""
    evaluations = [row for row in rows if row.kind == "eval"]
    collapsed, collapsed_at = _collapse(evaluations)
    best_step, best = _best(evaluations, distance)
    trained, evaluated, noise = _last(rows, "train"), _last(rows, "eval"), _noise(rows, columns)
    return {
        "collapsed": collapsed,
        "collapsed_at": collapsed_at,
        **{column: trained.get(column) for column in columns.trained},
        **{column: evaluated.get(column) for column in [*columns.judged, *columns.heldout]},
        "best_step": best_step,
        **{f"best_{each}": best if each == distance else None for each in columns.distances},
        **{f"noise_{column}": noise.get(column) for column in columns.judged},
    }


def _probes(found: list[Found]) -> pd.DataFrame:
    """One row a run whose last weights were probed, each number by its dotted name."""
    records = []
    for each in found:
        if each.kept:
            known = each.kept.probe()
            records += [{"run_id": each.planned.run_id, **known}] if known else []
            continue
        probed = each.run.probe()
        if probed and each.result and probed["weights_sha256"] == each.result.weights_sha256:
            records.append({"run_id": each.planned.run_id, **probed})
    flat = pd.json_normalize(records)
    return flat[["run_id", *flat.select_dtypes("number").columns]] if records else NO_PROBES


def _plain(value: Any) -> Any:
    """A swept block, such as a view, as one line of JSON."""
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping | list) else value


def _last(rows: list[Row], kind: Kind) -> dict[str, float]:
    return next((row.values for row in reversed(rows) if row.kind == kind), {})


def _collapse(evaluations: list[Row]) -> tuple[int | None, int | None]:
    """Whether the run is collapsed at its last evaluation, and since which step without a break."""
    if not evaluations or "collapsed" not in evaluations[-1].values:
        return None, None
    since = None
    for row in evaluations:
        if not row.values["collapsed"]:
            since = None
        elif since is None:
            since = row.step
    return int(since is not None), since


def _best(evaluations: list[Row], distance: str) -> tuple[int | None, float | None]:
    """The step with the least distance to the validation images, and the test distance there."""
    chosen_by = f"{distance}_validation"
    rows = [row for row in evaluations if chosen_by in row.values]
    if not rows:
        return None, None
    best = min(rows, key=lambda row: row.values[chosen_by])
    return best.step, best.values.get(distance)


def _noise(rows: list[Row], columns: _Columns) -> dict[str, float]:
    """Standard deviation (ddof 1) of each column over all evaluations of the last weights."""
    repeats = [row for row in rows if row.kind == "repeat"]
    if not repeats:
        return {}
    last = repeats[-1].step
    same = [row.values for row in rows if row.kind in ("eval", "repeat") and row.step == last]
    noise = pd.DataFrame(same, columns=columns.judged).std(ddof=1).dropna()
    return {str(column): float(value) for column, value in noise.items()}


def _curves(found: list[Found], kind: Kind, columns: list[str]) -> pd.DataFrame:
    records = [
        {"run_id": each.planned.run_id, "step": row.step, **row.values}
        for each in found
        for row in each.rows
        if row.kind == kind
    ]
    return pd.DataFrame(records, columns=columns)


def first_rows(grid: Path, size: int, rows: int = GRID_ROWS) -> bytes:
    """PNG of the grid's first rows, pixel for pixel."""
    with Image.open(grid) as image:
        height = min(image.height, rows * (size + _GUTTER) + _GUTTER)
        kept = image.convert("RGB").crop((0, 0, image.width, height))
    file = io.BytesIO()
    kept.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _remove_strangers(samples: Path, run_ids: set[str]) -> None:
    """Grids of runs that the ablation no longer has."""
    for path in samples.glob("*.png"):
        if path.stem not in run_ids:
            path.unlink()


def _json(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_atomic(path, text.encode())
