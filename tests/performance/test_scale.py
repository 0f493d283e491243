"""Every measurement of thousands of runs works on a few."""

import re

import pytest
from click.testing import CliRunner

from performance.scale import scale


@pytest.mark.parametrize(
    ("command", "measured"),
    [
        ("scheduler --runs 3 --jobs 2", 1),
        ("writer --runs 2 --rows 2", 3),
        ("tables --runs 10", 3),
        ("mlflow --runs 2", 2),
    ],
)
def test_a_few_runs_are_measured(command: str, measured: int) -> None:
    said = CliRunner().invoke(scale, command.split(), catch_exceptions=False).output
    assert len(re.findall(r": [\d.]+ s, [\d.]+ s of processor", said)) == measured
