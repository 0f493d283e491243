"""Durations in words."""

import pytest

from benchmark.durations import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (489 * 60, "8 h 9 min"),
        (2 * 3600 - 1, "2 h"),
        (10 * 3600 - 1, "10 h"),
        (47.4 * 3600, "47 h"),
        (48 * 3600, "2 days"),
        (76 * 3600, "3 days 4 h"),
        (185014 * 60, "128 days"),
    ],
)
def test_two_figures_or_so(seconds: float, said: str) -> None:
    assert duration(seconds) == said
