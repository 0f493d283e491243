"""The processes of one run on several devices, started and watched by torchrun's launcher.

The process that an executor started stays as their parent: what is done to it is done to the run,
and it ends as the run did. Nothing of it listens beyond this machine.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from benchmark.training.devices import STORE


def launch(count: int) -> int:
    """Start this process's own command `count` times; the exit code of the run, once all ended.

    Asked to stop, or gone for whatever reason, it cuts the leash that all of them are on. Where one
    of them is killed, the others are ended, and so is this process, by the same signal: the run is
    then started again from its checkpoint, as any that was killed.
    """
    cut = _leash()
    logging.disable(logging.ERROR)  # a run that stops is an error to the launcher
    arguments = [each for each in sys.argv[1:] if each != "--leash"]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ[STORE] = f"{folder}/processes"
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id="run",
            rdzv_backend="c10d",
            rdzv_endpoint=f"{folder}/launcher",
            rdzv_configs={"store_type": "file"},
            local_addr="127.0.0.1",
            max_restarts=0,
            signals_to_handle="SIGHUP",
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "benchmark", *arguments, "--leash")
            code = 0
        except ChildFailedError as error:
            failures = error.failures.items()
            code = exit_code({rank: failure.exitcode for rank, failure in failures}, cut.done)
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def exit_code(codes: Mapping[int, int], asked: bool) -> int:
    """The run's, from those of its processes that failed; `asked`: it was told to stop.

    The launcher ends by SIGTERM those that are left, so that it says nothing of the run.
    """
    own = {rank: code for rank, code in codes.items() if code != -signal.SIGTERM} or codes
    killed = [code for code in own.values() if code < 0]
    if killed and not asked:
        return killed[0]
    return own[0] if 0 in own else next(iter(own.values()))


@dataclass
class _Cut:
    """Ends the standard input of the processes, once."""

    end: int
    done: bool = False

    def __call__(self, *_: object) -> None:
        if not self.done:
            self.done = True
            os.close(self.end)


def _leash() -> _Cut:
    """Give this process, and so those it starts, a standard input that ends when it is told."""
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    cut = _Cut(writing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, cut)
    return cut
