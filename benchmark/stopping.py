"""The signals that ask a process to stop, so that its work ends cleanly."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

# An interruption, the system's request, the terminal's hangup, and Slurm's warning, which on some
# clusters reaches every process of a job.
STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


def on_stop(act: Callable[[int, FrameType | None], Any]) -> dict[int, Any]:
    """Call `act` when asked to stop; returns the previous handlers. For the main thread.

    A hangup that is ignored stays ignored: nohup wants the process to outlive its terminal.
    """
    return {
        number: signal.signal(number, act)
        for number in STOP
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
