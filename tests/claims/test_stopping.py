"""Stopping rules on series of known answer, and what a claim about one is told."""

from typing import Any

import numpy as np
import pytest

from benchmark.claims.correlation import cells_of
from benchmark.claims.stopping import (
    RIVALS,
    Rival,
    Rule,
    difference,
    stop,
    stopped,
    stopping_table,
)
from benchmark.results.tables import Tables
from benchmark.statistics.power import mean_power
from tests.claims.test_verdicts import judged
from tests.statistics.simulate import DISTANCE, Floats, tables

CELL = [{"method.gamma": 0.5}]
# Signal, distance and distance to validation images of three runs at five evaluations.
SIGNAL = np.array([[9.0, 5, 1, 2, 3], [9.0, 1, 5, 6, 7], [9.0, 7, 5, 3, 1]])
AWAY = np.array([[9.0, 6, 2, 3, 4], [8.0, 3, 1, 5, 9], [9.0, 7, 5, 1, 2]])
CHOSEN = np.array([[9.0, 6, 3, 2, 4], [8.0, 3, 1, 5, 9], [9.0, 7, 5, 1, 2]])


def found(seeds: int = 3) -> Tables:
    curves = {"signal": SIGNAL, DISTANCE: AWAY, "distance_validation": CHOSEN}
    return tables(curves, CELL, seeds=seeds)


@pytest.mark.parametrize(
    ("signal", "minimum", "plateau"),
    [
        ([9, 8, 7, 6, 5, 4], 5, 5),  # it falls to the end
        ([9, 5, 1, 1, 1, 1], 2, 4),  # two evaluations without a gain
        ([9, 1, 0.9, 0.8, 0.1, 0], 5, 3),  # 0.2 of the 8 that it had come down: hardly
        ([9, 1, 0.9, 0.5, 0.1, 0], 5, 5),  # 0.5 of 8 is more than that
        ([1, 2, 3, 4, 5, 0], 5, 2),  # it rises from the start, whatever comes later
        ([1, 0, 2], 1, 2),
    ],
)
def test_where_a_signal_stops(signal: list[float], minimum: int, plateau: int) -> None:
    series = np.array([signal])
    assert stop(series, "minimum").tolist() == [minimum]
    assert stop(series, "plateau").tolist() == [plateau]


def test_a_plateau_is_known_when_it_comes() -> None:
    """Nothing after the stop changes it; least values alone may not be used before their time."""
    walks = np.random.default_rng(0).standard_normal((200, 12)).cumsum(axis=1)
    stops = stop(walks, "plateau")
    for walk, at in zip(walks, stops, strict=True):
        later = walk.copy()
        later[at + 1 :] = -99
        assert stop(later[None], "plateau").tolist() == [at]


@pytest.mark.parametrize(
    ("rival", "there"),
    [
        ("last", [4.0, 9, 2]),
        ("validation", [3.0, 1, 1]),
        ("random", [4.8, 5.2, 4.8]),
        # Run 0 where runs 1 and 2 stop, at evaluations 1 and 4; and so on.
        ("mismatched", [(6 + 4) / 2, (1 + 9) / 2, (5 + 7) / 2]),
    ],
)
def test_a_rival_by_hand(rival: Rival, there: list[float]) -> None:
    every = stopped(cells_of(found()), "signal", DISTANCE, "minimum")
    assert every[0].here.tolist() == [2.0, 3, 2]
    assert every[0].steps.tolist() == [300.0, 200, 500]
    against = difference(every, rival)
    assert against is not None
    assert against.each == pytest.approx(np.array([2.0, 3, 2]) - there)


def test_the_table_by_hand() -> None:
    table = stopping_table(found())
    rows = table[(table["role"] == "signal") & (table["rule"] == "minimum")]
    assert list(rows["against"]) == list(RIVALS)
    lost = np.mean([2 - 2, 3 - 1, 2 - 1])
    assert rows["lost"].tolist() == pytest.approx([lost] * 4)
    others = [[4, 9, 2], [3, 1, 1], [4.8, 5.2, 4.8], [5, 5, 6]]
    expected = [np.mean(np.array(each) - [2, 1, 1]) for each in others]
    assert rows["against_lost"].tolist() == pytest.approx(expected)
    assert rows["difference"].tolist() == pytest.approx([lost - each for each in expected])
    assert rows["step"].tolist() == [300] * 4
    # Three seeds reach no p below a quarter, and sixteen rows of the method are corrected.
    assert rows["least_p"].tolist() == [0.25, 0.25, 0.25, pytest.approx(2 / 6)]
    assert set(rows["reading"]) == {"cannot tell: no p of so few seeds can be low enough"}


def test_without_a_validation_distance_or_another_run_there_is_no_such_rival() -> None:
    curves = {"signal": SIGNAL, DISTANCE: AWAY}
    assert "validation" not in set(stopping_table(tables(curves, CELL, seeds=3))["against"])
    alone = {name: curve[:1] for name, curve in curves.items()}
    assert set(stopping_table(tables(alone, CELL, seeds=1))["against"]) == {"last", "random"}
    short = {name: curve[:, :2] for name, curve in curves.items()}
    assert stopping_table(tables(short, CELL, seeds=3)).empty


def valleys(own: bool, seeds: int = 10) -> dict[str, Floats]:
    """Distances with a least value somewhere; the signal has it at the same place, or any."""
    rng = np.random.default_rng(3)
    at, other = rng.integers(1, 9, (2, seeds))
    steps = np.arange(10)
    away = np.abs(steps - at[:, None]) * 30.0 + rng.standard_normal((seeds, 10))
    return {"signal": np.abs(steps - (at if own else other)[:, None]) * 1.0, DISTANCE: away}


def claim(against: str, direction: str = "lower", **more: Any) -> dict[str, Any]:
    test = {"kind": "stopping", "column": "distance", "against": against, "least_effect": 10}
    return {**test, "direction": direction, **more}


@pytest.mark.parametrize("rival", ["last", "random", "mismatched"])
@pytest.mark.parametrize("own", [True, False])
def test_only_a_signal_of_its_own_run_is_of_use(rival: Rival, own: bool) -> None:
    made = tables(valleys(own), CELL, seeds=10)
    row = judged(made, claim(rival)).iloc[0]
    # A stop anywhere is better than the end of these: a claim against it alone shows little.
    helps = own or rival == "last"
    assert (row["verdict"] == "supported") == helps, row["sentence"]
    against = difference(stopped(cells_of(made), "signal", DISTANCE, "minimum"), rival)
    assert against is not None
    assert row["effect"] == pytest.approx(against.each.mean())
    assert row["effect"] == pytest.approx((row["low"] + row["high"]) / 2)
    assert row["least_p"] == pytest.approx(1 / 1024)
    assert row["power"] == pytest.approx(mean_power(against.each.std(ddof=1), 10, 10.0))


def test_a_claim_needs_every_run_and_says_what_is_missing() -> None:
    row = judged(tables(valleys(True), CELL, seeds=10, state={3: "failed"}), claim("last")).iloc[0]
    assert row["verdict"] == "undecided"
    assert "began-000000000003 (failed" in row["sentence"]
    few = judged(tables(valleys(True), CELL, seeds=10), claim("validation")).iloc[0]
    assert few["verdict"] == "not run"
    assert "No run can be stopped at the least validation distance" in few["sentence"]
    queued = dict.fromkeys(range(10), "queued")
    none = judged(tables(valleys(True), CELL, seeds=10, state=queued), claim("last")).iloc[0]
    assert (none["verdict"], none["sentence"]) == ("not run", "No run has finished.")


def test_rules_that_stop_all_runs_alike_cannot_be_told_apart() -> None:
    falling = np.tile(np.linspace(9, 1, 6), (8, 1)) + np.arange(8)[:, None] / 10
    row = judged(tables({"signal": falling, DISTANCE: falling}, CELL, seeds=8), claim("last"))
    assert row["effect"].iloc[0] == 0
    assert row["verdict"].iloc[0] == "undecided"
    assert "the same in every run" in row["sentence"].iloc[0]


@pytest.mark.parametrize("rule", ["minimum", "plateau"])
def test_a_seed_is_one_value_however_many_cells_it_is_in(rule: Rule) -> None:
    gammas = [{"method.gamma": gamma} for gamma in (0.3, 0.5, 0.7)]
    rng = np.random.default_rng(1)
    curves = {"signal": rng.random((15, 6)), DISTANCE: rng.random((15, 6))}
    against = difference(
        stopped(cells_of(tables(curves, gammas, seeds=5)), "signal", DISTANCE, rule), "last"
    )
    assert against is not None
    at = stop(curves["signal"], rule)
    each = curves[DISTANCE][np.arange(15), at] - curves[DISTANCE][:, -1]
    assert against.each == pytest.approx(each.reshape(3, 5).mean(axis=0))
    assert against.least_p("greater") == 1 / 32
