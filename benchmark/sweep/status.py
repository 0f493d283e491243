"""The status of an ablation's runs, or of all runs in a folder: for people and for scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.ablation.plan import Plan
from benchmark.errors import BenchError, InputError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.executors import slurm_queue
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import Follow, RunStatus
from benchmark.spec import RunSpec
from benchmark.sweep.driver import Driver, drivers
from benchmark.sweep.progress import counts, record

# A run, its label, and what is known of it without its folder.
_Known = tuple[RunDirectory, str, RunSpec | None, EvaluationSettings | None]


@dataclass(frozen=True)
class Status:
    """The status of runs, whoever trains them."""

    statuses: list[RunStatus]
    damaged: dict[str, str]  # by run id: what of it is, and what to do
    jobs: dict[str, str]  # by run id: a Slurm job's id and state
    drivers: list[Driver]

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": counts(self.statuses),
            "damaged": self.damaged,
            "drivers": [driver.model_dump(exclude={"labels"}) for driver in self.drivers],
            "runs": [
                {**record(each), "slurm": self.jobs.get(each.run_id)} for each in self.statuses
            ],
        }


class Watch:
    """Polls the status, reading only what is new."""

    def __init__(self, runs_root: Path, plan: Plan | None) -> None:
        """Raises InputError where there is no runs folder."""
        if not runs_root.is_dir():
            raise InputError(f"{runs_root}: no such folder; see --runs")
        self._root, self._plan = runs_root, plan
        if plan is not None:
            parts = [part for part in (plan.search, plan) if part is not None]
            known: list[_Known] = [
                (RunDirectory(runs_root / each.run_id), each.label, each.spec, part.evaluation)
                for part in parts
                for each in part.runs
            ]
        else:
            found = sorted(path.parent for path in runs_root.glob("*/spec.json"))
            known = [(RunDirectory(path), path.name, None, None) for path in found]
        self.runs = [run for run, *_ in known]
        self._follow: list[tuple[RunDirectory, Follow]] = []
        self._damaged: dict[str, str] = {}
        for run, label, spec, evaluation in known:
            try:
                self._follow.append((run, Follow(label, spec or run.spec(), run, evaluation)))
            except BenchError as error:
                self._damaged[run.run_id] = str(error)

    def look(self) -> Status:
        """Their status now; a damaged run costs no other its own."""
        statuses, numbers, damaged = [], {}, dict(self._damaged)
        for run, follow in self._follow:
            try:
                found = follow.look()
                ended = found.state in ("done", "failed")
                number = None if ended else slurm_queue.job_of(run)
            except BenchError as error:
                damaged[run.run_id] = str(error)
                continue
            statuses.append(found)
            if number is not None:
                numbers[run.run_id] = number
        return Status(statuses, damaged, states_of(numbers), drivers_of(self._root, self._plan))


def drivers_of(runs_root: Path, plan: Plan | None) -> list[Driver]:
    """The drivers of a plan's sweep, or of any sweep."""
    wanted = None if plan is None else (plan.name, plan.profile)
    return [each for each in drivers(runs_root) if wanted in (None, (each.ablation, each.profile))]


def states_of(numbers: Mapping[str, str]) -> dict[str, str]:
    """Slurm's state of each of these jobs, by run id: "1234_5 PENDING"."""
    if not numbers:
        return {}
    try:
        known = slurm_queue.jobs()
    except BenchError:
        return {run_id: f"{number} (Slurm does not answer)" for run_id, number in numbers.items()}
    return {
        run_id: f"{number} {known[number].state}" if number in known else f"{number} forgotten"
        for run_id, number in numbers.items()
    }


def stop(runs_root: Path, plan: Plan | None) -> tuple[list[str], list[str]]:
    """Ask the runs' drivers to stop, and cancel jobs whose driver is gone; returns who was
    asked, and what of those runs is damaged."""
    asked = [each for each in drivers_of(runs_root, plan) if each.ask_to_stop(runs_root)]
    if asked:
        return list(map(str, asked)), []
    left, damaged = [], []
    for run in Watch(runs_root, plan).runs:
        try:
            if slurm_queue.job_of(run) is None or run.result() is not None:
                continue
        except BenchError as error:  # its job, if that is known, is cancelled too
            damaged.append(str(error))
        left.append(run)
    known = slurm_queue.jobs() if left else {}
    numbers = [number for _, number in slurm_queue.living(left, known)]
    slurm_queue.cancel(numbers)
    return [f"Slurm job {number}" for number in numbers], damaged
