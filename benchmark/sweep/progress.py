"""The status of a sweep's runs: live on a terminal, else as lines, as records, or not at all."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import Follow, RunStatus, duration

ORDER = ("running", "failed", "stopped", "queued", "done")
PLAIN_EVERY_S = 15.0
REFRESH_EVERY_S = 1.0
SHARE = 0.05  # of the time that drawing may take, however many runs there are


class Progress(ABC):
    """Call `update` often; it looks once a second, less often where a look takes long.

    A context manager: it looks a last time when it is left.
    """

    def __init__(self, plan: Plan, runs: Sequence[tuple[PlannedRun, RunDirectory]]) -> None:
        self._runs = [Follow(each.label, each.spec, run, plan.evaluation) for each, run in runs]
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.update(last=True)

    def update(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now < self._due and not last:
            return
        statuses = [run.look() for run in self._runs]
        took = time.monotonic() - now
        self._due = now + max(REFRESH_EVERY_S, took / SHARE)
        self._show(statuses)

    @abstractmethod
    def _show(self, statuses: list[RunStatus]) -> None: ...


class LiveProgress(Progress):
    """A table on a terminal, drawn again and again in its place."""

    def __init__(
        self, plan: Plan, runs: Sequence[tuple[PlannedRun, RunDirectory]], console: Console
    ) -> None:
        super().__init__(plan, runs)
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._live.__exit__(None, None, None)

    def _show(self, statuses: list[RunStatus]) -> None:
        self._live.update(table(statuses, self._console.height - 2), refresh=True)


class LineProgress(Progress):
    """A line for each run whose state changes, and now and then for each that is running."""

    def __init__(
        self,
        plan: Plan,
        runs: Sequence[tuple[PlannedRun, RunDirectory]],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(plan, runs)
        self._say = say
        self._said = 0.0
        self._states: dict[str, str] = {}

    def _show(self, statuses: list[RunStatus]) -> None:
        now = time.monotonic()
        due = now - self._said >= PLAIN_EVERY_S
        for each in statuses:
            changed = self._states.get(each.run_id) != each.state
            if each.state != "queued" and (changed or (due and each.state == "running")):
                self._say_one(each)
            self._states[each.run_id] = each.state
        self._said = now if due else self._said

    def _say_one(self, each: RunStatus) -> None:
        self._say(line(each))


class JsonProgress(LineProgress):
    """The same as records; what is not known yet is null."""

    def __init__(
        self,
        plan: Plan,
        runs: Sequence[tuple[PlannedRun, RunDirectory]],
        write: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(plan, runs, say=lambda line: None)
        self._write = write

    def _say_one(self, each: RunStatus) -> None:
        self._write({"event": "run", **record(each)})


class SilentProgress(Progress):
    """Nothing at all."""

    def update(self, *, last: bool = False) -> None:
        pass

    def _show(self, statuses: list[RunStatus]) -> None:
        pass


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def speed_and_left(each: RunStatus) -> list[str]:
    """ "8.1 steps/s, 3 min left", as far as known."""
    if each.state == "running" and each.step == each.steps:
        return ["evaluating"]
    if each.steps_a_second is None or each.seconds_left is None:
        return []
    return [f"{each.steps_a_second:.2g} steps/s", f"{duration(each.seconds_left)} left"]


def line(each: RunStatus) -> str:
    parts = [f"{each.label}: {each.state}, step {each.step} of {each.steps}"]
    if each.state == "running" and not each.step:
        parts.append("getting ready")  # real images are judged before the first step
    parts += speed_and_left(each)
    if each.signal is not None:
        parts.append(f"signal {_number(each.signal)}")
    if each.collapsed:
        parts.append("collapsed")
    if each.distance is not None:
        parts.append(f"distance {_number(each.distance)}")
    return ", ".join(parts)


def record(each: RunStatus) -> dict[str, Any]:
    """For programs; what is not known is None."""
    return {**asdict(each), "seconds_left": each.seconds_left}


def table(statuses: Sequence[RunStatus], most: int) -> Table:
    """One line a run; where they are more than `most`, those that go on or failed come first."""
    heads = ("run", "state", "step", "", "speed and time left", "signal", "distance")
    drawn = Table(*heads, box=None, pad_edge=False)
    shown = statuses
    if len(statuses) > most:
        first = sorted(range(len(statuses)), key=lambda i: ORDER.index(statuses[i].state))
        shown = [statuses[i] for i in sorted(first[:most])]
        drawn.caption = f"{len(shown)} of {len(statuses)} runs; {counted(statuses)}"
    for each in shown:
        filled = round(20 * each.step / each.steps)
        drawn.add_row(
            each.label,
            f"{each.state}, collapsed" if each.collapsed else each.state,
            f"{each.step}/{each.steps}",
            "█" * filled + "░" * (20 - filled),
            ", ".join(speed_and_left(each)),
            _number(each.signal),
            _number(each.distance),
        )
    return drawn


def counts(statuses: Sequence[RunStatus]) -> dict[str, int]:
    """Runs by state; the collapsed ones are counted among the others too."""
    found = {state: sum(each.state == state for each in statuses) for state in ORDER}
    return {**found, "collapsed": sum(each.collapsed for each in statuses)}


def counted(statuses: Sequence[RunStatus]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts(statuses).items() if count)
