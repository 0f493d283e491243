"""The section of a tuned ablation: what was searched, what won, what came of it."""

from pathlib import Path

import pytest

from benchmark.claims.evidence import write_evidence
from benchmark.claims.tuning import best_of
from benchmark.report.document import Picture, Table, pictures, tables
from benchmark.report.markdown import build
from benchmark.report.numbers import INCOMPLETE
from benchmark.report.sections import section
from benchmark.results.tables import read_evidence, read_tables
from benchmark.results.tuning import read_tuning, write_search
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.ablation.tuned import (
    ALL,
    BEGAN,
    LEVEL,
    Ends,
    train,
    train_own,
    train_search,
    tuned_plan,
)


def write(root: Path, ends: dict[str, Ends]) -> Path:
    """Tables of a tuned ablation whose search ended so."""
    plan = tuned_plan(root)
    train_search(root, plan, ends)
    plan = write_search(plan, root / "runs", root / "results")
    train_own(root, plan)
    folder = write_results(plan, root / "runs", root / "results")
    write_evidence(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tuned"), ALL)


def found(folder: Path) -> dict[str, Table]:
    return {each.name: each for each in tables(section(read_tables(folder)))}


def test_a_row_an_arm(folder: Path) -> None:
    table = found(folder)["tuning"]
    began, ebgan = table.frame.to_dict("records")
    name = "Fréchet distance (efficientnet_lite0)"
    assert began["arm"] == "BEGAN"
    assert (began["settings searched"], began["failed"], began["collapsed"]) == ("4", "1", "0")
    assert (ebgan["settings searched"], ebgan["failed"], ebgan["collapsed"]) == ("4", "1", "1")
    assert began["winner"] == "`lr=0.000909`, `gamma=0.708`, `n=3`"
    assert (began[f"its {name}, validation"], ebgan[f"its {name}, validation"]) == ("120", "150")
    assert began[f"tuned: {name}, test"] == "65 ± 7.07"
    assert began[f"own settings: {name}, test"] == "105 ± 7.07"
    assert began["tuned minus own"] == "-40"  # two seeds give no interval
    assert began["GFLOP per step, tuned / own"] == "0.01311 / 0.006603"
    assert "4 random settings for each arm, each trained for 50 steps with seed 77" in table.caption
    assert "1000 validation images" in table.caption


def test_every_setting_from_best_to_worst(folder: Path) -> None:
    rows = found(folder)["settings"].frame
    assert list(rows["setting"]) == ["2", "4", "1", "3", "3", "2", "1", "4"]
    assert list(rows["state"])[4:] == ["done", "done", "done, collapsed", "failed"]
    assert "log_uniform" in found(folder)["settings"].caption


def test_lost_settings_count_as_the_worst_that_was_not(folder: Path) -> None:
    record = read_tuning(folder)
    assert record is not None
    curves = best_of(record)
    # Of BEGAN 120, 200, 300 and a failed one; of EBGAN 150, 400 and two that were lost: 400 each.
    assert curves["BEGAN"][[0, 3]].tolist() == [(120 + 200 + 300 + 400) / 4, 120]
    assert curves["EBGAN"][[0, 1]].tolist() == [(150 + 3 * 400) / 4, (150 + 400) / 2]
    picture = next(each for each in pictures(section(read_tables(folder))) if _is_best_of(each))
    assert "(3) count as the worst" in picture.caption


def test_claims_compare_tuned_cells_on_fresh_seeds(folder: Path) -> None:
    claims = read_evidence(folder, "claims")
    assert claims is not None
    row = claims.iloc[0]
    assert (row["runs"], float(row["effect"])) == ("4", -20)
    cells = read_tables(folder).runs.set_index("run_id")["cell"]
    assert {cells[run_id] for run_id in row["run_ids"].split()} == {"BEGAN tuned", "EBGAN tuned"}


def test_a_cell_that_lacks_seeds_marks_its_gain(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path, "seeds: [0, 1]", "seeds: [0, 1, 2, 3]")
    train_search(tmp_path, plan, ALL)
    plan = write_search(plan, tmp_path / "runs", tmp_path / "results")
    for planned in plan.runs:
        lost = planned.cell == "BEGAN tuned" and planned.spec.seed == 3
        end = LEVEL[planned.cell] + 10 * planned.spec.seed
        train(tmp_path, plan, planned, "failed" if lost else end)
    folder = write_results(plan, tmp_path / "runs", tmp_path / "results")
    write_evidence(folder)
    table = found(folder)["tuning"]
    began, ebgan = table.frame["tuned minus own"]
    assert began.endswith("]" + INCOMPLETE)
    assert ebgan.endswith("]")
    assert f"{INCOMPLETE} fewer finished runs than planned" in table.caption


def test_settings_are_counted_as_lost_once_their_arm_has_ended(tmp_path: Path) -> None:
    folder = write(tmp_path, {"BEGAN": BEGAN})
    picture = next(each for each in pictures(section(read_tables(folder))) if _is_best_of(each))
    assert "(1) count as the worst" in picture.caption


def test_the_seconds_that_settings_took_are_shown(tmp_path: Path) -> None:
    """An estimate by operations is not what small networks take."""
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, {"BEGAN": [300.0, 120.0]})
    assert plan.search is not None
    for run, seconds in zip(plan.search.runs, (10.0, 31.0), strict=False):
        directory = RunDirectory(tmp_path / "runs" / run.run_id)
        result = directory.result()
        assert result is not None
        directory.write_result(result.model_copy(update={"cpu_s": seconds}))
    plan = write_search(plan, tmp_path / "runs", tmp_path / "results")
    train_own(tmp_path, plan)
    folder = write_results(plan, tmp_path / "runs", tmp_path / "results")
    write_evidence(folder)
    assert list(found(folder)["tuning"].frame["core-seconds per setting"]) == ["20 (10 to 31)", "—"]


def test_a_search_under_way_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path, {"BEGAN": [300.0, 120.0]})
    began, ebgan = found(folder)["tuning"].frame.to_dict("records")
    assert (began["settings searched"], ebgan["settings searched"]) == ("2 of 4", "0 of 4")
    assert {began["winner"], ebgan["winner"]} == {"not known yet"}
    assert not any(map(_is_best_of, pictures(section(read_tables(folder)))))
    claims = read_evidence(folder, "claims")
    assert claims is not None
    assert claims.iloc[0]["verdict"] == "not run"


def test_nothing_is_drawn_where_every_setting_was_lost(tmp_path: Path) -> None:
    folder = write(tmp_path, {"BEGAN": ["failed"] * 4, "EBGAN": ["collapsed 5"] * 4})
    assert not any(map(_is_best_of, pictures(section(read_tables(folder)))))
    assert found(folder)["tuning"].frame["winner"].iloc[0] != "not known yet"


def test_the_report_needs_the_tables_alone(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "REPORT.md"
    build(folder.parents[1], report)
    assert (folder / "best_of.png").read_bytes().startswith(b"\x89PNG")
    text = report.read_text()
    assert "| BEGAN | 4 | 1 (1 to 1) | 1 | 0 | `lr=0.000909`" in text
    assert text.count("tuned, profile short") > 0
    assert "search" not in [each.split(",")[0] for each in text.splitlines() if each[:3] == "## "]


def _is_best_of(picture: Picture) -> bool:
    return picture.path.name == "best_of.png"
