"""A worker's threads are set before NumPy and torch are imported, which read them once."""

import subprocess
import sys
from pathlib import Path

from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_spec


def test_nothing_heavy_is_imported_before_a_worker_pins_its_threads(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec(training={"threads": 3}))
    assert run.threads() == 3
    code = f"""
import os, sys
from pathlib import Path
import benchmark.executors.threads as threads

class Pinned(Exception): pass

def pin(count):
    assert not {{"numpy", "torch"}} & set(sys.modules), "imported before"
    raise Pinned(count)

threads.pin_threads = pin
from benchmark.cli import bench
try:
    bench(["run-one", {str(run.path)!r}, "--instructions", "AVX2"], standalone_mode=False)
except Pinned as pinned:
    print(pinned)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr
