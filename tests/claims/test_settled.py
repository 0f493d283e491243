"""Which runs had stopped moving: the last sixth of the steps against the sixth before."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.claims.settled import RELATIVE, K, moving
from tests.statistics.simulate import DISTANCE, EVERY, tables

CELL = [{"method.gamma": 0.5}]
FLAT = [[8.0, 4, 2, 1, 1, 1]]  # six evaluations: one a sixth


def found(**curves: list[list[float]]) -> list[str]:
    given = {"signal": FLAT, "k": FLAT, DISTANCE: FLAT} | curves
    results = tables({name: np.array(each) for name, each in given.items()}, CELL, seeds=1)
    steps = EVERY * len(given[DISTANCE][0])
    cells = [cell.model_copy(update={"steps": steps}) for cell in results.record.cells]
    record = results.record.model_copy(update={"cells": cells})
    (columns,) = moving(replace(results, record=record)).values()
    return columns


def test_flat_at_the_end_is_settled_wherever_it_began() -> None:
    assert found() == []


@pytest.mark.parametrize("column", ["signal", DISTANCE])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_tolerance_is_relative(column: str, sign: int) -> None:
    for times, wanted in ((0.9, []), (1.1, [column])):
        end = 200 * (1 + sign * times * RELATIVE)
        assert found(**{column: [[900.0, 800, 700, 300, 200, end]]}) == wanted


def test_that_of_k_is_absolute() -> None:
    for times, wanted in ((0.9, []), (1.1, ["k"])):
        assert found(k=[[0.0, 0, 0, 0, 0.001, 0.001 + times * K]]) == wanted


def test_a_mean_over_the_sixth_decides_not_its_last_value() -> None:
    twelve = [[9.0, 9, 9, 9, 9, 9, 9, 9, 5, 7, 5, 7]]
    assert found(**{DISTANCE: twelve, "signal": twelve, "k": twelve}) == []


def test_one_judged_too_seldom_has_not_been_shown_to_settle() -> None:
    assert found(**{DISTANCE: [[np.nan, np.nan, np.nan, np.nan, np.nan, 1]]}) == [DISTANCE]
