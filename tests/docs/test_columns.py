"""Every column that a table can have is explained, and nothing is explained that no table has."""

import csv
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from benchmark.claims import collapse, correlation_table, variance, verdicts
from benchmark.evaluation.attributes import Share
from benchmark.evaluation.columns import EVALUATION_COLUMNS, PROBE_COLUMNS
from benchmark.evaluation.settings import Extractor, evaluation_columns
from benchmark.methods.columns import METHOD_COLUMNS
from benchmark.methods.settings import (
    BeganCsSettings,
    BeganSettings,
    DcganSettings,
    EbganSettings,
    WganGpSettings,
)
from benchmark.probe import Probe
from benchmark.report.results import LATER
from benchmark.results.columns import EVIDENCE, RUN, known_columns

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "results").glob("*/*/ablation.json"))
METHODS = (BeganSettings, BeganCsSettings, EbganSettings, DcganSettings, WganGpSettings)


@pytest.mark.parametrize("settings", METHODS, ids=lambda model: model.__name__)
def test_every_methods_columns_are_explained_in_their_order(settings: Any) -> None:
    (name,) = get_args(settings.model_fields["name"].annotation)
    explained = METHOD_COLUMNS[name]
    assert set(explained) == {*settings.train_columns, *settings.watch_columns}
    assert explained[settings.signal].better == "lower"  # as claims/collapse.py takes it


def test_every_method_is_there() -> None:
    assert len(METHOD_COLUMNS) == len(METHODS)


def test_every_column_of_an_evaluation_is_explained() -> None:
    named = [evaluation_columns(features) for features in get_args(Extractor)]
    assert set(EVALUATION_COLUMNS) == {column for columns in named for column in columns}


def test_every_column_of_the_evidence_is_explained_in_its_order() -> None:
    tables = {
        **{"claims": verdicts, "correlations": correlation_table},
        **{"collapse": collapse, "variance": variance},
    }
    assert {name: tuple(columns) for name, columns in EVIDENCE.items()} == {
        name: module.COLUMNS for name, module in tables.items()
    }


@pytest.mark.parametrize("record", RESULTS, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_committed_column_is_explained(record: Path) -> None:
    swept = set(json.loads(record.read_text())["swept"])
    tables = sorted(record.parent.glob("*.csv"))
    assert len(tables) == 9
    for path in tables:
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        named = {re.sub(r"^attributes\.[^.]+\.", "attributes.NAME.", name) for name in header}
        unknown = named - set(known_columns(path.stem)) - swept
        assert not unknown, f"{path.name}: say in a columns.py what these mean: {sorted(unknown)}"
        if path.stem == "runs":
            assert not set(RUN) - set(header) - set(LATER)  # committed before these came


def test_every_number_of_a_probe_is_explained() -> None:
    def numbers(model: type[BaseModel], above: str = "") -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            kind = field.annotation
            if kind in (int, float):
                found.add(f"{above}{name}")
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= numbers(kind, f"{above}{name}.")
        return found

    assert set(PROBE_COLUMNS) == numbers(Probe) | numbers(Share, "attributes.NAME.")


def test_meanings_say_something_once() -> None:
    everything = [*METHOD_COLUMNS.values(), *EVIDENCE.values(), EVALUATION_COLUMNS, PROBE_COLUMNS]
    for columns in [*everything, RUN]:
        meanings = [each.meaning for each in columns.values()]
        assert all(len(meaning) > 5 for meaning in meanings)
        assert len(set(meanings)) == len(meanings)
