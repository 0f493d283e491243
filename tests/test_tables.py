"""Tables in a terminal."""

import pandas as pd
import pytest

from benchmark.commands.tables import _drawn, say, show


def test_an_empty_table_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    show("claims", pd.DataFrame({"id": ["a"], "p": [0.12345]}), "none: no runs")
    show("claims", pd.DataFrame({"id": [], "p": []}), "none: no runs")
    assert capsys.readouterr().out == "# claims\nid\tp\na\t0.123\n# claims\nnone: no runs\n"


def _seen(names: list[str], rows: list[list[str]], width: int) -> str:
    from io import StringIO

    from rich.console import Console

    file = StringIO()
    console = Console(file=file, width=width)
    for line in _drawn("a title", names, rows, width):
        console.print(line)
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return text


def test_a_terminal_breaks_no_word() -> None:
    """13 columns of correlations became letters one below the other."""
    names = ["method", "signal", "outcome", "level", "measure", "value", "low", "runs", "reading"]
    rows = [
        ["began", "m_global", "distance", "between", "spearman", "0.0833", "", "9", "no p is low"],
        ["began", "heldout_m_global", "coverage", "at_step", "spearman", "1", "", "9", "why " * 20],
    ]
    wide, narrow, least = (_seen(names, rows, width) for width in (200, 72, 30))
    for text in (wide, narrow, least):
        for word in ("heldout_m_global", "distance", "0.0833", "spearman", "between", "why why"):
            assert word in text
    assert "In every row" not in wide
    assert "In every row: method began, measure spearman, runs 9\n" in narrow
    assert "signal: heldout_m_global\n" not in narrow
    assert "signal: heldout_m_global\n" in least


def test_short_columns_keep_their_words_beside_prose() -> None:
    text = _seen(["claim", "can be supported", "note"], [["lsgan-sharper", "yes", "why " * 40]], 60)
    assert "lsgan-sharper" in text
    assert "supported" in text


def test_a_long_line_is_wrapped_in_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "  packages: " + ", ".join(f"package-{number} 1.0" for number in range(9))
    monkeypatch.setenv("COLUMNS", "40")
    say(line)
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    say(line)
    wrapped = capsys.readouterr().out.splitlines()
    assert max(map(len, wrapped)) <= 40
    assert " ".join(part.strip() for part in wrapped) == line.strip()
    say(line, err=True)  # standard error is none
    assert capsys.readouterr().err == f"{line}\n"
