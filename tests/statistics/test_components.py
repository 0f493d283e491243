"""Shares of crossed streams of seeds: by hand, and their intervals and tests by simulation."""

import math

import numpy as np
import pytest

from benchmark.statistics.components import Design, components, design_of, lead_power
from tests.statistics import simulations
from tests.statistics.simulations import STREAMS, crossing, of_streams

LEVEL, OVER = 0.05, 0.01
MARGIN = 0.1


def rates(data: str, kind: str, seeds: int, studies: int) -> tuple[float, float, float]:
    """How often the lead is called greater than it is, and less; how often the interval holds."""
    above, below = simulations.lead_of_streams(STREAMS[data], kind == "normal", seeds, studies)
    held = np.minimum(above, below) > LEVEL / 2
    return float((above <= LEVEL).mean()), float((below <= LEVEL).mean()), float(held.mean())


def chance(level: float, studies: int, sigmas: float = 3.5) -> float:
    return sigmas * math.sqrt(level * (1 - level) / studies)


def test_a_design_is_known_by_its_runs() -> None:
    assert design_of(crossing(5)) == Design((5, 5, 5), (10, 10, 10))
    assert Design((5, 5, 5), (10, 10, 10)).rest == 37
    assert Design((5, 5, 5), (10, 10, 10)).with_seeds(8) == design_of(crossing(8))
    assert design_of([[0, 0, 1, 1], [0, 1, 0, 1]]) == Design((2, 2), (2, 2))
    assert design_of([[0, 0, 1, 1], [0, 1, 1, 0], [0, 1, 0, 1]]) is None  # nothing is left over
    assert design_of([[0, 0, 1, 1, 1], [0, 1, 0, 1, 1]]) is None
    assert design_of([[0, 1, 2], [0, 1, 2]]) is None
    assert design_of([range(5)]) is None


def test_a_lead_is_one_of_mean_squares() -> None:
    """At the estimate itself the ratio is 1; two streams that are one another's turn it round."""
    levels = crossing(5)
    found = components(levels, of_streams((0.5, 0.2, 0.0), True, 5, 1)[0])
    assert found is not None
    lead = float(found.share(0) - found.share(1))
    low, high = found.lead_interval(0, 1) or (math.nan, math.nan)
    assert low < lead < high
    swapped = found.lead_interval(1, 0) or (math.nan, math.nan)
    assert swapped == pytest.approx((-high, -low), abs=1e-5)
    above, below = found.lead_p(0, 1, MARGIN)
    assert above + below == pytest.approx(1)
    assert found.lead_p(1, 0, -MARGIN)[1] == pytest.approx(above)
    assert sum(found.share(i) for i in range(4)) == pytest.approx(1)


def test_an_interval_ends_where_shares_do() -> None:
    """Of a stream that does nothing, and of one that does nearly all."""
    levels = crossing(5)
    found = components(levels, of_streams((0.98, 0.0, 0.0), True, 5, 1)[0])
    assert found is not None
    low, high = found.share_interval(0) or (math.nan, math.nan)
    assert 0.5 < low < 0.98 < high <= 1
    assert (found.share_interval(1) or (1, 1))[0] == 0
    least, most = found.share_interval(3) or (math.nan, math.nan)
    assert 0 <= least < 0.02 < most < 0.5


@pytest.mark.parametrize("data", STREAMS)
def test_errors_and_intervals_of_five_seeds_a_stream(data: str) -> None:
    above, below, held = rates(data, "normal", 5, 1_000)
    assert max(above, below) <= LEVEL + OVER + chance(LEVEL, 1_000)
    assert abs(held - 0.95) <= 0.02 + chance(LEVEL, 1_000)
    assert rates(data, "skewed", 5, 1_000)[2] >= 0.88


def test_the_f_test_of_skewed_streams_would_be_caught() -> None:
    above, below = simulations.lead_by_f(STREAMS["0.5, 0.4, 0.1"], False, 5, 2_000)
    assert (np.minimum(above, below) > LEVEL / 2).mean() < 0.88


def test_shares_are_held_too() -> None:
    drawn = of_streams((0.4, 0.3, 0.0), True, 5, 25)
    held = []
    for values in drawn:
        found = components(crossing(5), values)
        assert found is not None
        ends = [found.share_interval(i) or (math.nan, math.nan) for i in range(4)]
        each = zip(ends, (0.4, 0.3, 0.0, 0.3), strict=True)
        held.append([low <= truth <= high for (low, high), truth in each])
    assert np.mean(held) >= 0.95 - 0.02 - chance(LEVEL, 100)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("data", STREAMS)
def test_errors_of_many_studies(data: str, seeds: int) -> None:
    above, below, held = rates(data, "normal", seeds, 10_000)
    assert max(above, below) <= LEVEL + OVER + chance(LEVEL, 10_000, 2)
    assert abs(held - 0.95) <= 0.02 + chance(LEVEL, 10_000, 2)
    assert rates(data, "skewed", seeds, 10_000)[2] >= 0.88


@pytest.mark.parametrize("shares", [(0.6, 0.0, 0.0), (0.7, 0.1, 0.1), (0.2, 0.0, 0.0)])
def test_power_is_that_of_simulated_studies(shares: tuple[float, float, float]) -> None:
    above, _ = simulations.leads(of_streams(shares, True, 5, 2_000), 5, MARGIN)
    design = Design((5, 5, 5), (10, 10, 10))
    expected = lead_power(design, shares[1:], shares[0] - shares[1], MARGIN, LEVEL)
    assert expected == pytest.approx((above <= LEVEL).mean(), abs=0.08)


def test_power_grows_with_seeds_and_needs_five() -> None:
    design = Design((5, 5, 5), (10, 10, 10))
    found = [lead_power(design.with_seeds(n), (0, 0), 0.2, 0.1, LEVEL) for n in (4, 5, 10, 40)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[1] == pytest.approx(0.12, abs=0.01)
    assert found[3] > 0.9
    # No room for a lead of a half beside two halves: they shrink.
    assert 0 < lead_power(design, (0.5, 0.5), 0.5, 0.1, LEVEL) < 0.5
    assert lead_power(design, (0.5, 0.5), 0.1, 0.1, LEVEL) == pytest.approx(LEVEL)
