"""Winners: chosen by validation images once all of an arm's search has ended, the worst counted."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from benchmark.ablation.cost import work_of
from benchmark.ablation.plan import Plan
from benchmark.ablation.tuning import Budget
from benchmark.errors import BenchError
from benchmark.report.tuning import searched
from benchmark.results.tables import find_recorded, read_tables
from benchmark.results.tuning import (
    measured_rates,
    read_tuning,
    waiting,
    with_winners,
    write_search,
)
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.ablation.tuned import (
    ALL,
    BEGAN,
    EBGAN,
    Ends,
    train_own,
    train_search,
    tuned_plan,
)


def tuned_cells(plan: Plan) -> set[str]:
    return {run.cell for run in plan.runs} - {"BEGAN", "EBGAN"}


def test_the_least_validation_distance_wins(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, ALL)
    found = write_search(plan, tmp_path / "runs", tmp_path / "results")
    said = read_tuning(tmp_path / "results" / plan.place)
    assert said is not None
    # A collapsed setting loses to every other that has not failed, whatever its distance.
    assert said.winners == {"BEGAN": 2, "EBGAN": 3}
    assert found == plan.with_tuned({"BEGAN": 2, "EBGAN": 3})
    assert waiting(found) == []
    began, ebgan = said.arms
    assert [each.distance for each in began.settings] == [300, 120, None, 200]
    assert [each.state for each in began.settings] == ["done", "done", "failed", "done"]
    assert [each.collapsed for each in ebgan.settings] == [True, False, False, False]
    assert ebgan.ranges["method.pulling_away"] == [0, 0.1]
    assert (said.count, said.seed, said.budget) == (4, 77, Budget(steps=50))
    assert said.judge.settings.reference == "validation"


@pytest.mark.parametrize(
    ("ends", "winner"),
    [
        (["failed", "failed", "collapsed 900", "collapsed 800"], 4),
        (["failed"] * 4, 1),
        ([70.0, 70.0, 80.0, 90.0], 1),
    ],
)
def test_even_of_lost_settings_one_wins(ends: Ends, winner: int, tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, {"BEGAN": ends})
    found = with_winners(plan, tmp_path / "runs", tmp_path / "results")
    assert found == plan.with_tuned({"BEGAN": winner})


def test_a_run_that_is_judged_half_way_has_no_end_yet(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, ALL)
    plan = write_search(plan, tmp_path / "runs", tmp_path / "results")
    train_own(tmp_path, plan)
    run = next(each for each in plan.runs if each.cell == "BEGAN tuned")
    (path,) = (tmp_path / "runs" / run.run_id / "evaluations").glob("*.jsonl")
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "step": 100}) + "\n")
    tables = read_tables(write_results(plan, tmp_path / "runs", tmp_path / "results"))
    distances = tables.runs.set_index("run_id")["distance"]
    assert math.isnan(distances.pop(run.run_id))
    assert distances.notna().all()
    own = tables.evaluations
    assert list(own[own["run_id"] == run.run_id]["step"]) == [100]  # it stays in the curves


def test_an_arm_waits_until_all_of_its_search_has_ended(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, {"BEGAN": BEGAN, "EBGAN": EBGAN[:3]})
    found = with_winners(plan, tmp_path / "runs", tmp_path / "results")
    assert tuned_cells(found) == {"BEGAN tuned"}
    assert waiting(found) == ["EBGAN"]
    train_search(tmp_path, plan, ALL)
    found = with_winners(plan, tmp_path / "runs", tmp_path / "results")
    assert tuned_cells(found) == {"BEGAN tuned", "EBGAN tuned"}


def test_a_run_that_nobody_has_judged_has_not_ended(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, ALL)
    assert plan.search is not None
    run = RunDirectory(tmp_path / "runs" / plan.search.runs[0].run_id)
    for file in (run.path / "evaluations").iterdir():
        file.unlink()
    found = with_winners(plan, tmp_path / "runs", tmp_path / "results")
    assert waiting(found) == ["BEGAN"]


def test_the_tables_alone_choose_the_same(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    ends: Ends = [300.0, 100.0000001, 100.00000009, 200.0]
    train_search(tmp_path, plan, {**ALL, "BEGAN": ends})
    here = write_search(plan, tmp_path / "runs", tmp_path / "results")
    there = with_winners(plan, tmp_path / "elsewhere", tmp_path / "results")
    assert here == there
    assert tuned_cells(there) == {"BEGAN tuned", "EBGAN tuned"}


def test_the_searchs_runs_have_tables_of_their_own(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_search(tmp_path, plan, ALL)
    found = write_search(plan, tmp_path / "runs", tmp_path / "results")
    folder = write_results(found, tmp_path / "runs", tmp_path / "results")
    tables, search = read_tables(folder), read_tables(folder / "search")
    assert [cell.title for cell in tables.cells] == [
        *("BEGAN", "BEGAN tuned", "EBGAN", "EBGAN tuned")
    ]
    assert len(search.runs) == 8
    assert search.record.claims == []
    first = search.runs.iloc[0]["run_id"]
    recorded = find_recorded(str(first), tmp_path / "results")  # so that it can be reproduced
    assert recorded is not None
    assert plan.search is not None
    assert recorded.spec() == plan.search.runs[0].spec


def test_what_nobody_tuned_is_as_it_was(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path, "profiles: {short: {}", "profiles: {short: {tune: null}")
    assert plan.search is None
    assert write_search(plan, tmp_path / "runs", tmp_path / "results") is plan
    assert with_winners(plan, tmp_path / "runs", tmp_path / "results") is plan
    assert waiting(plan) == []
    assert read_tuning(tmp_path) is None


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text("{}")
    with pytest.raises(BenchError, match=r"tuning\.json: cannot be read .*`bench run FILE`"):
        read_tuning(tmp_path)


def test_measured_rates_are_kept(tmp_path: Path) -> None:
    rates = {"BEGAN": 4.0e8, "EBGAN": 2.0e8}
    plan = tuned_plan(tmp_path, "{steps: 50}", f"{{core_seconds: 0.5, rates: {rates}}}")
    train_search(tmp_path, plan, ALL)
    write_search(plan, tmp_path / "runs", tmp_path / "results")
    found = read_tuning(tmp_path / "results" / plan.place)
    assert found is not None
    assert found.budget == Budget(core_seconds=0.5, rates=rates)
    assert "each trained for 0.5 core-seconds, as estimated from measured rates" in searched(found)


def test_rates_are_operations_over_seconds(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_own(tmp_path, plan)
    folder = write_results(plan, tmp_path / "runs", tmp_path / "results")
    path = folder / "runs.csv"
    runs = pd.read_csv(path, keep_default_na=False)
    runs["cpu_s"] = [3.0 if seed == 0 else 5.0 for seed in runs["seed"]]
    runs.to_csv(path, index=False)
    work = {run.cell: work_of(run.spec) for run in plan.runs}
    found = measured_rates(read_tables(folder))
    assert set(found) == {"BEGAN", "EBGAN"}
    for arm, each in work.items():
        assert each is not None
        assert found[arm] == pytest.approx(2 * 300 * 4 * each.macs / 8.0)
    assert measured_rates(read_tables(folder).only({"variant": "BEGAN"})).keys() == {"BEGAN"}
