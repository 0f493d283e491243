"""Audit MLflow: which of its runs differ from the run directories."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient
from pydantic import ValidationError

from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import signal
from benchmark.redact import redact
from benchmark.runs.directory import RunDirectory
from benchmark.runs.doctor import Fault
from benchmark.tracking.labels import JUDGES, is_ours
from benchmark.tracking.moved import moved_experiments, put_right
from benchmark.tracking.seal import files_of
from benchmark.tracking.store import client_of, reached, sqlite_file
from benchmark.tracking.tracked_run import STATUS, judged, metrics_of, set_status

_SYNC = "`bench sync FILE` brings it up to date"
_ANEW = "deleting it there; `bench sync FILE` makes it again from the run directory"


def faults_of_view(uri: str, runs: Path) -> list[Fault]:
    """Of every run of this harness in the store; none where there is no store yet.

    Raises BenchError where the store cannot be reached, and so do their repairs.
    """
    found: list[Fault] = []
    store = sqlite_file(uri)
    if store is None or store.exists():
        reached(uri, lambda: found.extend(_faults(client_of(uri), uri, runs)))
    return [replace(each, fix=each.fix and partial(reached, uri, each.fix)) for each in found]


def _faults(client: MlflowClient, uri: str, runs: Path) -> Iterator[Fault]:
    for experiment, here in moved_experiments(client, uri):
        what = f"artifacts at {experiment.artifact_location}, not beside the store"
        put = partial(put_right, uri, experiment, here)
        yield Fault(f"{redact(uri)}: {experiment.name}", what, put, f"using {here}")
    parents: dict[str, Run] = {}
    states: dict[str, set[str]] = {}
    once: set[tuple[str, str]] = set()
    for shown in _all_runs(client):
        tags = shown.data.tags
        if "bench.plan" in tags:
            parents[shown.info.run_id] = shown
        if "bench.run_id" not in tags:
            continue
        where = f"{redact(uri)}: {shown.info.run_name} ({tags['bench.run_id']})"
        run = RunDirectory(runs / tags["bench.run_id"])
        at = tags.get("mlflow.parentRunId", ""), run.run_id
        if at in once:  # a deleted one was restored
            delete = partial(client.delete_run, shown.info.run_id)
            yield Fault(where, "it is there twice", delete, "deleting this one there")
            continue
        once.add(at)
        if not (run.path / "spec.json").exists():
            yield Fault(where, f"there is no such run in {runs}", serious=False)
            continue
        try:
            states.setdefault(at[0], set()).add(run.state())
            yield from list(_faults_of_run(client, where, shown, run))
        except (KeyError, ValidationError):  # its tags are another version's, or were changed
            yield Fault(where, f"its tag {JUDGES} is not one of this version", serious=False)
        except BenchError as error:  # its description or result is damaged, or its method not here
            yield Fault(where, str(error), serious=False)
    for run_id, parent in parents.items():
        now = states.get(run_id, set())
        if parent.info.status == "RUNNING" and "running" not in now:
            status = "FINISHED" if now == {"done"} else "KILLED"
            fix = partial(client.set_terminated, run_id, status)
            where = f"{redact(uri)}: {parent.info.run_name}"
            yield Fault(where, "RUNNING, but none of its runs is", fix, f"making it {status}")


def _faults_of_run(
    client: MlflowClient, where: str, shown: Run, run: RunDirectory
) -> Iterator[Fault]:
    state = run.state()
    # A waiting run is SCHEDULED while something may start it.
    wanted = {"SCHEDULED", "KILLED"} if state == "queued" else {STATUS[state]}
    if shown.info.status not in wanted:
        fix = partial(set_status, client, shown.info.run_id, STATUS[state], state)
        yield Fault(where, f"{shown.info.status}, but it is {state}", fix, f"making it {state}")
    if state == "running":
        return  # it may be a few seconds behind
    truth: dict[str, dict[int, float]] = {}
    for metric in _truth(shown, run):
        truth.setdefault(metric.key, {})[metric.step] = metric.value
    missing = 0
    for name in sorted({*truth, *filter(is_ours, shown.data.metrics)}):
        there = client.get_metric_history(shown.info.run_id, name)
        points = {point.step: point.value for point in there}
        values = truth.get(name, {})
        if len(points) < len(there) or any(values.get(s) != v for s, v in points.items()):
            delete = partial(client.delete_run, shown.info.run_id)
            yield Fault(where, f"{name} is not what the run directory holds", delete, _ANEW)
            return
        missing += len(values) - len(points)
    if missing:
        yield Fault(where, f"{missing} points of the run directory are not there", how=_SYNC)
    yield from _faults_of_files(client, where, shown.info.run_id, files_of(run, state))


def _faults_of_files(
    client: MlflowClient, where: str, run_id: str, files: dict[str, Path]
) -> Iterator[Fault]:
    """Of those that are not there, or were cut short."""
    folders = {name.rpartition("/")[0] for name in files}
    there = [item for folder in folders for item in client.list_artifacts(run_id, folder)]
    sizes = {item.path: item.file_size for item in there}
    for name, path in files.items():
        if sizes.get(name) != path.stat().st_size:
            put = partial(client.log_artifact, run_id, str(path), name.rpartition("/")[0] or None)
            yield Fault(where, f"{name} is not that of the run directory", put, "copying it there")


def _truth(shown: Run, run: RunDirectory) -> Iterator[Metric]:
    """Everything that MLflow should hold on a run."""
    watched = signal(run.spec().method)
    for row in run.rows():
        yield from metrics_of(row, watched)
    for metrics in judged(run, EvaluationSettings.model_validate_json(shown.data.tags[JUDGES])):
        yield from metrics


def _all_runs(client: MlflowClient) -> Iterator[Run]:
    for experiment in client.search_experiments():
        token = None
        while True:
            page = client.search_runs([experiment.experiment_id], page_token=token)
            yield from page
            token = page.token
            if not token:
                break
