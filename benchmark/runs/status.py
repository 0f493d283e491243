"""The status of a run, read from its folder, so that it is the same on every executor."""

from dataclasses import dataclass

from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import signal
from benchmark.runs.directory import Row, RunDirectory, Tail
from benchmark.runs.evaluations import Evaluations
from benchmark.spec import RunSpec

SPEED_ROWS = 12


@dataclass(frozen=True)
class RunStatus:
    """A run's progress and newest values."""

    run_id: str
    label: str
    state: str
    step: int
    steps: int
    signal: float | None
    distance: float | None  # by the headline judge
    collapsed: bool  # at its last evaluation
    steps_a_second: float | None  # over its last rows; None unless it is running
    reason: str | None  # why it failed

    @property
    def seconds_left(self) -> float | None:
        speed = self.steps_a_second
        return (self.steps - self.step) / speed if speed else None


class Follow:
    """Follows one run: every call reads what is new, and a finished run is read once."""

    def __init__(
        self, label: str, spec: RunSpec, run: RunDirectory, evaluation: EvaluationSettings | None
    ) -> None:
        """`evaluation` None: as the run's own folder says."""
        self._label, self._spec, self._run = label, spec, run
        self._evaluation = evaluation or run.evaluation()
        self._evaluated: tuple[float | None, bool] = (None, False)
        self._size = -1  # of the evaluations that were read
        self._tail = Tail(run)
        self._signal = signal(spec.method)
        self._step = 0
        self._value: float | None = None  # of the signal, the last
        self._recent: list[tuple[int, float]] = []  # step and time of the last training rows
        self._ended: RunStatus | None = None

    def look(self) -> RunStatus:
        if self._ended is not None:
            return self._ended
        result = self._run.result()  # before the rows: an ended run's rows are all there
        state = result.state if result else self._run.state()
        if result is not None and self._run.is_locked():
            state = "running"  # its last snapshot is being judged
        for row in self._tail.new():
            self._take(row)
        distance, collapsed = self._evaluations()
        found = RunStatus(
            run_id=self._run.run_id,
            label=self._label,
            state=state,
            step=self._step,
            steps=self._spec.training.steps,
            signal=self._value,
            distance=distance,
            collapsed=collapsed,
            steps_a_second=self._speed() if state == "running" else None,
            reason=result.reason if result else None,
        )
        if result is not None and state != "running":
            self._ended = found
        return found

    def _take(self, row: Row) -> None:
        self._step = row.step
        if row.kind == "train":
            kept = [each for each in self._recent if each[0] < row.step]  # a resumed run steps back
            self._recent = [*kept, (row.step, row.time)][-SPEED_ROWS:]
            self._value = row.values.get(self._signal, self._value)

    def _evaluations(self) -> tuple[float | None, bool]:
        """The newest distance by the headline judge, and whether the run is collapsed by it."""
        if self._evaluation is None:
            return None, False
        headline = self._evaluation.judges[self._evaluation.headline]
        found = Evaluations.of(self._run.path, headline)
        size = found.path.stat().st_size if found is not None and found.path.exists() else 0
        if found is not None and size != self._size:
            self._size = size
            rows = [row for row in found.rows() if row.draw == 0]
            if rows:
                values = rows[-1].values
                below = values.get("spread", 1.0) < self._evaluation.collapse_below
                self._evaluated = values.get("distance"), below
        return self._evaluated

    def _speed(self) -> float | None:
        """Steps per second over the last rows, evaluations included; None if there are too few."""
        if len(self._recent) < 2:
            return None
        (first, began), (last, ended) = self._recent[0], self._recent[-1]
        return (last - first) / (ended - began) if ended > began else None
