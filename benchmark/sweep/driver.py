"""The driver of a sweep: a record below the runs folder, through which `bench stop` reaches it.

<runs>/sweeps/<ablation>-<profile>-<host>-<process>-<token>.json    while it runs
                                                           .lock    held by the driver, if alive
                                                           .stop    somebody asks it to stop
"""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from filelock import FileLock
from pydantic import Field, ValidationError

from benchmark.files import is_held, write_atomic
from benchmark.strict import Strict

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan

FOLDER = "sweeps"


class Driver(Strict):
    """A process that drives a sweep, as it describes itself."""

    ablation: str
    profile: str
    host: str
    process: int
    token: str  # random: containers repeat both host and process
    since: float  # seconds since the epoch
    labels: dict[str, str] = Field(default_factory=dict)  # by run id

    @classmethod
    def here(cls, plan: "Plan") -> Self:
        return cls(
            ablation=plan.name,
            profile=plan.profile,
            host=socket.gethostname(),
            process=os.getpid(),
            token=secrets.token_hex(4),
            since=time.time(),
            labels={planned.run_id: planned.label for planned in plan.runs},
        )

    def __str__(self) -> str:
        return f"{self.ablation} ({self.profile}) by process {self.process} on {self.host}"

    def _file(self, runs: Path, suffix: str) -> Path:
        name = f"{self.ablation}-{self.profile}-{self.host}-{self.process}-{self.token}{suffix}"
        return runs / FOLDER / name

    @contextmanager
    def driving(self, runs: Path) -> Iterator[None]:
        """Be visible to `drivers` within this context, and no longer than the process lives."""
        (runs / FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._file(runs, ".lock")):
                write_atomic(self._file(runs, ".json"), self.model_dump_json().encode())
                yield
        finally:
            self._remove(runs)

    def is_asked_to_stop(self, runs: Path) -> bool:
        return self._file(runs, ".stop").exists()

    def ask_to_stop(self, runs: Path) -> bool:
        """Whether it still lived once it could read that; if not, nothing of it stays."""
        write_atomic(self._file(runs, ".stop"), b"")
        alive = self.is_alive(runs)
        if not alive:
            self._remove(runs)
        return alive

    def is_alive(self, runs: Path) -> bool:
        return is_held(self._file(runs, ".lock"))

    def _remove(self, runs: Path) -> None:
        for suffix in (".json", ".stop", ".lock"):
            self._file(runs, suffix).unlink(missing_ok=True)


def drivers(runs: Path) -> list[Driver]:
    """The living drivers of sweeps whose runs are in `runs`; records of dead ones are removed."""
    found = []
    for path in sorted((runs / FOLDER).glob("*.json")):
        try:
            driver = Driver.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):  # it ended just now, or is of another version
            continue
        if driver.is_alive(runs):
            found.append(driver)
        else:
            with suppress(OSError):  # somebody else's
                driver._remove(runs)
    return found
