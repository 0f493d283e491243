"""`bench run`: a plan from its first run to its tables."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from benchmark.ablation.plan import Plan
from benchmark.ablation.registration import register
from benchmark.claims.evidence import write_evidence
from benchmark.data.store import open_store
from benchmark.errors import BenchError
from benchmark.executors.executor import Executor, Start
from benchmark.executors.local import how_it_ended, last_lines
from benchmark.report.markdown import build
from benchmark.results.published import Published
from benchmark.results.source import only_published
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.sweep.driver import Driver
from benchmark.sweep.output import Ending, Failure, Narrator

SYNC_EVERY_S = 4.0


@dataclass(frozen=True)
class Places:
    """Where things lie; none of it is part of a run's description."""

    runs: Path
    cache: Path
    results: Path
    report: Path
    data_root: Path | None
    mlflow: str

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.runs / run_id)


@dataclass(frozen=True)
class Work:
    """How the runs' processes compute; their records name it, their descriptions do not."""

    device: str
    graphs: bool = False  # on a GPU, each step as one CUDA graph
    instructions: str | None = None  # what the processor's vector instructions are held to


class Follower(Protocol):
    """The one writer of a view of the runs (MLflow)."""

    def sync(self) -> None: ...

    def close(self) -> None: ...

    def publish(self, folder: Path) -> None: ...


def run_plan(
    plan: Plan,
    places: Places,
    start: Start,
    work: Work,
    narrator: Narrator,
    *,
    trust_tables: bool = False,
) -> int:
    """Train what is missing, then write tables and report. 0 done, 1 some failed, 130 stopped.

    `trust_tables`: a run that the tables have finished, and whose folder is not here, stays as it
    is there and is not trained.
    """
    _writable(places.results / plan.name / plan.profile)
    published = only_published(plan, places.runs, places.results)  # before hours of training
    trusted = published if trust_tables else {}
    if trusted:
        narrator.note(f"{len(trusted)} finished runs are not here and stay as the tables have them")
    ours = replace(plan, runs=tuple(each for each in plan.runs if each.run_id not in trusted))
    directories = [places.run(planned.run_id) for planned in ours.runs]
    missing = [p for p, run in zip(ours.runs, directories, strict=True) if run.result() is None]
    _open_stores([planned.spec for planned in missing], places, narrator)
    try:
        for planned in missing:
            RunDirectory.create(places.runs, planned.spec)
        register(places.runs, plan)
    except OSError as error:
        raise BenchError(f"{places.runs}: cannot make run folders ({error.strerror})") from None

    view = _View(plan, places, narrator)
    arguments = _worker_arguments(plan, places, work)
    executor, codes = _train(ours, places, start, arguments, directories, view, narrator)
    view.close()
    folder = write_results(plan, places.runs, places.results)
    write_evidence(folder)
    build(places.results, places.report)
    view.publish(folder)
    ending = _ending(plan, trusted, places, None if executor.stopped else codes)
    narrator.end(ending)
    if ending.stopped:
        return 130
    return 1 if ending.failures else 0


def _train(
    plan: Plan,
    places: Places,
    start: Start,
    arguments: Sequence[str],
    runs: Sequence[RunDirectory],
    view: "_View",
    narrator: Narrator,
) -> tuple[Executor, dict[str, int]]:
    """Every run, shown and tracked meanwhile; the executor and the workers' exit codes."""
    driver = Driver.here(plan)
    with (
        driver.driving(places.runs),
        narrator.progress(list(zip(plan.runs, runs, strict=True))) as progress,
    ):

        def tick() -> None:
            progress.update()
            view.sync_if_due()
            if not executor.stopped and driver.is_asked_to_stop(places.runs):
                executor.stop()

        executor = start(arguments, tick)
        # Seed by seed, so that a sweep that is cut short has every cell.
        order = sorted(
            range(len(plan.runs)), key=lambda i: plan.seeds.index(plan.runs[i].spec.seed)
        )
        return executor, executor.run([runs[i] for i in order])


def _open_stores(specs: Sequence[RunSpec], places: Places, narrator: Narrator) -> None:
    """Prepare each data set once, before the runs ask for it side by side."""
    wanted = {}
    for spec in specs:
        wanted[spec.data.model_dump_json()] = spec.data
        seen = spec.reference_data
        wanted[seen.model_dump_json()] = seen
    for settings in wanted.values():
        store = open_store(settings, places.data_root, places.cache)
        view = getattr(settings, "view", None)
        seen_as = f", {view.name} view" if view else ""
        narrator.note(
            f"data: {store.title}{seen_as}, {len(store.images)} images of {settings.size} px"
        )
        for name in store.broken:
            narrator.note(f"data: {name} is broken and left out")


class _View:
    """MLflow while the runs go on. Its absence costs a line, never a run."""

    def __init__(self, plan: Plan, places: Places, narrator: Narrator) -> None:
        self._plan, self._places, self._narrator = plan, places, narrator
        self._follower: Follower | None = None
        self._next = 0.0
        self._warned = False

    def sync_if_due(self) -> None:
        if time.monotonic() < self._next:
            return
        self._attempt(lambda follower: follower.sync())
        # A server that is away is tried again, less often.
        self._next = time.monotonic() + SYNC_EVERY_S * (5 if self._warned else 1)

    def close(self) -> None:
        self._warned = False
        self._attempt(lambda follower: follower.close())

    def publish(self, folder: Path) -> None:
        self._attempt(lambda follower: follower.publish(folder))

    def _attempt(self, act: "Act") -> None:
        try:
            if self._follower is None:
                from benchmark.tracking.tracker import Tracker

                self._follower = Tracker(self._places.mlflow, self._plan, self._places.runs)
            act(self._follower)
            self._warned = False
        except BenchError as error:
            if not self._warned:
                self._narrator.warn(
                    f"MLflow: {error}; the runs go on, and `bench sync` brings MLflow up to date"
                )
            self._warned = True
            # A store that comes back may be another one: what it holds is read again.
            self._follower = None


class Act(Protocol):
    def __call__(self, follower: Follower, /) -> None: ...


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise BenchError(
            f"{folder}: cannot write results there ({error.strerror}); "
            "mend its permissions or give --results another folder"
        ) from None


def _worker_arguments(plan: Plan, places: Places, work: Work) -> list[str]:
    arguments = ["--cache", str(places.cache), "--device", work.device]
    if work.graphs:
        arguments.append("--graphs")
    if work.instructions:
        arguments += ["--instructions", work.instructions]
    if places.data_root is not None:
        arguments += ["--data-root", str(places.data_root)]
    for override in plan.overrides:
        arguments += ["--set", override]
    return arguments


def _ending(
    plan: Plan, trusted: Mapping[str, Published], places: Places, codes: dict[str, int] | None
) -> Ending:
    """`codes` are the workers' exit codes by run id; None where the user stopped the sweep."""
    done, failures = 0, []
    for planned in plan.runs:
        run = places.run(planned.run_id)
        if planned.run_id in trusted:
            row = trusted[planned.run_id].row
            done += row["state"] == "done"
            failures += [Failure(planned, row["reason"], ())] * (row["state"] == "failed")
            continue
        result = run.result()
        if result is not None and result.state == "done":
            done += 1
        elif result is not None or codes is not None:
            reason = result.reason if result else how_it_ended((codes or {}).get(run.run_id))
            failures.append(Failure(planned, reason, last_lines(run.log)))
    return Ending(
        runs=len(plan.runs),
        done=done,
        failures=failures,
        stopped=codes is None,
        results=places.results / plan.name / plan.profile,
        report=places.report,
        mlflow=places.mlflow,
    )
