"""One run in MLflow: which part of its directory is logged, and what is logged next."""

from collections.abc import Iterable, Iterator, Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import signal
from benchmark.runs.directory import Kind, Row, RunDirectory, State, Tail
from benchmark.runs.evaluations import Evaluations
from benchmark.tracking.labels import (
    ORIGIN,
    accepted,
    is_judged,
    is_ours,
    judged_name,
    metric_name,
    parameters,
)
from benchmark.tracking.seal import ENDED, SEAL, files_of, mark, seal_of

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
Point = tuple[str, int]  # of a metric: its name and step


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
        self._seal = self._tags.get(SEAL)
        self._ended: State | None = None  # with all of it logged
        self._log_parameters(planned, found.data.params)
        self._begin(empty=not found.data.metrics)

    def _begin(self, *, empty: bool) -> None:
        """Read the directory from its start, and ask for what MLflow holds unless it is `empty`."""
        self._tail = Tail(self._run)
        self._reached: dict[Kind, int] = {}  # the last step that was read
        self._judged: dict[Point, float] = {}  # what is there
        self._files: dict[str, str] = {}  # what is there, and its mark
        # What is there and was not met in the directory yet; None: not asked for yet.
        self._left: dict[Point, float] | None = {} if empty else None

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
            new, settled = self._take_over(state, last=last)
            if self._seal is not None:  # a writer that dies leaves no seal of what is not there
                self._client.delete_tag(self.mlflow_id, SEAL)
                self._seal = None
            self._describe()
            for metrics in batches(new):
                self._client.log_batch(self.mlflow_id, metrics=metrics)
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

    def _seal_of(self, state: State) -> str | None:
        """Of the directory as it is now."""
        return seal_of(self._run, state, self._evaluation, self._signal)

    def _take_over(self, state: State, *, last: bool) -> tuple[list[list[Metric]], bool]:
        """As `_compare`, of a run that another runs folder may have logged."""
        foreign = bool(self._origin) and self._tags.get(ORIGIN, self._origin) != self._origin
        try:
            found = self._compare(state, last=last or foreign)
        except Changed as changed:
            if not foreign:
                raise
            # Two that renewed each other's would never end.
            raise BenchError(
                f"MLflow shows it from another runs folder: {changed}; delete it there to show "
                "this one"
            ) from None
        if self._origin and self._tags.get(ORIGIN) != self._origin:
            self._client.set_tag(self.mlflow_id, ORIGIN, self._origin)
            self._tags[ORIGIN] = self._origin
        return found

    def _compare(self, state: State, *, last: bool) -> tuple[list[list[Metric]], bool]:
        """The rows of metrics that MLflow lacks; and whether what it holds is in the directory.

        Raises Changed where it is not. Rows that a resumed run will write again may stay, and what
        judges correct until the `last` time, as they correct one snapshot after another.
        """
        before = self._ended_there()
        if before is not None and state in ENDED and state != before:
            raise Changed(f"it was {before} and is {state}")
        provenance = self._run.provenance()
        trained_on = self._tags.get("data.fingerprint")
        if provenance and trained_on not in (None, provenance["data"]["fingerprint"]):
            raise Changed("it was trained on other data")
        rows, judgements = self._read(), list(judged(self._run, self._evaluation))
        said = {(each.key, each.step): each for row in judgements for each in row}
        rows += [[m for m in row if (m.key, m.step) not in self._judged] for row in judgements]
        if self._left is None:
            self._left = self._held()
        new = []
        for row in rows:
            new.append([each for each in row if (each.key, each.step) not in self._left])
            for metric in row:
                value = self._left.pop((metric.key, metric.step), metric.value)
                if value != metric.value:
                    raise _other(metric.key, metric.step, value, metric)
        for (name, step), value in self._left.items():
            if state in ENDED or before or is_judged(name, self._signal):
                raise _other(name, step, value, None)
        self._judged = {at: metric.value for at, metric in said.items()} | self._judged
        settled = True
        for at, value in self._judged.items():
            if at not in said or said[at].value != value:
                if last:
                    raise _other(*at, value, said.get(at))
                settled = False
        return new, settled

    def _read(self) -> list[list[Metric]]:
        """The rows since the last call; all of them again where a resumption has cut some off."""
        rows = self._tail.new()
        if rows and rows[0].step <= self._reached.get(rows[0].kind, -1):
            self._begin(empty=False)
            rows = self._tail.new()
        self._reached |= {row.kind: row.step for row in rows}
        return [list(metrics_of(row, self._signal)) for row in rows]

    def _held(self) -> dict[Point, float]:
        """What MLflow holds of this harness's metrics."""
        held: dict[Point, float] = {}
        for name in filter(is_ours, self._client.get_run(self.mlflow_id).data.metrics):
            for point in self._client.get_metric_history(self.mlflow_id, name):
                if (name, int(point.step)) in held:
                    raise Changed(f"{name} had a step twice")
                held[name, int(point.step)] = float(point.value)
        return held

    def _put_seal(self, seal: str, state: State) -> None:
        """If nothing has come since `seal` was taken."""
        if seal != self._seal:
            if self._seal_of(state) != seal:
                return
            self._refuse_foreign_files(state)
            self._client.set_tag(self.mlflow_id, SEAL, seal)
            self._seal = seal
        self._ended = state
        self._begin(empty=True)  # it needs no memory any more

    def _log_parameters(self, planned: PlannedRun, known: Mapping[str, str]) -> None:
        """Those that are not there: all, or what is swept since."""
        shown = ((accepted(key), str(value)) for key, value in parameters(planned).items())
        new = [Param(key, value[:LONGEST_VALUE]) for key, value in shown if key not in known]
        for first in range(0, len(new), PARAMETERS):
            self._client.log_batch(self.mlflow_id, params=new[first : first + PARAMETERS])

    def _describe(self) -> None:
        """Data and code, known once the run has begun; another start may be of other code."""
        provenance = self._run.provenance()
        if provenance is None:
            return
        data, commit = provenance["data"], str(provenance["code"]["commit"])
        tags = {"data": data["title"], "data.fingerprint": data["fingerprint"], "commit": commit}
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


def judged(run: RunDirectory, evaluation: EvaluationSettings) -> Iterator[list[Metric]]:
    """What the judges say now, row by row; the first of several draws."""
    for judge, settings in evaluation.judges.items():
        found = Evaluations.of(run.path, settings)
        for row in found.rows() if found is not None else ():
            if row.draw == 0:
                yield [
                    Metric(
                        judged_name(evaluation, judge, name), value, int(row.time * 1000), row.step
                    )
                    for name, value in row.values.items()
                ]


def batches(rows: Iterable[list[Metric]]) -> Iterator[list[Metric]]:
    """At most BATCH metrics a call, of complete rows: each is logged in full or not at all."""
    batch: list[Metric] = []
    for row in rows:
        if batch and len(batch) + len(row) > BATCH:
            yield batch
            batch = []
        batch = batch + row
    if batch:
        yield batch
