"""The ids of committed runs are the hashes of what their files describe, whatever came since."""

import csv
import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.ablation.plan import load
from benchmark.spec import RunSpec
from tests.conftest import TINY, tiny_spec

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(path.parent for path in ROOT.glob("results/*/*/runs.csv"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.parent.name)
def test_committed_runs_keep_their_ids(folder: Path) -> None:
    record = json.loads((folder / "ablation.json").read_text())
    with (folder / "runs.csv").open(newline="") as file:
        committed = {row["label"]: row["run_id"] for row in csv.DictReader(file)}
    asked = ROOT / "ablations" / f"{record['name']}.yaml"
    plan = load(asked, record["profile"], tuple(record["overrides"]))
    assert {planned.label: planned.run_id for planned in plan.runs} == committed


def test_there_are_committed_runs() -> None:
    assert len(COMMITTED) >= 3


def test_a_field_that_came_later_is_described_only_where_it_says_something() -> None:
    one, two = tiny_spec(training={"devices": 1}), tiny_spec(training={"devices": 2})
    assert one.to_json() == tiny_spec().to_json()
    assert "devices" not in one.to_json()
    assert '"devices": 2' in two.to_json()
    assert two.run_id != one.run_id
    for spec in (one, two):
        assert RunSpec.from_json(spec.to_json()) == spec


def test_the_run_of_a_method_from_outside_names_a_folder_that_every_system_takes() -> None:
    spec = RunSpec.model_validate({**TINY, "method": {"name": "tests.methods.test_external:Mine"}})
    assert re.fullmatch(r"tests\.methods\.test_external\.Mine-[0-9a-f]{12}", spec.run_id)


def test_devices_that_cannot_share_a_step_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"devices \(3\) must divide batch \(4\)"):
        tiny_spec(training={"devices": 3})
    method = {"name": "tests.methods.test_external:Mine"}
    with pytest.raises(ValidationError, match="from outside the package"):
        RunSpec.model_validate(
            {**TINY, "method": method, "training": {**TINY["training"], "devices": 2}}
        )
