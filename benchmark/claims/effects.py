"""What a claim's test measures: an effect over seeds, its interval, and the p of three hypotheses.

The hypotheses are those that a verdict may need: no effect, and an effect of exactly the claim's
least effect, upwards or downwards.
"""

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Direction = Literal["up", "down", "none", "not_up", "not_down", "every"]
DIRECTIONS: dict[str, Direction] = {
    "increasing": "up",
    "higher": "up",
    "positive": "up",
    "decreasing": "down",
    "lower": "down",
    "negative": "down",
    "none": "none",
    "not_higher": "not_up",
    "not_lower": "not_down",
}


@dataclass(frozen=True)
class Effect:
    """A claim's effect as it was found; a number that could not be found is NaN."""

    direction: Direction
    says: str  # what was found, in words
    # Runs that the verdict needs and lacks, each with its reason; any blocks the verdict.
    gaps: tuple[str, ...]
    run_ids: tuple[str, ...] = ()
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_zero: float = math.nan
    p_plus: float = math.nan  # of the hypothesis that the effect is the least effect
    p_minus: float = math.nan  # ... that it is the least effect, downwards
    least_p: float = math.nan
    # The column is the same in every run: it cannot tell them apart, and decides nothing.
    blind: bool = False
    # What stands against support whatever the p: a trend that turns back.
    objection: str = ""
    # A counter-example that refutes a claim about every run, whatever is missing.
    counter: str = ""


@dataclass(frozen=True)
class NotRun:
    """There is nothing to measure yet, and why."""

    why: str


def missing(runs: pd.DataFrame, values: "pd.Series[float]") -> tuple[str, ...]:
    """The runs without a value, each with its state and reason."""
    return tuple(_gap(row) for _, row in runs[values.isna()].iterrows())


def _gap(row: "pd.Series[str]") -> str:
    if row["state"] == "done":
        return f"{row['run_id']} (done, without this column)"
    reason = str(row.get("reason") or "")
    return f"{row['run_id']} ({row['state']}{': ' if reason else ''}{reason})"


def nothing_yet(runs: pd.DataFrame, values: "pd.Series[float]") -> bool:
    """Whether no run has a value and none has failed, which would be a result."""
    return bool(values.isna().all() and not (runs["state"] == "failed").any())
