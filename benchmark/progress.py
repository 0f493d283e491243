"""A progress line per run: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmark.ablation import PlannedRun
from benchmark.runs import RunDirectory
from benchmark.standing import Follow, Standing

ORDER = ("running", "failed", "stopped", "queued", "done")
PLAIN_EVERY_S = 15.0
REFRESH_EVERY_S = 1.0
SHARE = 0.05  # of the time that drawing may take, however many runs there are


class Progress:
    """Call `update` often; it draws once a second, less often where a look takes long."""

    def __init__(self, runs: Sequence[tuple[PlannedRun, RunDirectory]], console: Console) -> None:
        self._runs = [Follow(each.label, each.spec, run) for each, run in runs]
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._due = self._printed = 0.0
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
        if now < self._due and not last:
            return
        standings = [run.look() for run in self._runs]
        took = time.monotonic() - now
        self._due = now + max(REFRESH_EVERY_S, took / SHARE)
        if self._live:
            self._live.update(table(standings, self._console.height - 2), refresh=True)
            return
        due = now - self._printed >= PLAIN_EVERY_S
        for each in standings:
            changed = self._states.get(each.label) != each.state
            if each.state != "queued" and (changed or (due and each.state == "running")):
                self._console.print(line(each), markup=False, highlight=False, soft_wrap=True)
            self._states[each.label] = each.state
        self._printed = now if due else self._printed


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def speed_and_left(each: Standing) -> list[str]:
    """ "8.1 steps/s, 3 min left", as far as known."""
    if each.steps_a_second is None or each.seconds_left is None:
        return []
    left = each.seconds_left
    words = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    return [f"{each.steps_a_second:.2g} steps/s", f"{words} left"]


def line(each: Standing) -> str:
    parts = [f"{each.label}: {each.state}, step {each.step} of {each.steps}"]
    parts += speed_and_left(each)
    if each.signal is not None:
        parts.append(f"signal {_number(each.signal)}")
    if each.collapsed:
        parts.append("collapsed")
    if each.distance is not None:
        parts.append(f"distance {_number(each.distance)}")
    return ", ".join(parts)


def table(standings: Sequence[Standing], most: int) -> Table:
    """One line a run; where they are more than `most`, those that go on or failed come first."""
    heads = ("run", "state", "step", "", "speed and time left", "signal", "distance")
    drawn = Table(*heads, box=None, pad_edge=False)
    shown = standings
    if len(standings) > most:
        first = sorted(range(len(standings)), key=lambda i: ORDER.index(standings[i].state))
        shown = [standings[i] for i in sorted(first[:most])]
        drawn.caption = f"{len(shown)} of {len(standings)} runs; {counted(standings)}"
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


def counts(standings: Sequence[Standing]) -> dict[str, int]:
    """Runs by state; the collapsed ones are counted among the others too."""
    found = {state: sum(each.state == state for each in standings) for state in ORDER}
    return {**found, "collapsed": sum(each.collapsed for each in standings)}


def counted(standings: Sequence[Standing]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts(standings).items() if count)
