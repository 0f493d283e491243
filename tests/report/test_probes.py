"""What probes found, from the run directories to tables, claims and the report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmark.ablation.claims import Claim
from benchmark.claims.verdicts import claims_table
from benchmark.evaluation.samples import save_grid
from benchmark.evaluation.settings import EvaluationSettings, ProbeSettings
from benchmark.report.document import Words, pictures, tables
from benchmark.report.probes import probes
from benchmark.report.sections import section
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from tests.report.material import JUDGE, TWO_JUDGES, fill_all, plan, weights

SIZES = ProbeSettings(images=12, steps=100, samples=50, training=60)
PROBED = TWO_JUDGES.model_copy(update={"probe": SIZES})
LEVELS = {"BEGAN": 300.0, "EBGAN-PT": 500.0}


def _first(ratio: float, of: str) -> dict[str, Any]:
    """By version 1, which wrote its number as text."""
    share = {"heldout": 0.5, "heldout_probed": 0.6, "samples_probed": 0.9}
    return {
        "version": "1",
        "weights_sha256": of,
        "embedding": {"heldout": 0.2, "gap": 0.01},
        "memorisation": {"distance_ratio": ratio},
        "attributes": {"Male": share},
    }


def _second(level: float, of: str, sizes: ProbeSettings = SIZES) -> dict[str, Any]:
    """Of two judges, which the probe may call as it likes: their settings say who they are."""

    def said(distance: float) -> dict[str, Any]:
        return {
            "embedded": {"middle": {"distance": distance}, "linear": {"longest_step": 0.25}},
            "searched": None,
            "blended": {"distance": 250.0},
        }

    headline, faces = (each.identity() for each in TWO_JUDGES.judges.values())
    network = {"name": JUDGE, "version": "1", "width": 1280}
    return {
        "version": 2,
        "weights_sha256": of,
        "sizes": sizes.sizes(),
        "judged_by": {
            "own": {"settings": headline, "network": network},
            "faces": {"settings": faces, "network": network},
        },
        "versions": {"distance": "1"},
        "way": "search",
        "embedded": {"pixels": {"heldout": level / 1000, "gap": 0.01}, "identity": None},
        "searched": None,
        "judges": {"own": said(level), "faces": said(level / 1000)},
        "no_identity": "",
        "memorisation": {"distance_ratio": 0.5, "closer_than_unseen": 0.0},
        "attributes": {},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs of BEGAN probed by version 1, and one of EBGAN-PT, trained anew since its probe."""
    made = fill_all(tmp_path / "runs")
    runs = made.runs
    for run, ratio, last in (
        (runs[0], 0.5, weights(runs[0])),
        (runs[1], 0.7, weights(runs[1])),
        (runs[3], 9.0, "f" * 64),
    ):
        path = tmp_path / "runs" / run.run_id / "probe.json"
        path.write_text(json.dumps(_first(ratio, last)))
    return write_results(made, tmp_path / "runs", tmp_path / "results")


@pytest.fixture
def probed(tmp_path: Path) -> Path:
    """All runs that are done are probed by version 2, with a strip each; a claim is on that."""
    made = fill_all(tmp_path / "runs")
    for run in made.runs:
        place = tmp_path / "runs" / run.run_id
        level = LEVELS[run.point["variant"]] + 10 * run.spec.seed
        (place / "probe.json").write_text(json.dumps(_second(level, weights(run))))
        save_grid(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), 2, place / "probe" / "strip.png")
    test = {"kind": "contrast", "column": "embedded.middle.distance", "over": "variant"}
    test |= {"of": "BEGAN", "against": "EBGAN-PT", "direction": "lower", "least_effect": 20.0}
    claim = {"id": "middles", "says": "BEGAN's are better", "source": "readers", "test": test}
    whole = [run for run in made.runs if run.run_id != made.runs[5].run_id]
    asked = replace(
        made, evaluation=PROBED, claims=(Claim.model_validate(claim),), runs=tuple(whole)
    )
    return write_results(asked, tmp_path / "runs", tmp_path / "results")


def test_only_probes_of_the_last_weights_are_kept(folder: Path) -> None:
    table = pd.read_csv(folder / "probes.csv")
    assert list(table["run_id"]) == [planned.run_id for planned in plan().runs[:2]]
    assert list(table["memorisation.distance_ratio"]) == [0.5, 0.7]
    assert set(table.columns) == {
        *("run_id", "embedding.heldout", "embedding.gap", "memorisation.distance_ratio"),
        *(f"attributes.Male.{each}" for each in ("heldout", "heldout_probed", "samples_probed")),
    }


def test_rows_of_version_1_are_shown_as_what_they_are(folder: Path) -> None:
    first, copies = tables(list(probes(read_tables(folder))))
    assert "By the first version of the probe" in first.caption
    (row,) = first.frame.to_dict("records")
    assert (row["cell"], row["probed"]) == ("BEGAN", "2")
    assert row["gap"] == "0.01 ± 0"
    (row,) = copies.frame.to_dict("records")
    assert row["nearest, ratio"] == "0.6 ± 0.141"
    assert row["Male: samples, probed"] == "0.9 ± 0"


def test_without_a_probe_there_is_nothing_to_show(tmp_path: Path) -> None:
    folder = write_results(fill_all(tmp_path / "runs"), tmp_path / "runs", tmp_path / "results")
    assert list(probes(read_tables(folder))) == []
    assert not (folder / "strips").exists()


def test_the_headline_judges_numbers_have_no_judge_in_their_names(probed: Path) -> None:
    table = pd.read_csv(probed / "probes.csv")
    assert table["embedded.middle.distance"].tolist()[:3] == [300, 310, 320]
    assert table["judges.faces.embedded.middle.distance"].tolist()[:3] == [0.3, 0.31, 0.32]
    assert table["version"].unique().tolist() == [2]
    assert not [name for name in table if "own" in name or "network" in name or "settings" in name]


def test_a_claim_is_tested_on_what_a_probe_found(probed: Path) -> None:
    (row,) = claims_table(read_tables(probed)).to_dict("records")
    assert row["effect"] == pytest.approx(310 - 505)
    assert row["runs"] == 5
    assert row["silent"] == "embedded.middle.distance by faces"  # 3 runs against 2 say little


def test_probes_of_other_sizes_are_no_part_of_the_ablations_tables(
    probed: Path, tmp_path: Path
) -> None:
    run, other = plan().runs[0], SIZES.model_copy(update={"steps": 50})
    path = tmp_path / "runs" / run.run_id / "probe.json"
    path.write_text(json.dumps(_second(1.0, weights(run), other)))
    made = plan(evaluation=PROBED)
    write_results(made, tmp_path / "runs", tmp_path / "results")
    table = pd.read_csv(probed / "probes.csv")
    assert run.run_id not in set(table["run_id"])
    assert made.runs[1].run_id in set(table["run_id"])
    # Without a probe of its own an ablation shows what `bench probe` found.
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert run.run_id in set(pd.read_csv(probed / "probes.csv")["run_id"])


def test_the_report_shows_the_paths_first_and_tables_of_what_lies_between(probed: Path) -> None:
    results = read_tables(probed)
    # Of each cell's first run, as the sheet shows them.
    firsts = {run.cell: run.run_id for run in reversed(plan().runs)}
    assert {path.stem for path in (probed / "strips").glob("*.png")} == set(firsts.values())
    blocks = section(results)
    names = [each.name for each in tables(blocks)]
    assert len(names) == len(set(names))  # each names a file of `bench report --export`
    assert {"embedded", "between", "copies"} <= set(names)
    first = next(iter(pictures(blocks)))
    assert first.path == probed / "strips.webp"
    found = {each.caption.split(".")[0]: each.frame for each in tables(blocks)}
    between = next(
        frame for caption, frame in found.items() if caption.startswith("Straight lines")
    )
    rows = between.set_index("cell")["distance, half-way"]
    assert rows.to_dict() == {"BEGAN": "310 ± 10", "EBGAN-PT": "505 ± 7.07"}
    said = [b.markdown for d in probes(results) for b in d.blocks if isinstance(b, Words)]
    assert "- BEGAN: no sample is closer to a training image than held-out faces are." in said[0]


def test_strips_stay_with_their_runs_and_go_with_the_probe(probed: Path, tmp_path: Path) -> None:
    run = plan().runs[0]
    (tmp_path / "runs" / run.run_id / "probe.json").unlink()
    write_results(plan(evaluation=PROBED), tmp_path / "runs", tmp_path / "results")
    assert (probed / "strips" / f"{run.run_id}.png").is_file()  # as its row of the tables
    assert run.run_id in set(pd.read_csv(probed / "probes.csv")["run_id"])
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert not list((probed / "strips").glob("*.png"))


def test_rows_of_the_tables_are_not_taken_for_another_headlines(
    probed: Path, tmp_path: Path
) -> None:
    run = plan().runs[0]
    (tmp_path / "runs" / run.run_id / "probe.json").unlink()
    turned = PROBED.model_copy(update={"judges": dict(reversed(PROBED.judges.items()))})
    write_results(plan(evaluation=turned), tmp_path / "runs", tmp_path / "results")
    table = pd.read_csv(probed / "probes.csv").set_index("run_id")
    assert table.loc[run.run_id, ["embedded.pixels.heldout", "version"]].tolist() == [0.3, 2]
    names = ["embedded.middle.distance", f"judges.{JUDGE}.embedded.middle.distance"]
    assert table.loc[run.run_id, names].isna().all()
    assert table.loc[plan().runs[1].run_id, names].tolist() == [0.31, 310]  # from its folder


def test_the_same_name_of_another_judge_is_not_taken_for_it(probed: Path, tmp_path: Path) -> None:
    changed = {"every": 100, "judges": {"own": {"features": JUDGE, "samples": 60}}}
    evaluation = EvaluationSettings.model_validate({**changed, "probe": SIZES.model_dump()})
    made = write_results(plan(evaluation=evaluation), tmp_path / "runs", tmp_path / "others")
    table = pd.read_csv(made / "probes.csv")
    assert "embedded.middle.distance" not in table
    assert "judges.own.embedded.middle.distance" not in table
    assert table["judges.faces.embedded.middle.distance"].tolist()[0] == 0.3
