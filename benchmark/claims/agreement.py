"""Does a verdict depend on one metric, or on one judge?

Each claim on a metric is also tested on the metrics that measure the same thing, by every judge. A
least effect is in the unit of its own metric, so the others are tested for direction only,
uncorrected: each agrees (a change in the claimed direction), opposes (the opposite direction) or is
silent. A claim of no effect is opposed by any change that it denies; none can agree, as there is no
margin. A claim on what a probe measured in one judge's features is tested on the same column by the
other judges.
"""

from dataclasses import dataclass
from typing import Any

from benchmark.ablation.claims import (
    ClaimTest,
    ContrastTest,
    CorrelationTest,
    EventTest,
    StoppingTest,
    TrendTest,
)
from benchmark.claims.effects import OPPOSITE, Direction, Effect
from benchmark.claims.measures import measure
from benchmark.evaluation.columns import OF_JUDGE
from benchmark.evaluation.metrics import METRICS, Metric
from benchmark.levels import ALPHA
from benchmark.results.tables import Tables

_ON_A_METRIC = TrendTest | ContrastTest | CorrelationTest | StoppingTest | EventTest
AGREES, OPPOSES, SILENT = "agree", "oppose", "silent"


@dataclass(frozen=True)
class _Voice:
    """One metric by one judge."""

    metric: Metric
    judge: str


def agreement(tables: Tables, test: ClaimTest) -> dict[str, Any]:
    """The others' results, as lists of names: columns of claims.csv; empty if none is tested."""
    said: dict[str, list[str]] = {AGREES: [], OPPOSES: [], SILENT: []}
    if isinstance(test, _ON_A_METRIC) and test.column in METRICS:
        for voice in _others(tables, METRICS[test.column]):
            found = measure(
                tables.for_judge(voice.judge),
                test.model_copy(update={"column": voice.metric.name}),
            )
            if isinstance(found, Effect) and not found.gaps:
                other_judge = voice.judge != tables.judge
                name = f"{voice.metric.name} by {voice.judge}" if other_judge else voice.metric.name
                said[_says(found, _turned(test.column, voice.metric.name))].append(name)
    if isinstance(test, TrendTest | ContrastTest) and test.column.startswith(OF_JUDGE):
        for judge in (each.name for each in tables.record.judges if each.name != tables.judge):
            found = measure(
                tables, test.model_copy(update={"column": f"judges.{judge}.{test.column}"})
            )
            if isinstance(found, Effect) and not found.gaps:
                said[_says(found, turned=False)].append(f"{test.column} by {judge}")
    return {name: ", ".join(names) for name, names in said.items()}


def _others(tables: Tables, metric: Metric) -> list[_Voice]:
    """The metrics of the same thing reported by any judge, except the claim's own."""
    alike = [
        METRICS[name]
        for name in tables.metrics
        if name in METRICS
        and METRICS[name].better
        and METRICS[name].measures in _ASKED.get(metric.measures, ())
    ]
    judges = [judge.name for judge in tables.record.judges if judge.digest]
    voices = [_Voice(each, judge) for judge in judges for each in alike]
    return [each for each in voices if each != _Voice(metric, tables.judge)]


_ASKED = {
    "quality": ("quality", "fidelity", "variety"),
    "fidelity": ("fidelity",),
    "variety": ("variety",),
}


def _turned(column: str, other: str) -> bool:
    """Whether higher is better for one of the two and lower for the other."""
    return METRICS[column].better_is_lower != METRICS[other].better_is_lower


def _says(effect: Effect, turned: bool) -> str:
    direction: Direction = effect.direction
    if turned:
        direction = OPPOSITE.get(direction, direction)
    up, down = effect.above(0.0) <= ALPHA, effect.below(0.0) <= ALPHA
    match direction:
        case "up":
            return AGREES if up else OPPOSES if down else SILENT
        case "down":
            return AGREES if down else OPPOSES if up else SILENT
        case "not_up":
            return OPPOSES if up else SILENT
        case "not_down":
            return OPPOSES if down else SILENT
    either = min(effect.above(0.0), effect.below(0.0)) <= ALPHA / 2
    return OPPOSES if either else SILENT
