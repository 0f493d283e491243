"""Format 2 of the results: what each table holds, recomputed from the runs by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.ablation.claims import claims_digest
from benchmark.ablation.plan import PlannedRun
from benchmark.ablation.registration import register
from benchmark.errors import BenchError
from benchmark.evaluation.settings import evaluation_columns
from benchmark.methods import heldout_columns, train_columns
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.report.material import (
    BEGAN,
    CLAIM,
    DISTANCE,
    EBGAN,
    EVALUATION,
    fill,
    fill_all,
    plan,
    record,
    spec,
    weights,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_results(fill_all(tmp_path / "runs"), tmp_path / "runs", tmp_path / "results")


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
    assert set(table["distance"]) == {DISTANCE}
    assert list(table["state"]) == ["done"] * 5 + ["failed"]
    assert list(table["step"]) == [300] * 5 + [200]
    assert list(table["parameters"]) == [1000] * 3 + [2000] * 3
    assert list(table["cpu_s"]) == [60, 120, 180] * 2
    assert set(table["commit"]) == {"bada52f00000"}
    assert set(table["data"]) == {"abcdef0123456789"}
    assert table["weights_sha256"].iloc[4] == weights(plan().runs[4])


def test_the_columns_are_the_union_and_a_method_lacks_what_it_lacks(folder: Path) -> None:
    table, train = runs(folder), pd.read_csv(folder / "train.csv")
    began, ebgan = spec(BEGAN, 0).method, spec(EBGAN, 0).method
    trained = dict.fromkeys([*train_columns(began), *train_columns(ebgan)])
    judged = evaluation_columns("efficientnet_lite0")
    heldout = dict.fromkeys([*heldout_columns(began), *heldout_columns(ebgan)])
    assert list(train) == ["run_id", "step", *trained]
    assert list(pd.read_csv(folder / "evaluations.csv")) == ["run_id", "step", *judged, *heldout]
    assert list(pd.read_csv(folder / "repeats.csv")) == ["run_id", "draw", *judged]
    assert {*trained, *judged, *heldout, *(f"noise_{column}" for column in judged)} <= set(table)
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
    assert row[DISTANCE] == 110  # at step 300
    assert row["best_step"] == 200  # where the validation distance, not the test one, is least
    assert row[f"best_{DISTANCE}"] == 210
    assert f"best_{DISTANCE}_validation" not in row


def test_evaluation_noise_takes_the_regular_evaluation_in(folder: Path) -> None:
    table = runs(folder)
    # 110, 111 and 109: sd 1 with ddof 1. Without the regular one it would be 1.414.
    assert table.loc["BEGAN seed=1", f"noise_{DISTANCE}"] == pytest.approx(1.0)
    assert table.loc["BEGAN seed=1", "noise_recall"] == 0
    assert math.isnan(table.loc["EBGAN-PT seed=2", f"noise_{DISTANCE}"])  # it never got there
    repeats = pd.read_csv(folder / "repeats.csv")
    mine = repeats[repeats["run_id"] == table.loc["BEGAN seed=1", "run_id"]]
    assert list(mine["draw"]) == [1, 2]
    assert list(mine[DISTANCE]) == [111, 109]


def test_collapse_is_what_lasts_to_the_end(tmp_path: Path, folder: Path) -> None:
    table = runs(folder)
    assert table.loc["EBGAN-PT seed=1", ["collapsed", "collapsed_at"]].tolist() == [1, 200]
    assert table.loc["BEGAN seed=0", "collapsed"] == 0
    assert math.isnan(table.loc["BEGAN seed=0", "collapsed_at"])
    # Collapsed at first, alive at 200, collapsed again at 300: since 300.
    run = RunDirectory(tmp_path / "runs" / plan().runs[0].run_id)
    rows = run.rows()
    run.cut_after(0)
    for row in rows:
        if row.kind == "eval":
            values = {**row.values, "collapsed": float(row.step != 200)}
            row = row.model_copy(update={"values": values})
        run.append(row)
    again = runs(write_results(plan(), tmp_path / "runs", tmp_path / "results"))
    assert again.loc["BEGAN seed=0", ["collapsed", "collapsed_at"]].tolist() == [1, 300]


def test_results_before_any_run_has_started(tmp_path: Path) -> None:
    folder = write_results(plan(), tmp_path / "runs", tmp_path / "results")
    table, found = runs(folder), description(folder)
    assert set(table["state"]) == {"queued"}
    assert table[["collapsed", "best_step", "m_global", "data"]].isna().all(axis=None)
    for name in ("train", "evaluations", "repeats"):
        assert len(pd.read_csv(folder / f"{name}.csv")) == 0
    (setup,) = found["setups"]  # type: ignore[misc]
    assert (setup["data"]["title"], setup["evaluation"], setup["floor"]) == (None, None, None)
    assert found["claims_at_start"] is None
    assert not (folder / "samples").exists()


def test_what_cells_share_is_said_once(folder: Path) -> None:
    found = description(folder)
    assert (found["format"], found["swept"], found["seeds"]) == (2, ["variant"], [0, 1, 2])
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
    assert (setup["distance"], setup["evaluation"]) == (DISTANCE, EVALUATION)
    assert setup["data"]["broken"] == 1
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
            record(each, data={"title": each.cell, "fingerprint": each.cell * 5, "broken": []})
        )
    found = description(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert [setup["data"]["title"] for setup in found["setups"]] == ["aligned", "rotated"]  # type: ignore[attr-defined]
    assert [cell["setup"] for cell in found["cells"]] == [0, 1]  # type: ignore[attr-defined]
    assert [cell["differing"] for cell in found["cells"]] == [[], []]  # type: ignore[attr-defined]


def test_a_run_with_another_judge_is_named(tmp_path: Path) -> None:
    made = fill_all(tmp_path / "runs")
    odd = made.runs[1]
    RunDirectory(tmp_path / "runs" / odd.run_id).write_provenance(
        record(odd, evaluation={**EVALUATION, "fidelity_version": "2"})
    )
    # The same judge on a machine whose floor differs in its last bits is the same judge.
    fill(tmp_path / "runs", made.runs[2], floor={DISTANCE: 40.1250001})
    found = description(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert found["cells"][0]["differing"] == [odd.run_id]  # type: ignore[index]
    assert len(found["setups"]) == 2  # type: ignore[arg-type]


def test_claims_changed_after_the_first_run_can_be_told(tmp_path: Path) -> None:
    made = plan()
    register(tmp_path / "runs", made)
    claim = made.claims[0].model_copy(update={"says": "BEGAN is much better"})
    changed = replace(made, claims=(claim,))
    register(tmp_path / "runs", changed)  # a later start, which changes nothing
    found = description(write_results(changed, tmp_path / "runs", tmp_path / "results"))
    assert found["claims_at_start"] == claims_digest(made.claims)
    assert found["claims_sha256"] == claims_digest(changed.claims)
    assert found["claims_at_start"] != found["claims_sha256"]
    claim = found["claims"][0]  # type: ignore[index]
    assert {key: claim["test"][key] for key in CLAIM["test"]} == CLAIM["test"]  # type: ignore[attr-defined]


def test_a_swept_block_is_one_line_of_json(tmp_path: Path) -> None:
    view = {"name": "rotated", "degrees": 20.0}
    runs_planned = (PlannedRun(spec(BEGAN, 0, data={"view": view}), {"data.view": view}),)
    made = replace(plan(), runs=runs_planned)
    table = runs(write_results(made, tmp_path / "runs", tmp_path / "results"))
    assert json.loads(table["data.view"].iloc[0]) == view


def test_the_first_rows_of_the_last_grid_are_kept(tmp_path: Path, folder: Path) -> None:
    planned = plan().runs[4]
    kept = np.asarray(Image.open(folder / "samples" / f"{planned.run_id}.png"))
    whole = np.asarray(Image.open(tmp_path / "runs" / planned.run_id / "samples/00000300.png"))
    assert kept.shape == (2 * 18 + 2, 8 * 18 + 2, 3)
    assert (kept == whole[: len(kept)]).all()
    (folder / "samples" / "began-gone.png").write_bytes(b"of a run that is no more")
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert not (folder / "samples" / "began-gone.png").exists()


def test_the_same_runs_give_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 6 + 6
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert before == {path: path.read_bytes() for path in before}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(BenchError, match=r"cannot write the tables .*the runs are safe"):
        write_results(plan(), tmp_path / "runs", tmp_path / "results")
