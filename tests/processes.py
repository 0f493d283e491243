"""The command in a process of its own, and processes that start in milliseconds."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

from benchmark.executors.threads import pin_threads

Command = Callable[..., subprocess.CompletedProcess[str]]


def bench(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, as people start it."""
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, **variables},
    )


bench_apart = bench


@contextmanager
def forks() -> Iterator[ForkServerContext]:
    """What makes processes that have imported torch and MLflow already, with one thread each."""
    before = dict(os.environ)
    pin_threads(1)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["benchmark.worker", "benchmark.sweep.run", "benchmark.tracking.tracker"]
    )
    yield context
    os.environ.clear()
    os.environ.update(before)
