"""A progress line per run: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

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


class Progress:
    """Call `update` often; it draws no more than once a second."""

    def __init__(self, runs: Sequence[tuple[PlannedRun, RunDirectory]], console: Console) -> None:
        self._runs, self._console = runs, console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._drawn = self._printed = 0.0
        self._states: dict[str, str] = {}

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.update(last=True)
        if self._live:
            self._live.__exit__(None, None, None)

    def update(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self._drawn < REFRESH_EVERY_S and not last:
            return
        self._drawn = now
        standings = [standing(planned, run) for planned, run in self._runs]
        if self._live:
            self._live.update(_table(standings), refresh=True)
            return
        due = now - self._printed >= PLAIN_EVERY_S
        for each in standings:
            changed = self._states.get(each.label) != each.state
            if each.state != "queued" and (changed or (due and each.state == "running")):
                self._console.print(_line(each), markup=False, highlight=False, soft_wrap=True)
            self._states[each.label] = each.state
        self._printed = now if due else self._printed


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
