"""The status of an ablation's runs, or of all runs in a folder: for people and for scripts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.ablation.plan import Plan
from benchmark.errors import BenchError, InputError
from benchmark.executors import slurm_queue
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import Follow, RunStatus
from benchmark.sweep.driver import Driver, drivers
from benchmark.sweep.progress import counts, record


@dataclass(frozen=True)
class Status:
    """The status of runs, whoever trains them."""

    statuses: list[RunStatus]
    jobs: dict[str, str]  # by run id: a Slurm job's id and state
    drivers: list[Driver]

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": counts(self.statuses),
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
            known = [(each, part.evaluation) for part in parts for each in part.runs]
            self.runs = [RunDirectory(runs_root / each.run_id) for each, _ in known]
            self._follow = [
                Follow(each.label, each.spec, run, evaluation)
                for run, (each, evaluation) in zip(self.runs, known, strict=True)
            ]
        else:
            found = sorted(path.parent for path in runs_root.glob("*/spec.json"))
            self.runs = list(map(RunDirectory, found))
            self._follow = [Follow(run.run_id, run.spec(), run, None) for run in self.runs]

    def look(self) -> Status:
        """Their status now."""
        statuses = [each.look() for each in self._follow]
        going = [
            run
            for run, each in zip(self.runs, statuses, strict=True)
            if each.state not in ("done", "failed")
        ]
        return Status(statuses, jobs_of(going), drivers_of(self._root, self._plan))


def drivers_of(runs_root: Path, plan: Plan | None) -> list[Driver]:
    """The drivers of a plan's sweep, or of any sweep."""
    wanted = None if plan is None else (plan.name, plan.profile)
    return [each for each in drivers(runs_root) if wanted in (None, (each.ablation, each.profile))]


def jobs_of(runs: list[RunDirectory]) -> dict[str, str]:
    """Slurm's state of each run that has a job: "1234_5 PENDING"; empty if Slurm does not
    answer."""
    numbers = {run.run_id: slurm_queue.job_of(run) for run in runs}
    numbered = {run_id: number for run_id, number in numbers.items() if number is not None}
    if not numbered:
        return {}
    try:
        known = slurm_queue.jobs()
    except BenchError:
        return {run_id: f"{number} (Slurm does not answer)" for run_id, number in numbered.items()}
    return {
        run_id: f"{number} {known[number].state}" if number in known else f"{number} forgotten"
        for run_id, number in numbered.items()
    }


def stop(runs_root: Path, plan: Plan | None) -> list[str]:
    """Ask the runs' drivers to stop, and cancel jobs whose driver is gone; returns who was
    asked."""
    asked = drivers_of(runs_root, plan)
    for driver in asked:
        driver.ask_to_stop(runs_root)
    if asked:
        return list(map(str, asked))
    watch = Watch(runs_root, plan)
    left = [run for run in watch.runs if run.result() is None]
    if not any(slurm_queue.job_of(run) for run in left):
        return []
    numbers = [number for _, number in slurm_queue.living(left, slurm_queue.jobs())]
    slurm_queue.cancel(numbers)
    return [f"Slurm job {number}" for number in numbers]
