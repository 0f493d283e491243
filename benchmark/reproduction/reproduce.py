"""Train a finished run again in a fresh process and compare the two, step by step.

Everything comes from the run's folder or, where that is not at hand, from the tables of results/.
Where code, packages and machine are those that the run had, the bits have to be the same; elsewhere
values are compared within a tolerance that is stated.
"""

import random
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.photographs import Reading
from benchmark.data.source import open_source
from benchmark.errors import EXIT_STOPPED, BenchError, InputError
from benchmark.executors import instructions as cpu
from benchmark.executors.local import how_it_ended, last_lines, let_go, start_worker
from benchmark.reproduction import recorded
from benchmark.reproduction.comparison import Comparison, compare
from benchmark.results.schema import DIGITS
from benchmark.results.source import commit
from benchmark.results.tables import RecordedRun, find_recorded, read_tables
from benchmark.runs.directory import RunDirectory
from benchmark.runs.show import find_run, named
from benchmark.strict import dotted
from benchmark.text import shortened

POLL_S = 0.5
# What is allowed where the machine or the versions differ: |a - b| <= this x max(1, |a|, |b|).
TOLERANCE = 1e-3
# Of a run's provenance, what may change its bits.
_MAKES_BITS = (
    "code",
    "packages",
    "python",
    "system",
    "cpu",
    "instructions",
    "device",
    "driver",
    "cuda",
    "cudnn",
    "threads",
    "determinism",
    "method_code",
)
_SAME_SOURCE = ("code.commit", "code.dirty", "code.diff", "code.untracked")

Say = Callable[[str], None]
Watch = Callable[[int], AbstractContextManager[Callable[[int], object]]]
"""Given the last step, a context in which to call what it gives with each new step."""


@dataclass(frozen=True)
class Here:
    """Where the run is trained again."""

    cache: Path
    data_root: Path | None
    device: str  # "auto" takes the kind of device that the run had
    instructions: str | None = None  # None: those that the run had, where its record names them


def reproduce(
    run: RunDirectory | RecordedRun,
    steps: int | None,
    here: Here,
    tolerance: float | None,
    say: Say,
    watch: Watch = lambda last: nullcontext(lambda step: None),
) -> Comparison:
    """Train `run` again, to `steps` or its end, and compare.

    `say` is told first what differs around the run, then `watch` how far it is. `tolerance` None
    means: the same bits where nothing differs, else TOLERANCE. Raises InputError
    where the run is not finished, the steps are none of its own, or the data are not those that it
    was trained on; BenchError where it cannot be trained here.
    """
    provenance, last = _check(run, steps, here)
    wanted = provenance.get("instructions")
    if here.instructions is None and wanted in cpu.NAMES and not cpu.has(wanted):
        say(f"made with {wanted}, which this processor lacks ({cpu.here()}): other bits")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-reproduce-"))
        again = RunDirectory.create(Path(folder), run.spec())
        if (evaluation := run.evaluation()) is not None:
            # Another ablation that shares the run may have asked for other snapshots since.
            every = _every(run) or evaluation.every
            again.write_evaluation(evaluation.model_copy(update={"every": every}))
        worker = stack.enter_context(closing(_Worker(again, _arguments(here, provenance))))
        now = worker.provenance()
        if isinstance(run, RecordedRun):
            say(f"compared with {run.folder}, which holds {DIGITS} digits of a number")
            now = {**now, "code": {"commit": commit(now)}}  # in the words of the tables
            if "instructions" not in provenance:
                said = "its tables do not name its vector instructions (see --instructions)"
                say(f"{said}; here {now['instructions']}")
        starts = [provenance, *provenance.get("earlier", [])]
        differences = {said for then in starts for said in differing(then, now).values()}
        for said in sorted(differences):
            say(f"differs: {said}")
        if tolerance is None:
            tolerance = TOLERANCE if differences else 0.0
        if tolerance > 0:
            say(f"compared within {tolerance:g} x max(1, |value|)")
        # At its last step a run ends by itself, once that step's snapshot is judged.
        with watch(last) as at:
            worker.train(last if last < run.spec().training.steps else None, at)
        if isinstance(run, RecordedRun):
            return recorded.compare(run, again, last, tolerance)
        return compare(run, again, last, tolerance)


def _every(run: RunDirectory | RecordedRun) -> int | None:
    """Steps between the snapshots that the run really has; None where it has none."""
    if isinstance(run, RecordedRun):
        steps = [int(row["step"]) for row in run.rows("heldout")]
    else:
        steps = [row.step for row in run.rows() if row.kind == "heldout"]
    return min(steps, default=None)


def differing(then: dict[str, Any], now: dict[str, Any]) -> dict[str, str]:
    """What may change the bits and is not the same in two records, in words.

    What only one of them has is left out, and so is another commit of the same source.
    """
    old, new = (
        dotted({key: record[key] for key in _MAKES_BITS if key in record}) for record in (then, now)
    )
    source = old.get("code.source_sha256")
    same = _SAME_SOURCE if source is not None and source == new.get("code.source_sha256") else ()
    return {
        what: f"{what}: {_short(old[what])} then, {_short(new[what])} now"
        for what in old
        if what in new and old[what] != new[what] and what not in same
    }


def pick(
    ablation: str, profile: str, results: Path, runs: Path, count: int, seed: int
) -> list[RunDirectory | RecordedRun]:
    """`count` random finished runs of an ablation's table: their folders, where those are here."""
    folder = results / ablation / profile
    table = sorted(read_tables(folder).ended.values(), key=lambda run: run.run_id)
    if not table:
        raise InputError(f"{folder / 'runs.csv'}: has no finished run")
    chosen = random.Random(seed).sample(table, min(count, len(table)))
    return [_folder_or_row(run, runs) for run in chosen]


def find(name: str, results: Path, runs: Path) -> RunDirectory | RecordedRun:
    """The run at a path or of an id, in the runs folder or, if it is not there, in results/.

    Raises InputError where there is none, or more than one.
    """
    try:
        return find_run(name, runs)
    except InputError as error:
        if not name or named(name, runs):
            raise
        found = find_recorded(name, results)
        if found is None:
            raise InputError(f"{error}; no single run in the tables of {results} matches") from None
        return found


def _folder_or_row(run: RecordedRun, runs: Path) -> RunDirectory | RecordedRun:
    folder = RunDirectory(runs / run.run_id)
    return folder if folder.result() else run


class _Worker:
    """The fresh process."""

    def __init__(self, run: RunDirectory, arguments: Sequence[str]) -> None:
        self._run = run
        self._process = start_worker([run], arguments)

    def provenance(self) -> dict[str, Any]:
        """What the process says of itself, as soon as it does."""
        self._wait(lambda: self._run.provenance() is not None)
        found = self._run.provenance()
        if found is None:
            self._fail()
        return found or {}

    def train(self, last: int | None, at: Callable[[int], object]) -> None:
        """Let it run to its end, or stop it at the first checkpoint it can make from `last` on."""
        if last is not None:
            self._wait(lambda: self._run.last_step() >= last, at)
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
        self._wait(lambda: False, at)
        result, code = self._run.result(), self._process.returncode
        if result is None:
            well = bool(last and self._run.last_step() >= last)
        else:  # a failed run ends with 1, and so does one whose judge fails
            well = code in (0, EXIT_STOPPED) or result.state == "failed"
        if not well:
            self._fail()

    def _wait(self, until: Callable[[], bool], at: Callable[[int], object] | None = None) -> None:
        while self._process.poll() is None and not until():
            if at is not None:
                at(self._run.last_step())
            time.sleep(POLL_S)

    def close(self) -> None:
        """End it, if it has not ended: its folder goes."""
        self._process.kill()
        self._process.wait()
        let_go(self._process)

    def _fail(self) -> None:
        said = " / ".join(last_lines(self._run.log))
        raise BenchError(
            f"{self._run.run_id}: cannot be trained here: "
            f"{how_it_ended(self._process.returncode)}: {said}"
        )


def _check(
    run: RunDirectory | RecordedRun, steps: int | None, here: Here
) -> tuple[dict[str, Any], int]:
    """What is known of what made the run, and the last step to compare."""
    spec = run.spec()
    last, provenance = _last_and_made(run)
    if last is None or provenance is None:
        raise InputError(f"{run.run_id}: not finished; `bench run` continues it")
    first = min(spec.training.log_every, last)
    if steps is not None and not first <= steps <= last:
        raise InputError(
            f"--steps {steps}: allowed: {first} to {last}, the steps of the first and the last row "
            f"of {run.run_id}"
        )
    source = open_source(spec.data, here.data_root, Reading(here.cache))
    now, then = source.fingerprint(), provenance["data"]
    if now != then["fingerprint"]:
        raise InputError(
            f"{run.run_id} was trained on {then['title']} ({then['fingerprint'][:12]}), and the "
            f"data here differ ({now[:12]}); give the same data with --data-root"
        )
    return provenance, last if steps is None else steps


def _last_and_made(run: RunDirectory | RecordedRun) -> tuple[int | None, dict[str, Any] | None]:
    """The last step, None of an unfinished run, and the provenance."""
    if isinstance(run, RecordedRun):
        return run.last, recorded.provenance(run)
    result = run.result()
    return result.step if result else None, run.provenance()


def _arguments(here: Here, provenance: dict[str, Any]) -> list[str]:
    device = here.device
    if device == "auto" and provenance.get("device") == "cpu":
        device = "cpu"
    arguments = ["--cache", str(here.cache), "--device", device]
    if here.data_root is not None:
        arguments += ["--data-root", str(here.data_root)]
    arguments.append("--allow-slow")  # whoever reproduces a run wants that run
    wanted = here.instructions or provenance.get("instructions")
    hold = wanted is not None and (here.instructions is not None or cpu.has(wanted))
    return [*arguments, "--instructions", str(wanted)] if hold else arguments


def _short(value: Any) -> str:
    return shortened(" ".join(str(value).split()), 60)
