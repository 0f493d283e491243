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

from typing import Any

from benchmark.ablation.claims import claims_digest
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.settings import distance_column
from benchmark.methods import signal
from benchmark.results.published import FORMAT
from benchmark.results.source import Found, Made
from benchmark.spec import RunSpec


def describe(plan: Plan, found: list[Found], at_start: str | None) -> dict[str, Any]:
    """The content of ablation.json; `at_start`: the claims' digest when the first run began."""
    flat = [_flat(each.planned.spec) for each in found]
    shared = {
        key: value
        for key, value in flat[0].items()
        if all(key in other and other[key] == value for other in flat)
    }
    setups: list[dict[str, Any]] = []
    cells: dict[str, dict[str, Any]] = {}
    started: dict[str, list[Made]] = {}
    for each in found:
        if each.made:
            started.setdefault(_judged_on(each.planned.spec), []).append(each.made)
    for each, settings in zip(found, flat, strict=True):
        own = {key: value for key, value in settings.items() if key not in shared}
        setup = _setup(each, started.get(_judged_on(each.planned.spec), []))
        if setup not in setups:
            setups.append(setup)
        at = setups.index(setup)
        cell = cells.setdefault(each.planned.cell, _cell(each.planned, own, at))
        if at != cell["setup"]:
            cell["differing"].append(each.planned.run_id)
    made = {each.planned.run_id: each.made for each in found if each.made}
    lanes = {run_id: each.lanes for run_id, each in made.items() if each.lanes > 1}
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
        "commits": sorted({each.commit for each in made.values()}),
        "devices": sorted({device for each in made.values() for device in each.devices}),
        **({"lanes": lanes} if lanes else {}),
        "claims": [claim.model_dump(mode="json") for claim in plan.claims],
        "claims_sha256": claims_digest(plan.claims),
        "claims_at_start": at_start,
    }


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


def _setup(wanted: Found, same: list[Made]) -> dict[str, Any]:
    """The faces and the judge of a run: its own, or those of a started run of the same settings.

    `same` has what made the started runs of its settings.
    """
    spec = wanted.planned.spec
    made = wanted.made or next(iter(same), None)
    # The same faces and judge on another machine give the same floor but for its last bits.
    twin = next((each for each in same if made and each.setup == made.setup), None)
    return {
        "distance": distance_column(spec.evaluation.features),
        "data": {
            "title": made.title if made else None,
            "fingerprint": made.fingerprint if made else None,
            "broken": made.broken if made else 0,
            "settings": spec.data.model_dump(mode="json"),
        },
        "evaluation": made.evaluation if made else None,
        "reference_view": spec.evaluation.model_dump(mode="json")["reference_view"],
        "floor": twin.floor if twin else None,
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
