"""The report: built from fabricated tables whose means are known by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.errors import BenchError
from benchmark.report.markdown import build
from benchmark.report.results import read
from benchmark.report.tables import cell_table, least_p, mean_sd, number

DISTANCE = "fd_efficientnet_lite0"
EVALUATION = {
    "features": "efficientnet_lite0",
    "features_version": "1",
    "input_size": 128,
    "weights_sha256": "579344248a93" + "0" * 52,
    "data": "e1f41e6e",
    "reference": "test",
    "samples": 1000,
    "kid_subsets": 100,
    "kid_subset_size": 500,
    "precision_recall_neighbours": 3,
    "density_coverage_neighbours": 5,
    "fidelity_version": "1",
}
# Of (gamma, seed): M_global, distance, KID. The last one failed at step 40.
FINAL = {
    (0.3, 0): (0.1, 100.0, 0.010),
    (0.3, 1): (0.3, 140.0, 0.030),
    (0.7, 0): (0.2, 90.0, -0.001),
    (0.7, 1): (9.0, 900.0, 0.9),
}


def record(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "gamma",
        "question": "What does gamma trade?",
        "source": "BEGAN, section 4.2",
        "profile": "demo",
        "swept": ["method.gamma"],
        "seeds": [0, 1],
        "overrides": ["training.steps=100"],
        "method": "began",
        "settings": {"name": "began"},
        "data": {
            "title": "Procedural faces",
            "fingerprint": "abcdef0123456789",
            "view": "aligned",
            "crop": 128,
            "size": 8,
            "broken": 1,
        },
        "steps": 100,
        "batch": 16,
        "signal": "m_global",
        "distance": DISTANCE,
        "evaluation": EVALUATION,
        "floor": {DISTANCE: 40.125, "kid": 0.0005, "precision": 0.71, "coverage": 0.97},
        "commits": ["bada52f00000"],
        "devices": ["cpu"],
        "claims": [
            {
                "id": "gamma-variety",
                "says": "A higher gamma gives more variety",
                "source": "BEGAN, section 4.2",
                "test": {
                    "column": "recall",
                    "over": "method.gamma",
                    "direction": "increasing",
                    "least_effect": 0.05,
                },
            }
        ],
        **changes,
    }


def evaluation_row(distance: float, kid: float) -> dict[str, float]:
    shares = dict.fromkeys(("precision", "recall", "density", "coverage"), 0.5)
    return {DISTANCE: distance, "kid": kid, "kid_sd": 0.002, **shares}


def write_results(root: Path, **changes: Any) -> Path:
    """Two gammas and two seeds of 100 steps; returns the folder of ablation.json."""
    folder = root / "gamma" / "demo"
    (folder / "samples").mkdir(parents=True)
    (folder / "ablation.json").write_text(json.dumps(record(**changes)))
    runs, train, evaluations = [], [], []
    for at, ((gamma, seed), (signal, distance, kid)) in enumerate(FINAL.items()):
        failed = at == 3
        run = {"run_id": f"began-{at}", "label": f"gamma={gamma}", "seed": seed}
        steps = range(20, 60 if failed else 120, 20)
        runs.append(
            {
                **run,
                "method.gamma": gamma,
                "state": "failed" if failed else "done",
                "reason": "l_real is nan at step 40\nlower the rate" if failed else None,
                "step": steps[-1],
                "k": 0.25,
                "m_global": signal,
                "ratio": gamma,
                **evaluation_row(distance, kid),
            }
        )
        train += [{"run_id": run["run_id"], "step": s, "m_global": signal * 100 / s} for s in steps]
        evaluations += [
            {"run_id": run["run_id"], "step": s, **evaluation_row(distance * 100 / s, kid)}
            for s in steps
        ]
        if not failed:
            grid = np.full((82, 82, 3), 255, np.uint8)
            grid[2:10, 2:10] = (10 * at, 100, 0)
            Image.fromarray(grid).save(folder / "samples" / f"began-{at}.png")
    for name, rows in (("runs", runs), ("train", train), ("evaluations", evaluations)):
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def report(tmp_path: Path, **changes: Any) -> str:
    write_results(tmp_path / "results", **changes)
    build(tmp_path / "results", tmp_path / "REPORT.md")
    return (tmp_path / "REPORT.md").read_text()


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    write_results(tmp_path / "results")
    first = {p: p.read_bytes() for p in build(tmp_path / "results", tmp_path / "REPORT.md")}
    assert {path.name for path in first} == {"curves.png", "samples.png", "REPORT.md"}
    for path in first:
        path.unlink()
    second = {p: p.read_bytes() for p in build(tmp_path / "results", tmp_path / "REPORT.md")}
    assert first == second


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    write_results(tmp_path / "results")
    before = {p: p.stat().st_ino for p in build(tmp_path / "results", tmp_path / "REPORT.md")}
    build(tmp_path / "results", tmp_path / "REPORT.md")
    assert before == {path: path.stat().st_ino for path in before}


def test_means_and_spreads_are_those_computed_by_hand(tmp_path: Path) -> None:
    table = cell_table(read(write_results(tmp_path)))
    whole = table.iloc[0]
    assert whole["method.gamma"] == "0.3"
    assert whole["runs (done/planned)"] == "2/2"
    # (0.1 + 0.3) / 2; sqrt(0.1^2 + 0.1^2) with ddof 1
    assert whole["M_global"] == "0.2 ± 0.1414"
    assert whole[DISTANCE] == "120 ± 28.28"
    assert whole["KID x1000"] == "20 ± 14.14"
    assert whole["KID x1000 subset sd"] == "2"
    assert whole["L(G)/L(x)"] == "0.3 ± 0"
    assert whole["run ids"] == "began-0 began-1"


def test_a_failed_run_is_counted_named_and_left_out_of_the_mean(tmp_path: Path) -> None:
    text = report(tmp_path)
    cell = cell_table(read(tmp_path / "results/gamma/demo")).iloc[1]
    assert (cell["runs (done/planned)"], cell["failed"]) == ("1/2", "1")
    assert cell["KID x1000"] == "-1 ± — (n=1)\\*"
    assert cell["run ids"] == "began-2 began-3"
    failure = "- `began-3` (gamma = 0.7, seed 1): failed at step 40: l_real is nan at step 40 lower"
    assert failure in text
    assert "\\* fewer finished runs than planned" in text


def test_a_number_that_a_done_run_lacks_is_marked() -> None:
    assert mean_sd(pd.Series([1.0, 3.0, np.nan]), 3) == "2 ± 1.414 (n=2)\\*"
    assert mean_sd(pd.Series([np.nan, np.inf]), 2) == "—"
    assert mean_sd(pd.Series([0.2, 0.2, 0.2]), 3) == "0.2 ± 0"
    assert number(1234.56) == "1235"


def test_the_floor_is_the_last_row(tmp_path: Path) -> None:
    floor = cell_table(read(write_results(tmp_path))).iloc[-1]
    assert floor["method.gamma"] == "real against real"
    assert floor[DISTANCE] == "40.12"
    assert floor["KID x1000"] == "0.5"
    assert floor["recall"] == "—"


def test_a_demonstration_says_so_first(tmp_path: Path) -> None:
    section = report(tmp_path).partition("## gamma, profile demo")[2].lstrip()
    assert section.startswith("**This is a demonstration on Procedural faces")
    assert "not a finding" in section.split("**")[1]


def test_another_profile_is_no_demonstration(tmp_path: Path) -> None:
    assert "demonstration" not in report(tmp_path, profile="short")


def test_the_caption_carries_what_made_the_numbers(tmp_path: Path) -> None:
    text = report(tmp_path)
    for part in (
        "Procedural faces, aligned view, crop 128 px, 8x8 px",
        "(weights 579344248a93), 1000 samples against 1000 images of the test part",
        "2 training seeds (0, 1)",
        "code bada52f00000; device cpu; overrides: `training.steps=100`",
        "2/C(4,2) = 0.3333",
        "2/C(2,1) = 1,",
        "`gamma-variety`: A higher gamma gives more variety (BEGAN, section 4.2)",
        "](results/gamma/demo/curves.png)",
        "](results/gamma/demo/runs.csv)",
    ):
        assert part in text


def test_samples_are_enlarged_pixel_by_pixel(tmp_path: Path) -> None:
    report(tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "results/gamma/demo/samples.png"))
    for at in range(3):
        # One image of 8x8 px, doubled.
        assert (sheet == (10 * at, 100, 0)).all(axis=2).sum() == 16 * 16


def test_least_reachable_p() -> None:
    assert [least_p(n) for n in (1, 2, 3, 5)] == [1.0, 2 / 6, 2 / 20, 2 / 252]


def test_results_before_any_run_has_started(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "results", evaluation=None, floor=None)
    runs = pd.read_csv(folder / "runs.csv").assign(state="queued", reason=None)
    runs.loc[:, ["k", "m_global", "ratio", *evaluation_row(0, 0)]] = np.nan
    runs.to_csv(folder / "runs.csv", index=False)
    for name in ("train", "evaluations"):
        pd.read_csv(folder / f"{name}.csv").head(0).to_csv(folder / f"{name}.csv", index=False)
    for grid in (folder / "samples").iterdir():
        grid.unlink()
    assert build(tmp_path / "results", tmp_path / "REPORT.md") == [tmp_path / "REPORT.md"]
    text = (tmp_path / "REPORT.md").read_text()
    assert "not evaluated yet" in text
    assert "(gamma = 0.7, seed 1): queued" in text


def test_no_results_says_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"does not exist; `bench run FILE`"):
        build(tmp_path / "none", tmp_path / "REPORT.md")
    with pytest.raises(BenchError, match=r"holds no results; `bench run FILE`"):
        build(tmp_path, tmp_path / "REPORT.md")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    pd.read_csv(folder / "runs.csv").drop(columns="coverage").to_csv(folder / "runs.csv")
    with pytest.raises(BenchError, match=r"runs\.csv: lacks the column coverage; run `bench run"):
        read(folder)


def test_torn_or_foreign_results_are_refused(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    path = folder / "ablation.json"
    for content, message in (
        ('{"format": 1, "na', "cannot be read"),
        (json.dumps(record(format=2)), "format 2, and this version of bench reads format 1"),
        (json.dumps(record(swept="x")), "swept"),
    ):
        path.write_text(content)
        with pytest.raises(BenchError, match=message):
            read(folder)


def test_rows_that_cannot_be_true_are_refused(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    runs = pd.read_csv(folder / "runs.csv")
    for changed, message in (
        (runs.assign(seed=0), "there twice"),
        (runs.assign(state="fine"), "'fine' is no state"),
        (runs.assign(kid="much"), "kid"),
        (runs.head(3), "train.csv: began-3 is not in runs.csv"),
    ):
        changed.to_csv(folder / "runs.csv", index=False)
        with pytest.raises(BenchError, match=message):
            read(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "results")
    (folder / "curves.png").mkdir()
    with pytest.raises(BenchError, match=r"curves\.png: cannot be written .*`bench report` again"):
        build(tmp_path / "results", tmp_path / "REPORT.md")
    assert not list(folder.glob("tmp*"))
