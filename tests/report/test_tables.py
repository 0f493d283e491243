"""The tables, recomputed by hand from the runs of material.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.report.document import Table
from benchmark.report.numbers import least_p, mean, mean_spread, number, pooled, spread, title
from benchmark.report.summary import summary
from benchmark.report.tables import between, cell_table, measure_table, noise_table, run_table
from benchmark.results.images import ImagesRow, add_images
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.report.material import (
    JUDGE,
    TITLE,
    TWO_JUDGES,
    evaluate,
    fill_all,
    judge_record,
    metrics,
    plan,
)
from tests.statistics.simulate import tables as simulated


def rows(table: Table, key: str = "cell") -> dict[str, Any]:
    return {row[key]: row for row in table.frame.to_dict("records")}


def test_the_distance_with_both_noises_last_and_best(folder: Path) -> None:
    table = rows(cell_table(read_tables(folder)))
    began = table["BEGAN"]
    assert (began["runs"], began["failed"], began["collapsed"]) == ("3/3", "0", "0")
    assert began[f"{TITLE}, last"] == "110"  # 100, 110, 120
    assert began["sd over seeds"] == "10"
    assert began["sd over evaluations"] == "1"  # each run: x, x + 1, x - 1
    assert (
        began[f"{TITLE}, best by validation"] == "210 ± 10"
    )  # at step 200, not the least test value
    assert began["at step"] == "200"
    assert began["core-minutes"] == "6"  # 60 + 120 + 180 s


def test_failed_and_collapsed_runs_are_counted(folder: Path) -> None:
    ebgan = rows(cell_table(read_tables(folder)))["EBGAN-PT"]
    assert (ebgan["runs"], ebgan["failed"], ebgan["collapsed"]) == ("2/3", "1", "1")
    # The failed run is left out, the collapsed one is not: (200 + 210) / 2, marked.
    assert ebgan[f"{TITLE}, last"] == "205 (n=2)\\*" or ebgan[f"{TITLE}, last"] == "205\\*"
    assert ebgan["sd over seeds"] == "7.07"
    assert ebgan["core-minutes"] == "6"  # the failed run's time too


def test_measures_that_a_seed_out_of_line_does_not_move() -> None:
    """rliable's: three of B's five seeds lie below all of A's, one is level, one above all."""
    ends = np.array([10.0, 11, 12, 13, 50, 1, 2, 3, 10, 99])[:, None]
    arms = [{"variant": "A"}, {"variant": "B"}]
    table = rows(cell_table(simulated({"signal": ends, "distance": ends}, arms, seeds=5)))
    assert table["variant=A"]["better than variant=A"] == "—"
    assert table["variant=A"]["interquartile mean"].startswith("12 [")
    # 15 pairs of 25 are won, 4 more and a half of the pair that is level.
    assert table["variant=B"]["better than variant=A"].startswith("0.78 [")
    three = rows(cell_table(simulated({"signal": ends[2:8], "distance": ends[2:8]}, arms, seeds=3)))
    assert three["variant=B"]["better than variant=A"] == "1"
    assert three["variant=A"]["interquartile mean"] == "25"  # too few to leave one out


def test_the_floors_are_the_last_rows(folder: Path) -> None:
    found = read_tables(folder)
    last = cell_table(found).frame.tail(2)
    assert list(last["cell"]) == ["real against real", "blurred against real"]
    assert list(last[f"{TITLE}, last"]) == ["40.12", "80.5"]
    floor = rows(measure_table(found))["real against real"]
    assert (floor["KID x1000"], floor["precision"], floor["recall"]) == ("0.5", "0.71", "—")


def test_each_methods_own_signal_is_named(folder: Path) -> None:
    table = rows(measure_table(read_tables(folder)))
    assert table["BEGAN"]["own signal"] == "M_global 0.3667 ± 0.0333"
    assert table["EBGAN-PT"]["own signal"] == "L_D 0.6833 ± 0.0236\\*"
    assert table["BEGAN"]["KID x1000"] == "110 ± 10"


def test_every_measure_has_both_noises(folder: Path) -> None:
    table = noise_table(read_tables(folder)).frame
    kid = table[(table["measure"] == "KID x1000") & (table["cell"] == "BEGAN")].iloc[0]
    assert list(kid) == ["KID x1000", "BEGAN", "3", "110", "10", "1", "110", "0.5", "0.5"]
    assert list(table["measure"].unique())[:2] == ["distance", "best distance"]
    assert {"M_global", "held-out M_global", "L_D", "held-out L_D"} <= set(table["measure"])


def test_the_summary_is_in_numbers(folder: Path) -> None:
    found = summary(read_tables(folder)).set_index(["measure", "cell"])
    row = found.loc[("distance", "EBGAN-PT")]
    assert row["mean"] == 205
    assert row["sd_seeds"] == pytest.approx(np.std([200, 210], ddof=1))
    assert row["sd_evaluations"] == pytest.approx(1)
    assert (row["runs"], row["real"], row["blurred"]) == (2, 40.125, 80.5)
    assert row["iqm"] == 205
    assert np.isnan(row["iqm_low"])  # two seeds have no interval of its level


def test_the_interquartile_mean_has_its_interval_from_five_seeds_on() -> None:
    assert between(110.0, 99.5, 120.25) == "110 [99.5, 120.2]"
    assert between(110.0, np.nan, np.nan) == "110"


def test_a_number_leads_to_its_runs(folder: Path) -> None:
    found = read_tables(folder)
    table = rows(run_table(found), "run")
    assert set(table) == {f"`{run}`" for run in found.runs["run_id"]}
    collapsed = next(row for row in table.values() if row["collapsed since"] != "—")
    assert (collapsed["cell"], collapsed["seed"], collapsed["collapsed since"]) == (
        "EBGAN-PT",
        "1",
        "200",
    )
    assert collapsed["own signal"] == "L_D 0.7"
    assert (collapsed["core-minutes"], collapsed["minutes"]) == ("2", "1.5")
    assert (collapsed["code"], collapsed["data"]) == ("bada52f00000", "abcdef012345")
    for table_of in (cell_table, measure_table, noise_table, run_table):
        assert table_of(found).source == folder / "runs.csv"


def test_two_data_sets_have_two_floors(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    other = json.loads(json.dumps(record["setups"][0]))
    other["floors"][JUDGE]["real"]["distance"] = 55.0
    other["data"]["settings"]["view"] = {"name": "rotated", "crop": 128, "degrees": 20.0}
    record["setups"].append(other)
    record["cells"][1]["setup"] = 1
    path.write_text(json.dumps(record))
    table = cell_table(read_tables(folder))
    floors = rows(table)
    assert floors["real against real (BEGAN)"][f"{TITLE}, last"] == "40.12"
    assert floors["real against real (EBGAN-PT)"][f"{TITLE}, last"] == "55"
    assert "Procedural faces, 16x16 px: aligned view, crop 128 px (BEGAN) / rot" in table.caption
    assert "rotated view (normal roll of sd 20 degrees, one roll per image)" in table.caption


def test_another_judges_distance_has_a_column_of_its_own(tmp_path: Path) -> None:
    made = plan(evaluation=TWO_JUDGES)
    fill_all(tmp_path / "runs", made)
    faces = judge_record("dlib_face", 500)
    for planned in made.runs[:5]:
        run, at = RunDirectory(tmp_path / "runs" / planned.run_id), planned.spec.seed
        evaluate(run, faces, 300, 0, metrics(1.5 + at, 2.0))
    table = cell_table(read_tables(write_results(made, tmp_path / "runs", tmp_path / "results")))
    assert table.frame["Fréchet distance (dlib_face), last"].tolist() == [
        *("2.5 ± 1", "2 ± 0.707\\*", "40.12", "80.5"),
    ]
    assert table.frame[f"{TITLE}, last"].tolist() == ["110", "205\\*", "40.12", "80.5"]
    assert "1000 test images, and dlib_face (weights 579344248a93), 500 samples" in table.caption


def test_images_from_outside_have_a_row_that_says_so(folder: Path) -> None:
    def row(name: str, digest: str, distance: float) -> ImagesRow:
        return ImagesRow(
            **{"name": name, "judge": JUDGE, "features": JUDGE, "samples": 60, "unusable": 1},
            **{"images_sha256": "0" * 64, "judge_digest": digest, "reference": "a"},
            **{"values": {"distance": distance, "kid": 0.5}, "floor": {}, "width": 1280},
        )

    digest = judge_record().digest
    add_images(folder, [row("mine", digest, 33.0), row("old", "f" * 64, 1.0)])
    add_images(folder, [row("mine", digest, 44.0)])
    found = rows(cell_table(read_tables(folder)))
    label = "mine (images from outside, training unknown)"
    assert found[label][f"{TITLE}, last"] == "44"
    assert (found[label]["runs"], found[label]["failed"]) == ("—", "—")
    assert not any(cell.startswith("old") for cell in found)  # by another version of the judge
    assert rows(measure_table(read_tables(folder)))[label]["KID x1000"] == "500"


def test_a_number_that_a_done_run_lacks_is_marked() -> None:
    gap = pd.Series([1.0, 3.0, np.nan])
    assert (mean_spread(gap, 3), mean(gap, 3)) == ("2 ± 1.41 (n=2)\\*", "2 (n=2)\\*")
    assert mean_spread(pd.Series([np.nan, np.inf]), 2) == "—"
    assert mean_spread(pd.Series([4.0]), 2) == "4 (n=1)\\*"
    assert spread(pd.Series([0.2, 0.2, 0.2])) == "0"
    assert mean_spread(pd.Series([0.2, 0.2, 0.2]), 3) == "0.2 ± 0"


def test_noises_of_several_runs_are_pooled_as_variances() -> None:
    # sqrt((1 + 49) / 2); the mean of the deviations would be 4.
    assert pooled(pd.Series([1.0, 7.0])) == "5"
    assert pooled(pd.Series([np.nan])) == "—"


def test_names_and_digits() -> None:
    assert number(1234.56) == "1235"
    assert [least_p(n) for n in (1, 2, 3, 5)] == [1.0, 2 / 6, 2 / 20, 2 / 252]
    assert title("heldout_m_global") == "held-out M_global"
    assert title("best_distance") == "best distance"
    assert title("classified.gain_generated_250") == "gain from generated images (250 real)"
    assert title("classified.generated_alone") == "accuracy with generated images alone"
