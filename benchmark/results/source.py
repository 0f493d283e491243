"""A planned run and what is known of it: from its folder or, without one, from earlier tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import BenchError
from benchmark.results.published import Published
from benchmark.runs.directory import Result, Row, RunDirectory


@dataclass(frozen=True)
class Made:
    """What made a run's numbers."""

    commit: str
    devices: Sequence[str]  # one, unless the tables that it is known from name several
    lanes: int  # the most runs, this one among them, that one process trained at any of its starts
    title: str
    fingerprint: str
    broken: int  # images left out
    evaluation: Mapping[str, Any]  # the judge
    floor: Mapping[str, float] | None  # what real images get from it

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> Self:
        starts = [provenance, *provenance.get("earlier", [])]
        data = provenance["data"]
        return cls(
            commit=commit(provenance),
            devices=(provenance["device"],),
            lanes=max(int(start.get("lanes", 1)) for start in starts),
            title=data["title"],
            fingerprint=data["fingerprint"],
            broken=len(data["broken"]),
            evaluation=provenance["evaluation"],
            floor=provenance["floor"],
        )

    @classmethod
    def of_published(cls, run: Published) -> Self:
        """Raises BenchError where the tables do not say which faces or judge it had."""
        setup = run.setup
        if setup is None:
            raise BenchError(
                f"{run.folder}: do not say what judged {run.run_id}, and its folder is not there;"
                " give the --runs that has it, or train it anew beside other --results"
            )
        return cls(
            commit=run.row["commit"],
            devices=run.record["devices"],
            lanes=run.record.get("lanes", {}).get(run.run_id, 1),
            title=setup["data"]["title"],
            fingerprint=setup["data"]["fingerprint"],
            broken=setup["data"]["broken"],
            evaluation=setup["evaluation"],
            floor=setup["floor"],
        )

    @property
    def setup(self) -> str:
        """Equal where the faces and the judge are; their floors may differ in the last bits."""
        judge = json.dumps(self.evaluation, sort_keys=True)
        return f"{self.title}{self.fingerprint}{self.broken}{judge}"


@dataclass(frozen=True)
class Found:
    """A planned run and what its folder holds, or the row that was published of it."""

    planned: PlannedRun
    run: RunDirectory
    rows: list[Row]
    made: Made | None
    provenance: dict[str, Any] | None
    result: Result | None
    kept: Published | None = None

    @classmethod
    def read(cls, planned: PlannedRun, runs_root: Path, kept: Published | None = None) -> Self:
        """From the run's folder or, where it is given, from what was published."""
        run = RunDirectory(runs_root / planned.run_id)
        if kept is not None:
            return cls(planned, run, kept.rows(), Made.of_published(kept), None, None, kept)
        provenance = run.provenance()
        made = Made.of(provenance) if provenance else None
        return cls(planned, run, run.rows(), made, provenance, run.result())


def only_published(plan: Plan, runs_root: Path, results: Path) -> dict[str, Published]:
    """Runs of a plan that its tables have finished and `runs_root` has not, by their ids.

    Raises BenchError where the tables do not say enough of one to keep it.
    """
    published = Published.by_id(results / plan.name / plan.profile)
    ids = [planned.run_id for planned in plan.runs]
    found = {
        run_id: published[run_id]
        for run_id in ids
        if run_id in published and RunDirectory(runs_root / run_id).result() is None
    }
    for run in found.values():
        Made.of_published(run)
    return found


def commit(provenance: Mapping[str, Any]) -> str:
    """The code that made a run, in short, with the hash of what differed from the commit.

    An installed package has no commit: its version, with the hash of its source.
    """
    code = provenance["code"]
    if code["commit"] is None:
        return f"{code['bench']}+{code['source_sha256'][:12]}"
    dirty = f"+{code['dirty']}" if code["dirty"] else ""
    return f"{code['commit'][:12]}{dirty}"
