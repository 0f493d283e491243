"""Cells of the tables in docs/performance.md."""

from typing import Any

from tabulate import tabulate

NOT = "unmeasured"


def judged(value: float | None, most: float) -> list[Any]:
    """Measured, wanted, and whether that is reached."""
    if value is None:
        return [NOT, most, ""]
    return [f"{value:.3g}", most, "reached" if value <= most else "missed"]


def said(value: float | None) -> str:
    return NOT if value is None else f"{value:.3g}"


def table(heads: list[str], rows: list[list[Any]]) -> str:
    return tabulate(rows, heads, tablefmt="github", floatfmt=".3g")
