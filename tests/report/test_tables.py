"""The tables, recomputed by hand from the runs of material.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.report.document import Table
from benchmark.report.numbers import least_p, mean, mean_spread, number, pooled, spread, title
from benchmark.report.results import read
from benchmark.report.summary import summary
from benchmark.report.tables import cell_table, measure_table, noise_table, run_table

FD = "fd_efficientnet_lite0"


def rows(table: Table, key: str = "cell") -> dict[str, Any]:
    return {row[key]: row for row in table.frame.to_dict("records")}


def test_the_distance_with_both_noises_last_and_best(folder: Path) -> None:
    table = rows(cell_table(read(folder)))
    began = table["BEGAN"]
    assert (began["runs"], began["failed"], began["collapsed"]) == ("3/3", "0", "0")
    assert began[f"{FD}, last"] == "110"  # 100, 110, 120
    assert began["sd over seeds"] == "10"
    assert began["sd over evaluations"] == "1"  # each run: x, x + 1, x - 1
    assert began[f"{FD}, best by validation"] == "210 ± 10"  # at step 200, not the least test value
    assert began["at step"] == "200"
    assert began["core-minutes"] == "6"  # 60 + 120 + 180 s


def test_failed_and_collapsed_runs_are_counted(folder: Path) -> None:
    ebgan = rows(cell_table(read(folder)))["EBGAN-PT"]
    assert (ebgan["runs"], ebgan["failed"], ebgan["collapsed"]) == ("2/3", "1", "1")
    # The failed run is left out, the collapsed one is not: (200 + 210) / 2, marked.
    assert ebgan[f"{FD}, last"] == "205 (n=2)\\*" or ebgan[f"{FD}, last"] == "205\\*"
    assert ebgan["sd over seeds"] == "7.07"
    assert ebgan["core-minutes"] == "6"  # the failed run's time too


def test_the_floor_is_the_last_row(folder: Path) -> None:
    found = read(folder)
    assert cell_table(found).frame.iloc[-1]["cell"] == "real against real"
    assert cell_table(found).frame.iloc[-1][f"{FD}, last"] == "40.12"
    floor = rows(measure_table(found))["real against real"]
    assert (floor["KID x1000"], floor["precision"], floor["recall"]) == ("0.5", "0.71", "—")


def test_each_methods_own_signal_is_named(folder: Path) -> None:
    table = rows(measure_table(read(folder)))
    assert table["BEGAN"]["own signal"] == "M_global 0.3667 ± 0.0333"
    assert table["EBGAN-PT"]["own signal"] == "L_D 0.6833 ± 0.0236\\*"
    assert table["BEGAN"]["KID x1000"] == "110 ± 10"


def test_every_measure_has_both_noises(folder: Path) -> None:
    table = noise_table(read(folder)).frame
    kid = table[(table["measure"] == "KID x1000") & (table["cell"] == "BEGAN")].iloc[0]
    assert list(kid) == ["KID x1000", "BEGAN", "3", "110", "10", "1", "0.5"]
    assert list(table["measure"].unique())[:2] == [FD, f"best {FD}"]
    assert {"M_global", "held-out M_global", "L_D", "held-out L_D"} <= set(table["measure"])


def test_the_summary_is_in_numbers(folder: Path) -> None:
    found = summary(read(folder)).set_index(["measure", "cell"])
    row = found.loc[(FD, "EBGAN-PT")]
    assert row["mean"] == 205
    assert row["sd_seeds"] == pytest.approx(np.std([200, 210], ddof=1))
    assert row["sd_evaluations"] == pytest.approx(1)
    assert (row["runs"], row["real"]) == (2, 40.125)


def test_a_number_leads_to_its_runs(folder: Path) -> None:
    found = read(folder)
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
    other["floor"][FD] = 55.0
    other["data"]["settings"]["view"] = {"name": "rotated", "crop": 128, "degrees": 20.0}
    record["setups"].append(other)
    record["cells"][1]["setup"] = 1
    path.write_text(json.dumps(record))
    table = cell_table(read(folder))
    floors = rows(table)
    assert floors["real against real (BEGAN)"][f"{FD}, last"] == "40.12"
    assert floors["real against real (EBGAN-PT)"][f"{FD}, last"] == "55"
    assert "Procedural faces, 16x16 px: aligned view, crop 128 px (BEGAN) / rot" in table.caption
    assert "rotated view (normal roll of sd 20 degrees, one roll an image)" in table.caption


def test_two_distances_are_never_in_one_column_without_a_name(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    record["setups"].append({**record["setups"][0], "distance": "fid", "floor": None})
    record["cells"][1]["setup"] = 1
    path.write_text(json.dumps(record))
    for name in ("runs", "evaluations", "repeats"):
        table = pd.read_csv(folder / f"{name}.csv")
        for column in [c for c in table if FD in c]:
            table[column.replace(FD, "fid")] = table[column] / 10
        table.to_csv(folder / f"{name}.csv", index=False)
    table = rows(cell_table(read(folder)))
    assert table["BEGAN"]["distance, last"] == f"{FD} 110"
    assert table["EBGAN-PT"]["distance, last"].startswith("FID 20.5")


def test_a_number_that_a_done_run_lacks_is_marked() -> None:
    gap = pd.Series([1.0, 3.0, np.nan])
    assert (mean_spread(gap, 3), mean(gap, 3)) == ("2 ± 1.41 (n=2)\\*", "2 (n=2)\\*")
    assert mean_spread(pd.Series([np.nan, np.inf]), 2) == "—"
    assert mean_spread(pd.Series([4.0]), 2) == "4 ± — (n=1)\\*"
    assert spread(pd.Series([0.2, 0.2, 0.2])) == "0"
    assert mean_spread(pd.Series([0.2, 0.2, 0.2]), 3) == "0.2 ± 0"


def test_noises_of_several_runs_are_pooled_as_variances() -> None:
    # sqrt((1 + 49) / 2); the mean of the deviations would be 4.
    assert pooled(pd.Series([1.0, 7.0])) == "5"
    assert pooled(pd.Series([np.nan])) == "—"


def test_names_and_digits() -> None:
    assert number(1234.56) == "1235"
    assert [least_p(n) for n in (1, 2, 3, 5)] == [1.0, 2 / 6, 2 / 20, 2 / 252]
    assert title("fid") == "FID"
    assert title("heldout_m_global") == "held-out M_global"
    assert title("fd_efficientnet_lite0") == "fd_efficientnet_lite0"
