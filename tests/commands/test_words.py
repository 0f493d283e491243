"""Sentences that commands end in."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.commands.compare import _short
from benchmark.evaluation.columns import copies_in_words
from benchmark.reproduction import reproduce as module
from benchmark.reproduction.comparison import Comparison
from tests.conftest import tiny_run, tiny_spec


def test_probe_says_that_nothing_is_copied() -> None:
    said = "no sample is closer to a training image than held-out faces are"
    assert copies_in_words(0.0) == said
    assert copies_in_words(0.034).startswith(
        "3.4% of samples are closer to a training image than 99 %"
    )


@pytest.mark.parametrize(("rows", "warned"), [(0, "no row was"), (1, "only one row was"), (2, "")])
def test_reproduce_warns_of_having_compared_little(
    rows: int, warned: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tmp_path, tiny_spec())
    monkeypatch.setattr(module, "reproduce", lambda *_: Comparison(50, 0.0, rows=rows))
    done = CliRunner().invoke(bench, ["reproduce", run.run_id, "--runs", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"identical to step 50: {rows} rows" in done.stdout
    assert ("warning:" in done.stderr) == bool(warned)
    assert warned in done.stderr


def test_compare_shows_0_for_what_rounding_left() -> None:
    row = {"outcome": "spread", "a": "1", "b": "1", "verdict": "no difference"}
    table = pd.DataFrame([{**row, "difference": -2.22e-16, "low": -0.1, "high": 0.1}])
    assert _short(table)["B - A (95 %)"].tolist() == ["0 (-0.1 to 0.1)"]
    table = pd.DataFrame([{**row, "difference": float("nan"), "low": float("nan"), "high": 0.1}])
    assert _short(table)["B - A (95 %)"].tolist() == [""]
