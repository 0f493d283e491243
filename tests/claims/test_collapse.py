"""Does a signal see collapse? Against SciPy, by hand, and on a generator that fools M_global."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.claims.collapse import Series, collapse_table, concordance, somers
from benchmark.statistics.hypotheses import pairing_p
from tests.statistics.simulate import Floats, tables

CELLS = [{"method.gamma": 0.5}, {"method.gamma": 0.7}]
STEPS = 10
ONSET = 6  # evaluations are numbered from 0: the event stays from step 700 on


def _curves(collapsing: list[int], jump: float, early: int = 0) -> dict[str, Floats]:
    """Ten runs whose M falls and whose coverage climbs, until some of them make one face only.

    Their M then jumps by `jump`, `early` evaluations before coverage is lost.
    """
    rng = np.random.default_rng(7)
    signal = np.linspace(1, 0.5, STEPS) + 0.01 * rng.standard_normal((10, STEPS))
    coverage = np.linspace(0.1, 0.5, STEPS) + 0.01 * rng.standard_normal((10, STEPS))
    collapsed = np.zeros((10, STEPS))
    for run in collapsing:
        coverage[run, ONSET:], collapsed[run, ONSET:] = 0.02, 1
        signal[run, ONSET - early :] += jump
    return {"signal": signal, "coverage": coverage, "collapsed": collapsed}


def _row(table: pd.DataFrame, event: str) -> "pd.Series[float]":
    return table[(table["role"] == "signal") & (table["event"] == event)].iloc[0]


@pytest.mark.parametrize("event", ["collapsed", "low_coverage"])
def test_one_plausible_face_keeps_m_global_low_and_goes_unseen(event: str) -> None:
    # One face that D rebuilds with ease: L(G) and with it M fall as coverage is lost.
    found = tables(_curves([0, 2, 4, 6, 8], -0.2), CELLS[:1], seeds=10)
    row = _row(collapse_table(found), event)
    assert row["verdict"] == "does not see it"
    assert row["auroc"] < 0.05
    assert (row["alarmed"], row["missed"]) == (0, 5)
    assert row["event_runs"] == 5


def test_a_signal_that_rises_sees_it_and_its_lead_is_counted() -> None:
    curves = _curves([0, 1, 2, 5, 6, 7], 0.6, early=2)
    found = tables(curves, CELLS[:1], seeds=10, heldout=False)
    row = _row(collapse_table(found), "collapsed")
    assert row["verdict"] == "sees it"
    assert row["auroc"] == 1.0
    assert (row["alarmed"], row["missed"], row["false_alarms"], row["quiet_runs"]) == (6, 0, 0, 4)
    assert row["lead_steps"] == 200
    assert row["least_p"] == pytest.approx(2 / 210)


def test_auroc_is_scipy_step_by_step() -> None:
    rng = np.random.default_rng(8)
    signal, event = rng.standard_normal((5, 4)).round(1), np.zeros((5, 4))
    event[[0, 3], 1:], event[1, 3] = 1, 1
    found = tables({"signal": signal, "collapsed": event}, CELLS[:1], seeds=5)
    row = _row(collapse_table(found), "collapsed")
    u, pairs = 0.0, 0
    for step in range(1, 4):
        with_event, without = signal[event[:, step] == 1, step], signal[event[:, step] == 0, step]
        u += stats.mannwhitneyu(with_event, without).statistic
        pairs += len(with_event) * len(without)
    assert row["pairs"] == pairs
    assert row["auroc"] == pytest.approx(u / pairs)


@pytest.mark.parametrize(("seeds", "events", "shift"), [(5, 2, 0.0), (10, 4, 0.5), (24, 5, 1.0)])
def test_its_interval_covers(seeds: int, events: int, shift: float) -> None:
    """By simulation: what a seed has of its own lasts over half of the variance of its series."""
    rng, studies, held, given = np.random.default_rng(seeds), 150, 0, 0
    truth = stats.norm.cdf(shift / np.sqrt(2))
    event = np.zeros((seeds, 6))
    event[:events] = 1
    names, numbers = tuple(map(str, range(seeds))), tuple(range(seeds))
    for _ in range(studies):
        own, each = rng.standard_normal((seeds, 1)), rng.standard_normal((seeds, 6))
        signal = (own + each) / np.sqrt(2) + shift * event
        found = somers([Series(names, numbers, np.arange(6.0), signal, event)])
        interval = found and found.interval()
        if interval:
            given += 1
            held += interval[0] <= 2 * truth - 1 <= interval[1]
    assert given > 0.9 * studies
    assert held / given >= 0.93 - 3 * np.sqrt(0.95 * 0.05 / studies)


def test_one_run_with_the_event_tells_nothing_of_others() -> None:
    """It is above all 39 others, which one permutation of 40 gives: 2 / 40, two-sided. But so is
    every other time a signal that is as often far above the others as far below: its AUROC is one
    half, and 2 / 40 would reject it always. One seed cannot show which it is: p is 1 at least."""
    event = np.zeros((40, 1))
    event[0] = 1
    cell = Series(tuple("r" * 40), tuple(range(40)), np.ones(1), 9 * event, event)
    assert pairing_p([concordance(cell)]) == pytest.approx(2 / 40, abs=5e-3)
    assert somers([cell]) is None
    curves = {"signal": 1 + 9 * event, "collapsed": event}
    row = _row(collapse_table(tables(curves, CELLS[:1], seeds=40)), "collapsed")
    assert (row["auroc"], row["p"], row["least_p"]) == (1.0, 1.0, 1.0)
    assert row["verdict"] == "cannot tell"
    assert row["sentence"].endswith("the least p of so few runs is 1.")


def test_few_runs_cannot_tell_and_no_event_is_nothing_to_see() -> None:
    few = {name: curve[:2] for name, curve in _curves([0], 0.6).items()}
    row = _row(collapse_table(tables(few, CELLS[:1], seeds=2)), "collapsed")
    assert (row["verdict"], row["least_p"]) == ("cannot tell", 1.0)
    quiet = _row(collapse_table(tables(_curves([], 0), CELLS, seeds=5)), "collapsed")
    assert quiet["verdict"] == "nothing to see"


def test_a_cell_that_collapses_whole_is_compared_with_no_other_cell() -> None:
    row = _row(collapse_table(tables(_curves([0, 1, 2, 3, 4], 0.6), CELLS, seeds=5)), "collapsed")
    assert row["pairs"] == 0
    assert row["verdict"] == "cannot tell"


def test_cells_with_the_same_seeds_are_dealt_alike() -> None:
    """The same two seeds of five collapse in both cells: of so few seeds no p is low."""
    curves = _curves([0, 2, 5, 7], 0.6)
    (alike, apart) = (
        _row(collapse_table(tables(curves, CELLS, seeds=5, apart=each)), "collapsed")
        for each in (False, True)
    )
    assert alike["auroc"] == apart["auroc"] == 1.0
    assert (alike["least_p"], apart["least_p"]) == pytest.approx((2 / 10, 2 / 100))
    assert alike["p"] >= 2 / 10 > apart["p"]
    assert alike["verdict"] == "cannot tell"


def test_a_failed_run_is_kept() -> None:
    found = tables(_curves([0, 2, 6, 8], 0.6), CELLS, seeds=5, state={0: "failed"})
    gone = (found.evaluations["run_id"] == "began-000000000000") & (found.evaluations["step"] > 800)
    ended = replace(found, evaluations=found.evaluations[~gone])
    row = _row(collapse_table(ended), "collapsed")
    assert row["runs"] == 10
    assert row["event_runs"] == 4
    assert row["alarmed"] == 4
