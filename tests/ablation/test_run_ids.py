"""The ids of committed runs are the hashes of what their files describe, whatever came since."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

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
    planned = {each.label: each.run_id for each in plan.runs}
    # An arm that was added since has not run yet.
    assert {label: planned.get(label) for label in committed} == committed


@pytest.mark.parametrize("profile", ["demo", "short", "small", "paper"])
def test_interpolation_probes_the_runs_of_baselines(profile: str) -> None:
    """All but PixelCNN's, which need a code: nothing is trained twice."""

    def ids(name: str) -> dict[str, str]:
        plan = load(ROOT / "ablations" / f"{name}.yaml", profile)
        return {each.label: each.run_id for each in plan.runs}

    probed, trained = ids("interpolation"), ids("baselines")
    new = {label for label, run_id in probed.items() if trained[label] != run_id}
    assert new == {label for label in probed if label.startswith("PixelCNN")}


def test_there_are_committed_runs() -> None:
    assert len(COMMITTED) >= 3


def test_every_resolved_setting_is_hashed() -> None:
    text = tiny_spec().to_json()
    assert '"precision": "float32"' in text  # a default, and written out all the same
    assert tiny_spec(training={"precision": "bfloat16"}).run_id != tiny_spec().run_id
    assert RunSpec.from_json(text) == tiny_spec()


def test_a_streams_seed_is_hashed_where_it_is_given_and_nowhere_else() -> None:
    plain = tiny_spec()
    assert '"seeds"' not in plain.to_json()
    nothing: list[dict[str, Any]] = [{}, {"order": None}]
    assert {tiny_spec(training={"seeds": seeds}).run_id for seeds in nothing} == {plain.run_id}
    given = [{"order": 0}, {"order": 1}, {"latents": 0}, {"order": 0, "latents": 0}]
    specs = [plain, *(tiny_spec(training={"seeds": seeds}) for seeds in given)]
    assert len({spec.run_id for spec in specs}) == len(specs)
    assert all(RunSpec.from_json(spec.to_json()) == spec for spec in specs)


def test_the_run_of_a_method_from_outside_names_a_folder_that_every_system_takes() -> None:
    method = {"name": "tests.methods.plugins.codeless:Mixture"}
    spec = RunSpec.model_validate({**TINY, "method": method})
    assert re.fullmatch(r"tests\.methods\.plugins\.codeless\.Mixture-[0-9a-f]{12}", spec.run_id)
