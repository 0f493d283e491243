"""MLflow: a view of the run directories, with one writer."""

import hashlib
import math
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import BenchError
from benchmark.files import write_atomic
from benchmark.redact import redact
from benchmark.runs.directory import RunDirectory, State
from benchmark.text import shortened
from benchmark.tracking.headlines import VERDICT, headlines, is_headline
from benchmark.tracking.labels import (
    ORIGIN,
    accepted,
    child_tags,
    newest_last,
    note,
    parent_tags,
)
from benchmark.tracking.moved import refuse_moved
from benchmark.tracking.store import cause, client_of, make_room, reached, sqlite_file
from benchmark.tracking.tracked_run import BATCH, Changed, TrackedRun

MOST_RUNS = 50_000  # in one answer of a search, the most that MLflow gives
# MLflow's page then has the menu for training runs, not the one for language models.
KIND = {"mlflow.experimentKind": "custom_model_development"}
LONGEST_NAME = 250  # characters of a run's name that every database takes
LOCK_WAIT_S = 60.0  # for another process that writes the view
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_PLAIN = re.compile(r"[\w .,:;=+/@#*(){}\[\]<>\"-]{1,250}", re.ASCII)


class Tracker:
    """Follows the runs of one plan: a parent run for the ablation, a child for each run.

    What MLflow already holds is read from MLflow, so that a second writer, a resumed run and a
    deleted store are all handled. Every method raises BenchError if MLflow is unreachable; if it
    refuses data of a single run, the reason is in `left_out`, and all other runs are logged.
    """

    def __init__(self, uri: str, plan: Plan, runs_root: Path) -> None:
        self._plan, self._uri, self._runs = plan, uri, runs_root
        self._lock = _lock_of(uri, runs_root)
        self._parent = self._origin = ""
        self._children: dict[str, TrackedRun] = {}
        self.left_out: dict[str, str] = {}  # by the run's label, why
        self.renewed: dict[str, str] = {}  # likewise, of those that were deleted and logged anew

        def connect() -> None:
            artifacts = make_room(uri, plan.name)
            self._client = client_of(uri)
            self._origin = _origin_of(uri, runs_root)
            self._experiment = self._open_experiment(artifacts)
            self._parent = self._open_parent()
            self._for_each(lambda child: None)

        self._in_turn(connect)

    def sync(self) -> None:
        """Log what is new in every run directory."""
        self._in_turn(lambda: self._for_each(TrackedRun.sync))

    def close(self) -> None:
        """A last sync; no run without a living process stays RUNNING."""

        def finish() -> None:
            states: list[State] = []
            self._for_each(lambda child: states.append(child.sync(last=True)))
            whole = set(states) == {"done"} and not self.left_out
            status = "FINISHED" if whole else "KILLED"
            if "failed" in states:
                status = "FAILED"
            if "running" not in states:
                for child in self._children.values():
                    child.give_up()
                self._client.set_terminated(self._parent, status)

        self._in_turn(finish)

    def publish(self, folder: Path) -> None:
        """Put the tables, figures, correlations and verdicts of results/... on the parent run."""

        def put() -> None:
            found, shown = headlines(folder), self._client.get_run(self._parent).data
            numbers = {accepted(name): (value, step) for name, value, step in found.numbers}
            gone = {name for name in shown.metrics if is_headline(name)} - numbers.keys()
            numbers |= dict.fromkeys(gone, (math.nan, 0))  # as MLflow can take no point back
            now = int(time.time() * 1000)
            metrics = [
                Metric(name, value, now, step)
                for name, (value, step) in numbers.items()
                if repr(shown.metrics.get(name)) != repr(value)  # nan is no other nan
            ]
            for first in range(0, len(metrics), BATCH):
                self._client.log_batch(self._parent, metrics=metrics[first : first + BATCH])
            tags = [RunTag(name, word) for name, word in found.words]
            for name in shown.tags.keys() - {tag.key for tag in tags}:
                if name.startswith(VERDICT):  # of a claim that was withdrawn
                    self._client.delete_tag(self._parent, name)
            figure = self._put_figure(folder / "scatter.png", found.pair)
            words = note(self._plan, found.table, figure)
            tags.append(RunTag("mlflow.note.content", words))
            self._client.log_batch(self._parent, tags=tags)
            self._client.log_artifacts(self._parent, str(folder), "results")

        self._in_turn(put)

    def _put_figure(self, scatter: Path, name: str) -> str:
        """First among the parent's artifacts; its address on MLflow's own page, or nothing."""
        if not name or not scatter.is_file():
            return ""
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(scatter, Path(folder) / f"{name}.png")
            self._client.log_artifact(self._parent, str(copy))
        return f"get-artifact?path={name}.png&run_uuid={self._parent}"

    def _in_turn(self, act: Callable[[], Any]) -> None:
        """One writer at a time: two that open a new store at once would break its migrations."""

        def alone() -> None:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._lock, timeout=LOCK_WAIT_S):
                act()

        reached(self._uri, alone)

    def _for_each(self, act: Callable[[TrackedRun], object]) -> None:
        """Do it for every child; a run that MLflow refuses does not affect the others."""
        self.left_out = {}
        runs = self._plan.runs
        there: dict[str, Run] = {}
        if any(each.run_id not in self._children for each in runs):
            runs = tuple(newest_last(self._plan))
            there = _children_of(self._client, self._experiment, self._parent)
        for planned in runs:
            try:
                self._do(planned, there.get(planned.run_id), act)
            except BaseException as error:
                # What MLflow holds of it is asked for again; it may have been deleted there.
                self._children.pop(planned.run_id, None)
                if not (isinstance(error, Exception) and _is_of_one_run(error)):
                    raise
                said = str(error) if isinstance(error, BenchError) else cause(error)
                self.left_out[planned.label] = redact(said)

    def _do(
        self, planned: PlannedRun, found: Run | None, act: Callable[[TrackedRun], object]
    ) -> None:
        """MLflow can take no point back: a run whose directory has changed is made anew."""
        if planned.run_id not in self._children:
            self._children[planned.run_id] = self._open(planned, found)
        child = self._children[planned.run_id]
        try:
            act(child)
        except Changed as changed:
            self._client.delete_run(child.mlflow_id)
            self.renewed[planned.label] = str(changed)
            new = self._create(planned, child.since)  # in its old place among the others
            child = self._children[planned.run_id] = self._follow(planned, new)
            act(child)

    def _open(self, planned: PlannedRun, found: Run | None) -> TrackedRun:
        if found is None:
            return self._follow(planned, self._create(planned))
        tags = child_tags(self._plan, planned)
        new = [RunTag(key, tag) for key, tag in tags.items() if found.data.tags.get(key) != tag]
        if new:
            if found.data.tags.get("cell") != planned.cell:  # else people may have renamed it
                name = shortened(planned.label, LONGEST_NAME)
                self._client.update_run(found.info.run_id, name=name)
            self._client.log_batch(found.info.run_id, tags=new)
        return self._follow(planned, found)

    def _follow(self, planned: PlannedRun, found: Run) -> TrackedRun:
        run = RunDirectory(self._runs / planned.run_id)
        return TrackedRun(self._client, found, planned, run, self._plan.evaluation, self._origin)

    def _open_experiment(self, artifacts: str | None) -> str:
        found = self._client.get_experiment_by_name(self._plan.name)
        if found is not None:
            refuse_moved(found, self._uri)
            if found.lifecycle_stage != "active":  # deleted by hand: MLflow keeps the name
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        return str(self._client.create_experiment(self._plan.name, artifacts, tags=KIND))

    def _open_parent(self) -> str:
        plan = self._plan
        # A filter of MLflow cannot hold the quote that it is written in.
        key = " ".join(
            [plan.name, plan.profile, *plan.overrides, *[plan.part] * bool(plan.part)]
        ).replace("'", '"')
        if not _PLAIN.fullmatch(key):  # MLflow cuts long tags off
            key = f"{plan.name} {plan.profile} {hashlib.sha256(key.encode()).hexdigest()}"
        wanted = f"tags.`bench.plan` = '{key}'"
        for found in self._client.search_runs([self._experiment], wanted, max_results=1):
            self._client.update_run(found.info.run_id, status="RUNNING")
            return str(found.info.run_id)
        tags = {"bench.plan": key, **parent_tags(plan)}
        place = " ".join(plan.place.parts[1:])
        name = shortened(f"{plan.name} ({place})", LONGEST_NAME)
        return str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)

    def _create(self, planned: PlannedRun, start: int | None = None) -> Run:
        tags = {"mlflow.parentRunId": self._parent, **child_tags(self._plan, planned)}
        tags |= {ORIGIN: self._origin} if self._origin else {}
        name = shortened(planned.label, LONGEST_NAME)
        return self._client.create_run(self._experiment, start, tags, name)


def _lock_of(uri: str, runs_root: Path) -> Path:
    """Beside a SQLite store; for a server, in the folder that its writers share."""
    store = sqlite_file(uri)
    return (store.parent if store is not None else runs_root) / ".tracking.lock"


def _origin_of(uri: str, runs_root: Path) -> str:
    """What tells a runs folder from those of other machines; empty where none can share the
    store."""
    if sqlite_file(uri) is not None:
        return ""
    path = runs_root / ".tracking.id"
    if not path.exists():
        write_atomic(path, secrets.token_hex(8).encode())
    return path.read_text(encoding="utf-8")


def _children_of(client: MlflowClient, experiment: str, parent: str) -> dict[str, Run]:
    """By the id of their run directory; one question for all, as a hundred take seconds."""
    wanted = f"tags.`mlflow.parentRunId` = '{parent}'"
    found = client.search_runs([experiment], wanted, max_results=MOST_RUNS)
    ours = [run for run in found if "bench.run_id" in run.data.tags]  # people nest theirs beside
    return {run.data.tags["bench.run_id"]: run for run in ours}


def _is_of_one_run(error: Exception) -> bool:
    """Whether MLflow can be reached, and what is wrong is what it was told of a single run."""
    if isinstance(error, MlflowException):
        refused = error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", *_ABSENT)
        return refused and not isinstance(error.__cause__, OperationalError | InterfaceError)
    if isinstance(error, OSError):  # of a file of the run, or of an artifact
        return error.filename is not None
    return not isinstance(error, SQLAlchemyError | ImportError | MemoryError)
