"""ablation.json: what every number of an ablation's tables depends on.

{format, name, question, source, profile, swept, seeds, overrides,
 distance    the first run's Fréchet distance, and all runs' unless the extractor is swept
 settings    dotted settings that all runs share (the seed apart),
 setups      [{distance, data, evaluation, reference_view, floor}]: which faces, what judged them
             (against another view, if one is named), and what real images get from that judge
 cells       [{cell, point, method, signal, steps, batch, settings, setup, differing}], as planned:
             `setup` is an index into setups, `settings` what is not shared by all;
             `differing` names runs that saw other faces or another judge than the cell's setup
 commits, devices,
 lanes       how many runs a process had beside one another, by the ids of those that had company;
             left out where none had
 claims      as the ablation's file has them now
 claims_sha256, claims_at_start    their digest now, and when the first run began (null: not known)}

`data`'s title and fingerprint, `evaluation` and `floor` are null until a run has started.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmark.evaluation.settings import distance_column
from benchmark.methods import signal
from benchmark.questions.ablation import Plan, PlannedRun
from benchmark.questions.claims import claims_digest
from benchmark.questions.preregistration import Registration
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.spec import RunSpec

FORMAT = 2


@dataclass(frozen=True)
class Found:
    """A planned run and what its folder holds."""

    planned: PlannedRun
    run: RunDirectory
    rows: list[Row]
    provenance: dict[str, Any] | None
    result: Result | None

    @classmethod
    def read(cls, planned: PlannedRun, runs_root: Path) -> Self:
        run = RunDirectory(runs_root / planned.run_id)
        return cls(planned, run, run.rows(), run.provenance(), run.result())


def describe(plan: Plan, found: list[Found], at_start: Registration | None) -> dict[str, Any]:
    """The content of ablation.json; `at_start`: the claims when the first run began."""
    flat = [_flat(each.planned.spec) for each in found]
    shared = {
        key: value
        for key, value in flat[0].items()
        if all(key in other and other[key] == value for other in flat)
    }
    setups: list[dict[str, Any]] = []
    cells: dict[str, dict[str, Any]] = {}
    started: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        if each.provenance:
            started.setdefault(_judged_on(each.planned.spec), []).append(each.provenance)
    for each, settings in zip(found, flat, strict=True):
        own = {key: value for key, value in settings.items() if key not in shared}
        setup = _setup(each, started.get(_judged_on(each.planned.spec), []))
        if setup not in setups:
            setups.append(setup)
        at = setups.index(setup)
        cell = cells.setdefault(each.planned.cell, _cell(each.planned, own, at))
        if at != cell["setup"]:
            cell["differing"].append(each.planned.run_id)
    provenances = [each.provenance for each in found if each.provenance]
    lanes = {each.planned.run_id: _lanes(each.provenance) for each in found if each.provenance}
    lanes = {run_id: count for run_id, count in lanes.items() if count > 1}
    return {
        "format": FORMAT,
        "name": plan.name,
        "question": plan.question,
        "source": plan.source,
        "profile": plan.profile,
        "swept": plan.swept,
        "seeds": sorted({planned.spec.seed for planned in plan.runs}),
        "overrides": list(plan.overrides),
        "distance": distance_column(plan.runs[0].spec.evaluation.features),
        "settings": shared,
        "setups": setups,
        "cells": list(cells.values()),
        "commits": sorted({commit(record) for record in provenances}),
        "devices": sorted({record["device"] for record in provenances}),
        **({"lanes": lanes} if lanes else {}),
        "claims": [claim.model_dump(mode="json") for claim in plan.claims],
        "claims_sha256": claims_digest(plan.claims),
        "claims_at_start": at_start.claims_sha256 if at_start else None,
    }


def commit(provenance: dict[str, Any]) -> str:
    """The code that made a run, in short, with the hash of what differed from the commit.

    An installed package has no commit: its version, with the hash of its source.
    """
    code = provenance["code"]
    if code["commit"] is None:
        return f"{code['bench']}+{code['source_sha256'][:12]}"
    dirty = f"+{code['dirty']}" if code["dirty"] else ""
    return f"{code['commit'][:12]}{dirty}"


def _lanes(provenance: dict[str, Any]) -> int:
    """The most runs, this one among them, that were trained in one process at any of its starts."""
    starts = [provenance, *provenance.get("earlier", [])]
    return max(int(start.get("lanes", 1)) for start in starts)


def _cell(planned: PlannedRun, settings: dict[str, Any], setup: int) -> dict[str, Any]:
    spec = planned.spec
    return {
        "cell": planned.cell,
        "point": dict(planned.point),
        "method": spec.method.name,
        "signal": signal(spec.method),
        "steps": spec.training.steps,
        "batch": spec.training.batch,
        "settings": settings,
        "setup": setup,
        "differing": [],
    }


def _judged_on(spec: RunSpec) -> str:
    """What runs share that see the same faces and the same judge."""
    return spec.data.model_dump_json() + spec.evaluation.model_dump_json()


def _setup(wanted: Found, same: list[dict[str, Any]]) -> dict[str, Any]:
    """The faces and the judge of a run: its own, or those of a started run of the same settings.

    `same` has the provenances of the started runs of its settings.
    """
    spec = wanted.planned.spec
    provenance = wanted.provenance or next(iter(same), None)
    data = provenance["data"] if provenance else None
    evaluation = provenance["evaluation"] if provenance else None
    # The same faces and judge on another machine give the same floor but for its last bits.
    twin = next((p for p in same if (p["data"], p["evaluation"]) == (data, evaluation)), None)
    return {
        "distance": distance_column(spec.evaluation.features),
        "data": {
            "title": data["title"] if data else None,
            "fingerprint": data["fingerprint"] if data else None,
            "broken": len(data["broken"]) if data else 0,
            "settings": spec.data.model_dump(mode="json"),
        },
        "evaluation": evaluation,
        "reference_view": spec.evaluation.model_dump(mode="json")["reference_view"],
        "floor": twin["floor"] if twin else None,
    }


def _flat(spec: RunSpec) -> dict[str, Any]:
    """Dotted keys and their values, without the seed."""
    flat: dict[str, Any] = {}

    def put(prefix: str, block: dict[str, Any]) -> None:
        for key, value in block.items():
            if isinstance(value, dict):
                put(f"{prefix}{key}.", value)
            else:
                flat[f"{prefix}{key}"] = value

    put("", spec.model_dump(mode="json", exclude={"seed"}))
    return flat
