"""What a claim's test measures: an effect over seeds, its interval, and p for any margin."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
OPPOSITE: dict[Direction, Direction] = {
    "up": "down",
    "down": "up",
    "not_up": "not_down",
    "not_down": "not_up",
}


_DENIAL: dict[Direction, Direction] = {
    "up": "not_up",
    "down": "not_down",
    "not_up": "up",
    "not_down": "down",
}
SIGNS: dict[Direction, int] = {"up": 1, "not_down": 1, "down": -1, "not_up": -1}


def _unknown(_: float) -> float:
    return math.nan


@dataclass(frozen=True)
class Effect:
    """A claim's measured effect; numbers that could not be computed are NaN."""

    direction: Direction
    says: str  # what was found, in words
    # Missing runs that the verdict needs, each with its reason; any of them blocks the verdict.
    gaps: tuple[str, ...]
    run_ids: tuple[str, ...] = ()
    value: float = math.nan
    low: float = math.nan  # of the 95 % interval; NaN if there is none
    high: float = math.nan
    above: Callable[[float], float] = _unknown  # one-sided p of "the effect is at most this"
    below: Callable[[float], float] = _unknown  # ... "at least this"
    least_p: float = math.nan
    power: Callable[[float], float] = _unknown  # by level: the chance to support a true claim
    seeds: int = 0  # of the cell with the fewest
    # For a change: its column, and by run the standard deviation contributed by the run's seed.
    column: str = ""
    noise: Mapping[str, float] = field(default_factory=dict)
    # Every run has the least or greatest possible value, so nothing can be distinguished.
    saturated: bool = False
    # Every run has the same value.
    constant: bool = False
    # What rules out support whatever the p: a trend that reverses.
    objection: str = ""
    # A counter-example that refutes a claim about every run, whatever is missing.
    counter: str = ""

    def p_for(self, least: float) -> float:
        """p of the claim's opposite, `least` being its least effect."""
        match self.direction:
            case "up":
                return self.above(least)
            case "down":
                return self.below(-least)
            case "none":
                return max(self.below(least), self.above(-least))
            case "not_up":
                return self.below(least)
            case "not_down":
                return self.above(-least)
        return self.above(math.nan)

    def p_against(self, least: float) -> float:
        """p of the claim itself; NaN if only a counter-example can refute it."""
        if self.direction == "none":
            return min(1.0, 2 * min(self.above(least), self.below(-least)))
        if self.direction == "every":
            return math.nan
        return replace(self, direction=_DENIAL[self.direction]).p_for(least)

    @property
    def points_as_claimed(self) -> bool:
        return self.value > 0 if self.direction == "up" else self.value < 0


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
