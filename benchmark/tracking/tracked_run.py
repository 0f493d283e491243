"""One run in MLflow: which part of its directory is logged, and what is logged next."""

from collections.abc import Iterable, Iterator

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from benchmark.ablation.plan import PlannedRun
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import signal
from benchmark.runs.directory import Kind, Row, RunDirectory, State, Tail
from benchmark.runs.evaluations import EvaluationRow, Evaluations
from benchmark.runs.weights import listed
from benchmark.tracking.labels import accepted, judged_name, metric_name, parameters

BATCH = 1000  # metrics in one call, the most that MLflow takes
PARAMETERS = 100  # in one call, likewise
LONGEST_VALUE = 6000  # characters of a parameter's value, likewise
STATUS: dict[State, str] = {
    "done": "FINISHED",
    "failed": "FAILED",
    "running": "RUNNING",
    "stopped": "KILLED",
    "queued": "SCHEDULED",
}


class TrackedRun:
    """One run in MLflow, and how much of it is logged."""

    def __init__(
        self,
        client: MlflowClient,
        found: Run,
        planned: PlannedRun,
        run: RunDirectory,
        evaluation: EvaluationSettings,
        fresh: bool,
    ) -> None:
        """`found` is the run in MLflow; a `fresh` one holds nothing yet."""
        self._client, self._run, self._tail = client, run, Tail(run)
        self._evaluation, self.mlflow_id = evaluation, str(found.info.run_id)
        self._signal = signal(planned.spec.method)
        if not found.data.params:  # also when the writer died right after making the run
            shown = [
                Param(accepted(key), str(value)[:LONGEST_VALUE])
                for key, value in parameters(planned).items()
            ]
            for first in range(0, len(shown), PARAMETERS):
                client.log_batch(found.info.run_id, params=shown[first : first + PARAMETERS])
        self._artifacts: set[str] = set()
        if not fresh:
            listed = client.list_artifacts(found.info.run_id, "samples")
            self._artifacts = {item.path for item in listed}
        self._status, self._state = found.info.status, found.data.tags.get("state")
        self._described = "data" in found.data.tags
        self._found = found
        self._logged: dict[Kind, int] = {}  # the last step that is there, once it is asked for
        self._judged: dict[str, set[int]] = {}  # by metric, the steps that are there
        self._ended: State | None = None  # with all of it logged

    def sync(self) -> State:
        if self._ended is not None:
            return self._ended
        state = self._run.state()  # before the rows: a done run's rows are all there
        self._describe()
        self._log_rows()
        self._log_evaluations()
        self._log_grids()
        if (self._status, self._state) != (STATUS[state], state):
            if state == "done":
                self._log_files()
            set_status(self._client, self.mlflow_id, STATUS[state], state)
            self._status, self._state = STATUS[state], state
        if state in ("done", "failed") and not self._run.is_locked():  # else it is evaluated
            self._ended = state
        return state

    def give_up(self) -> None:
        """No process is left that would start this run if it is still waiting."""
        if self._status == "SCHEDULED":
            self._client.set_terminated(self.mlflow_id, "KILLED")
            self._status = "KILLED"

    def _is_new(self, row: Row) -> bool:
        if row.kind not in self._logged:
            # Of one of its own metrics: people may have added others to the run.
            names = [each.key for each in metrics_of(row, self._signal)]
            known = [name for name in names if name in self._found.data.metrics]
            self._logged[row.kind] = max(self._steps_of(known[0]) if known else (), default=-1)
        return row.step > self._logged[row.kind]

    def _steps_of(self, name: str) -> set[int]:
        return {int(each.step) for each in self._client.get_metric_history(self.mlflow_id, name)}

    def _log_evaluations(self) -> None:
        for name, settings in self._evaluation.judges.items():
            found, metrics = Evaluations.of(self._run.path, settings), []
            for row in found.rows() if found is not None else ():
                for metric in judged_metrics(self._evaluation, name, row) if row.draw == 0 else ():
                    if metric.key not in self._judged:
                        old = metric.key in self._found.data.metrics
                        self._judged[metric.key] = self._steps_of(metric.key) if old else set()
                    if row.step not in self._judged[metric.key]:
                        metrics.append(metric)
            for first in range(0, len(metrics), BATCH):
                self._client.log_batch(self.mlflow_id, metrics=metrics[first : first + BATCH])
            for metric in metrics:
                self._judged[metric.key].add(metric.step)

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
        new = (row for row in self._tail.new() if self._is_new(row))
        try:
            for rows in batches(new):
                metrics = [metric for row in rows for metric in metrics_of(row, self._signal)]
                self._client.log_batch(self.mlflow_id, metrics=metrics)
                for row in rows:
                    self._logged[row.kind] = row.step
        except BaseException:
            self._tail = Tail(self._run)  # what was read and not logged is read again
            raise

    def _log_grids(self) -> None:
        for path in sorted(self._run.samples.glob("[0-9]*.png")):
            if f"samples/{path.name}" not in self._artifacts:
                self._client.log_artifact(self.mlflow_id, str(path), "samples")
                self._artifacts.add(f"samples/{path.name}")

    def _log_files(self) -> None:
        for name in ("spec.json", "provenance.json", "result.json"):
            self._client.log_artifact(self.mlflow_id, str(self._run.path / name))
        for last in listed(self._run.checkpoints)[-1:]:
            self._client.log_artifact(self.mlflow_id, str(last), "checkpoint")


def set_status(client: MlflowClient, run_id: str, status: str, state: str) -> None:
    if status in ("RUNNING", "SCHEDULED"):
        client.update_run(run_id, status=status)
    else:
        client.set_terminated(run_id, status)
    client.set_tag(run_id, "state", state)


def metrics_of(row: Row, signal: str) -> Iterator[Metric]:
    for column, value in row.values.items():
        yield Metric(metric_name(row.kind, column, signal), value, int(row.time * 1000), row.step)


def judged_metrics(
    evaluation: EvaluationSettings, judge: str, row: EvaluationRow
) -> Iterator[Metric]:
    for column, value in row.values.items():
        name = judged_name(evaluation, judge, column)
        yield Metric(name, value, int(row.time * 1000), row.step)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Complete rows, at most BATCH metrics per call, so that a row is logged in full or not at
    all."""
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
