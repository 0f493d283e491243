"""MLflow: a view of the run directories, with one writer."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.entities import (
    Metric,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import BenchError
from benchmark.redact import redact
from benchmark.runs.directory import RunDirectory
from benchmark.tracking.headlines import headlines
from benchmark.tracking.labels import child_tags, newest_last, note, parent_tags
from benchmark.tracking.page import sqlite_file
from benchmark.tracking.tracked_run import BATCH, TrackedRun

MOST_RUNS = 50_000  # in one answer of a search, the most that MLflow gives
LOCK_WAIT_S = 60.0  # for another process that writes the view

# A server that is away is noticed in seconds; the caller tries again later.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class Tracker:
    """Follows the runs of one plan: a parent run for the ablation, a child for each run.

    What MLflow already holds is read from MLflow, so that a second writer, a resumed run and a
    deleted store all come out right. Every method raises BenchError where MLflow is away.
    """

    def __init__(self, uri: str, plan: Plan, runs_root: Path) -> None:
        self._plan, self._uri = plan, uri
        self._lock = _lock_of(uri, runs_root)
        self._parent = ""

        def connect() -> None:
            artifacts = _make_room(uri, plan.name)
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment = self._open_experiment(artifacts)
            self._parent = self._open_parent()
            there = _children_of(self._client, self._experiment, self._parent)
            children = {}
            for planned in newest_last(plan):
                found, run = there.get(planned.run_id), RunDirectory(runs_root / planned.run_id)
                opened = found or self._open_child(planned)
                children[planned.run_id] = TrackedRun(
                    self._client, opened, planned, run, plan.evaluation, fresh=found is None
                )
            self._children = [children[planned.run_id] for planned in plan.runs]

        self._in_turn(connect)

    def sync(self) -> None:
        """Log what is new in every run directory."""
        self._in_turn(lambda: [child.sync() for child in self._children])

    def close(self) -> None:
        """A last sync; nothing that has no living process behind it stays RUNNING."""

        def finish() -> None:
            states = [child.sync() for child in self._children]
            status = "FINISHED" if set(states) == {"done"} else "KILLED"
            if "failed" in states:
                status = "FAILED"
            if "running" not in states:
                for child in self._children:
                    child.give_up()
                self._client.set_terminated(self._parent, status)

        self._in_turn(finish)

    def publish(self, folder: Path) -> None:
        """Put the tables, figures, correlations and verdicts of results/... on the parent run."""

        def put() -> None:
            found = headlines(folder)
            now = int((folder / "claims.csv").stat().st_mtime * 1000)
            metrics = [Metric(name, value, now, step) for name, value, step in found.numbers]
            for first in range(0, len(metrics), BATCH):
                self._client.log_batch(self._parent, metrics=metrics[first : first + BATCH])
            tags = [RunTag(name, word) for name, word in found.words]
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

    def _open_experiment(self, artifacts: str | None) -> str:
        found = self._client.get_experiment_by_name(self._plan.name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(self._plan.name, artifacts))

    def _open_parent(self) -> str:
        plan = self._plan
        # A filter of MLflow cannot hold the quote that it is written in.
        key = " ".join([plan.name, plan.profile, *plan.overrides]).replace("'", '"')
        found = _find(self._client, self._experiment, {"bench.plan": key})
        if found is not None:
            self._client.update_run(found.info.run_id, status="RUNNING")
            return str(found.info.run_id)
        tags = {"bench.plan": key, **parent_tags(plan)}
        name = f"{plan.name} ({plan.profile})"
        return str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)

    def _open_child(self, planned: PlannedRun) -> Run:
        tags = {"mlflow.parentRunId": self._parent, **child_tags(self._plan, planned)}
        return self._client.create_run(self._experiment, tags=tags, run_name=planned.label)


def reached(uri: str, act: Callable[[], Any]) -> None:
    """Do what needs the store; raises BenchError where it is away or cannot be written."""
    try:
        with _quiet_and_impatient():
            act()
    except ModuleNotFoundError as error:
        raise BenchError(
            redact(f"{uri} needs the package {error.name}: pip install .[postgres]")
        ) from None
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise BenchError(redact(f"{uri} cannot be written ({first})")) from None


@contextmanager
def _quiet_and_impatient() -> Iterator[None]:
    """MLflow gives up on a server in seconds and logs errors alone; what the user has set stays."""
    added = {name: value for name, value in IMPATIENT.items() if name not in os.environ}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    os.environ.update(added)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _lock_of(uri: str, runs_root: Path) -> Path:
    """Beside a SQLite store; for a server, in the folder that its writers share."""
    store = sqlite_file(uri)
    return (store.parent if store is not None else runs_root) / ".tracking.lock"


def _make_room(uri: str, name: str) -> str | None:
    """For a SQLite store, its folder and the place of its artifacts beside it."""
    store = sqlite_file(uri)
    if store is None:
        return None
    folder = store.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    if not store.exists():
        _create(store)
    return (folder / "artifacts" / name).as_uri()


def _create(store: Path) -> None:
    """A new store, whole or not at all: one that is killed amid its migrations stays broken."""
    new = store.with_name(f".{store.name}.new")
    for left in store.parent.glob(f"{new.name}*"):  # by one that was killed, and its journal
        left.unlink()
    MlflowClient(tracking_uri=f"sqlite:///{new.resolve()}")
    new.replace(store)


def _find(client: MlflowClient, experiment: str, tags: dict[str, str]) -> Run | None:
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found: Sequence[Run] = client.search_runs([experiment], wanted, max_results=1)
    return found[0] if found else None


def _children_of(client: MlflowClient, experiment: str, parent: str) -> dict[str, Run]:
    """By the id of their run directory; one question for all, as a hundred take seconds."""
    wanted = f"tags.`mlflow.parentRunId` = '{parent}'"
    found = client.search_runs([experiment], wanted, max_results=MOST_RUNS)
    return {run.data.tags["bench.run_id"]: run for run in found}
