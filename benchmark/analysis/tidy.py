"""From run directories to results/<ablation>/<profile>/: tidy tables, one row a run or a step."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.ablation import Plan, PlannedRun
from benchmark.data.settings import CelebASettings
from benchmark.errors import BenchError
from benchmark.evaluation.settings import distance_column, evaluation_columns
from benchmark.methods import signal, train_columns
from benchmark.runs import Kind, Row, RunDirectory, write_atomic

FORMAT = 1


def write_results(plan: Plan, runs_root: Path, results: Path) -> Path:
    """Write the tables of a plan from its runs, whatever state they are in; returns their folder.

    Raises BenchError where the results folder cannot be written.
    """
    folder = results / plan.name / plan.profile
    found = [(planned, RunDirectory(runs_root / planned.run_id)) for planned in plan.runs]
    rows = {planned.run_id: run.rows() for planned, run in found}
    provenances = [record for _, run in found if (record := run.provenance())]
    try:
        write_atomic(folder / "ablation.json", _json(_describe(plan, provenances)))
        runs = pd.DataFrame([_run_record(p, run, rows[p.run_id]) for p, run in found])
        _write_csv(folder / "runs.csv", runs)
        spec = plan.runs[0].spec
        _write_csv(folder / "train.csv", _curves(rows, "train", train_columns(spec.method)))
        judged = evaluation_columns(spec.evaluation.features)
        _write_csv(folder / "evaluations.csv", _curves(rows, "eval", judged))
        for planned, run in found:
            grids = sorted(run.samples.glob("*.png"))
            if grids:
                path = folder / "samples" / f"{planned.run_id}.png"
                write_atomic(path, grids[-1].read_bytes())
        _remove_strangers(folder / "samples", {planned.run_id for planned in plan.runs})
    except OSError as error:
        raise BenchError(
            f"{folder}: cannot write the tables ({error.strerror}); the runs are safe in "
            f"{runs_root}; mend the folder or give --results another one, and run this again"
        ) from None
    return folder


def _remove_strangers(samples: Path, run_ids: set[str]) -> None:
    """Grids of runs that the ablation no longer has."""
    for path in samples.glob("*.png"):
        if path.stem not in run_ids:
            path.unlink()


def _describe(plan: Plan, provenances: list[dict[str, Any]]) -> dict[str, Any]:
    spec = plan.runs[0].spec
    first = provenances[0] if provenances else None
    celeba = spec.data if isinstance(spec.data, CelebASettings) else None
    return {
        "format": FORMAT,
        "name": plan.name,
        "question": plan.question,
        "source": plan.source,
        "profile": plan.profile,
        "swept": plan.swept,
        "seeds": sorted({planned.spec.seed for planned in plan.runs}),
        "overrides": list(plan.overrides),
        "method": spec.method.name,
        "settings": spec.method.model_dump(mode="json"),
        "data": {
            "title": first["data"]["title"] if first else None,
            "fingerprint": first["data"]["fingerprint"] if first else None,
            "view": celeba.view.name if celeba else None,
            "crop": getattr(celeba.view, "crop", None) if celeba else None,
            "size": spec.data.size,
            "broken": len(first["data"]["broken"]) if first else 0,
        },
        "steps": spec.training.steps,
        "batch": spec.training.batch,
        "signal": signal(spec.method),
        "distance": distance_column(spec.evaluation.features),
        "evaluation": first["evaluation"] if first else None,
        "floor": first["floor"] if first else None,
        "commits": sorted({str(_commit(record)) for record in provenances}),
        "devices": sorted({record["device"] for record in provenances}),
        "claims": [claim.model_dump(mode="json") for claim in plan.claims],
    }


def _commit(provenance: dict[str, Any]) -> str | None:
    code = provenance["code"]
    if code["commit"] is None:
        return None
    dirty = f"+{code['dirty']}" if code["dirty"] else ""
    return f"{code['commit'][:12]}{dirty}"


def _run_record(planned: PlannedRun, run: RunDirectory, rows: list[Row]) -> dict[str, Any]:
    spec, result, provenance = planned.spec, run.result(), run.provenance()
    record: dict[str, Any] = {
        "run_id": planned.run_id,
        "label": planned.label,
        "seed": spec.seed,
        **planned.point,
        "state": run.state(),
        "reason": result.reason if result else None,
        "step": rows[-1].step if rows else 0,
    }
    kinds: tuple[tuple[Kind, list[str]], ...] = (
        ("train", train_columns(spec.method)),
        ("eval", evaluation_columns(spec.evaluation.features)),
    )
    for kind, columns in kinds:
        last = next((row.values for row in reversed(rows) if row.kind == kind), {})
        record.update({column: last.get(column) for column in columns})
    record["wall_s"] = result.wall_s if result else None
    record["cpu_s"] = result.cpu_s if result else None
    record["weights_sha256"] = result.weights_sha256 if result else None
    record["commit"] = _commit(provenance) if provenance else None
    return record


def _curves(rows: dict[str, list[Row]], kind: Kind, columns: list[str]) -> pd.DataFrame:
    records = [
        {"run_id": run_id, "step": row.step, **row.values}
        for run_id, found in rows.items()
        for row in found
        if row.kind == kind
    ]
    return pd.DataFrame(records, columns=["run_id", "step", *columns])


def _json(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    # 9 digits tell any two float32 apart; more would be noise in the history.
    write_atomic(path, table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())
