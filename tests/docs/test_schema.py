"""The schema that editors read says what `bench validate` says, as far as a schema can."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from inspect import getsource
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from benchmark.ablation.schema import ablation_schema
from benchmark.data.settings import AlignedView
from benchmark.methods.began import BeganSettings
from benchmark.methods.registry import built_in
from benchmark.strict import Strict

ABLATIONS = Path(__file__).parents[2] / "ablations"
SCHEMA = ablation_schema()


def faults(text: str) -> list[str]:
    """The paths of what the schema finds wrong."""
    written = YAML(typ="safe", pure=True).load(text)
    return [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(written)]


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_committed_schema_is_what_the_command_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "schema"], capture_output=True, check=True
    )
    committed = (ABLATIONS / "schema.json").read_bytes()
    assert committed == done.stdout, "run: make reference"


def test_every_shipped_file_names_the_schema_and_is_valid() -> None:
    files = sorted(ABLATIONS.glob("*.yaml"))
    assert len(files) >= 10
    for file in files:
        text = file.read_text()
        assert text.splitlines()[0] == "# yaml-language-server: $schema=schema.json", file.name
        assert faults(text) == [], file.name


# What is written instead of a part of gamma.yaml, and where the schema must find the fault.
FAULTS = [
    ("question:", "questoin:", "$"),
    ("name: gamma", "name: Gamma!", "$.name"),
    ("gamma: 0.5", "gama: 0.5", "$.base.method"),
    ("gamma: 0.5", "gamma: 1.5", "$.base.method"),
    ("name: began", "name: begann", "$.base.method"),
    ("name: began, n: 64, h: 64", "name: dcgan, n: 64, h: 64", "$.base.method"),
    ("eta: 1", "eta: 3", "$.base.method"),
    ("crop: 128", "crop: 130", "$.base.data"),
    ("name: aligned", "name: frontal", "$.base.data"),
    ("steps: 200000", "steps: 0", "$.base.training.steps"),
    ("steps: 200000", "steps: many", "$.base.training.steps"),
    ("on: stall", "on: stal", "$.base.training.lr_decay"),
    ("window: 500", "windo: 500", "$.base.training.lr_decay"),
    ("samples: 10000", "samples: 10", "$.base.evaluation.judges.inception_2015.samples"),
    ("samples: 10000", "sample: 10000", "$.base.evaluation.judges.inception_2015"),
    ("evaluation: {every: 10000", "evaluation: {evry: 10000", "$.base.evaluation"),
    ("    finding: false", "    finding: maybe", "$.profiles.demo.finding"),
    ("method.gamma: [0.3, 0.5, 0.7]", "method.gama: [0.3, 0.5]", "$.sweep"),
    ("[0.3, 0.5, 0.7]", "[]", "$.sweep['method.gamma']"),
    ("[0.3, 0.5, 0.7]", "[0.3, high]", "$.sweep['method.gamma'][1]"),
    ("seeds: [0, 1, 2, 3, 4]", "seeds: [-1]", "$.seeds[0]"),
    ("  demo:\n", "  demo:\n    dat: {}\n", "$.profiles.demo"),
    ("method: {n: 8}", "method: {m: 16}", "$.profiles.short.method"),
    ("direction: increasing", "direction: up", "$.claims[0].test"),
    ("below: 1.0", "under: 1.0", "$.claims[3].test"),
    ("    says: No run fails", "    said: No run fails", "$.claims[4]"),
]


@pytest.mark.parametrize(("old", "new", "path"), FAULTS)
def test_faulty_files_are_refused_where_the_fault_is(old: str, new: str, path: str) -> None:
    text = (ABLATIONS / "gamma.yaml").read_text()
    assert old in text
    found = faults(text.replace(old, new, 1))
    assert found
    assert set(found) == {path}


ACCEPTED = [
    ("{name: aligned, crop: 128}", "wild"),
    ("{n: 8}", "{name: 'mine.methods:Mine', depth: 3}"),
    ("method.gamma: [0.3, 0.5, 0.7]", "data.options.depth: [1, 2]"),
    ("{samples: 10000}", "{features: 'mine:Judge', samples: 10000, snapshots: last}"),
    ("{samples: 10000}", "{samples: 10000, reference_view: wild}"),
    ("{every: 10000", "{metrics: ['mine:METRIC'], every: 10000"),
    ("method.gamma: [0.3, 0.5, 0.7]", "data.view: [aligned, wild, {name: rotated, degrees: 9.0}]"),
    ("method.gamma: [0.3, 0.5, 0.7]", "paired: [{method.h: 128, method.z: 16}]"),
    ("method.gamma: [0.3, 0.5, 0.7]", "training.lr_decay.window: [100, 200]"),
    ("method.gamma: [0.3, 0.5, 0.7]", "variants: {plain: {}, none: null}"),
    ("paper: {}", "paper: {sweep: {method.gamma: [0.5]}}"),
]


@pytest.mark.parametrize(("old", "new"), ACCEPTED)
def test_short_forms_are_accepted(old: str, new: str) -> None:
    text = (ABLATIONS / "gamma.yaml").read_text()
    assert old in text
    assert faults(text.replace(old, new, 1)) == []


def test_descriptions_are_lines() -> None:
    def every(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (v for k, v in part.items() if k == "description" and isinstance(v, str))
        for each in part.values() if isinstance(part, dict) else part:
            if isinstance(each, dict | list):
                yield from every(each)

    found = list(every(SCHEMA))
    assert len(found) > 100
    assert [text for text in found if "\n" in text] == []


def test_meanings_are_the_docstrings_under_the_keys() -> None:
    def said(model: Any, key: str) -> str:
        return " ".join(model.model_fields[key].description.split())

    properties = SCHEMA["$defs"]["BeganSettings"]["properties"]
    gamma = "Diversity ratio, equation 4: E[L(G(z))] = gamma E[L(x)] at equilibrium."
    assert properties["gamma"]["description"] == said(BeganSettings, "gamma") == gamma
    # Two lines of docstring are one meaning.
    assert said(BeganSettings, "carry_steps").endswith("(16,000 in the paper); 0 is none.")
    # A type that many keys share is explained where it is defined.
    assert said(AlignedView, "crop").startswith("Side of the centre crop in pixels")
    assert SCHEMA["$defs"]["EbganSettings"]["description"] == (
        "EBGAN (arXiv 1609.03126); with a pulling-away weight it is EBGAN-PT."
    )


def _docstrings(model: type[Strict]) -> dict[str, str]:
    """Of its own keys, from its source."""
    (written,) = ast.parse(dedent(getsource(model))).body
    assert isinstance(written, ast.ClassDef)
    return {
        ast.unparse(key.target): str(ast.literal_eval(said.value))
        for key, said in pairwise(written.body)
        if isinstance(key, ast.AnnAssign) and isinstance(said, ast.Expr)
    }


def test_no_type_explains_a_key_that_explains_itself() -> None:
    models, found = [Strict], 0
    for model in models:
        models += model.__subclasses__()
        if model.__module__.startswith("benchmark."):
            for key, said in _docstrings(model).items():
                shown = str(model.model_fields[key].description)
                assert shown.split() == said.split(), f"{model.__name__}.{key}"
                found += 1
    assert found > 100


def test_every_method_of_the_package_is_there() -> None:
    tags = {
        schema["properties"].get("name", {}).get("const") for schema in SCHEMA["$defs"].values()
    }
    assert len(built_in()) == 10
    assert set(built_in()) <= tags


def _keys(schema: Any, path: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, model in schema["$defs"].items():
        for key, value in model["properties"].items():
            if name not in ("sweep", "blocks", "profile"):
                found.append((f"{name}.{key}", value))
    return found


def test_every_key_has_a_meaning() -> None:
    silent = [key for key, value in _keys(SCHEMA) if not value.get("description")]
    assert silent == []


def test_json_is_plain() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
