"""Tables written from runs made by hand."""

from pathlib import Path

import pytest

from benchmark.results.writer import write_results
from tests.report.material import fill_all


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of ablation.json, of runs in tmp_path / "runs"."""
    return write_results(fill_all(tmp_path / "runs"), tmp_path / "runs", tmp_path / "results")
