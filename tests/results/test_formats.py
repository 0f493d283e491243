"""A golden folder of the present format: whoever changes what is written raises FORMAT.

The folder of a format is never written again; the next format has one of its own.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.errors import BenchError
from benchmark.results.schema import FORMAT, REQUIRED, table_path
from benchmark.results.tables import read_tables

GOLDEN = Path(__file__).parent / f"format_{FORMAT}"
# Their keys are those of an ablation's file, of judges and of metrics.
FREE = ("settings", "point", "network", "parameters", "versions", "references", "floors", "lanes")


def shape(value: Any) -> Any:
    """The keys of a JSON value, without what they hold."""
    if isinstance(value, dict):
        return {key: None if key in FREE else shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def header(path: Path) -> list[str]:
    return list(pd.read_csv(path, nrows=0))


def test_the_present_format_is_read() -> None:
    found = read_tables(GOLDEN)
    assert [(cell.title, len(cell.rows), cell.failed) for cell in found.cells] == [
        ("BEGAN", 3, 0),
        ("EBGAN-PT", 3, 1),
    ]
    last = found.runs.set_index("label")["distance"]
    assert last["BEGAN seed=2"] == 120.0  # level 100, 10 a seed, and 300 less its last step


def test_what_is_written_now_is_of_the_present_format(folder: Path) -> None:
    why = "what is written has changed: raise FORMAT and add a golden folder"
    for name in REQUIRED:
        # A metric or a method's column may be added; one that is gone or renamed breaks readers.
        assert set(header(table_path(GOLDEN, name))) <= set(header(table_path(folder, name))), why
    now, then = (json.loads((place / "ablation.json").read_text()) for place in (folder, GOLDEN))
    assert shape(now) == shape(then), why


def test_another_format_is_refused_with_the_way_out(folder: Path) -> None:
    path = folder / "ablation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT - 1}))
    with pytest.raises(BenchError, match=rf"format {FORMAT - 1}, .* reads format {FORMAT}; `bench"):
        read_tables(folder)
