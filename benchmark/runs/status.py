"""Where a run stands, read off its folder, so that it is the same on every executor."""

from dataclasses import dataclass

from benchmark.evaluation.settings import distance_column
from benchmark.methods import signal
from benchmark.runs.directory import Row, RunDirectory, Tail
from benchmark.spec import RunSpec

SPEED_ROWS = 12


@dataclass(frozen=True)
class Standing:
    """Where one run stands."""

    run_id: str
    label: str
    state: str
    step: int
    steps: int
    signal: float | None
    distance: float | None
    collapsed: bool  # at its last evaluation
    steps_a_second: float | None  # over its last rows; None unless it is running
    reason: str | None  # why it failed

    @property
    def seconds_left(self) -> float | None:
        speed = self.steps_a_second
        return (self.steps - self.step) / speed if speed else None


def duration(seconds: float) -> str:
    """ "80 s" or "3 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Follow:
    """Follows one run: every look reads what is new, and a run that has ended is read once."""

    def __init__(self, label: str, spec: RunSpec, run: RunDirectory) -> None:
        self._label, self._spec, self._run = label, spec, run
        self._tail = Tail(run)
        self._signal = signal(spec.method)
        self._distance = distance_column(spec.evaluation.features)
        self._step = 0
        self._last: dict[str, float] = {}
        self._recent: list[tuple[int, float]] = []  # step and time of the last training rows
        self._ended: Standing | None = None

    def look(self) -> Standing:
        if self._ended is not None:
            return self._ended
        result = self._run.result()  # before the rows: an ended run's rows are all there
        state = result.state if result else self._run.state()
        for row in self._tail.new():
            self._take(row)
        found = Standing(
            run_id=self._run.run_id,
            label=self._label,
            state=state,
            step=self._step,
            steps=self._spec.training.steps,
            signal=self._last.get(self._signal),
            distance=self._last.get(self._distance),
            collapsed=self._last.get("collapsed", 0) > 0,
            steps_a_second=self._speed() if state == "running" else None,
            reason=result.reason if result else None,
        )
        if result is not None:
            self._ended = found
        return found

    def _take(self, row: Row) -> None:
        self._step = row.step
        if row.kind == "train":
            kept = [each for each in self._recent if each[0] < row.step]  # a resumed run steps back
            self._recent = [*kept, (row.step, row.time)][-SPEED_ROWS:]
        wanted = (self._signal,) if row.kind == "train" else (self._distance, "collapsed")
        if row.kind != "repeat":
            self._last.update({key: row.values[key] for key in wanted if key in row.values})

    def _speed(self) -> float | None:
        """Steps a second over the last rows, evaluations included; None where they say nothing."""
        if len(self._recent) < 2:
            return None
        (first, began), (last, ended) = self._recent[0], self._recent[-1]
        return (last - first) / (ended - began) if ended > began else None
