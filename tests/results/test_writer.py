"""What each table holds, recomputed from the runs by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.ablation.plan import PlannedRun
from benchmark.errors import BenchError
from benchmark.evaluation.metrics import METRICS
from benchmark.methods import heldout_columns, train_columns
from benchmark.results.places import samples_of
from benchmark.results.schema import FORMAT, table_path
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from tests.report.material import (
    BEGAN,
    EBGAN,
    FLOOR,
    JUDGE,
    NETWORK,
    PARAMETERS,
    TWO_JUDGES,
    VERSIONS,
    evaluate,
    fill_all,
    judge_record,
    metrics,
    plan,
    record,
    spec,
    weights,
)


def runs(folder: Path) -> pd.DataFrame:
    # A hash may read like a number.
    table = pd.read_csv(folder / "runs.csv", dtype={"weights_sha256": str, "data": str})
    return table.set_index("label")


def description(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "ablation.json").read_text())
    return found


def test_a_row_a_run_in_the_plans_order(folder: Path) -> None:
    table = runs(folder)
    assert list(table.index) == [planned.label for planned in plan().runs]
    assert list(table["run_id"]) == [planned.run_id for planned in plan().runs]
    assert list(table["cell"]) == ["BEGAN"] * 3 + ["EBGAN-PT"] * 3
    assert list(table["variant"]) == list(table["cell"])
    assert list(table["seed"]) == [0, 1, 2] * 2
    assert list(table["method"]) == ["began"] * 3 + ["ebgan"] * 3
    assert list(table["signal"]) == ["m_global"] * 3 + ["loss_d"] * 3
    assert list(table["state"]) == ["done"] * 5 + ["failed"]
    assert list(table["step"]) == [300] * 5 + [200]
    assert list(table["parameters"]) == [1000] * 3 + [2000] * 3
    assert list(table["cpu_s"]) == [60, 120, 180] * 2
    assert set(table["commit"]) == {"bada52f00000"}
    assert set(table["data"]) == {"abcdef0123456789"}
    assert table["weights_sha256"].iloc[4] == weights(plan().runs[4])


def test_the_columns_are_the_union_and_a_method_lacks_what_it_lacks(folder: Path) -> None:
    table, train = runs(folder), pd.read_csv(folder / "train.csv.gz")
    began, ebgan = spec(BEGAN, 0).method, spec(EBGAN, 0).method
    trained = dict.fromkeys([*train_columns(began), *train_columns(ebgan)])
    heldout = dict.fromkeys([*heldout_columns(began), *heldout_columns(ebgan)])
    assert list(train) == ["run_id", "step", *trained]
    assert list(pd.read_csv(folder / "heldout.csv")) == ["run_id", "step", *heldout]
    judged = ["run_id", "judge", "step", "draw", *METRICS]
    assert list(pd.read_csv(folder / "evaluations.csv")) == judged
    assert {*trained, *METRICS, *heldout, *(f"noise_{column}" for column in METRICS)} <= set(table)
    assert table.loc["BEGAN seed=1", "m_global"] == pytest.approx(110 / 300)
    assert math.isnan(table.loc["BEGAN seed=1", "hinge"])
    assert table.loc["EBGAN-PT seed=0", "loss_d"] == pytest.approx(200 / 300)
    assert math.isnan(table.loc["EBGAN-PT seed=0", "m_global"])
    assert table.loc["EBGAN-PT seed=0", "heldout_energy_real"] == 0.75
    assert math.isnan(table.loc["EBGAN-PT seed=0", "heldout_m_global"])
    mine = train[train["run_id"] == table.loc["EBGAN-PT seed=2", "run_id"]]
    assert list(mine["step"]) == [100, 200]
    assert mine["m_global"].isna().all()
    assert list(mine["loss_d"]) == [2.2, 1.1]


def test_last_and_best_by_validation_are_two_columns(folder: Path) -> None:
    row = runs(folder).loc["BEGAN seed=1"]
    assert row["distance"] == 110  # at step 300
    assert row["best_step"] == 200  # where the validation distance, not the test one, is least
    assert row["best_distance"] == 210


def test_evaluation_noise_takes_the_regular_evaluation_in(folder: Path) -> None:
    table = runs(folder)
    # 110, 111 and 109: sd 1 with ddof 1. Without the regular one it would be 1.414.
    assert table.loc["BEGAN seed=1", "noise_distance"] == pytest.approx(1.0)
    assert table.loc["BEGAN seed=1", "noise_recall"] == 0
    assert math.isnan(table.loc["EBGAN-PT seed=2", "noise_distance"])  # it never got there
    found = pd.read_csv(folder / "evaluations.csv")
    mine = found[(found["run_id"] == table.loc["BEGAN seed=1", "run_id"]) & (found["step"] == 300)]
    assert list(mine["draw"]) == [0, 1, 2]
    assert list(mine["distance"]) == [110, 111, 109]


def test_collapse_is_what_lasts_to_the_end(tmp_path: Path, folder: Path) -> None:
    table = runs(folder)
    assert table.loc["EBGAN-PT seed=1", ["collapsed", "collapsed_at"]].tolist() == [1, 200]
    assert table.loc["BEGAN seed=0", "collapsed"] == 0
    assert math.isnan(table.loc["BEGAN seed=0", "collapsed_at"])
    # Collapsed at first, alive at 200, collapsed again at 300: since 300.
    run = RunDirectory(tmp_path / "runs" / plan().runs[0].run_id)
    for step in (100, 300):
        evaluate(run, judge_record(), step, 0, {"spread": 0.29})
    again = runs(write_results(plan(), tmp_path / "runs", tmp_path / "results"))
    assert again.loc["BEGAN seed=0", ["collapsed", "collapsed_at"]].tolist() == [1, 300]


def test_results_before_any_run_has_started(tmp_path: Path) -> None:
    folder = write_results(plan(), tmp_path / "runs", tmp_path / "results")
    table, found = runs(folder), description(folder)
    assert set(table["state"]) == {"queued"}
    assert table[["collapsed", "best_step", "m_global", "data"]].isna().all(axis=None)
    for name in ("train", "heldout", "evaluations"):
        assert len(pd.read_csv(table_path(folder, name))) == 0
    (setup,) = found["setups"]  # type: ignore[misc]
    assert (setup["data"]["title"], setup["references"], setup["floors"]) == (None, {}, {})
    (judge,) = found["judges"]  # type: ignore[misc]
    assert (judge["name"], judge["digest"], judge["versions"]) == (JUDGE, None, {})
    assert found["registration"] is None
    assert not (folder.parents[1] / "samples").exists()


def test_what_cells_share_is_said_once(folder: Path) -> None:
    found = description(folder)
    assert (found["format"], found["swept"], found["seeds"]) == (FORMAT, ["variant"], [0, 1, 2])
    settings, cells = found["settings"], found["cells"]
    assert settings["data.view.name"] == "aligned"  # type: ignore[index]
    assert settings["training.lr_decay.on"] == "stall"  # type: ignore[index]
    assert "method.name" not in settings  # type: ignore[operator]
    assert "seed" not in settings  # type: ignore[operator]
    assert [cell["cell"] for cell in cells] == ["BEGAN", "EBGAN-PT"]  # type: ignore[attr-defined]
    ebgan = cells[1]  # type: ignore[index]
    assert ebgan["settings"]["method.pulling_away"] == 0.1
    assert "method.gamma" not in ebgan["settings"]
    assert not set(ebgan["settings"]) & set(settings)  # type: ignore[call-overload]
    assert (ebgan["point"], ebgan["signal"]) == ({"variant": "EBGAN-PT"}, "loss_d")
    assert (ebgan["steps"], ebgan["batch"], ebgan["setup"]) == (300, 4, 0)
    (setup,) = found["setups"]  # type: ignore[misc]
    assert setup["references"] == {JUDGE: "abcdef0123456789"}
    assert setup["floors"][JUDGE]["real"] == FLOOR
    (judge,) = found["judges"]  # type: ignore[misc]
    assert (judge["network"], judge["parameters"]) == (NETWORK, PARAMETERS)
    assert judge["versions"] == VERSIONS
    assert judge["settings"]["samples"] == 1000
    assert found["evaluation"] == {
        **{"every": 100, "metrics": [], "repeats": 2},
        "collapse_below": 0.3,
    }
    assert (setup["data"]["broken"], setup["data"]["subject"]) == (1, "faces")
    assert setup["data"]["settings"]["view"] == {"name": "aligned", "crop": 128}


def test_each_data_view_is_a_set_up_of_its_own(tmp_path: Path) -> None:
    views = ({"name": "aligned"}, {"name": "rotated", "degrees": 20.0})
    planned = tuple(
        PlannedRun(spec(BEGAN, seed, data={"view": view}), {"variant": str(view["name"])})
        for view in views
        for seed in (0, 1)
    )
    made = replace(plan(), runs=planned)
    for each in planned[::2]:  # the first seed of each: the others have not started
        run = RunDirectory.create(tmp_path / "runs", each.spec)
        run.write_provenance(
            record(
                each,
                data={
                    **{"title": each.cell, "subject": "faces", "broken": []},
                    "fingerprint": each.cell * 5,
                },
            )
        )
    found = description(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert [setup["data"]["title"] for setup in found["setups"]] == ["aligned", "rotated"]  # type: ignore[attr-defined]
    assert [cell["setup"] for cell in found["cells"]] == [0, 1]  # type: ignore[attr-defined]
    assert [cell["differing"] for cell in found["cells"]] == [[], []]  # type: ignore[attr-defined]


def test_a_run_with_other_data_is_named(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    odd, compared = made.runs[1], made.runs[2]
    other = {**record(odd)["data"], "fingerprint": "f" * 16}
    RunDirectory(tmp_path / "runs" / odd.run_id).write_provenance(record(odd, data=other))
    run = RunDirectory(tmp_path / "runs" / compared.run_id)
    evaluate(run, judge_record(), 300, 0, metrics(1.0, 1.0), reference="f" * 16, time=2e9)
    found = description(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert found["cells"][0]["differing"] == [odd.run_id, compared.run_id]  # type: ignore[index]
    assert [setup["references"][JUDGE][0] for setup in found["setups"]] == ["a", "a", "f"]  # type: ignore[attr-defined]


def test_rows_that_were_compared_with_other_data_are_not_mixed(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    run = RunDirectory(tmp_path / "runs" / made.runs[0].run_id)
    evaluate(run, judge_record(), 300, 0, metrics(1.0, 1.0), reference="f" * 16, time=2e9)
    folder = write_results(made, tmp_path / "runs", tmp_path / "results")
    found = pd.read_csv(folder / "evaluations.csv")
    mine = found[found["run_id"] == made.runs[0].run_id]
    assert mine[["step", "draw", "distance"]].to_numpy().tolist() == [[300, 0, 1.0]]


def test_an_outdated_judge_is_not_mixed_with_the_newest(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    renewed = made.runs[0]
    run = RunDirectory(tmp_path / "runs" / renewed.run_id)
    newer = judge_record(digest="f" * 64, made=2e9, network={**NETWORK, "version": "2"})
    evaluate(run, newer, 300, 0, metrics(1.0, 1.0))
    folder = write_results(made, tmp_path / "runs", tmp_path / "results")
    (judge,) = description(folder)["judges"]  # type: ignore[misc]
    assert (judge["digest"], judge["network"]["version"]) == ("f" * 64, "2")
    assert set(pd.read_csv(folder / "evaluations.csv")["run_id"]) == {renewed.run_id}
    assert runs(folder)["distance"].dropna().tolist() == [1.0]


def test_an_outdated_metric_is_left_out_alone(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    run = RunDirectory(tmp_path / "runs" / made.runs[0].run_id)
    versions = {"kid": "2"}
    evaluate(run, judge_record(), 300, 0, {"kid": 0.5}, versions=versions, time=2e9)
    folder = write_results(made, tmp_path / "runs", tmp_path / "results")
    (judge,) = description(folder)["judges"]  # type: ignore[misc]
    assert judge["versions"] == {**VERSIONS, **versions}
    table = runs(folder)
    assert table["kid"].dropna().tolist() == [0.5]
    assert table["distance"].count() == 6


def test_every_judge_has_its_rows_and_the_headline_the_runs(tmp_path: Path) -> None:
    made = plan(evaluation=TWO_JUDGES)
    fill_all(tmp_path / "runs", made)
    run = RunDirectory(tmp_path / "runs" / made.runs[0].run_id)
    evaluate(run, judge_record("dlib_face", 500), 300, 0, metrics(3.0, 3.0))
    assert len(Evaluations.all(run.path)) == 2
    folder = write_results(made, tmp_path / "runs", tmp_path / "results")
    judges = description(folder)["judges"]
    assert [judge["name"] for judge in judges] == [JUDGE, "faces"]  # type: ignore[attr-defined]
    rows = pd.read_csv(folder / "evaluations.csv")
    assert rows["judge"].value_counts().to_dict() == {JUDGE: 27, "faces": 1}
    assert runs(folder).loc["BEGAN seed=0", "distance"] == 100


def test_a_metric_of_nobodys_registry_has_a_column(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    run = RunDirectory(tmp_path / "runs" / made.runs[0].run_id)
    evaluate(run, judge_record(), 300, 0, {"colours": 7.0}, time=2e9)
    table = runs(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert table["colours"].dropna().tolist() == [7.0]


def test_a_swept_block_is_one_line_of_json(tmp_path: Path) -> None:
    view = {"name": "rotated", "degrees": 20.0}
    runs_planned = (PlannedRun(spec(BEGAN, 0, data={"view": view}), {"data.view": view}),)
    made = replace(plan(), runs=runs_planned)
    table = runs(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert json.loads(table["data.view"].iloc[0]) == view


def test_the_first_rows_of_the_last_grid_are_kept(tmp_path: Path, folder: Path) -> None:
    planned = plan().runs[4]
    kept = np.asarray(Image.open(samples_of(folder, planned.run_id)))
    whole = np.asarray(Image.open(tmp_path / "runs" / planned.run_id / "samples/00000300.png"))
    assert kept.shape == (2 * 18 + 2, 8 * 18 + 2, 3)
    assert (kept == whole[: len(kept)]).all()
    other = samples_of(folder, "began-other")
    other.write_bytes(b"of an ablation whose tables are damaged")
    few = replace(plan(), runs=plan().runs[:4])
    write_results(few, tmp_path / "runs", tmp_path / "results", replace=True)
    assert not samples_of(folder, planned.run_id).exists()
    assert other.exists()


def test_a_run_of_two_ablations_has_its_grid_once(tmp_path: Path, folder: Path) -> None:
    other = write_results(plan("other"), tmp_path / "runs", tmp_path / "results")
    assert read_tables(folder).runs["run_id"].equals(read_tables(other).runs["run_id"])
    grids = list((tmp_path / "results").glob("**/samples/*.webp"))
    assert {path.parent for path in grids} == {tmp_path / "results" / "samples"}
    few = replace(plan(), runs=plan().runs[:1])
    write_results(few, tmp_path / "runs", tmp_path / "results", replace=True)
    assert all(path.exists() for path in grids)  # the other has them


def test_a_run_that_another_ablation_has_with_other_weights_keeps_a_grid_of_its_own(
    tmp_path: Path, folder: Path
) -> None:
    """Trained once more, on other instructions: `bench reproduce` of either compares its own."""
    results, first = tmp_path / "results", plan().runs[0].run_id
    shared = samples_of(folder, first)
    before = shared.read_bytes()
    again = fill_all(tmp_path / "again")
    run = RunDirectory(tmp_path / "again" / first)
    result = run.result()
    assert result is not None
    run.write_result(result.model_copy(update={"weights_sha256": "0" * 64}))
    grid = run.samples / "00000300.png"
    Image.fromarray(np.asarray(Image.open(grid)) // 2).save(grid)
    other = write_results(replace(again, name="other"), tmp_path / "again", results)
    assert shared.read_bytes() == before
    assert samples_of(folder, first) == shared
    assert samples_of(other, first) == other / "samples" / shared.name
    own = {path.name for path in (other / "samples").iterdir()}
    assert own == {shared.name}  # the others' weights are the same
    few = replace(again, name="other", runs=again.runs[1:])
    write_results(few, tmp_path / "again", results, replace=True)
    assert not any((other / "samples").iterdir())
    assert shared.read_bytes() == before


def test_the_table_of_an_earlier_format_goes(tmp_path: Path, folder: Path) -> None:
    before = folder / "train.csv"
    before.write_text("run_id,step\n")
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert not before.exists()


def test_the_same_runs_give_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    everything = (tmp_path / "results").rglob("*")
    before = {path: path.read_bytes() for path in everything if path.is_file()}
    assert len(before) == 6 + 6 + 1  # tables, grids, drawn faces
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert before == {path: path.read_bytes() for path in before}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(BenchError, match=r"cannot write the tables .*the runs are safe"):
        write_results(plan(), tmp_path / "runs", tmp_path / "results")
