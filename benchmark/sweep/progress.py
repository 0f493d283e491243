"""The status of a sweep and its runs, as it changes."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Self

from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.durations import duration
from benchmark.errors import BenchError
from benchmark.numbers import significant
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import Follow, RunStatus

ORDER = ("running", "failed", "stopped", "queued", "done")
TELL_EVERY_S = 15.0
REFRESH_EVERY_S = 1.0
WIDE = 110  # columns from which the table says all
SHARE = 0.05  # of the time may be spent on drawing, however many runs there are


class Progress:
    """The runs of a sweep, shown once a second, or less often if that is slow; call `update` often.

    A context manager: it shows them a last time on exit.
    """

    def __init__(
        self,
        plan: Plan,
        runs: Sequence[tuple[PlannedRun, RunDirectory]],
        show: Callable[[list[RunStatus]], None],
    ) -> None:
        self._runs = [Follow(each.label, each.spec, run, plan.evaluation) for each, run in runs]
        self._show = show
        self._known: dict[Follow, RunStatus] = {}
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.update(last=True)

    def update(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now < self._due and not last:
            return
        for run in self._runs:
            with suppress(BenchError):  # damaged: the tables refuse it at the end; the others go on
                self._known[run] = run.look()
        statuses = [self._known[run] for run in self._runs if run in self._known]
        took = time.monotonic() - now
        self._due = now + max(REFRESH_EVERY_S, took / SHARE)
        self._show(statuses)


class Changes:
    """Tells of each run whose state changes, and now and then of each that is running.

    After these of the sweep, while it goes on.
    """

    def __init__(
        self,
        tell_run: Callable[[RunStatus], None],
        tell_sweep: Callable[[list[RunStatus]], None],
    ) -> None:
        self._tell_run, self._tell_sweep = tell_run, tell_sweep
        self._told = 0.0
        self._states: dict[str, str] = {}

    def __call__(self, statuses: list[RunStatus]) -> None:
        now = time.monotonic()
        due = now - self._told >= TELL_EVERY_S
        told = False
        for each in statuses:
            changed = self._states.get(each.run_id) != each.state
            if each.state != "queued" and (changed or (due and each.state == "running")):
                self._tell_run(each)
                told = True
            self._states[each.run_id] = each.state
        self._told = now if due else self._told
        if told and len(statuses) > 1 and any(each.state == "running" for each in statuses):
            self._tell_sweep(statuses)


def _number(value: float | None) -> str:
    return "" if value is None else significant(value)


def _speed(each: RunStatus) -> str:
    known = each.steps_a_second is not None and each.step < each.steps
    return f"{each.steps_a_second:.2g} steps/s" if known else ""


def _left(each: RunStatus) -> str:
    if each.state == "running" and not each.step:
        return "getting ready"  # real images are judged before the first step
    if each.state == "running" and each.step == each.steps:
        return "evaluating"
    return "" if each.seconds_left is None else f"{duration(each.seconds_left)} left"


def line(each: RunStatus) -> str:
    """How a run stands, on one line."""
    said = [
        f"{each.label}: {each.state}, step {each.step} of {each.steps}",
        _speed(each),
        _left(each),
        "" if each.signal is None else f"signal {_number(each.signal)}",
        "collapsed" if each.collapsed else "",
        "" if each.distance is None else f"distance {_number(each.distance)}",
    ]
    return ", ".join(filter(None, said))


def sweep_left(statuses: Sequence[RunStatus]) -> float | None:
    """Seconds until all runs have ended, if they go on as now; None while no speed is known.

    Runs that wait are taken to be as quick as those that run, and as many to run at once.
    """
    going = [each for each in statuses if each.state == "running"]
    speeds = [each.steps_a_second for each in going if each.steps_a_second]
    if not speeds:
        return None
    usual = len(speeds) / sum(1 / speed for speed in speeds)
    lefts = {
        each.run_id: (each.steps - each.step) / (each.steps_a_second or usual)
        for each in statuses
        if each.state in ("queued", "stopped", "running")
    }
    longest = max(lefts[each.run_id] for each in going)
    return max(longest, sum(lefts.values()) / len(going))


def sweep_line(statuses: Sequence[RunStatus]) -> str:
    """ "sweep: 2 of 6 runs done, 1 failed, 3 running, about 12 min left"."""
    found, left = counts(statuses), sweep_left(statuses)
    said = [f"sweep: {found['done']} of {len(statuses)} runs done"]
    said += [f"{found[state]} {state}" for state in ("failed", "running") if found[state]]
    return ", ".join([*said, *([] if left is None else [f"about {duration(left)} left"])])


def record(each: RunStatus) -> dict[str, Any]:
    """For programs; what is not known is None."""
    return {**asdict(each), "seconds_left": each.seconds_left}


def screen(statuses: Sequence[RunStatus], height: int, width: int) -> Group:
    """A line a run as far as there is room, and one for the sweep."""
    most = max(0, height - 3)  # below the head, above the sweep's line and the cursor's
    said = sweep_line(statuses)
    if len(statuses) > most:
        said += f"; {most} are shown"
    return Group(table(statuses, most, width), Text(said, no_wrap=True, overflow="ellipsis"))


def table(statuses: Sequence[RunStatus], most: int, width: int) -> Table:
    """A line a run, on so many columns.

    If there are more than `most`, running and failed ones come first.
    """
    shown = statuses
    if len(statuses) > most:
        first = sorted(range(len(statuses)), key=lambda i: ORDER.index(statuses[i].state))
        shown = [statuses[i] for i in sorted(first[:most])]
    wide = width >= WIDE
    heads = ["run", "state", "step", "", "speed", "time left", "signal", "distance"]
    kept = [i for i, head in enumerate(heads) if wide or head not in ("", "speed", "signal")]
    drawn = Table(box=None, pad_edge=False)
    for i in kept:
        drawn.add_column(heads[i], no_wrap=i > 0)  # of names alone rich may take room away
    for row in map(_cells, shown):
        drawn.add_row(*(Text(row[i], no_wrap=True, overflow="ellipsis") for i in kept))
    return drawn


def _cells(each: RunStatus) -> list[str]:
    filled = round(20 * each.step / each.steps)
    return [
        each.label,
        f"{each.state}, collapsed" if each.collapsed else each.state,
        f"{each.step}/{each.steps}",
        "█" * filled + "░" * (20 - filled),
        _speed(each),
        _left(each).removesuffix(" left"),
        _number(each.signal),
        _number(each.distance),
    ]


def counts(statuses: Sequence[RunStatus]) -> dict[str, int]:
    """Runs by state; the collapsed ones are counted among the others too."""
    found = {state: sum(each.state == state for each in statuses) for state in ORDER}
    return {**found, "collapsed": sum(each.collapsed for each in statuses)}


def counted(statuses: Sequence[RunStatus]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts(statuses).items() if count)
