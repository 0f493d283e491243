"""What `bench probe` found, from the run directories to the report."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.report.document import tables
from benchmark.report.probes import probes
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from tests.report.material import fill_all, plan, weights


def _probe(ratio: float, of: str) -> dict[str, Any]:
    share = {"heldout": 0.5, "heldout_probed": 0.6, "samples_probed": 0.9}
    return {
        "version": "1",
        "weights_sha256": of,
        "embedding": {"heldout": 0.2, "gap": 0.01},
        "memorisation": {"distance_ratio": ratio},
        "attributes": {"Male": share},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two probed runs of BEGAN, and one of EBGAN-PT that was trained anew since its probe."""
    made = fill_all(tmp_path / "runs")
    runs = made.runs
    for run, ratio, last in (
        (runs[0], 0.5, weights(runs[0])),
        (runs[1], 0.7, weights(runs[1])),
        (runs[3], 9.0, "f" * 64),
    ):
        path = tmp_path / "runs" / run.run_id / "probe.json"
        path.write_text(json.dumps(_probe(ratio, last)))
    return write_results(made, tmp_path / "runs", tmp_path / "results")


def test_only_probes_of_the_last_weights_are_kept(folder: Path) -> None:
    table = pd.read_csv(folder / "probes.csv")
    assert list(table["run_id"]) == [planned.run_id for planned in plan().runs[:2]]
    assert list(table["memorisation.distance_ratio"]) == [0.5, 0.7]
    assert set(table.columns) == {
        *("run_id", "embedding.heldout", "embedding.gap", "memorisation.distance_ratio"),
        *(f"attributes.Male.{each}" for each in ("heldout", "heldout_probed", "samples_probed")),
    }


def test_a_cell_shows_its_probed_runs(folder: Path) -> None:
    (table,) = tables(list(probes(read_tables(folder))))
    (row,) = table.frame.to_dict("records")
    assert (row["cell"], row["probed"]) == ("BEGAN", "2")
    assert row["nearest, ratio"] == "0.6 ± 0.141"
    assert row["gap"] == "0.01 ± 0"
    assert row["Male: samples, probed"] == "0.9 ± 0"


def test_without_a_probe_there_is_nothing_to_show(tmp_path: Path) -> None:
    folder = write_results(fill_all(tmp_path / "runs"), tmp_path / "runs", tmp_path / "results")
    assert list(probes(read_tables(folder))) == []
