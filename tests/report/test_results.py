"""Reading results/: what is torn, foreign or impossible is refused with a word."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmark.errors import BenchError
from benchmark.report.results import read, read_all


def test_what_was_written_is_read(folder: Path) -> None:
    found = read(folder)
    assert [cell.title for cell in found.cells] == ["BEGAN", "EBGAN-PT"]
    assert [len(cell.runs) for cell in found.cells] == [3, 3]
    assert [(cell.failed, cell.collapsed) for cell in found.cells] == [(0, 0), (1, 1)]
    assert found.cells[1].setup.distance == "fd_efficientnet_lite0"
    assert (len(found.train), len(found.evaluations), len(found.repeats)) == (17, 17, 10)


def test_paper_stands_before_short_before_demo(results: Path) -> None:
    for profile in ("demo", "other", "paper"):
        copy = results / "baselines" / profile
        shutil.copytree(results / "baselines" / "short", copy)
        record = json.loads((copy / "ablation.json").read_text())
        (copy / "ablation.json").write_text(json.dumps({**record, "profile": profile}))
    profiles = [each.record.profile for each in read_all(results)]
    assert profiles == ["paper", "short", "demo", "other"]


def test_no_results_says_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"does not exist; `bench run FILE`"):
        read_all(tmp_path / "none")
    with pytest.raises(BenchError, match=r"holds no results; `bench run FILE`"):
        read_all(tmp_path)


def test_torn_or_foreign_records_are_refused(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    cells = record["cells"]
    for content, message in (
        ('{"format": 2, "na', "cannot be read"),
        ("[]", "format None"),
        (json.dumps({**record, "format": 3}), "format 3, and this version of bench reads format 2"),
        (json.dumps({**record, "swept": "x"}), "swept"),
        (json.dumps({**record, "more": 1}), "more"),
        (json.dumps({**record, "cells": [{**cells[0], "setup": 7}, cells[1]]}), "setup"),
        (json.dumps({**record, "cells": cells[:1]}), "the cell 'EBGAN-PT'"),
    ):
        path.write_text(content)
        with pytest.raises(BenchError, match=message):
            read(folder)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("runs", "coverage"),
        ("runs", "noise_kid"),
        ("runs", "best_fd_efficientnet_lite0"),
        ("runs", "variant"),
        ("train", "loss_d"),
        ("evaluations", "heldout_m_global"),
        ("repeats", "draw"),
    ],
)
def test_a_missing_column_is_named(folder: Path, name: str, column: str) -> None:
    path = folder / f"{name}.csv"
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
    with pytest.raises(BenchError, match=rf"{name}\.csv: lacks the column {column}; run `bench"):
        read(folder)


def test_a_missing_table_is_named(folder: Path) -> None:
    (folder / "repeats.csv").unlink()
    with pytest.raises(BenchError, match=r"repeats\.csv: cannot be read"):
        read(folder)


def test_rows_that_cannot_be_true_are_refused(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    for changed, message in (
        (runs.assign(seed=0), "there twice"),
        (pd.concat([runs, runs.head(1).assign(seed=9)]), "there twice"),
        (runs.assign(state="fine"), "'fine' is no state"),
        (runs.assign(kid="much"), "kid"),
        (runs.drop(index=5), r"train\.csv: ebgan-.* is not in runs\.csv"),
    ):
        changed.to_csv(folder / "runs.csv", index=False)
        with pytest.raises(BenchError, match=message):
            read(folder)


def test_a_hash_that_looks_like_a_number_stays_a_hash(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv", dtype=str).assign(data="12e45", commit="007")
    runs.to_csv(folder / "runs.csv", index=False)
    found = read(folder).runs
    assert (found["data"].iloc[0], found["commit"].iloc[0]) == ("12e45", "007")
