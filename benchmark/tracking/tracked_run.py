"""One run in MLflow: which part of its directory is logged, and what is logged next."""

from collections.abc import Iterable, Iterator, Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import signal
from benchmark.runs.directory import Kind, Row, RunDirectory, State, Tail
from benchmark.runs.evaluations import EvaluationRow, Evaluations
from benchmark.tracking.labels import (
    ORIGIN,
    accepted,
    is_judged,
    is_ours,
    judged_name,
    metric_name,
    parameters,
)
from benchmark.tracking.seal import SEAL, Seal, files_of, mark

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
ENDED: tuple[State, ...] = ("done", "failed")


class Changed(Exception):  # noqa: N818 - nothing failed: the run directory is another one now
    """What MLflow holds of a run is not in its directory, and MLflow can take no point back."""


class TrackedRun:
    """One run in MLflow, and how much of it is logged.

    After any error it is of no more use: what MLflow holds has to be asked for again.
    """

    def __init__(
        self,
        client: MlflowClient,
        found: Run,
        planned: PlannedRun,
        run: RunDirectory,
        evaluation: EvaluationSettings,
        origin: str,
    ) -> None:
        """`found` is the run in MLflow, with what it holds; `origin` tells the runs folder from
        those of other machines."""
        self._client, self._run, self._evaluation = client, run, evaluation
        self._origin = origin
        self.mlflow_id, self.since = str(found.info.run_id), found.info.start_time
        self._signal = signal(planned.spec.method)
        self._status, self._tags = found.info.status, dict(found.data.tags)
        self._seal = Seal.read(self._tags.get(SEAL))
        self._ended: State | None = None  # with all of it logged
        self._log_parameters(planned, found.data.params)
        self._begin(empty=not found.data.metrics)

    def _begin(self, *, empty: bool) -> None:
        """Read the directory from its start, and ask for what MLflow holds unless it is `empty`."""
        self._tail = Tail(self._run)
        self._reached: dict[Kind, int] = {}  # the last step that was read
        self._judged: dict[tuple[str, int], float] = {}  # what is there, by metric and step
        self._files: dict[str, str] = {}  # what is there, and its mark
        self._described = False
        # What is there and was not met in the directory yet; None: not asked for yet.
        self._left: dict[str, dict[int, float]] | None = {} if empty else None

    def sync(self, *, last: bool = False) -> State:
        """Log what is new; raises Changed where the run has to be logged anew.

        Raises BenchError where another runs folder's run is shown, which this one would replace.
        `last`: the judges are done, and may have judged an ended run again.
        """
        if self._ended is not None and not last:
            return self._ended
        before = self._ended_there()
        if before is not None and not (self._run.path / "spec.json").exists():
            return before  # its directory is in another place
        if self._ended is not None:
            self._ended = None
            self._begin(empty=False)
        state = self._run.state()  # before the rows: a done run's rows are all there
        seal = self._seal_of(state)
        settled = True
        if seal is None or seal != self._seal:
            self._take_over(state)
            self._break_seal(seal, state)
            self._describe(state)
            self._log_rows()
            settled = self._log_evaluations(last=last)
            self._refuse_left(state)
            self._log_files(state)
        if (self._status, self._tags.get("state")) != (STATUS[state], state):
            set_status(self._client, self.mlflow_id, STATUS[state], state)
            self._status, self._tags["state"] = STATUS[state], state
        if seal is not None and settled and not self._run.is_locked():  # else it is evaluated
            self._put_seal(seal, state)
        return state

    def give_up(self) -> None:
        """No process is left that would start this run if it is still waiting."""
        if self._status == "SCHEDULED":
            self._client.set_terminated(self.mlflow_id, "KILLED")
            self._status = "KILLED"

    def _ended_there(self) -> State | None:
        """How it has ended according to MLflow, if it has."""
        return next((each for each in ENDED if each == self._tags.get("state")), None)

    def _seal_of(self, state: State) -> Seal | None:
        """Of an ended run's directory as it is now."""
        if state not in ENDED:
            return None
        return Seal.of(self._run, state, self._evaluation, self._signal)

    def _take_over(self, state: State) -> None:
        """Before anything is logged of a run that another runs folder logged."""
        there = self._tags.get(ORIGIN)
        if there == self._origin or not self._origin:
            return
        if there is not None:
            try:
                self._compare(state)
            except Changed as changed:  # two that renewed each other's would never end
                raise BenchError(
                    f"MLflow shows it from another runs folder: {changed}; delete it there to show "
                    "this one"
                ) from None
        self._client.set_tag(self.mlflow_id, ORIGIN, self._origin)
        self._tags[ORIGIN] = self._origin

    def _compare(self, state: State) -> None:
        """Raise Changed where MLflow holds what the directory does not; logs nothing."""
        provenance = self._run.provenance()
        if provenance is not None:
            self._refuse_other_data(provenance["data"])
        for row in self._run.rows():
            self._new(metrics_of(row, self._signal))
        self._new(self._said().values())
        self._refuse_left(state)
        self._begin(empty=False)

    def _refuse_other_data(self, data: Mapping[str, str]) -> None:
        if self._tags.get("data.fingerprint", data["fingerprint"]) != data["fingerprint"]:
            raise Changed("it was trained on other data")

    def _break_seal(self, seal: Seal | None, state: State) -> None:
        """Before anything is logged: a writer that dies leaves no seal of what is not there."""
        if self._seal is None:
            return
        if seal is not None and seal.files == self._seal.files:
            self._files = {name: mark(path) for name, path in files_of(self._run, state).items()}
        self._client.delete_tag(self.mlflow_id, SEAL)
        self._seal = None

    def _put_seal(self, seal: Seal, state: State) -> None:
        """If nothing has come since `seal` was taken."""
        if seal != self._seal:
            if self._seal_of(state) != seal:
                return
            self._refuse_foreign_files(state)
            self._client.set_tag(self.mlflow_id, SEAL, str(seal))
            self._seal = seal
        self._ended = state
        self._begin(empty=True)  # it needs no memory any more

    def _log_parameters(self, planned: PlannedRun, known: Mapping[str, str]) -> None:
        """Those that are not there: all, or what is swept since."""
        shown = ((accepted(key), str(value)) for key, value in parameters(planned).items())
        new = [Param(key, value[:LONGEST_VALUE]) for key, value in shown if key not in known]
        for first in range(0, len(new), PARAMETERS):
            self._client.log_batch(self.mlflow_id, params=new[first : first + PARAMETERS])

    def _describe(self, state: State) -> None:
        """Data and code, known once the run has begun; another start may be of other code."""
        if self._described and state not in ENDED:
            return
        provenance = self._run.provenance()
        if provenance is None:
            return
        data, commit = provenance["data"], str(provenance["code"]["commit"])
        tags = {"data": data["title"], "data.fingerprint": data["fingerprint"], "commit": commit}
        self._refuse_other_data(data)
        if "data.fingerprint" not in self._tags:
            dataset = Dataset(
                name=data["title"],
                digest=data["fingerprint"][:36],
                source_type="local",
                source="{}",
            )
            context = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(self.mlflow_id, [DatasetInput(dataset, context)])
        # The tags last: they say that the inputs are there.
        new = [RunTag(key, value) for key, value in tags.items() if self._tags.get(key) != value]
        if new:
            self._client.log_batch(self.mlflow_id, tags=new)
            self._tags |= tags
        self._described = True

    def _log_rows(self) -> None:
        rows = self._tail.new()
        if rows and rows[0].step <= self._reached.get(rows[0].kind, -1):  # a start cut some off
            self._begin(empty=False)
            rows = self._tail.new()
        for row in rows:
            self._reached[row.kind] = row.step
        for metrics in batches(self._new(metrics_of(row, self._signal)) for row in rows):
            self._client.log_batch(self.mlflow_id, metrics=metrics)

    def _log_evaluations(self, *, last: bool) -> bool:
        """Whether MLflow holds what the judges say, and no more.

        What they correct waits until the `last` time, as they correct one snapshot after another.
        """
        said = self._said()
        new = self._new(metric for at, metric in said.items() if at not in self._judged)
        for first in range(0, len(new), BATCH):
            self._client.log_batch(self.mlflow_id, metrics=new[first : first + BATCH])
        self._judged = {at: metric.value for at, metric in said.items()} | self._judged
        for (name, step), value in self._judged.items():
            if (name, step) not in said or said[name, step].value != value:
                if last:
                    raise _other(name, step, value, said.get((name, step)))
                return False
        return True

    def _said(self) -> dict[tuple[str, int], Metric]:
        """What the judges say now, by metric and step."""
        said: dict[tuple[str, int], Metric] = {}
        for name, settings in self._evaluation.judges.items():
            found = Evaluations.of(self._run.path, settings)
            for row in found.rows() if found is not None else ():
                for metric in judged_metrics(self._evaluation, name, row) if row.draw == 0 else ():
                    said[metric.key, metric.step] = metric
        return said

    def _new(self, metrics: Iterable[Metric]) -> list[Metric]:
        """Those that MLflow does not hold; raises Changed where it holds another value."""
        if self._left is None:
            names = self._client.get_run(self.mlflow_id).data.metrics
            self._left = {name: self._history(name) for name in names if is_ours(name)}
        new = []
        for metric in metrics:
            points = self._left.get(metric.key, {})
            if metric.step not in points:
                new.append(metric)
            elif (value := points.pop(metric.step)) != metric.value:
                raise _other(metric.key, metric.step, value, metric)
        return new

    def _history(self, name: str) -> dict[int, float]:
        there = self._client.get_metric_history(self.mlflow_id, name)
        points = {int(point.step): float(point.value) for point in there}
        if len(points) < len(there):
            raise Changed(f"{name} had a step twice")
        return points

    def _refuse_left(self, state: State) -> None:
        """Raise Changed where MLflow holds what the directory does not.

        Rows that a resumed run will write again may stay.
        """
        before = self._ended_there()
        if before is not None and state in ENDED and state != before:
            raise Changed(f"it was {before} and is {state}")
        self._new(())
        for name, points in (self._left or {}).items():
            if points and (state in ENDED or before or is_judged(name, self._signal)):
                step = min(points)
                raise _other(name, step, points[step], None)

    def _log_files(self, state: State) -> None:
        for name, path in files_of(self._run, state).items():
            now = mark(path)
            if self._files.get(name) != now:
                folder = name.rpartition("/")[0]
                self._client.log_artifact(self.mlflow_id, str(path), folder or None)
                self._files[name] = now

    def _refuse_foreign_files(self, state: State) -> None:
        """Raise Changed where MLflow has a grid or checkpoint that the directory does not have."""
        ours = files_of(self._run, state)
        for folder in ("samples", "checkpoint"):
            for item in self._client.list_artifacts(self.mlflow_id, folder):
                if item.path not in ours:
                    raise Changed(f"{item.path} is not in the run directory")


def _other(name: str, step: int, was: float, now: Metric | None) -> Changed:
    return Changed(f"{name} was {was} at step {step} and is {now.value if now else 'no more'}")


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


def batches(rows: Iterable[list[Metric]]) -> Iterator[list[Metric]]:
    """The metrics of complete rows, at most BATCH per call, so that a row is logged in full or not
    at all."""
    batch: list[Metric] = []
    for row in rows:
        if batch and len(batch) + len(row) > BATCH:
            yield batch
            batch = []
        batch = batch + row
    if batch:
        yield batch
