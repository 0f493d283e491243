"""`bench run` and `bench evaluate`: a plan from its first run to its tables."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.claims.evidence import write_evidence
from benchmark.errors import EXIT_INTERRUPTED, BenchError, InputError, in_words, of_system
from benchmark.evaluation.catalogue import domain, network_class
from benchmark.evaluation.metrics import METRICS, computed_by
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.executors.executor import Pending, Polling, Start
from benchmark.executors.local import how_it_ended, last_lines
from benchmark.imports import method_code
from benchmark.report.files import refuse_foreign
from benchmark.report.markdown import DETAILS, build
from benchmark.results.registered import obstacle
from benchmark.results.source import only_recorded
from benchmark.results.tables import RecordedRun, Tables, read_tables
from benchmark.results.tuning import waiting, with_winners, write_search
from benchmark.results.writer import refuse_loss, with_lent, write_results
from benchmark.runs import classified
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import pending
from benchmark.runs.probes import is_probed
from benchmark.runs.weights import listed
from benchmark.sweep.data import Reader, open_stores, refuse_other_data
from benchmark.sweep.driver import Driver
from benchmark.sweep.output import Failure, Output, Summary
from benchmark.text import counted

if TYPE_CHECKING:
    from benchmark.tracking.tracker import Tracker

SYNC_EVERY_S = 4.0
SHOWN = 5  # runs that an error names
PROBE, CLASSIFIERS = "the probe", "the classifiers"  # which are not names of judges


@dataclass(frozen=True)
class Places:
    """Paths; not part of a run's description."""

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
    """How the runs' processes compute; recorded, but not part of their descriptions."""

    device: str
    graphs: bool = False  # on a GPU, each step as one CUDA graph
    instructions: str | None = None  # limit on the processor's vector instructions
    allow_slow: bool = False  # bfloat16 on a processor without AMX


def run_plan(
    plan: Plan,
    places: Places,
    start: Start,
    work: Work,
    output: Output,
    *,
    trust_tables: bool = False,
    replace: bool = False,
) -> int:
    """Train and evaluate what is missing, then write tables and report.

    Where arms are tuned, their search comes first. Returns the exit code: 0 done, 1 some failed,
    130 stopped. `trust_tables`: a run that is finished in the tables, and whose folder is not here,
    is kept and not trained. Raises InputError before any training if a file would be lost, or rows
    in the tables are of other data; `replace` permits losing finished runs.
    """
    _writable(places.results / plan.place)
    plan = with_winners(plan, places.runs, places.results)
    refuse_overwriting(plan, places, replace=replace)
    _refuse_codeless(plan)
    refuse_changed_methods(plan, places)
    if plan.apart:
        where = places.results / plan.place
        output.note(f"--set trains other runs than {plan.path} does; their tables: {where}")
    # Check what the tables will need before hours of training.
    prepared = _prepare(plan, places, trust_tables=trust_tables)
    if why := obstacle(plan):
        output.warn(f"the claims of these runs will be exploratory: {why}")
    search = None
    if plan.search is not None:
        search = _prepare(plan.search, places, trust_tables=trust_tables)
    both = [each for each in (search, prepared) if each is not None]
    if trusted := {run_id: run for each in both for run_id, run in each.trusted.items()}:
        output.note(f"{len(trusted)} finished runs are not here and stay as the tables have them")
    runs = tuple(run for each in both for run in each.plan.runs)
    ours = [run for each in both for run in each.ours]
    recorded = {} if replace else {k: run for each in both for k, run in each.recorded.items()}
    left = [run for each in both for run in each.ours if each.unfinished(places.run(run.run_id))]
    every = dataclasses.replace(plan, runs=runs)
    _check_data(every, ours, left, trusted, recorded, places, output)
    if search is not None:
        output.note(f"search: {len(search.plan.runs)} runs, which the tuned ones wait for")
        view = _View(search.plan, places, output)
        executor, _ = _train(search, places, start, work, view, output)
        plan = write_search(plan, places.runs, places.results, replace=replace)
        if executor.stopped:
            output.end(_summary(search, places, None))
            return EXIT_INTERRUPTED
        prepared = _prepare(plan, places, trust_tables=trust_tables)
    late = waiting(plan)
    for arm in late:
        output.warn(f"{arm}: not every run of its search has ended; run this again to tune it")
    code = _finish(prepared, places, start, work, output, replace=replace)
    return code or (BenchError.exit_code if late else 0)


@dataclass(frozen=True)
class _Prepared:
    """A plan whose runs can start."""

    plan: Plan
    ours: Sequence[PlannedRun]
    trusted: Mapping[str, RecordedRun]  # finished in the tables, and kept as they are
    unfinished: Pending
    arguments: Sequence[str] = ()  # of `bench run-one`
    recorded: Mapping[str, RecordedRun] = field(default_factory=dict)
    """Finished in the tables, and not here."""
    trains: bool = True

    def make_folders(self, places: Places) -> None:
        """With descriptions and, of runs that have begun, judges; the others' workers are told."""
        try:
            for planned in self.ours:
                run = RunDirectory.create(places.runs, planned.spec)
                if run.provenance() is not None:
                    run.write_evaluation(self.plan.evaluation)
        except OSError as error:
            raise BenchError(f"{places.runs}: cannot make run folders ({error.strerror})") from None


def _prepare(plan: Plan, places: Places, *, trust_tables: bool) -> _Prepared:
    """What is left to do; raises BenchError where the tables have a run that they cannot keep."""
    recorded = only_recorded(plan, places.runs, places.results)
    trusted = recorded if trust_tables else {}
    ours = [each for each in plan.runs if each.run_id not in trusted]
    left = pending_of(plan.evaluation)

    def unfinished(run: RunDirectory) -> bool:
        return run.result() is None or bool(left(run))

    return _Prepared(plan, ours, trusted, unfinished, recorded=recorded)


def evaluate_plan(
    plan: Plan,
    judges: Sequence[str],
    places: Places,
    start: Start,
    work: Work,
    output: Output,
    *,
    replace: bool = False,
) -> int:
    """Let judges evaluate every snapshot that they have not yet, of finished and unfinished runs.

    `judges` are names of the plan's; none: all. Nothing is trained. Returns the exit code as
    `run_plan` does; raises InputError where there is no such judge or no run to evaluate.
    """
    asked_for = plan.judges(judges)
    plan = with_winners(plan, places.runs, places.results)
    refuse_overwriting(plan, places, replace=replace)
    there = [each for each in plan.runs if listed(places.run(each.run_id).snapshots)]
    if not there:
        raise InputError(f"{places.runs}: no run of {plan.name} has a snapshot; see --runs")
    if len(there) < len(plan.runs):
        output.note(f"{len(plan.runs) - len(there)} of {len(plan.runs)} runs have no snapshot yet")
    _refuse_codeless(plan)
    left = pending_of(plan.evaluation)

    def unseen(run: RunDirectory) -> bool:
        return any(not judges or name in asked_for for name in left(run))

    asked = [each for each in there if unseen(places.run(each.run_id))]
    said = plan.evaluation.model_copy(update={"judges": asked_for})
    narrow = dataclasses.replace(plan, runs=tuple(asked), evaluation=said)
    _check_data(narrow, asked, asked, {}, {}, places, output)
    arguments = ["--evaluate-only", *(f"--judge={name}" for name in judges)]
    prepared = _Prepared(plan, there, {}, unseen, arguments, trains=False)
    return _finish(prepared, places, start, work, output, replace=replace)


def pending_of(settings: EvaluationSettings) -> Callable[[RunDirectory], list[str]]:
    """Which judges have not seen all snapshots of a run; PROBE and CLASSIFIERS where it is done and
    they are left."""
    versions = {
        name: {
            metric: found.version
            for metric, found in computed_by(domain(each.features), each.attribute).items()
        }
        for name, each in settings.judges.items()
    }
    probed = {name: metric.version for name, metric in METRICS.items()}
    networks = {
        name: getattr(network_class(each.features), "VERSION", None)
        for name, each in settings.judges.items()
    }

    def left(run: RunDirectory) -> list[str]:
        found, result = pending(run, settings, versions, networks), run.result()
        if settings.probe is not None and result is not None and result.state == "done":
            found += [] if is_probed(run, settings, probed, networks) else [PROBE]
        if settings.classify is not None and classified.left(run, settings.classify):
            found.append(CLASSIFIERS)
        return found

    return left


def _finish(
    prepared: _Prepared,
    places: Places,
    start: Start,
    work: Work,
    output: Output,
    *,
    replace: bool,
) -> int:
    """Every run to its end, then tables, report and MLflow; the exit code."""
    plan = prepared.plan
    view = _View(plan, places, output)
    executor, codes = _train(prepared, places, start, work, view, output)
    folder = write_results(plan, places.runs, places.results, replace=replace)
    if said := other_steps(plan, read_tables(folder)):
        output.warn(said)
    write_evidence(folder)
    build(places.results, places.report, output.warn)
    view.publish(folder)
    if not prepared.trains:
        held = [each.label for each in prepared.ours if places.run(each.run_id).is_locked()]
        if held:
            output.note(f"another process still writes {', '.join(held)}: judge them again then")
    summary = _summary(prepared, places, None if executor.stopped else codes)
    output.end(summary)
    if summary.stopped:
        return EXIT_INTERRUPTED
    return BenchError.exit_code if summary.failures or summary.unjudged else 0


def other_steps(plan: Plan, tables: Tables) -> str:
    """Which runs lack snapshots that the plan asks for, as one line; empty where none does."""
    every, taken = plan.evaluation.every, tables.by_run("heldout")
    lacking = []
    for planned in plan.runs:
        steps = {int(row["step"]) for row in taken.get(planned.run_id, ())}
        if not steps.issuperset(range(every, max(steps, default=0) + 1, every)):
            lacking.append(planned.label)
    if not lacking:
        return ""
    return (
        f"{len(lacking)} of {len(plan.runs)} runs lack snapshots every {every} steps, as "
        f"{lacking[0]}: they keep the evaluation.every that they were begun with, in another sweep "
        "or before it was changed"
    )


def _train(
    prepared: _Prepared, places: Places, start: Start, work: Work, view: "_View", output: Output
) -> tuple[Polling[Any], dict[str, int]]:
    """Every run to its end, shown and tracked meanwhile; the executor and the workers' exit codes,
    by run id."""
    plan = prepared.plan
    prepared.make_folders(places)
    arguments = [*_worker_arguments(plan, places, work), *prepared.arguments]
    driver = Driver.here(plan)
    # Seed by seed, so that a sweep that is cut short has every cell.
    order = sorted(prepared.ours, key=lambda planned: plan.seeds.index(planned.spec.seed))
    shown = [(planned, places.run(planned.run_id)) for planned in prepared.ours]
    said, stopping = "", False
    try:
        with driver.driving(places.runs), output.progress(plan, shown) as progress:

            def tick() -> None:
                nonlocal said, stopping
                progress.update()
                if executor.stopped and not stopping:
                    output.note(
                        "stopping: the runs' processes save what they have; Ctrl-C again kills"
                    )
                stopping = executor.stopped
                if executor.lacks not in ("", said):
                    output.warn(executor.lacks)
                said = executor.lacks
                view.sync_if_due()
                if not executor.stopped and driver.is_asked_to_stop(places.runs):
                    executor.stop()

            executor = start(arguments, tick, prepared.unfinished, prepared.trains)
            return executor, executor.run([places.run(planned.run_id) for planned in order])
    finally:
        view.close()


def _check_data(
    plan: Plan,
    ours: Sequence[PlannedRun],
    left: Sequence[PlannedRun],
    trusted: Mapping[str, RecordedRun],
    recorded: Mapping[str, RecordedRun],
    places: Places,
    output: Output,
) -> None:
    """Refuse data that are missing, changed since a run began, or too few for what is `left`.

    The others are decoded, before concurrent runs request them.
    """
    reader = Reader(places.data_root, places.cache, output.track)
    trained = {
        run_id: (str(run.setup.data.title), str(run.setup.data.fingerprint))
        for run_id, run in {**recorded, **trusted}.items()
        if run.setup is not None
    }
    here = {each.spec.data.model_dump_json() for each in ours}
    for each in ours:
        if (record := places.run(each.run_id).provenance()) is not None:
            trained[each.run_id] = record["data"]["title"], record["data"]["fingerprint"]
    refuse_other_data(
        [each for each in plan.runs if each.spec.data.model_dump_json() in here],
        trained,
        reader,
        recorded.keys() - trusted.keys(),
    )
    for settings, store in open_stores(plan.evaluation, left, reader):
        view = getattr(settings, "view", None)
        seen_as = f", {view.name} view" if view else ""
        output.note(
            f"data: {store.title}{seen_as}, {len(store.images)} images of {settings.size} px"
        )
        for note in store.notes:
            output.note(f"data: {note}")
        for name in store.broken:
            output.note(f"data: {name} is broken and left out")


class _View:
    """MLflow while the runs continue. Its faults cost a warning, never a run."""

    def __init__(self, plan: Plan, places: Places, output: Output) -> None:
        self._plan, self._places, self._output = plan, places, output
        self._tracker: Tracker | None = None
        self._next = 0.0
        self._warned = ""
        self._closed = False

    def sync_if_due(self) -> None:
        if time.monotonic() < self._next:
            return
        self._attempt(lambda tracker: tracker.sync())
        # An unreachable server is retried at growing intervals.
        self._next = time.monotonic() + SYNC_EVERY_S * (5 if self._warned else 1)

    def close(self) -> None:
        self._warned = ""  # what is still wrong is said at the end too
        self._attempt(self._last_sync)

    def publish(self, folder: Path) -> None:
        def put(tracker: "Tracker") -> None:
            if not self._closed:  # MLflow was away
                self._last_sync(tracker)
            tracker.publish(folder)

        self._attempt(put)

    def _last_sync(self, tracker: "Tracker") -> None:
        tracker.close()
        self._closed = True

    def _attempt(self, act: "Callable[[Tracker], None]") -> None:
        try:
            if self._tracker is None:
                from benchmark.tracking.tracker import Tracker

                self._tracker = Tracker(self._places.mlflow, self._plan, self._places.runs)
            try:
                act(self._tracker)
            finally:
                if told := renewed(self._tracker.renewed):
                    self._output.note(f"MLflow: {told}")
                self._tracker.renewed.clear()
            self._warn(left_out(self._tracker.left_out))
        except (Exception, SystemExit) as error:
            said = in_words(error) if isinstance(error, Exception) else None
            said = said or f"{type(error).__name__}: {of_system(error)[:200]}"
            self._warn(f"{said}; the runs continue, and `bench sync` brings MLflow up to date")
            # A store that comes back may be another one: what it holds is read again.
            self._tracker = None

    def _warn(self, text: str) -> None:
        """Warn about a fault once for as long as it persists."""
        if text and text != self._warned:
            self._output.warn(f"MLflow: {text}")
        self._warned = text


def left_out(why: Mapping[str, str]) -> str:
    """Which runs MLflow does not show, as one line; empty where it shows all."""
    return _as_one(
        why,
        "left out",
        "all others are there, these are whole in their folders, and `bench sync` tries again",
    )


def renewed(why: Mapping[str, str]) -> str:
    """Which runs were logged anew, as one line; empty where none was."""
    return _as_one(
        why,
        "shown otherwise than the run directory",
        "logged anew, and what was there is marked as deleted, with tags and notes added by hand",
    )


def _as_one(why: Mapping[str, str], what: str, then: str) -> str:
    """How many runs, with the first and its cause."""
    if not why:
        return ""
    label, cause = next(iter(why.items()))
    return f"{counted(len(why), 'run')} {what}, as {label} ({cause}); {then}"


def refuse_overwriting(plan: Plan, places: Places, *, replace: bool) -> None:
    """Raise InputError if the end of a sweep would overwrite files that are not its own, or, unless
    `replace`, finished runs in the tables."""
    for part in () if replace else (plan.search, plan):
        if part is not None:
            refuse_loss(with_lent(part, places.runs, places.results), places.results)
    pages = [places.results / DETAILS, *places.results.glob(f"*/*/{DETAILS}")]
    refuse_foreign(places.report, *pages)


def _refuse_codeless(plan: Plan) -> None:
    """Raise InputError where the plan has a probe, and a method without a code to look into."""
    if plan.evaluation.probe is None:
        return
    from benchmark.probe.look import refuse_codeless

    try:
        refuse_codeless([each.spec for each in plan.runs])
    except InputError as error:
        raise InputError(f"evaluation.probe: {error}; leave it out of the sweep") from None


def refuse_changed_methods(plan: Plan, places: Places) -> None:
    """Raise InputError where a method from outside the package is not the one that began a run."""
    searched = plan.search.runs if plan.search is not None else ()
    begun: dict[str, list[PlannedRun]] = {}
    for planned in (*searched, *plan.runs):
        if (now := method_code(planned.spec.method.name)) is None:
            continue
        then = (places.run(planned.run_id).provenance() or {}).get("method_code")
        if then not in (None, now):
            begun.setdefault(planned.spec.method.name, []).append(planned)
    for name, runs in begun.items():
        folders = ", ".join(str(places.runs / each.run_id) for each in runs[:SHOWN])
        more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
        raise InputError(
            f"{name}: its file has changed since {counted(len(runs), 'run')} began with it, which "
            "would mix two methods; give the changed one a file of its own, change it back, or "
            f"remove the runs to train them again: {folders}{more}"
        )


def _writable(folder: Path) -> None:
    """Raise BenchError where it could not be made or written to; it is not made yet."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "Permission denied" if there.is_dir() else f"{there} is no folder"
        raise BenchError(
            f"{folder}: cannot write results there ({why}); "
            "change its permissions or give --results another folder"
        )


def _worker_arguments(plan: Plan, places: Places, work: Work) -> list[str]:
    arguments = ["--cache", str(places.cache), "--device", work.device]
    if work.graphs:
        arguments.append("--graphs")
    if work.allow_slow:
        arguments.append("--allow-slow")
    if work.instructions:
        arguments += ["--instructions", work.instructions]
    if places.data_root is not None:
        arguments += ["--data-root", str(places.data_root)]
    for override in plan.overrides:
        arguments += ["--set", override]
    return [*arguments, "--evaluation", plan.evaluation.model_dump_json()]


def _summary(prepared: _Prepared, places: Places, codes: dict[str, int] | None) -> Summary:
    """`codes` are the workers' exit codes by run id; None where the user stopped the sweep."""
    plan, trusted, unfinished = prepared.plan, prepared.trusted, prepared.unfinished
    runs = plan.runs if prepared.trains else prepared.ours
    done, failures, unjudged = 0, [], []
    for planned in runs:
        run = places.run(planned.run_id)
        if planned.run_id in trusted:
            row = trusted[planned.run_id].row
            done += row["state"] == "done"
            failures += [Failure(planned, row["reason"], ())] * (row["state"] == "failed")
            continue
        result, code, left = run.result(), (codes or {}).get(run.run_id), unfinished(run)
        succeeded = not left
        if prepared.trains:
            succeeded &= result is not None and result.state == "done"
        elif result is None:  # one that trains meanwhile may have another snapshot by now
            succeeded |= code == 0
        if succeeded:
            done += 1
        elif result is not None and result.state == "failed" and prepared.trains:
            failures.append(Failure(planned, result.reason, last_lines(run.log)))
        elif result is not None or not prepared.trains:
            why = () if codes is None else last_lines(run.log)
            unjudged.append(Failure(planned, "the same command continues from here", why))
        elif codes is not None:
            failures.append(Failure(planned, how_it_ended(code), last_lines(run.log)))
    return Summary(
        runs=len(runs),
        done=done,
        failures=failures,
        unjudged=unjudged,
        stopped=codes is None,
        results=places.results / plan.place,
        report=places.report,
        mlflow=places.mlflow,
    )
