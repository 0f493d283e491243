"""A planned run and what is known about it, from its folder or else from earlier tables."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.results.schema import JudgeEntry
from benchmark.results.tables import RecordedRun, read_tables
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.evaluations import EvaluationRow, Evaluations, JudgeRecord


@dataclass(frozen=True)
class Judgement:
    """One judge's results for a run."""

    record: JudgeRecord
    rows: Sequence[EvaluationRow]


@dataclass(frozen=True)
class Source:
    """A planned run, with what its folder holds or the row that earlier tables have of it."""

    planned: PlannedRun
    run: RunDirectory
    rows: Sequence[Row]
    provenance: Mapping[str, Any] | None
    result: Result | None
    judgements: Mapping[str, Judgement] = field(default_factory=dict)  # by the judge's name
    recorded: RecordedRun | None = None
    # The row of earlier tables, if the weights are the same: it supplies what the folder lacks.
    earlier: RecordedRun | None = None

    @property
    def commit(self) -> str | None:
        if self.recorded:
            return str(self.recorded.row["commit"])
        return commit(self.provenance) if self.provenance else None

    @property
    def devices(self) -> Sequence[str]:
        """Of a run without its folder, all devices of its tables."""
        if self.recorded:
            return self.recorded.record.devices
        return (self.provenance["device"],) if self.provenance else ()

    @property
    def lanes(self) -> int:
        """The most runs, including this one, that one process trained at any of its starts."""
        if self.recorded:
            return self.recorded.record.lanes.get(self.recorded.run_id, 1)
        return max((int(each.get("lanes", 1)) for each in self.starts), default=1)

    @property
    def starts(self) -> list[Mapping[str, Any]]:
        """Provenance records, one for each start that differs from the others."""
        made = self.provenance
        return [*made.get("earlier", []), made] if made else []


def sources(plan: Plan, runs_root: Path, results: Path, *, replace: bool = False) -> list[Source]:
    """All runs of a plan, in order; raises as `only_recorded` does.

    `replace`: discard what earlier tables have on runs whose folder is here.
    """
    ended, recorded = _ended(plan, runs_root, results)
    found = []
    for planned in plan.runs:
        run = RunDirectory(runs_root / planned.run_id)
        if planned.run_id in recorded:
            found.append(Source(planned, run, (), None, None, {}, recorded[planned.run_id]))
            continue
        here, earlier = source(planned, run, plan.evaluation), ended.get(planned.run_id)
        if earlier and here.result and not replace:
            same = earlier.row["weights_sha256"] == here.result.weights_sha256
            here = dataclasses.replace(here, earlier=earlier if same else None)
        found.append(here)
    return found


def source(planned: PlannedRun, run: RunDirectory, evaluation: EvaluationSettings) -> Source:
    """The contents of a run's folder."""
    said = {}
    for name, settings in evaluation.judges.items():
        rows = Evaluations.of(run.path, settings)
        if rows is not None and (comparable := _of_one_reference(rows.rows())):
            said[name] = Judgement(rows.record(), comparable)
    return Source(planned, run, run.rows(), run.provenance(), run.result(), said)


def _of_one_reference(rows: Sequence[EvaluationRow]) -> list[EvaluationRow]:
    """The rows with the same reference data as the newest, in order of step and draw."""
    newest = max(rows, key=lambda row: row.time, default=None)
    return [row for row in rows if newest and row.reference == newest.reference]


@dataclass(frozen=True)
class JudgeInTables:
    """A judge of the tables, and its name in earlier tables."""

    entry: JudgeEntry
    recorded_as: str | None = None


def judges_of(plan: Plan, found: Sequence[Source]) -> list[JudgeInTables]:
    """The plan's judges, each in its newest version over all runs, then others that earlier tables
    have, so that no rows are lost or mixed."""
    kept = next((run for each in found if (run := each.recorded or each.earlier)), None)
    old = {each.name: each for each in kept.record.judges if each.digest} if kept else {}
    judges = []
    for name, settings in plan.evaluation.judges.items():
        entry, recorded_as = _entry(name, settings, found), None
        for each in old.values():
            if (joined := _joined(entry, each)) is not None:
                entry, recorded_as = joined, each.name
                break
        if recorded_as:
            del old[recorded_as]
        judges.append(JudgeInTables(entry, recorded_as))
    names = set(plan.evaluation.judges)
    for each in old.values():
        name = f"{each.name}_{str(each.digest)[:6]}" if each.name in names else each.name
        left = JudgeInTables(each.model_copy(update={"name": name}), each.name)
        if any(run.recorded or counted(run, left) for run in found):
            judges.append(left)
    return judges


def _entry(name: str, settings: JudgeSettings, found: Sequence[Source]) -> JudgeEntry:
    """The newest version of a judge among the runs whose folders are here."""
    said = [each.judgements[name] for each in found if name in each.judgements]
    newest = max((each.record for each in said), key=lambda record: record.made, default=None)
    rows = [r for each in said if newest and each.record.digest == newest.digest for r in each.rows]
    rows.sort(key=lambda row: row.time)
    return JudgeEntry(
        name=name,
        settings=settings,
        digest=newest.digest if newest else None,
        network=newest.network if newest else {},
        parameters=newest.parameters if newest else {},
        versions={metric: version for row in rows for metric, version in row.versions.items()},
    )


def _joined(entry: JudgeEntry, old: JudgeEntry) -> JudgeEntry | None:
    """The common judge of runs here and of some in the tables; None if they have different ones."""
    if entry.settings.identity() != old.settings.identity():
        return None
    if entry.digest is None:
        return old.model_copy(update={"name": entry.name, "settings": entry.settings})
    changed = any(entry.versions.get(metric, of) != of for metric, of in old.versions.items())
    if changed or entry.digest != old.digest:
        return None
    return entry.model_copy(update={"versions": {**old.versions, **entry.versions}})


def judgement(source: Source, judge: JudgeInTables) -> Judgement | None:
    """This version of the judge's results for a run whose folder is here."""
    said = source.judgements.get(judge.entry.name)
    return said if said and said.record.digest == judge.entry.digest else None


def counted(source: Source, judge: JudgeInTables) -> list[dict[str, Any]]:
    """Rows of evaluations.csv by this version of the judge and of each metric."""
    entry = judge.entry
    if source.recorded:
        return _recorded_rows(source.recorded, judge)
    said = judgement(source, judge)
    head = {"run_id": source.planned.run_id, "judge": entry.name}
    here = [
        {**head, "step": row.step, "draw": row.draw, **values}
        for row in (said.rows if said else ())
        if (values := {k: v for k, v in row.values.items() if row.versions[k] == entry.versions[k]})
    ]
    there = {(row["step"], row["draw"]) for row in here}
    rows = [row for row in _earlier(source, judge) if (row["step"], row["draw"]) not in there]
    return sorted([*here, *rows], key=lambda row: (row["step"], row["draw"])) if rows else here


def _earlier(source: Source, judge: JudgeInTables) -> list[dict[str, Any]]:
    """Rows of earlier tables, for the same weights, that a run's folder may lack.

    Empty if the folder has another version of the judge, or other reference data.
    """
    if source.earlier is None:
        return []
    said, setup = judgement(source, judge), source.earlier.setup
    asked = [each.record.settings for each in source.judgements.values()]
    if said is None and judge.entry.settings.identity() in asked:
        return []
    then = setup.references.get(judge.recorded_as or "") if setup else None
    if said is not None and said.rows[-1].reference != then:
        return []
    return _recorded_rows(source.earlier, judge)


def _recorded_rows(run: RecordedRun, judge: JudgeInTables) -> list[dict[str, Any]]:
    """The judge's rows in earlier tables, under its name in these."""
    rows = run.rows("evaluations")
    return [{**row, "judge": judge.entry.name} for row in rows if row["judge"] == judge.recorded_as]


def only_recorded(plan: Plan, runs_root: Path, results: Path) -> dict[str, RecordedRun]:
    """Runs of a plan that are finished in its tables but not in `runs_root`, by id.

    Raises BenchError if the tables do not hold enough on one to keep it.
    """
    return _ended(plan, runs_root, results)[1]


def _ended(
    plan: Plan, runs_root: Path, results: Path
) -> tuple[dict[str, RecordedRun], dict[str, RecordedRun]]:
    """By id, the finished runs in a plan's tables, and those of them that are `only_recorded`."""
    folder, ids = results / plan.place, [planned.run_id for planned in plan.runs]
    lacking = [run_id for run_id in ids if RunDirectory(runs_root / run_id).result() is None]
    try:
        ended = read_tables(folder).ended if (folder / "runs.csv").exists() else {}
    except BenchError:
        if lacking:
            raise
        ended = {}  # every run is here, so damaged tables can be rewritten
    recorded = {run_id: ended[run_id] for run_id in lacking if run_id in ended}
    for run_id, run in recorded.items():
        if run.setup is None:
            raise BenchError(
                f"{folder}: do not say what data {run_id} had, and its folder is not there; give"
                " the --runs that has it, or train it again beside other --results"
            )
    return ended, recorded


def commit(provenance: Mapping[str, Any]) -> str:
    """The code that made a run, in short, with the hash of what differed from the commit.

    An installed package has no commit: its version, with the hash of its source.
    """
    code = provenance["code"]
    if code["commit"] is None:
        return f"{code['bench']}+{code['source_sha256'][:12]}"
    dirty = f"+{code['dirty']}" if code["dirty"] else ""
    return f"{code['commit'][:12]}{dirty}"
