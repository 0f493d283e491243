"""Buckets to test with, each empty."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest


@pytest.fixture(params=["memory", "file"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A bucket that shows an object whole by itself, and one in which we have to see to it."""
    monkeypatch.setenv("BENCH_SCRATCH", str(tmp_path / "scratch"))
    yield "memory://faces/runs" if request.param == "memory" else f"file://{tmp_path}/bucket/runs"
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
