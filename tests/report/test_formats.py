"""Golden files of every format of results/: what an earlier version wrote is read or refused.

A format's folder is kept as it is. Whoever changes what is written raises FORMAT in
results/description.py and adds a folder.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchError
from benchmark.report.results import read
from benchmark.results.published import FORMAT
from benchmark.results.tables import read_tables

HERE = Path(__file__).parent
GOLDEN = HERE / f"format_{FORMAT}"
TABLES = ("runs", "train", "evaluations", "repeats")
FREE = ("settings", "point")  # their keys are those of the ablation's file


def shape(value: Any) -> Any:
    """The keys of a JSON value, without what they hold."""
    if isinstance(value, dict):
        return {key: None if key in FREE else shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def header(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file))


def test_every_format_has_its_folder() -> None:
    assert {path.name for path in HERE.glob("format_*")} == {
        f"format_{number}" for number in range(1, FORMAT + 1)
    }


def test_the_present_format_is_read() -> None:
    found = read(GOLDEN)
    assert [(cell.title, len(cell.runs), cell.failed) for cell in found.cells] == [
        ("BEGAN", 3, 0),
        ("EBGAN-PT", 3, 1),
    ]
    last = found.runs.set_index("label")["fd_efficientnet_lite0"]
    assert last["BEGAN seed=2"] == 120.0  # level 100, 10 a seed, and 300 less its last step


def test_what_is_written_now_is_of_the_present_format(folder: Path) -> None:
    said = "what is written has changed: raise FORMAT and add a golden folder"
    for name in TABLES:
        # A metric or a method's column may be added; one that is gone or renamed breaks readers.
        assert set(header(GOLDEN / f"{name}.csv")) <= set(header(folder / f"{name}.csv")), said
    now, then = (json.loads((place / "ablation.json").read_text()) for place in (folder, GOLDEN))
    assert shape(now) == shape(then), said


@pytest.mark.parametrize("number", range(1, FORMAT))
def test_an_earlier_format_is_refused_with_the_way_out(number: int) -> None:
    with pytest.raises(BenchError, match=rf"format {number}, .* reads format {FORMAT}; run"):
        read(HERE / f"format_{number}")


def test_the_analysis_reads_format_1_without_its_curves(tmp_path: Path) -> None:
    for name in ("ablation.json", "runs.csv"):
        (tmp_path / name).write_bytes((HERE / "format_1" / name).read_bytes())
    (tmp_path / "train.csv").write_text("run_id,step,m_global\n")
    (tmp_path / "evaluations.csv").write_text("run_id,step,fd_efficientnet_lite0\n")
    tables = read_tables(tmp_path)
    assert set(tables.runs["method"]) == {"began"}
    assert tables.runs["cell"].iloc[0] == "gamma=0.3"
