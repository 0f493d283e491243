"""Reading results/: what is damaged, foreign or impossible is refused in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.errors import BenchError
from benchmark.results.schema import FORMAT, REQUIRED, table_path
from benchmark.results.tables import find_recorded, read_all, read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.report.material import (
    EVALUATION,
    JUDGE,
    TWO_JUDGES,
    evaluate,
    fill_all,
    judge_record,
    metrics,
    plan,
)


def test_what_was_written_is_read(folder: Path) -> None:
    found = read_tables(folder)
    assert [cell.title for cell in found.cells] == ["BEGAN", "EBGAN-PT"]
    assert [len(cell.rows) for cell in found.cells] == [3, 3]
    assert [(cell.failed, cell.collapsed) for cell in found.cells] == [(0, 0), (1, 1)]
    assert (len(found.train), len(found.heldout), len(found.evaluations)) == (17, 17, 17 + 10)
    assert found.cells[1].floors["real"]["distance"] == 40.125


def test_findings_stand_before_demonstrations(folder: Path) -> None:
    for profile, finding in (("demo", False), ("other", True), ("zoo", True)):
        copy = folder.with_name(profile)
        shutil.copytree(folder, copy)
        record = json.loads((copy / "ablation.json").read_text())
        changed = {**record, "profile": profile, "finding": finding}
        (copy / "ablation.json").write_text(json.dumps(changed))
    profiles = [each.record.profile for each in read_all(folder.parents[1])]
    assert profiles == ["other", "short", "zoo", "demo"]


def test_no_results_says_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"does not exist; `bench run FILE`"):
        read_all(tmp_path / "none")
    with pytest.raises(BenchError, match=r"holds no results; `bench run FILE`"):
        read_all(tmp_path)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("ablation.json", lambda path: path.write_bytes(path.read_bytes()[:-40])),
        ("ablation.json", lambda path: path.write_text('{"format": 1}')),
        ("ablation.json", Path.unlink),
        ("runs.csv", lambda path: path.write_bytes(b"\xff\xfe\0PK" * 9)),
        ("runs.csv", Path.unlink),
        ("train.csv.gz", lambda path: path.write_bytes(path.read_bytes()[:-40])),
        ("heldout.csv", lambda path: path.write_text("run_id,step\nnobody-0123456789ab,1\n")),
        ("evaluations.csv", lambda path: path.write_text("")),
    ],
)
def test_a_damaged_table_keeps_no_other_from_being_read(
    file: str, damage: Callable[[Path], Any], folder: Path
) -> None:
    torn = shutil.copytree(folder, folder.with_name("torn"))
    damage(torn / file)
    damaged: dict[Path, str] = {}
    assert [each.folder for each in read_all(folder.parents[1], damaged)] == [folder]
    assert list(damaged) == [torn]
    assert str(torn) in damaged[torn]
    with pytest.raises(BenchError, match="/torn"):
        read_all(folder.parents[1])


def test_damaged_or_foreign_records_are_refused(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    cells, judge = record["cells"], record["judges"][0]
    for content, message in (
        ('{"format": ', "cannot be read"),
        ("[]", "format None"),
        (json.dumps({**record, "format": 3}), f"format 3, and .* reads format {FORMAT};"),
        (json.dumps({**record, "judges": []}), "judge"),
        (json.dumps({**record, "judges": [{**judge, "settings": {}}]}), "features"),
        (json.dumps({**record, "swept": "x"}), "swept"),
        (json.dumps({**record, "more": 1}), "more"),
        (json.dumps({**record, "cells": [{**cells[0], "setup": 7}, cells[1]]}), "setup"),
        (json.dumps({**record, "cells": [{**cells[0], "point": {}}, cells[1]]}), "swept value"),
        (json.dumps({**record, "cells": cells[:1]}), "the cell 'EBGAN-PT'"),
    ):
        path.write_text(content)
        with pytest.raises(BenchError, match=message):
            read_tables(folder)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("runs", "weights_sha256"),
        ("runs", "variant"),
        ("train", "step"),
        ("heldout", "step"),
        ("evaluations", "judge"),
        ("evaluations", "draw"),
    ],
)
def test_a_missing_column_is_named(folder: Path, name: str, column: str) -> None:
    path = table_path(folder, name)
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
    with pytest.raises(BenchError, match=rf"{path.name}: lacks the column {column}; `bench run"):
        read_tables(folder)


def test_a_missing_table_is_named(folder: Path) -> None:
    (folder / "heldout.csv").unlink()
    with pytest.raises(BenchError, match=r"heldout\.csv: cannot be read"):
        read_tables(folder)


def test_rows_that_cannot_be_true_are_refused(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    for changed, message in (
        (runs.assign(seed=0), "occurs twice"),
        (pd.concat([runs, runs.head(1).assign(seed=9)]), "occurs twice"),
        (runs.assign(kid="much"), "'much'"),
        (runs.drop(index=5), r"train\.csv\.gz: ebgan-.* is not in runs\.csv"),
    ):
        changed.to_csv(folder / "runs.csv", index=False)
        with pytest.raises(BenchError, match=message):
            read_tables(folder)


def test_a_hash_that_looks_like_a_number_stays_a_hash(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv", dtype=str).assign(data="12e45", commit="007")
    runs.to_csv(folder / "runs.csv", index=False)
    found = read_tables(folder).runs
    assert (found["data"].iloc[0], found["commit"].iloc[0]) == ("12e45", "007")


def test_what_no_judge_has_seen_is_missing_and_no_error(folder: Path) -> None:
    path = folder / "runs.csv"
    kept = [*REQUIRED["runs"], "variant", "m_global", "loss_d"]
    pd.read_csv(path, dtype=str)[kept].to_csv(path, index=False)
    found = read_tables(folder)
    assert found.values("distance").isna().all()
    assert np.isnan(found.cells[0].values("coverage")).all()
    assert found.values("failed").tolist() == [0, 0, 0, 0, 0, 1]


def test_the_collapse_is_of_the_recorded_threshold(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    assert read_tables(folder).judged["collapsed"].sum() == 2
    record["evaluation"]["collapse_below"] = 0.6  # above every spread
    path.write_text(json.dumps(record))
    assert read_tables(folder).judged["collapsed"].all()


def test_a_run_is_found_by_the_beginning_of_its_id(folder: Path) -> None:
    results, run_id = folder.parents[1], plan().runs[4].run_id
    found = find_recorded(run_id[:12], results)
    assert found is not None
    assert (found.run_id, found.spec().run_id, found.last) == (run_id, run_id, 300)
    assert found.evaluation() == EVALUATION
    assert [row["step"] for row in found.rows("heldout")] == [100, 200, 300]
    assert find_recorded("began-", results) is None  # several begin so
    assert find_recorded("ebgan-ffffffffffff", results) is None
    (folder / "runs.csv").write_text("run_id\nbegan-0\n")
    with pytest.raises(BenchError, match="lacks the column state; `bench run FILE`"):
        find_recorded("began-0", results)


def test_another_judges_metrics_take_the_columns(tmp_path: Path) -> None:
    made = plan(evaluation=TWO_JUDGES)
    fill_all(tmp_path / "runs", made)
    record = judge_record("dlib_face", 500)
    for planned in made.runs[:5]:
        run, seed = RunDirectory(tmp_path / "runs" / planned.run_id), planned.spec.seed
        for step, spread in ((200, 0.1), (300, 0.2)):
            values = metrics(seed + step / 100, step / 100, spread)
            evaluate(run, record, step, 0, values)
        evaluate(run, record, 300, 1, metrics(seed + 5.0, 9.0))
    found = read_tables(write_results(made, tmp_path / "runs", tmp_path / "results"))
    theirs = found.for_judge("faces")
    assert found.for_judge(JUDGE) is found
    assert theirs.for_judge(JUDGE).values("distance").equals(found.values("distance"))
    assert theirs.values("distance").tolist()[:5] == [3, 4, 5, 3, 4]
    assert theirs.values("best_distance").tolist()[:3] == [2, 3, 4]
    assert theirs.runs["collapsed_at"].tolist()[:5] == [200] * 5
    assert theirs.values("broken").tolist() == [1] * 6  # the last has failed
    assert theirs.runs["noise_distance"][0] == pytest.approx(np.std([3, 5], ddof=1))
    assert theirs.points["distance"].tolist() == [2, 3, 4, 2, 3, 3, 4, 5, 3, 4]
    assert list(theirs.runs) == list(theirs.for_judge(JUDGE).for_judge("faces").runs)
    assert theirs.cells[0].floors["blurred"]["distance"] == 80.5
