"""Tables in a terminal."""

import pandas as pd
import pytest

from benchmark.commands.tables import show


def test_an_empty_table_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    show("claims", pd.DataFrame({"id": ["a"], "p": [0.12345]}), "none: no runs")
    show("claims", pd.DataFrame({"id": [], "p": []}), "none: no runs")
    assert capsys.readouterr().out == "# claims\nid\tp\na\t0.123\n# claims\nnone: no runs\n"
