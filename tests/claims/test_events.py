"""Events by hand, and that a claim without two groups says so."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.ablation.claims import EventTest
from benchmark.claims.events import event_words, events_table, seen
from benchmark.results.tables import Tables
from tests.claims.test_verdicts import judged, with_claims
from tests.statistics.simulate import DISTANCE, Floats, tables

CELL = [{"variant": "DCGAN"}]


def claim(**more: Any) -> dict[str, Any]:
    lost = [{"column": "loss_d", "below": 1.0}, {"column": "loss_g", "above": 1.0}]
    test = {"kind": "event", "event": lost, "lasting": 0.3, "column": "distance"}
    return {**test, "direction": "higher", "least_effect": 10, **more}


def curves(had: list[int], gap: float = 100.0) -> dict[str, Floats]:
    """Ten evaluations; runs that `had` it have a low D loss from the fourth to the seventh."""
    runs = len(had)
    loss_d, loss_g = np.full((runs, 10), 5.0), np.full((runs, 10), 5.0)
    mask = np.array(had, bool)
    loss_d[mask, 3:7] = 0.0
    away = np.linspace(0, 1, runs)[:, None] + gap * mask[:, None] + np.linspace(5, 0, 10)
    return {"signal": away, DISTANCE: away, "loss_d": loss_d, "loss_g": loss_g}


def found(had: list[int], gap: float = 100.0, **more: Any) -> Tables:
    return tables(curves(had, gap), CELL, seeds=len(had), **more)


def test_an_event_by_hand() -> None:
    series = curves([1, 0, 1])
    series["loss_g"][2, 4] = 0.5  # a break: stretches of 100 and 200 steps
    made = tables(series, CELL, seeds=3)
    rows = seen(made, EventTest.model_validate(claim())).sort_index()
    assert rows["had"].tolist() == [1, 0, 0]
    # Two training rows an evaluation, 50 steps each; the first that is low is at step 350.
    assert rows["first_step"].iloc[0] == 350
    assert rows["longest"].tolist() == [400, 0, 200]
    assert rows["held"].tolist() == pytest.approx([0.4, 0, 0.3])
    short = seen(made, EventTest.model_validate(claim(lasting=0.2))).sort_index()
    assert short["had"].tolist() == [1, 0, 1]
    assert short["first_step"].iloc[2] == 550  # of the stretch that is long enough
    late = seen(made, EventTest.model_validate(claim(lasting=0.2, after=0.65))).sort_index()
    assert late["had"].tolist() == [0, 0, 0]
    assert late["longest"].iloc[0] == 100  # the rows at 650 and 700


def test_runs_with_it_are_compared_with_those_without() -> None:
    row = judged(found([1, 1, 1, 1, 0, 0, 0, 0, 0]), claim()).iloc[0]
    assert row["verdict"] == "supported", row["sentence"]
    assert "4 of 9 runs had the event (loss_d below 1 and loss_g above 1 for 30%" in row["sentence"]
    ends = np.linspace(0, 1, 9)
    assert row["effect"] == pytest.approx(100 + ends[:4].mean() - ends[4:].mean())
    assert row["least_p"] == pytest.approx(1 / 126)
    other = judged(found([1, 1, 1, 1, 0, 0, 0, 0, 0], gap=0.0), claim()).iloc[0]
    assert other["verdict"] == "refuted"


def test_the_means_differ_by_the_change() -> None:
    """Two cells of other levels, in which other seeds had the event."""
    series = curves([1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    for name in ("signal", DISTANCE):
        series[name] = series[name] + np.repeat([0.0, 1000], 6)[:, None]
    made = tables(series, [{"variant": "A"}, {"variant": "B"}], seeds=6)
    made = replace(made, runs=made.runs.drop(index=5))
    row = judged(made, claim()).iloc[0]
    said = re.search(r"of those ([\d.]+), of the others ([\d.]+); change ([\d.]+)", row["sentence"])
    assert said is not None
    with_it, without, change = map(float, said.groups())
    assert with_it - without == pytest.approx(change, abs=0.2)  # four digits are said


@pytest.mark.parametrize(("had", "count"), [([0] * 6, "0 of 6"), ([1] * 6, "6 of 6")])
def test_without_two_groups_there_is_no_figure(had: list[int], count: str) -> None:
    row = judged(found(had), claim()).iloc[0]
    assert row["verdict"] == "saturated"
    assert row["sentence"].startswith(f"{count} runs had the event")
    assert "so no cell has runs with it and runs without it" in row["sentence"]
    assert np.isnan(row["effect"])
    assert np.isnan(row["p"])


def test_two_runs_with_it_are_too_few() -> None:
    row = judged(found([1, 1, 0, 0, 0, 0, 0]), claim()).iloc[0]
    assert (row["verdict"], row["least_p"]) == ("underpowered", 1.0)
    assert row["effect"] == pytest.approx(100 + 1 / 12 - 4 / 6)


def test_only_runs_of_one_cell_are_compared() -> None:
    """A method that has the event in every run is not compared with another that has it in none."""
    both = [{"variant": "A"}, {"variant": "B"}]
    made = tables(curves([1] * 5 + [0] * 5), both, seeds=5)
    assert judged(made, claim()).iloc[0]["verdict"] == "saturated"
    mixed = tables(curves(([1] * 3 + [0] * 3) * 2), both, seeds=6)
    row = judged(mixed, claim()).iloc[0]
    assert row["least_p"] == pytest.approx(1 / 20)  # six seeds, however many cells
    assert row["verdict"] == "supported"
    other = tables(curves([1] * 3 + [0] * 6 + [1] * 3), both, seeds=6)  # of each cell, other seeds
    assert judged(other, claim()).iloc[0]["least_p"] == pytest.approx(1 / 400)


def test_a_failed_run_blocks_the_verdict_and_is_counted() -> None:
    made = found([1, 1, 1, 1, 0, 0, 0, 0], state={2: "failed"})
    row = judged(made, claim()).iloc[0]
    assert row["verdict"] == "undecided"
    assert "began-000000000002 (failed" in row["sentence"]
    named = {"id": "lost", "says": "It is", "source": "a test", "test": claim()}
    table = events_table(replace(made, record=with_claims(made, [named])))
    assert table["had"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert table["state"].iloc[2] == "failed"
    assert np.isnan(table["value"].iloc[2])
    assert events_table(made).empty


def test_runs_without_the_columns_are_missing() -> None:
    losses = claim(event=[{"column": "loss_q", "below": 1.0}])
    row = judged(found([1] * 4), losses).iloc[0]
    assert row["verdict"] == "undecided"
    assert "done, without this column" in row["sentence"]


def test_words() -> None:
    test = EventTest.model_validate(claim(lasting=0.05, after=0.1))
    said = "loss_d below 1 and loss_g above 1 for 5% of the steps, after 10% of them"
    assert event_words(test) == said
