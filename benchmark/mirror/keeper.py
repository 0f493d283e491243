"""`bench run-one` on a run in a bucket: copy it here, have it trained here, send back what is new.

The training process knows of nothing but its folder. Beside it, this one sends its files every few
seconds and once more at the end. What counts is what the bucket has: a copy that a killed keeper
has left is thrown away.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import NoReturn

from benchmark.errors import BenchError, BusyError
from benchmark.executors.local import start_worker
from benchmark.mirror.bucket import Bucket, scratch
from benchmark.mirror.lease import FOLDER as LEASE
from benchmark.mirror.lease import Lease
from benchmark.redact import redact
from benchmark.runs.directory import TEMPORARY, RunDirectory

SEND_EVERY_S = 10.0
POLL_S = 0.5
RESULT = "result.json"
_STAYS = {RESULT, "lock"}  # sent last, and never


def keep(url: str, arguments: Sequence[str]) -> int:
    """Train the run at `url` by `bench run-one` with these options; that process's exit code.

    Below 0 it was killed. Raises BusyError where another process trains the run, BenchError where
    the bucket holds no such run, is away when it begins, or still is when this is told to stop.
    """
    root, _, run_id = url.rstrip("/").rpartition("/")
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, lambda number, _: told.append(number))
    bucket = Bucket(root)
    with Lease(bucket, run_id) as lease, _folder(scratch(root), run_id) as path:
        run = RunDirectory(path)
        copy = Copy(bucket, run)
        copy.fetch()
        result = run.result()
        if result is not None:
            return 0 if result.state == "done" else 1
        with start_worker(run, arguments, leash=True) as worker:
            try:
                return _attend(worker, copy, lease, told)
            finally:
                worker.kill()


def exit_as(code: int) -> NoReturn:
    """End this process as the one that it kept, killed by the same signal if that was."""
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _attend(worker: "Popen[bytes]", copy: "Copy", lease: Lease, told: Sequence[int]) -> int:
    """Until the worker has ended and all that it left is in the bucket; its exit code."""
    code, due, asked = None, time.monotonic() + SEND_EVERY_S, False
    while True:
        if code is None and (code := worker.poll()) is not None:
            due = 0.0  # all that it wrote is there now
        if told and not asked:
            asked = True  # once: a second signal would kill it on its way out
            worker.terminate()
        if time.monotonic() >= due:
            if _is_sent(copy, lease, patient=code is None or not told) and code is not None:
                return code
            due = time.monotonic() + SEND_EVERY_S
        time.sleep(POLL_S)


def _is_sent(copy: "Copy", lease: Lease, patient: bool) -> bool:
    """Send what is new; False where the bucket is away. Raises BusyError where the run is lost."""
    try:
        if not lease.is_held():
            raise BusyError(f"{copy.url}: another process has taken this run over")
        copy.send()
        return True
    except BusyError:
        raise
    except BenchError as away:
        if not patient:
            raise
        print(f"{away}; sent again in {SEND_EVERY_S:g} s", flush=True)
        return False


@contextmanager
def _folder(root: Path, run_id: str) -> Iterator[Path]:
    """An empty folder for the run; those that a killed keeper of it has left go."""
    for left in root.glob(f"keeper-*/{run_id}"):
        if not RunDirectory(left).is_locked():
            shutil.rmtree(left.parent, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix="keeper-", dir=root, ignore_cleanup_errors=True
    ) as made:
        yield root / Path(made).name / run_id  # as it was given: a run records its command


class Copy:
    """A run's folder here, and how much of it is in the bucket."""

    def __init__(self, bucket: Bucket, run: RunDirectory) -> None:
        self._bucket, self._run = bucket, run
        self._sent: dict[str, tuple[int, int]] = {}  # by name: size and time of change
        self.url = f"{redact(bucket.url)}/{run.run_id}"

    def fetch(self) -> None:
        """The whole run; raises BenchError where there is none."""
        prefix = f"{self._run.run_id}/"
        names = self._bucket.names(self._run.run_id)
        if f"{prefix}spec.json" not in names:
            raise BenchError(f"{self.url}: no spec.json here, so this is no run")
        wanted = (name for name in names if not name.startswith(f"{prefix}{LEASE}/"))
        for name, data in self._bucket.read(wanted).items():
            path = self._run.path / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self._sent[self._name(path)] = self._state(path)

    def send(self) -> None:
        """What is new, in an order in which a reader, or a keeper after a kill, finds a whole run:

        rows before the checkpoint that they lead to, the old checkpoint away after the newer one
        has come, and the result last.
        """
        ended = (self._run.path / RESULT).exists()  # if so, nothing here changes any more
        checkpoints = sorted(self._run.checkpoints.glob("[0-9]*.safetensors"))
        small = [
            path
            for path in sorted(self._run.path.rglob("*"))
            if path.is_file() and not path.match(TEMPORARY) and path.name not in _STAYS
        ]
        for path in [*(path for path in small if path.suffix != ".safetensors"), *checkpoints]:
            self._send(path)
        there = {name for name in self._sent if name.endswith(".safetensors")}
        for name in there - {self._name(path) for path in checkpoints}:
            self._bucket.remove([f"{self._run.run_id}/{name}"])
            del self._sent[name]
        if ended:
            self._send(self._run.path / RESULT)

    def _send(self, path: Path) -> None:
        name = self._name(path)
        with suppress(FileNotFoundError):  # the worker has put another in its place
            state = self._state(path)
            if self._sent.get(name) != state:
                data = path.read_bytes()
                if path.suffix == ".jsonl":  # whole lines
                    data = data[: data.rfind(b"\n") + 1]
                self._bucket.write({f"{self._run.run_id}/{name}": data})
                self._sent[name] = state

    def _name(self, path: Path) -> str:
        return path.relative_to(self._run.path).as_posix()

    def _state(self, path: Path) -> tuple[int, int]:
        found = path.stat()
        return found.st_size, found.st_mtime_ns
