"""tuning.json: what the search of a tuned ablation found, and which setting of each arm won.

results/<ablation>/<profile>/tuning.json    a TuningRecord
                             search/        the tables of the search's runs (see schema.py)

An arm's winner, the setting with the least distance to validation images, is known once all of its
search's runs have ended and been judged. A collapsed setting ranks after all others, a failed one
last; if there are no others, one of these wins, and is trained and shown like any other.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from benchmark.ablation.cost import work_of
from benchmark.ablation.plan import VARIANT, Plan
from benchmark.ablation.tuning import Budget, Candidate, Tuning, gflop, tuned_cell
from benchmark.errors import BenchError
from benchmark.results.schema import DIGITS, DISTANCE, JudgeEntry
from benchmark.results.source import sources
from benchmark.results.tables import Row, Tables, readable
from benchmark.results.writer import collect, write_record, write_results
from benchmark.spec import RunSpec
from benchmark.strict import Strict

TUNING = "tuning.json"


class SettingRecord(Strict):
    """A random setting of an arm, and the outcome of its search run."""

    number: int
    run_id: str
    values: dict[str, Any]
    """What was drawn, by dotted key."""
    steps: int
    gflop: float | None
    """Billions of operations per step; null if the method does not declare them."""
    state: str
    collapsed: bool
    distance: float | None
    """Distance to validation images at the run's end."""

    @property
    def ended(self) -> bool:
        return self.state == "failed" or (self.state == "done" and self.distance is not None)

    @property
    def survived(self) -> bool:
        return self.state == "done" and not self.collapsed

    @property
    def rank(self) -> tuple[int, float, int]:
        """The lower the better."""
        worst = 0 if self.survived else 2 if self.state == "failed" else 1
        return worst, float("inf") if self.distance is None else self.distance, self.number


class ArmRecord(Strict):
    arm: str
    ranges: dict[str, Any]
    """The ranges as in the file, by dotted key."""
    gflop: float | None
    """Billions of operations per step with the arm's own settings."""
    settings: list[SettingRecord]
    winner: int | None
    """The number of a setting; null until every run has ended."""


class TuningRecord(Strict):
    format: Literal[1]
    count: int
    seed: int
    budget: Budget
    band: dict[str, list[float]] | None
    judge: JudgeEntry
    """The judge that chose, by validation images."""
    arms: list[ArmRecord]

    @property
    def winners(self) -> dict[str, int]:
        """By arm, of the arms whose winner is known."""
        return {each.arm: each.winner for each in self.arms if each.winner is not None}


def with_winners(plan: Plan, runs_root: Path, results: Path) -> Plan:
    """The plan with the tuned runs of every arm whose winner is known."""
    record = _record(plan, runs_root, results)
    return plan.with_tuned(record.winners) if record else plan


def write_search(plan: Plan, runs_root: Path, results: Path, *, replace: bool = False) -> Plan:
    """Write tuning.json and the search's tables; as `with_winners` and `write_results`."""
    record = _record(plan, runs_root, results)
    if record is None or plan.search is None:
        return plan
    write_results(plan.search, runs_root, results, replace=replace)
    path = results / plan.place / TUNING
    try:
        write_record(path, record)
    except OSError as error:
        raise BenchError(f"{path}: cannot be written ({error.strerror})") from None
    return plan.with_tuned(record.winners)


def waiting(plan: Plan) -> list[str]:
    """The arms of a plan `with_winners` whose winner is not known yet."""
    if plan.tuning is None:
        return []
    there = {planned.point[VARIANT] for planned in plan.runs}
    return [arm for arm in plan.tuning.arms if tuned_cell(arm) not in there]


def read_tuning(folder: Path) -> TuningRecord | None:
    """Of the tables in `folder`; None where nothing was tuned. Raises BenchError where damaged."""
    path = folder / TUNING
    with readable(path):
        return TuningRecord.model_validate_json(path.read_bytes()) if path.exists() else None


def measured_rates(tables: Tables) -> dict[str, float]:
    """By variant, or cell, multiply-adds a second and core that its finished runs reached; none for
    methods that declare no cost."""
    done, seconds = defaultdict[str, float](float), defaultdict[str, float](float)
    for run in tables.ended.values():
        spec, arm = run.spec(), str(run.row.get(VARIANT, run.row["cell"]))
        work = work_of(spec)
        if run.row["state"] == "done" and work is not None:
            done[arm] += work.macs * spec.training.batch * run.last
            seconds[arm] += run.row["cpu_s"]
    return {arm: done[arm] / seconds[arm] for arm in done if seconds[arm] > 0}


def _record(plan: Plan, runs_root: Path, results: Path) -> TuningRecord | None:
    tuning, search = plan.tuning, plan.search
    if tuning is None or search is None:
        return None
    found = collect(search, sources(search, runs_root, results), results)
    records: list[Any] = found.runs.to_dict("records")
    rows: dict[str, Row] = {row["run_id"]: row for row in records}
    own = {planned.point[VARIANT]: planned.spec for planned in plan.runs}
    settings = tuning.settings
    return TuningRecord(
        format=1,
        count=settings.count,
        seed=settings.seed,
        budget=settings.budget,
        band=settings.band.model_dump(exclude_none=True) if settings.band else None,
        judge=found.entry,
        arms=[_arm(arm, tuning, own[arm], rows) for arm in tuning.arms],
    )


def _arm(arm: str, tuning: Tuning, own: RunSpec, rows: Mapping[str, Row]) -> ArmRecord:
    found = [_setting(each, rows[each.search.run_id]) for each in tuning.arms[arm]]
    best = min(found, key=lambda each: each.rank)
    return ArmRecord(
        arm=arm,
        ranges={key: each.written for key, each in tuning.settings.arms[arm].items()},
        gflop=_gflop(own),
        settings=found,
        winner=best.number if all(each.ended for each in found) else None,
    )


def _setting(candidate: Candidate, row: Row) -> SettingRecord:
    distance = float(row.get(DISTANCE, float("nan")))
    return SettingRecord(
        number=candidate.number,
        run_id=candidate.search.run_id,
        values=dict(candidate.values),
        steps=candidate.search.training.steps,
        gflop=_gflop(candidate.search),
        state=row["state"],
        collapsed=row.get("collapsed") == 1,
        # As in the tables, so that these alone lead to the same choice.
        distance=None if distance != distance else float(f"{distance:.{DIGITS}g}"),
    )


def _gflop(spec: RunSpec) -> float | None:
    work = work_of(spec)
    return None if work is None else float(f"{gflop(work, spec.training.batch):.4g}")
