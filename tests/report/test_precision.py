"""The report says what the networks computed in, and nothing of it where all was float32."""

import json
from pathlib import Path

from benchmark.report.captions import training
from benchmark.results.tables import read_tables


def test_a_precision_that_is_not_float32_is_named(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    plain = training(read_tables(folder).record)
    assert "float32" not in plain

    record["settings"]["training.precision"] = "tf32"  # of all cells
    path.write_text(json.dumps(record))
    assert training(read_tables(folder).record) == plain.replace("; ", " in tf32; ", 1)

    del record["settings"]["training.precision"]
    first, *others = (cell["cell"] for cell in record["cells"])
    record["cells"][0]["settings"]["training.precision"] = "bfloat16"
    path.write_text(json.dumps(record))
    said = f" in bfloat16 ({first}) / float32 ({', '.join(others)}); "
    assert training(read_tables(folder).record) == plain.replace("; ", said, 1)
