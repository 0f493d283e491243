"""correlations.csv: every signal of every method against every measure of quality.

One family is corrected by Holm: the method's own signal, in training and held out, under
`differences`, `partial` and `between`, against every outcome, over all methods of the ablation. Raw
correlations, baselines, and rows of single cells and single steps (`at_step`, for the distance
only) are to compare with: not corrected, and never decisive.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benchmark.claims.correlation import Association, Cell, associate, cells_of
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.coefficients import Level, Measure
from benchmark.statistics.families import holm, least_holm

OUTCOMES = ("distance", "kid", "precision", "recall", "density", "coverage", "sharpness")
# The step alone, L(x) alone, |gamma L(x) - L(G(z))| alone, and k.
BASELINES = ("step", "l_real", "balance", "k")
SIGNALS = {"signal": "signal", "heldout_signal": "heldout"}
DECIDING: tuple[Level, ...] = ("differences", "partial", "between")
MEASURES: tuple[tuple[Level, Measure], ...] = (
    ("raw", "pearson"),
    ("raw", "spearman"),
    ("raw", "kendall"),
    ("differences", "spearman"),
    ("partial", "spearman"),
    ("between", "spearman"),
)
AT_STEP = "at_step"


def correlation_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; empty where no run has finished."""
    rows = [row for method, own in tables.by_method() for row in _method_rows(own, method)]
    table = pd.DataFrame(rows, columns=list(EVIDENCE["correlations"]))
    family = (
        table["role"].isin(SIGNALS.values()) & table["level"].isin(DECIDING) & (table["cell"] == "")
    )
    chosen = table[family]
    table.loc[family, "p_holm"] = holm(chosen["p"].tolist())
    table.loc[family, "least_p_holm"] = least_holm(chosen["p"].tolist(), chosen["least_p"].tolist())
    table["reading"] = [_reading(row) for row in table.to_dict("records")]
    return table


def roles(tables: Tables) -> Iterator[tuple[str, str, str]]:
    """(column or alias, column, role) of a method's signals, then of the baselines that are none of
    them."""
    for alias, role in SIGNALS.items():
        yield alias, tables.shown(alias), role
    yield from ((name, name, "baseline") for name in BASELINES if name != tables.shown("signal"))


def _method_rows(tables: Tables, method: str) -> Iterator[dict[str, Any]]:
    cells = cells_of(tables)
    for signal, shown, role in roles(tables):
        for outcome in OUTCOMES:
            named = {"signal": shown, "outcome": outcome}
            head = {"method": method, "role": role, **named}
            yield from _rows(cells, signal, outcome, {**head, "cell": ""}, MEASURES)
            if outcome == "distance":
                yield from _step_rows(cells, signal, {**head, "cell": ""})
            for cell in cells if role != "baseline" and len(cells) > 1 else ():
                own = {**head, "cell": cell.name}
                yield from _rows([cell], signal, outcome, own, MEASURES[3:])  # the decisive levels


def _rows(
    cells: Sequence[Cell],
    signal: str,
    outcome: str,
    head: dict[str, Any],
    measures: Sequence[tuple[Level, Measure]],
) -> Iterator[dict[str, Any]]:
    for level, measure in measures:
        found = associate(cells, signal, outcome, level, measure)
        if found is not None and (head["role"] != "baseline" or math.isfinite(found.value)):
            yield {**head, "level": level, "measure": measure, **_numbers(found)}


def _step_rows(
    cells: Sequence[Cell], signal: str, head: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Between runs at each single step: whether the result stems from an early stage."""
    for step in sorted({step for cell in cells for step in cell.steps.tolist()}):
        here = [cell.at(step, (signal, "distance")) for cell in cells]
        for row in _rows(here, signal, "distance", head, [("between", "spearman")]):
            yield {**row, "level": AT_STEP, "step": step}


def _numbers(found: Association) -> dict[str, Any]:
    low, high = found.interval
    seeds = "; ".join(" ".join(map(str, block)) for block in found.seeds)
    tests = {"p": found.p(), "least_p": found.least_p()}
    names = ("value", "null_mean", "cells", "runs", "points")
    numbers = {name: getattr(found, name) for name in names}
    return {**numbers, "low": low, "high": high, **tests, "seeds": seeds}


def _reading(row: Any) -> str:
    if math.isnan(row["value"]):
        return "undefined: one of the two is constant, or follows the step exactly"
    if row["level"] == "raw":
        return (
            "descriptive: two series that both move in one direction correlate, whatever they are"
        )
    if row["role"] == "baseline":
        return "a baseline, to compare with"
    if row["cell"]:
        return "one cell, to compare with the others"
    if row["level"] == AT_STEP:
        return "one step, to compare with the others"
    if row["least_p_holm"] > ALPHA:
        return "cannot tell: corrected over this table, no p of so few seeds can reach 0.05"
    if row["p_holm"] > ALPHA:
        return "no relation shown, which does not say that there is none"
    return "rise together" if row["value"] > 0 else "one rises as the other falls"
