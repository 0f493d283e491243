"""A run's log, line by line: its rows, its evaluations, and its process's output.

A run without problems prints almost nothing, so its log file alone would be nearly empty.
"""

from collections.abc import Iterator

from benchmark.durations import duration
from benchmark.runs.directory import RunDirectory, Tail
from benchmark.runs.evaluations import Evaluations
from benchmark.runs.show import values


class Log:
    """Each call gives what is new; the run may continue meanwhile."""

    def __init__(self, run: RunDirectory) -> None:
        self._run, self._tail = run, Tail(run)
        self._judged: set[tuple[str, int, int, float]] = set()  # file, step, draw and time
        self._at = 0  # in the log file
        self.ended = False

    def new(self) -> Iterator[str]:
        """By step; then what the process printed, and at the end how the run ended."""
        result = self._run.result()  # read first, so that the last rows are complete
        rows = [(row.step, 0, row.kind, row.values) for row in self._tail.new()]
        for each in Evaluations.all(self._run.path):
            by = each.record().settings["features"]
            for row in each.rows():  # an early snapshot may be judged last
                at = each.path.stem, row.step, row.draw, row.time
                if at not in self._judged:
                    self._judged.add(at)
                    rows.append((row.step, 1 + row.draw, by, row.values))
        for step, _, kind, found in sorted(rows, key=lambda row: row[:3]):
            yield f"step {step} ({kind}): {values(found)}"
        yield from self._printed(whole=result is not None)
        if result is not None and not self.ended:
            self.ended = True
            said = result.failure() if result.state == "failed" else f"done at step {result.step}"
            yield f"{said}, after {duration(result.wall_s)}"

    def _printed(self, *, whole: bool) -> Iterator[str]:
        """New lines of the log file; one that is still being written waits, unless `whole`."""
        if not self._run.log.exists():
            return
        with self._run.log.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        if not whole:
            text = text[: text.rfind(b"\n") + 1]
        self._at += len(text)
        yield from text.decode(errors="replace").splitlines()
