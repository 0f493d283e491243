"""The documentation builds without a warning, its reference made from the code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=pages())
def test_committed_reference_is_made_from_todays_code(name: str, text: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == text, "run: make reference"


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    keys = (tmp_path / "reference" / "keys" / "index.html").read_text()
    assert "Diversity ratio, equation 4" in keys
    assert "lambda_k" in keys
    assert "Feature network: a built-in name" in keys
    methods = (tmp_path / "reference" / "methods" / "index.html").read_text()
    assert "PixelCNN: images pixel by pixel" in methods
    assert "sigmoid(W_g * x + V_g h)" in methods
    assert "Chosen or changed" in methods
    cli = (tmp_path / "reference" / "cli" / "index.html").read_text()
    assert "bench reproduce" in cli
    columns = (tmp_path / "reference" / "columns" / "index.html").read_text()
    assert "the convergence measure" in columns
    assert "share of the pairs" in columns
    assert "sliced_wasserstein" in columns
