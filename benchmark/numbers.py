"""How numbers are printed, in a terminal and in the report."""

import math

ROUNDING = 1e-12


def significant(value: float, digits: int = 4) -> str:
    """So many significant digits; "" for NaN, and 0 for what only rounding keeps from 0."""
    if math.isnan(value):
        return ""
    return f"{value:.{digits}g}" if abs(value) >= ROUNDING else "0"
