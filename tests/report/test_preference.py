"""Win rates in the report, and that nobody has been asked where nobody was."""

from pathlib import Path

import pytest

from benchmark.preference.page import pairs
from benchmark.report.document import Details, Table, Words
from benchmark.report.preference import preference
from benchmark.results.tables import Tables, read_tables
from benchmark.results.writer import write_results
from tests.preference.material import answers, painted, send


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    plan = painted(tmp_path / "runs")
    return read_tables(write_results(plan, tmp_path / "runs", tmp_path / "results"))


def test_nobody_has_been_asked(tables: Tables) -> None:
    (words,) = preference(tables).blocks
    assert isinstance(words, Words)
    assert words.markdown.startswith("Nobody has been asked yet which samples look more like")


def test_win_rates_of_two_cells(tables: Tables) -> None:
    shown = pairs(tables, (), 40, 0)
    for rater, share in (("Ada", 4), ("Bob", 2)):
        chosen = {pair: i % 5 < share for i, pair in enumerate(map(id, shown))}
        send(
            tables,
            answers(
                tables,
                shown,
                rater,
                lambda pair, c=chosen: (  # type: ignore[misc]
                    "left" if (pair.left.cell == "BEGAN") == c[id(pair)] else "right"
                ),
            ),
        )
    found = preference(tables)
    assert isinstance(found, Details)
    (table,) = found.blocks
    assert isinstance(table, Table)
    (row,) = table.frame.to_dict("records")
    assert (row["chosen"], row["over"]) == ("BEGAN", "EBGAN-PT")
    assert row["share of answers, %"].startswith("60 [")
    assert (row["answers"], row["people"], row["training seeds"]) == ("80", "2", "2")
    assert "The unit is an answer" in table.caption


def test_what_does_not_count_is_said(tables: Tables) -> None:
    file = answers(tables, pairs(tables, (), 3, 0), "Ada", lambda pair: "left")
    file["page"]["version"] = 7
    send(tables, file)
    fault, nobody = preference(tables).blocks
    assert isinstance(fault, Words)
    assert fault.markdown.startswith("**Not counted:** ada.json: answers to version 7")
    assert isinstance(nobody, Words)
    assert "Nobody has been asked" in nobody.markdown
