"""The output of `bench run`: lines for people, only the end, or JSON for programs."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from rich.console import Console
from rich.live import Live
from rich.progress import track

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.errors import InputError
from benchmark.redact import redact
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import RunStatus
from benchmark.sweep.progress import (
    Changes,
    Progress,
    counts,
    line,
    record,
    screen,
    sweep_left,
    sweep_line,
)
from benchmark.text import folded

SAY_EVERY_S = 15.0  # where progress is lines
Item = TypeVar("Item")
Runs = Sequence[tuple[PlannedRun, RunDirectory]]


@dataclass(frozen=True)
class Failure:
    """A run without success: it failed, its process ended before it had a result, or it is trained
    and not judged."""

    planned: PlannedRun
    reason: str | None
    log: Sequence[str]  # the last lines of what its process printed


@dataclass(frozen=True)
class Summary:
    """How a sweep went, and where its results are."""

    runs: int
    done: int
    failures: Sequence[Failure]
    stopped: bool
    results: Path
    report: Path
    mlflow: str
    unjudged: Sequence[Failure] = ()  # by one of the judges, the probe or the classifiers


class Output:
    """Full output for people, on a terminal or line by line elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """An incidental message."""
        self._print(text)

    def warn(self, text: str) -> None:
        """A warning about a fault that affects no run."""
        self._print(text)

    def track(self, things: Iterable[Item], name: str, count: int, /) -> Iterable[Item]:
        """Shows progress while iterating over `count` things."""
        if self._console.is_terminal:
            yield from track(things, name, count, console=self._console, transient=True)
            return
        said = time.monotonic()
        for done, thing in enumerate(things, 1):
            yield thing
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                self.note(f"data: {name}, {100 * done // count} %")

    @contextmanager
    def progress(self, plan: Plan, runs: Runs) -> Iterator[Progress]:
        """The runs as they change; on a terminal a table, drawn again and again in its place."""
        console = self._console
        if not console.is_terminal:
            lines = Changes(
                lambda each: self._print(line(each)), lambda found: self._print(sweep_line(found))
            )
            with Progress(plan, runs, lines) as progress:
                yield progress
            return

        def draw(found: list[RunStatus]) -> None:
            live.update(screen(found, console.height, console.width), refresh=True)

        with (
            Live(console=console, auto_refresh=False) as live,
            Progress(plan, runs, draw) as progress,
        ):
            yield progress

    def end(self, summary: Summary) -> None:
        self._failures(summary)
        self._print(_counts(summary))
        if summary.stopped:
            self._print("stopped; the same command continues from here")
        self._print(f"tables: {summary.results}")
        self._print(f"report: {summary.report}")
        self._print(f"MLflow: bench ui --mlflow {redact(summary.mlflow)}")

    def _failures(self, summary: Summary) -> None:
        for what, found in (("failed", summary.failures), ("not judged", summary.unjudged)):
            for each in found:
                name = f"{each.planned.label} ({each.planned.run_id})"
                self._print(f"{name} {what}: {each.reason}")
                for text in each.log:
                    self._print(f"    {text}")

    def _print(self, text: str) -> None:
        lines = folded(text, self._console.width) if self._console.is_terminal else [text]
        for each in lines:
            self._console.print(each, markup=False, highlight=False, soft_wrap=True)


class QuietOutput(Output):
    """Only errors, and one line at the end."""

    def note(self, text: str) -> None:
        pass

    def track(self, things: Iterable[Item], name: str, count: int, /) -> Iterable[Item]:
        return things

    @contextmanager
    def progress(self, plan: Plan, runs: Runs) -> Iterator[Progress]:
        yield Progress(plan, (), lambda found: None)

    def end(self, summary: Summary) -> None:
        self._failures(summary)
        self._print(_counts(summary) + (", stopped" if summary.stopped else ""))


class JsonOutput(Output):
    """One JSON object a line, the last one a summary; incidental messages go to `aside`."""

    def __init__(self, console: Console, aside: Console) -> None:
        super().__init__(aside)
        self._out = console

    @contextmanager
    def progress(self, plan: Plan, runs: Runs) -> Iterator[Progress]:
        records = Changes(
            lambda each: self._write({"event": "run", **record(each)}),
            lambda found: self._write(
                {
                    **{"event": "sweep", "runs": len(found), **counts(found)},
                    "seconds_left": sweep_left(found),
                }
            ),
        )
        with Progress(plan, runs, records) as progress:
            yield progress

    def end(self, summary: Summary) -> None:
        self._write(
            {
                "event": "end",
                "runs": summary.runs,
                "done": summary.done,
                "failed": len(summary.failures),
                "not_judged": [each.planned.run_id for each in summary.unjudged],
                "stopped": summary.stopped,
                "failures": [
                    {
                        "run_id": each.planned.run_id,
                        "label": each.planned.label,
                        "reason": each.reason,
                    }
                    for each in summary.failures
                ],
                "results": str(summary.results),
                "report": str(summary.report),
                "mlflow": redact(summary.mlflow),
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        self._out.file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        self._out.file.flush()


class Lasting:
    """A stream whose reader may go away, as a terminal is closed: then what is said is lost.

    Nothing else is: a sweep has better to do than to end because nobody listens.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """Discard the buffer, here and when Python itself flushes it."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def choose_output(*, quiet: bool, as_json: bool) -> Output:
    """The reporter for stdout. Raises InputError where both are asked for."""
    if quiet and as_json:
        raise InputError("--quiet and --json exclude each other")
    console, aside = (Console(file=cast(TextIO, Lasting(to))) for to in (sys.stdout, sys.stderr))
    if as_json:
        return JsonOutput(console, aside)
    return QuietOutput(console) if quiet else Output(console)


def _counts(summary: Summary) -> str:
    said = f"{summary.done} of {summary.runs} runs done, {len(summary.failures)} failed"
    return said + (f", {len(summary.unjudged)} not judged" if summary.unjudged else "")
