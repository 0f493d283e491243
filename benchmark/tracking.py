"""MLflow: a view of the run directories, with one writer. Only this and audit.py import mlflow."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

# A server that is away is noticed in seconds; the caller tries again later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

from filelock import FileLock
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from benchmark.ablation import Plan, PlannedRun
from benchmark.analysis.headlines import headlines
from benchmark.errors import BenchError
from benchmark.labels import child_tags, metric_name, newest_last, parameters, parent_tags
from benchmark.page import sqlite_file
from benchmark.redact import redact
from benchmark.runs import Kind, Row, RunDirectory, State

BATCH = 1000  # metrics in one call, the most that MLflow takes
MOST_RUNS = 50_000  # in one answer of a search, the most that MLflow gives
LOCK_WAIT_S = 60.0  # for another process that writes the view
STATUS: dict[State, str] = {
    "done": "FINISHED",
    "failed": "FAILED",
    "running": "RUNNING",
    "stopped": "KILLED",
    "queued": "SCHEDULED",
}

for _noisy in ("mlflow", "alembic"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


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
            for planned in newest_last(plan):
                if planned.run_id not in there:
                    there[planned.run_id] = self._open_child(planned)
            self._children = [
                _Child(
                    self._client, there[each.run_id], each, RunDirectory(runs_root / each.run_id)
                )
                for each in plan.runs
            ]

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
            self._client.log_batch(self._parent, tags=tags)
            self._client.log_artifacts(self._parent, str(folder), "results")

        self._in_turn(put)

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


class _Child:
    """One run in MLflow, and how much of it is there."""

    def __init__(
        self, client: MlflowClient, found: Run, planned: PlannedRun, run: RunDirectory
    ) -> None:
        self._client, self._run = client, run
        if not found.data.params:  # also when the writer died right after making the run
            shown = [Param(key, str(value)) for key, value in parameters(planned).items()]
            client.log_batch(found.info.run_id, params=shown)
        self.mlflow_id = str(found.info.run_id)
        self._status, self._state = found.info.status, found.data.tags.get("state")
        self._described = "data" in found.data.tags
        self._logged: dict[Kind, int] = {
            kind: self._last_step(found, kind) for kind in ("train", "eval")
        }
        self._artifacts = {item.path for item in client.list_artifacts(self.mlflow_id, "samples")}
        self._whole = False  # it has ended and all of it is there

    def sync(self) -> State:
        state = self._run.state()  # before the rows: a done run's rows are all there
        if self._whole:
            return state
        self._describe()
        self._log_rows()
        self._log_grids()
        if (self._status, self._state) != (STATUS[state], state):
            if state == "done":
                self._log_files()
            self._set_status(STATUS[state])
            self._client.set_tag(self.mlflow_id, "state", state)
            self._state = state
        self._whole = state in ("done", "failed")
        return state

    def give_up(self) -> None:
        """No process is left that would start this run if it is still waiting."""
        if self._status == "SCHEDULED":
            self._set_status("KILLED")

    def _last_step(self, found: Run, kind: Kind) -> int:
        group = {"train": ("train/", "equilibrium/"), "eval": ("eval/",)}[kind]
        names = [name for name in found.data.metrics if name.startswith(group)]
        if not names:
            return -1
        history = self._client.get_metric_history(found.info.run_id, names[0])
        return max(int(metric.step) for metric in history)

    def _describe(self) -> None:
        """Data and code, known once the run has begun."""
        provenance = None if self._described else self._run.provenance()
        if provenance is None:
            return
        data = provenance["data"]
        tags = {
            "data": data["title"],
            "data.fingerprint": data["fingerprint"],
            "commit": str(provenance["code"]["commit"]),
        }
        dataset = Dataset(
            name=data["title"], digest=data["fingerprint"][:36], source_type="local", source="{}"
        )
        context = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self.mlflow_id, [DatasetInput(dataset, context)])
        # The tags last: they say that the inputs are there.
        self._client.log_batch(self.mlflow_id, tags=[RunTag(k, v) for k, v in tags.items()])
        self._described = True

    def _log_rows(self) -> None:
        new = (row for row in self._run.rows() if row.step > self._logged.get(row.kind, row.step))
        for rows in _batches(new):
            metrics = [metric for row in rows for metric in metrics_of(row)]
            self._client.log_batch(self.mlflow_id, metrics=metrics)
            for row in rows:
                self._logged[row.kind] = row.step

    def _log_grids(self) -> None:
        for path in sorted(self._run.samples.glob("[0-9]*.png")):
            if f"samples/{path.name}" not in self._artifacts:
                self._client.log_artifact(self.mlflow_id, str(path), "samples")
                self._artifacts.add(f"samples/{path.name}")

    def _log_files(self) -> None:
        for name in ("spec.json", "provenance.json", "result.json"):
            self._client.log_artifact(self.mlflow_id, str(self._run.path / name))
        for last in sorted(self._run.checkpoints.glob("[0-9]*.safetensors"))[-1:]:
            self._client.log_artifact(self.mlflow_id, str(last), "checkpoint")

    def _set_status(self, status: str) -> None:
        if status in ("RUNNING", "SCHEDULED"):
            self._client.update_run(self.mlflow_id, status=status)
        else:
            self._client.set_terminated(self.mlflow_id, status)
        self._status = status


def reached(uri: str, act: Callable[[], Any]) -> None:
    """Do what needs the store; raises BenchError where it is away or cannot be written."""
    try:
        act()
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise BenchError(redact(f"{uri} cannot be written ({first})")) from None


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
    return (folder / "artifacts" / name).as_uri()


def _find(client: MlflowClient, experiment: str, tags: dict[str, str]) -> Run | None:
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found: Sequence[Run] = client.search_runs([experiment], wanted, max_results=1)
    return found[0] if found else None


def _children_of(client: MlflowClient, experiment: str, parent: str) -> dict[str, Run]:
    """By the id of their run directory; one question for all, as a hundred take seconds."""
    wanted = f"tags.`mlflow.parentRunId` = '{parent}'"
    found = client.search_runs([experiment], wanted, max_results=MOST_RUNS)
    return {run.data.tags["bench.run_id"]: run for run in found}


def metrics_of(row: Row) -> Iterator[Metric]:
    for column, value in row.values.items():
        yield Metric(metric_name(row.kind, column), value, int(row.time * 1000), row.step)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Whole rows, at most BATCH metrics a call, so that a row is there in full or not at all."""
    batch: list[Row] = []
    metrics = 0
    for row in rows:
        if batch and metrics + len(row.values) > BATCH:
            yield batch
            batch, metrics = [], 0
        batch.append(row)
        metrics += len(row.values)
    if batch:
        yield batch
