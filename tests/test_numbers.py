"""Numbers in a terminal."""

import pytest

from benchmark.numbers import significant


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (-2.22e-16, 3, "0"),
        (0.0, 4, "0"),
        (-0.0, 4, "0"),
        (1.5e-7, 3, "1.5e-07"),
        (431.26, 4, "431.3"),
        (-1234567.0, 3, "-1.23e+06"),
        (float("nan"), 3, ""),
        (float("inf"), 3, "inf"),
    ],
)
def test_only_rounding_is_no_number(value: float, digits: int, said: str) -> None:
    assert significant(value, digits) == said
