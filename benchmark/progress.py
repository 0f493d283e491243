"""Where the runs of a sweep stand: live on a terminal, else as lines, as records, or not at all."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmark.ablation import PlannedRun
from benchmark.evaluation.settings import distance_column
from benchmark.methods import signal
from benchmark.runs import Row, RunDirectory

PLAIN_EVERY_S = 15.0
REFRESH_EVERY_S = 1.0
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
    steps_a_second: float | None  # over its last rows; None unless it is running

    @property
    def seconds_left(self) -> float | None:
        speed = self.steps_a_second
        return (self.steps - self.step) / speed if speed else None


def standing(planned: PlannedRun, run: RunDirectory) -> Standing:
    """Read off the run directory, as everything else is."""
    rows = run.rows()

    def last(kind: str, column: str) -> float | None:
        found = (row.values[column] for row in reversed(rows) if _has(row, kind, column))
        return next(found, None)

    spec, state = planned.spec, run.state()
    return Standing(
        run_id=planned.run_id,
        label=planned.label,
        state=state,
        step=rows[-1].step if rows else 0,
        steps=spec.training.steps,
        signal=last("train", signal(spec.method)),
        distance=last("eval", distance_column(spec.evaluation.features)),
        steps_a_second=_speed(rows) if state == "running" else None,
    )


def _speed(rows: list[Row]) -> float | None:
    """Steps a second, evaluations included, over the last rows; None where that says nothing."""
    recent = [row for row in rows if row.kind == "train"][-SPEED_ROWS:]
    if len(recent) < 2 or recent[-1].time <= recent[0].time:
        return None
    return (recent[-1].step - recent[0].step) / (recent[-1].time - recent[0].time)


def _has(row: Row, kind: str, column: str) -> bool:
    return row.kind == kind and column in row.values


class Progress(ABC):
    """Call `update` often; it looks at the runs no more than once a second.

    A context manager: it looks a last time when it is left.
    """

    def __init__(self, runs: Sequence[tuple[PlannedRun, RunDirectory]]) -> None:
        self._runs = runs
        self._looked = 0.0
        self._ended: dict[str, Standing] = {}  # their rows are read once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.update(last=True)

    def update(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self._looked < REFRESH_EVERY_S and not last:
            return
        self._looked = now
        self._show([self._standing(planned, run) for planned, run in self._runs])

    def _standing(self, planned: PlannedRun, run: RunDirectory) -> Standing:
        found = self._ended.get(planned.run_id) or standing(planned, run)
        if found.state in ("done", "failed"):
            self._ended[planned.run_id] = found
        return found

    @abstractmethod
    def _show(self, standings: list[Standing]) -> None: ...


class LiveProgress(Progress):
    """A table on a terminal, drawn again and again in its place."""

    def __init__(self, runs: Sequence[tuple[PlannedRun, RunDirectory]], console: Console) -> None:
        super().__init__(runs)
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._live.__exit__(None, None, None)

    def _show(self, standings: list[Standing]) -> None:
        self._live.update(_table(standings), refresh=True)


class LineProgress(Progress):
    """A line for each run whose state changes, and now and then for each that is running."""

    def __init__(
        self, runs: Sequence[tuple[PlannedRun, RunDirectory]], say: Callable[[str], None]
    ) -> None:
        super().__init__(runs)
        self._say = say
        self._said = 0.0
        self._states: dict[str, str] = {}

    def _show(self, standings: list[Standing]) -> None:
        due = self._looked - self._said >= PLAIN_EVERY_S
        for each in standings:
            changed = self._states.get(each.run_id) != each.state
            if each.state != "queued" and (changed or (due and each.state == "running")):
                self._say_one(each)
            self._states[each.run_id] = each.state
        self._said = self._looked if due else self._said

    def _say_one(self, each: Standing) -> None:
        self._say(_line(each))


class JsonProgress(LineProgress):
    """The same as records; what is not known yet is null."""

    def __init__(
        self,
        runs: Sequence[tuple[PlannedRun, RunDirectory]],
        write: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(runs, say=lambda line: None)
        self._write = write

    def _say_one(self, each: Standing) -> None:
        self._write(
            {
                "event": "run",
                "run": each.run_id,
                "label": each.label,
                "state": each.state,
                "step": each.step,
                "steps": each.steps,
                "steps_per_second": each.steps_a_second,
                "seconds_left": each.seconds_left,
                "signal": each.signal,
                "distance": each.distance,
            }
        )


class SilentProgress(Progress):
    """Nothing at all."""

    def update(self, *, last: bool = False) -> None:
        pass

    def _show(self, standings: list[Standing]) -> None:
        pass


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _speed_and_left(each: Standing) -> list[str]:
    """ "8.1 steps/s, 3 min left", as far as known."""
    if each.steps_a_second is None or each.seconds_left is None:
        return []
    left = each.seconds_left
    words = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    return [f"{each.steps_a_second:.2g} steps/s", f"{words} left"]


def _line(each: Standing) -> str:
    parts = [f"{each.label}: {each.state}, step {each.step} of {each.steps}"]
    if each.state == "running" and not each.step:
        parts.append("getting ready")  # real images are judged before the first step
    parts += _speed_and_left(each)
    if each.signal is not None:
        parts.append(f"signal {_number(each.signal)}")
    if each.distance is not None:
        parts.append(f"distance {_number(each.distance)}")
    return ", ".join(parts)


def _table(standings: list[Standing]) -> Table:
    heads = ("run", "state", "step", "", "speed and time left", "signal", "distance")
    table = Table(*heads, box=None, pad_edge=False)
    for each in standings:
        filled = round(20 * each.step / each.steps)
        table.add_row(
            each.label,
            each.state,
            f"{each.step}/{each.steps}",
            "█" * filled + "░" * (20 - filled),
            ", ".join(_speed_and_left(each)),
            _number(each.signal),
            _number(each.distance),
        )
    return table
