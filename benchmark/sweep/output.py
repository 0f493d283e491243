"""What `bench run` tells while it works: lines for people, the end alone, or JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import InputError
from benchmark.redact import redact
from benchmark.runs.directory import RunDirectory
from benchmark.sweep.progress import (
    JsonProgress,
    LineProgress,
    LiveProgress,
    Progress,
    SilentProgress,
)


@dataclass(frozen=True)
class Failure:
    """A run without a good end: it failed, or its process ended before it had a result."""

    planned: PlannedRun
    reason: str | None
    log: Sequence[str]  # the last lines of what its process printed


@dataclass(frozen=True)
class Ending:
    """How a sweep went, and where what came of it lies."""

    runs: int
    done: int
    failures: Sequence[Failure]
    stopped: bool
    results: Path
    report: Path
    mlflow: str


class Narrator:
    """Tells people everything, on a terminal or line by line where it is none."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """Something by the way."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Something that went wrong and costs no run."""
        self._print(text)

    def progress(self, runs: Sequence[tuple[PlannedRun, RunDirectory]]) -> Progress:
        if self._console.is_terminal:
            return LiveProgress(runs, self._console)
        return LineProgress(runs, self._print)

    def end(self, ending: Ending) -> None:
        self._failures(ending)
        self._print(_summary(ending))
        if ending.stopped:
            self._print("stopped; the same command goes on from here")
        self._print(f"report: {ending.report}")
        self._print(f"MLflow: bench ui --mlflow {redact(ending.mlflow)}")

    def _failures(self, ending: Ending) -> None:
        for each in ending.failures:
            name = f"{each.planned.label} ({each.planned.run_id})"
            self._print(f"{name} failed: {each.reason}")
            for line in each.log:
                self._print(f"    {line}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class QuietNarrator(Narrator):
    """Tells only what went wrong, and at the end one line."""

    def note(self, text: str) -> None:
        pass

    def progress(self, runs: Sequence[tuple[PlannedRun, RunDirectory]]) -> Progress:
        return SilentProgress(runs)

    def end(self, ending: Ending) -> None:
        self._failures(ending)
        self._print(_summary(ending) + (", stopped" if ending.stopped else ""))


class JsonNarrator(Narrator):
    """One JSON object a line, the last one a summary; what is said by the way goes to `aside`."""

    def __init__(self, console: Console, aside: Console) -> None:
        super().__init__(aside)
        self._out = console

    def progress(self, runs: Sequence[tuple[PlannedRun, RunDirectory]]) -> Progress:
        return JsonProgress(runs, self._write)

    def end(self, ending: Ending) -> None:
        self._write(
            {
                "event": "end",
                "runs": ending.runs,
                "done": ending.done,
                "failed": len(ending.failures),
                "stopped": ending.stopped,
                "failures": [
                    {
                        "run_id": each.planned.run_id,
                        "label": each.planned.label,
                        "reason": each.reason,
                    }
                    for each in ending.failures
                ],
                "results": str(ending.results),
                "report": str(ending.report),
                "mlflow": redact(ending.mlflow),
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        self._out.file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        self._out.file.flush()


def narrator(*, quiet: bool, as_json: bool) -> Narrator:
    """Who tells what on stdout. Raises InputError where both are asked for."""
    if quiet and as_json:
        raise InputError("give --quiet or --json, one of the two")
    if as_json:
        return JsonNarrator(Console(), aside=Console(stderr=True))
    return QuietNarrator(Console()) if quiet else Narrator(Console())


def _summary(ending: Ending) -> str:
    return f"{ending.done} of {ending.runs} runs done, {len(ending.failures)} failed"
