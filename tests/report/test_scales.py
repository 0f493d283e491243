"""One ablation at two scales, side by side."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmark.report.document import Heading, Table, tables
from benchmark.report.overview import compose
from benchmark.report.retired import Scale
from benchmark.report.scales import change, scales
from benchmark.results.tables import read_tables
from tests.report import evidence

SHORT, LONG = "short, 300 steps", "longer, 3,000 steps"


def asked(*folders: Path) -> list[Scale]:
    return [Scale.of(read_tables(folder)) for folder in folders]


def test_claims_and_cells_stand_side_by_side(folder: Path, longer: Path) -> None:
    runs = pd.read_csv(longer / "runs.csv")
    began = runs["variant"] == "BEGAN"
    runs.loc[began, "distance"] += 1000  # the order turns over
    runs.to_csv(longer / "runs.csv", index=False)
    over, claims, cells = scales(asked(longer, folder))  # in the order of their steps
    assert over == Heading(2, "What scale changes")
    assert isinstance(claims, Table)
    assert claims.frame.to_dict("records") == [
        {
            "claim": "BEGAN is better",
            SHORT: "**refuted**: 95.12 [80, 110.5]",
            LONG: "**supported**: -40 [-60, -20]",
            "change": "reversed",
        }
    ]
    assert isinstance(cells, Table)
    found = cells.frame.set_index("cell")
    assert list(found.columns) == [SHORT, "rank, short", LONG, "rank, longer"]
    assert list(found["rank, short"]) == ["1", "2", "—"]
    assert list(found["rank, longer"]) == ["2", "1", "—"]
    assert found.index[-1] == "*real against real*"
    assert "profile short / profile longer" in cells.caption


def test_a_claim_that_waits_for_runs_has_not_changed(folder: Path, longer: Path) -> None:
    evidence.write(longer, verdict="undecided", sentence="Mean: 1 and 2; missing: a (queued).")
    _, claims, _ = scales(asked(folder, longer))
    assert isinstance(claims, Table)
    assert list(claims.frame["change"]) == ["waits for runs"]


def test_cells_that_one_scale_lacks_are_left_out(folder: Path, longer: Path) -> None:
    runs = pd.read_csv(longer / "runs.csv")
    runs.loc[runs["variant"] == "BEGAN", "distance"] = float("nan")
    runs.to_csv(longer / "runs.csv", index=False)
    assert len(list(scales(asked(folder, longer)))) == 2  # a rank among one says nothing
    evidence.write(longer, verdict="not run")
    assert list(scales(asked(folder, longer))) == []


def test_runs_with_set_have_columns_of_their_own(folder: Path) -> None:
    """They have the profile's name and steps, and lie in a folder beside its own."""
    other = folder.with_name("short+_set_")
    shutil.copytree(folder, other)
    evidence.write(folder)
    evidence.write(other, verdict="supported", effect=-40.0, low=-60.0, high=-20.0)
    _, claims, cells = scales(asked(folder, other))
    assert isinstance(claims, Table)
    assert isinstance(cells, Table)
    both = [SHORT, "short+_set_, 300 steps"]
    assert claims.frame[both].iloc[0].tolist() == [
        *("**refuted**: 95.12 [80, 110.5]", "**supported**: -40 [-60, -20]")
    ]
    assert list(cells.frame)[1::2] == both
    assert r"profile short / profile short+\_set\_" in cells.caption


def test_one_scale_is_no_comparison(folder: Path) -> None:
    assert list(scales(asked(folder))) == []


def test_the_report_has_both_scales_first_what_learnt_longest(folder: Path, longer: Path) -> None:
    document = compose([read_tables(each) for each in (folder, longer)])
    questions = next(tables(document.opening)).frame
    assert list(questions["steps"]) == ["3,000", "300"]
    assert [section.folder for section in document.sections] == [longer, folder]
    shown = {table.name for table in tables(document.opening)}
    assert {"scales_claims_baselines", "scales_cells_baselines"} <= shown


def test_a_demonstration_is_no_scale(folder: Path, longer: Path) -> None:
    record = json.loads((longer / "ablation.json").read_text())
    (longer / "ablation.json").write_text(json.dumps({**record, "finding": False}))
    document = compose([read_tables(each) for each in (folder, longer)])
    shown = {table.name for table in tables(document.opening)}
    assert "scales_claims_baselines" not in shown


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("refuted", "supported", "reversed"),
        ("supported", "too small", "reversed"),
        ("refuted", "too small", "none"),
        ("underpowered", "refuted", "decided"),
        ("supported", "undecided", "open again"),
        ("underpowered", "undecided", "none, still open"),
    ],
)
def test_what_changes_is_in_words(before: str, after: str, words: str) -> None:
    assert change(before, after) == words
