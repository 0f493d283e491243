"""ablation.json of a plan and its runs: what every number of the tables depends on."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.methods import signal
from benchmark.results.schema import (
    FORMAT,
    AblationRecord,
    CellRecord,
    DataRecord,
    EvaluationRecord,
    RegistrationRecord,
    SetupRecord,
)
from benchmark.results.source import JudgeInTables, Source, counted, judgement


def describe(
    plan: Plan,
    found: Sequence[Source],
    judges: Sequence[JudgeInTables],
    registration: RegistrationRecord | None,
) -> AblationRecord:
    specs = (each.planned.spec for each in found)
    flat = [_flat(spec.model_dump(mode="json", exclude={"seed"})) for spec in specs]
    shared = {
        key: value
        for key, value in flat[0].items()
        if all(key in other and other[key] == value for other in flat)
    }
    setups: list[SetupRecord] = []
    cells: dict[str, CellRecord] = {}
    for each, settings in zip(found, flat, strict=True):
        own = {key: value for key, value in settings.items() if key not in shared}
        at = _place(_setup(each, judges), setups)
        cell = cells.setdefault(each.planned.cell, _cell(each.planned, own, at))
        if at != cell.setup:
            cell.differing.append(each.planned.run_id)
    return AblationRecord(
        format=FORMAT,
        name=plan.name,
        question=plan.question,
        source=plan.source,
        profile=plan.profile,
        finding=plan.finding,
        swept=plan.swept,
        seeds=sorted({planned.spec.seed for planned in plan.runs}),
        overrides=list(plan.overrides),
        judges=[each.entry for each in judges],
        evaluation=EvaluationRecord(
            every=plan.evaluation.every,
            metrics=list(plan.evaluation.metrics),
            repeats=plan.evaluation.repeats,
            collapse_below=plan.evaluation.collapse_below,
        ),
        settings=shared,
        setups=setups,
        cells=list(cells.values()),
        commits=sorted({each.commit for each in found if each.commit}),
        devices=sorted({device for each in found for device in each.devices}),
        lanes={each.planned.run_id: each.lanes for each in found if each.lanes > 1},
        claims=list(plan.claims),
        registration=registration,
    )


def _place(setup: SetupRecord, found: list[SetupRecord]) -> int:
    """The index of a run's set-up among those found, into which its known values are merged."""
    for at, other in enumerate(found):
        if _fits(setup, other):
            # On another machine the same judge gives the same floors up to the last bits.
            found[at] = SetupRecord(
                data=other.data if other.data.fingerprint else setup.data,
                references={**setup.references, **other.references},
                floors={**setup.floors, **other.floors},
            )
            return at
    found.append(setup)
    return len(found) - 1


def _setup(source: Source, judges: Sequence[JudgeInTables]) -> SetupRecord:
    """The data of a run and its judges' reference data, as far as known."""
    old = source.recorded or source.earlier
    known = old.setup if old else None
    names = {each.recorded_as: each.entry.name for each in judges if counted(source, each)}
    references = {names[k]: v for k, v in known.references.items() if k in names} if known else {}
    floors = {names[k]: v for k, v in known.floors.items() if k in names} if known else {}
    if source.recorded and known:
        return SetupRecord(data=known.data, references=references, floors=floors)
    made = source.provenance["data"] if source.provenance else None
    said = [(each.entry.name, found) for each in judges if (found := judgement(source, each))]
    return SetupRecord(
        data=DataRecord(
            title=made["title"] if made else None,
            fingerprint=made["fingerprint"] if made else None,
            broken=len(made["broken"]) if made else 0,
            settings=source.planned.spec.data.model_dump(mode="json"),
            subject=made["subject"] if made else None,
        ),
        references=references | {name: each.rows[-1].reference for name, each in said},
        floors=floors | {name: each.record.floor for name, each in said},
    )


def _fits(a: SetupRecord, b: SetupRecord) -> bool:
    known = a.data.fingerprint and b.data.fingerprint
    same = a.data == b.data if known else a.data.settings == b.data.settings
    return same and all(b.references.get(name, of) == of for name, of in a.references.items())


def _cell(planned: PlannedRun, settings: dict[str, Any], setup: int) -> CellRecord:
    spec = planned.spec
    return CellRecord(
        cell=planned.cell,
        point=dict(planned.point),
        method=spec.method.name,
        signal=signal(spec.method),
        steps=spec.training.steps,
        batch=spec.training.batch,
        settings=settings,
        setup=setup,
        differing=[],
    )


def _flat(block: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys and their values; an empty block, or one whose keys contain dots, counts as a
    value."""
    flat: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, dict) and value and not any("." in each for each in value):
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat
