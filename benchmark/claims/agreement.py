"""Does a verdict depend on one metric, or on one judge?

Each claim on a metric is also tested on the metrics that measure the same thing, by every judge,
and a claim on what a probe measured in one judge's features on the same column by the others. A
least effect is in the unit of its own metric, so the others are tested for direction only,
uncorrected: each agrees, opposes or is silent. A claim of no effect is opposed by any change that
it denies; none can agree, as there is no margin.
"""

from dataclasses import replace
from typing import Any

from benchmark.ablation.claims import (
    ClaimTest,
    ContrastTest,
    CorrelationTest,
    EventTest,
    StoppingTest,
    TrendTest,
)
from benchmark.claims.effects import OPPOSITE, Effect
from benchmark.claims.measures import measure
from benchmark.evaluation.columns import OF_JUDGE
from benchmark.evaluation.metrics import METRICS, Metric
from benchmark.levels import ALPHA
from benchmark.results.tables import Tables

_ON_A_METRIC = TrendTest | ContrastTest | CorrelationTest | StoppingTest | EventTest
AGREES, OPPOSES, SILENT = "agree", "oppose", "silent"


def agreement(tables: Tables, test: ClaimTest) -> dict[str, Any]:
    """The others' results, as lists of names: columns of claims.csv; empty if none is tested."""
    others: list[tuple[Tables, str, str, bool]] = []  # tables, column, name, whether it is turned
    if isinstance(test, _ON_A_METRIC) and test.column in METRICS:
        own = METRICS[test.column]
        for metric, judge in _others(tables, own):
            name = metric.name if judge == tables.judge else f"{metric.name} by {judge}"
            turned = metric.better_is_lower != own.better_is_lower
            others.append((tables.for_judge(judge), metric.name, name, turned))
    if isinstance(test, TrendTest | ContrastTest) and test.column.startswith(OF_JUDGE):
        for judge in (each.name for each in tables.record.judges if each.name != tables.judge):
            column = f"judges.{judge}.{test.column}"
            others.append((tables, column, f"{test.column} by {judge}", False))
    said: dict[str, list[str]] = {AGREES: [], OPPOSES: [], SILENT: []}
    for of, column, name, turned in others:
        found = measure(of, test.model_copy(update={"column": column}))
        if isinstance(found, Effect) and not found.gaps:
            said[_says(found, turned)].append(name)
    return {name: ", ".join(names) for name, names in said.items()}


def _others(tables: Tables, metric: Metric) -> list[tuple[Metric, str]]:
    """The metrics of the same thing, each with a judge that reports it, except the claim's own."""
    alike = [
        METRICS[name]
        for name in tables.metrics
        if name in METRICS
        and METRICS[name].better
        and METRICS[name].measures in _ASKED.get(metric.measures, ())
    ]
    judges = [judge.name for judge in tables.record.judges if judge.digest]
    every = [(each, judge) for judge in judges for each in alike]
    return [each for each in every if each != (metric, tables.judge)]


_ASKED = {
    "quality": ("quality", "fidelity", "variety"),
    "fidelity": ("fidelity",),
    "variety": ("variety",),
}


def _says(effect: Effect, turned: bool) -> str:
    """`turned`: higher is better for one of the two metrics, and lower for the other."""
    if turned:
        effect = replace(effect, direction=OPPOSITE.get(effect.direction, effect.direction))
    if effect.direction in ("up", "down") and effect.p_for(0.0) <= ALPHA:
        return AGREES
    return OPPOSES if effect.p_against(0.0) <= ALPHA else SILENT
