"""The page says what was measured, judges it rightly, and claims nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs.directory import Result, Row, RunDirectory
from performance.overhead import share
from performance.page import page
from performance.steps import summary
from tests.conftest import tiny_spec

MACHINE = {"cpu": "Abacus", "cores": 2, "instructions": "AVX2", "system": "Linux"} | {
    "python": "3.11",
    "torch": "2",
    "load": 1.0,
    "gpu": None,
}


def kept(folder: Path, name: str, **figures: Any) -> None:
    record = {"command": f"python -m performance.{name}", "machine": MACHINE, **figures}
    (folder / f"{name}.json").write_text(json.dumps(record))


def row(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_is_not_measured_is_said_to_be_so(tmp_path: Path) -> None:
    kept(tmp_path, "startup", help=0.2, plan=0.8)
    text = page(tmp_path)
    assert "Abacus" in text
    assert row(text, "step, 32 px")[2:] == ["unmeasured", "0.6", "", "unmeasured", "0.4", ""]
    assert row(text, "sweep of 9 runs, 64 px")[2:] == [
        "unmeasured",
        "",
        "",
        "unmeasured",
        "0.13",
        "",
    ]
    assert row(text, "`bench --help`")[1:] == ["0.2"]
    assert row(text, "`bench plan")[1:] == ["0.8"]
    assert "## On a GPU" not in text
    assert "Every figure of a GPU" in text
    assert not re.search(r"nan|None", text)


def test_amx_has_figures_of_its_own(tmp_path: Path) -> None:
    one = {"seconds": 0.1, "ratio": 0.36, "lowest": 0.3, "highest": 0.4}
    ways = {"textbook@system": {**one, "ratio": 1.0}, "ours+bfloat16@tcmalloc": one}
    kept(tmp_path, "steps_16_32_amx", n=16, size=32, rounds=6, steps=4, ways=ways)
    kept(tmp_path, "sweep_16_32_amx", ratio=0.2)
    text = page(tmp_path)
    assert row(text, "step, 32 px")[2:] == ["unmeasured", "0.6", "", "0.36", "0.4", "reached"]
    assert row(text, "sweep of 9 runs, 32 px")[5:] == ["0.2", "0.25", "reached"]
    assert row(text, "step, 64 px")[5] == "unmeasured"
    assert "bfloat16 on a processor with AMX" in text  # of 64 px


def test_the_distance_is_shown_beside_its_floor(tmp_path: Path) -> None:
    trace = {"scipy": 0.09, "eigenvalues": 0.3, "ours": 1.0}
    whole = {"scipy": 0.12, "eigenvalues": 0.36, "ours": 1.0, "floor": 1.5}
    slower = {"trace": trace, "whole": {**whole, "scipy": 0.18, "floor": 2.0}}
    kept(tmp_path, "frechet", system=slower, worker={"trace": trace, "whole": whole})
    text = page(tmp_path)
    assert row(text, "trace term; allocator: worker")[1:] == ["0.09", "0.3"]
    assert row(text, "whole; allocator: worker")[1:] == ["0.12", "0.36"]
    assert row(text, "floor; allocator: worker")[1:] == ["0.08", "0.24"]  # by 1.5
    assert row(text, "floor; allocator: system")[1:] == ["0.09", "0.18"]


def test_figures_of_a_gpu_are_shown_where_there_are_some(tmp_path: Path) -> None:
    steps = {"TF32, graph": {"ratio": 0.2}}
    kept(tmp_path, "gpu", steps_32=steps, used={"share": 0.3}, frechet={"ratio": 0.04})
    text = page(tmp_path)
    assert row(text, "TF32, graph, 32 px")[1] == "0.2"
    assert row(text, "model FLOP/s")[1] == "0.3"
    assert "Every figure of a GPU" not in text


def test_ratios_are_of_rounds_not_of_medians() -> None:
    found = summary({"a": [1.0, 2.0, 4.0], "b": [1.0, 1.0, 1.0]})
    assert found["b"] == {"seconds": 1.0, "ratio": 0.5, "lowest": 0.25, "highest": 1.0}
    assert found["a"]["ratio"] == 1.0


def test_the_share_is_what_pure_training_leaves(tmp_path: Path) -> None:
    """12 steps of 1 s each, a row every 2; an evaluation of 3 s after the snapshot of step 6."""
    run = RunDirectory.create(tmp_path, tiny_spec(training={"checkpoint_every": 8}))
    now = 100.0
    for step in range(2, 13, 2):
        now += 2.0 if step != 10 else 4.0  # a checkpoint of 2 s lies between 8 and 10
        run.append(Row(step=step, kind="train", time=now, values={}))
        if step == 6:
            run.append(Row(step=step, kind="heldout", time=now, values={}))
            now += 3.0
    result = Result(
        state="done",
        step=12,
        reason=None,
        weights_sha256="",
        wall_s=20.0,
        cpu_s=20.0,
        decays=[],
    )
    run.write_result(result)
    assert share(run) == pytest.approx(1 - 10 / 15)  # of the steps after the first row
    run.write_result(result.model_copy(update={"cpu_s": 10.0}))
    assert share(run) is None  # others held it up
