"""Every column that a table can have is explained, and nothing is explained that no table has."""

import json
import re
from pathlib import Path
from typing import get_args, get_origin

import pandas as pd
import pytest
from pydantic import BaseModel

from benchmark.evaluation.attributes import Share
from benchmark.evaluation.columns import (
    CLASSIFIED_COLUMNS,
    EARLIER_PROBE_COLUMNS,
    OF_JUDGE,
    probe_columns,
    probed_by_judges,
)
from benchmark.evaluation.metrics import METRICS
from benchmark.methods.registry import built_in, method_class
from benchmark.probe.record import Embedded, JudgeResult, Memorisation, Sizes
from benchmark.results.columns import EVALUATION, EVIDENCE, RUN
from benchmark.results.schema import REQUIRED

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "results").glob("*/*/ablation.json"))


def known_columns(table: str) -> set[str]:
    """Every column that `table`.csv in results/ may have, except swept keys."""
    methods = [method_class(name) for name in built_in()]
    trained = {"lr"}.union(*(method.columns for method in methods))
    heldout = {f"heldout_{name}" for method in methods for name in method.heldout}
    metrics, at = set(METRICS), {"run_id", "step"}
    if table == "runs":
        return trained | heldout | metrics | {f"noise_{name}" for name in metrics} | {*RUN}
    tables = {
        "train": at | trained,
        "heldout": at | heldout,
        "evaluations": {*at, *EVALUATION, *metrics},
        "probes": {"run_id", *probe_columns(), *EARLIER_PROBE_COLUMNS, *CLASSIFIED_COLUMNS},
    }
    return tables[table] if table in tables else {*EVIDENCE[table]}


@pytest.mark.parametrize("name", built_in())
def test_every_methods_signal_falls_as_it_converges(name: str) -> None:
    method = method_class(name)
    assert method.columns[method.signal].better == "lower"  # as claims/collapse.py takes it


@pytest.mark.parametrize("table", REQUIRED)
def test_every_column_that_a_table_must_have_is_explained(table: str) -> None:
    assert set(REQUIRED[table]) <= (known_columns(table))


@pytest.mark.parametrize("record", RESULTS, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_committed_column_is_explained(record: Path) -> None:
    swept = set(json.loads(record.read_text())["swept"])
    tables = {path.name.split(".")[0]: path for path in sorted(record.parent.glob("*.csv*"))}
    tables.pop("images", None)
    assert {*REQUIRED, *EVIDENCE} - {"probes"} <= {*tables}
    for table, path in tables.items():
        header = [str(name) for name in pd.read_csv(path, nrows=0)]
        named = {re.sub(r"^attributes\.[^.]+\.", "attributes.NAME.", name) for name in header}
        named = {re.sub(r"^judges\.[^.]+\.", "", name) for name in named}
        unknown = named - (known_columns(table)) - swept
        assert not unknown, f"{path.name}: say in a columns.py what these mean: {sorted(unknown)}"
        assert set(REQUIRED.get(table, ())) <= set(header)


def test_every_number_of_a_probe_is_explained() -> None:
    def numbers(model: type[BaseModel], above: str = "") -> set[str]:
        """With those of metrics, which are called as the metrics are."""
        found: set[str] = set()
        for name, field in model.model_fields.items():
            kinds = [each for each in get_args(field.annotation) if each is not type(None)]
            kind = kinds[0] if kinds else field.annotation
            if kind in (int, float):
                found.add(f"{above}{name}")
            elif get_origin(field.annotation) is dict:
                found |= {
                    f"{above}{name}.{metric}"
                    for metric, each in METRICS.items()
                    if not each.labelled
                }
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= numbers(kind, f"{above}{name}.")
        return found

    own = {"version", "step", "middles"} | numbers(Sizes, "sizes.")
    own |= numbers(Memorisation, "memorisation.") | numbers(Share, "attributes.NAME.")
    by_pixels = {f"{way}.{name}" for way in ("embedded", "searched") for name in numbers(Embedded)}
    by_features = numbers(JudgeResult)
    assert set(probe_columns()) == own | by_pixels | by_features
    assert {name for name in probe_columns() if name.startswith(OF_JUDGE)} == by_features
    assert not set(EARLIER_PROBE_COLUMNS) & set(probe_columns())
    every = probed_by_judges(["first", "faces"], ["Male"])
    assert len(set(every)) == len(every)
    assert {"attributes.Male.accuracy", "judges.faces.embedded.middle.distance"} <= set(every)
    assert not any("NAME" in name or name.startswith("judges.first") for name in every)


def test_meanings_say_something_once() -> None:
    methods = [method_class(name).columns for name in built_in()]
    named = [*methods, *EVIDENCE.values(), probe_columns(), EVALUATION, RUN]
    for columns in [METRICS.values(), *(each.values() for each in named)]:
        meanings = [each.meaning for each in columns]
        assert all(len(meaning) > 5 for meaning in meanings)
        assert len(set(meanings)) == len(meanings)
