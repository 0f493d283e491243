"""One-line summaries of the evidence, for MLflow's parent run, where people compare."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.markup import escaped
from benchmark.numbers import significant
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import read_evidence

# Correlation of two series of one run: raw, and without their common trend.
WITHIN = {
    "raw": "rho_raw_descriptive",
    "differences": "rho_of_changes_descriptive",
    "partial": "rho_given_step_descriptive",
}
VERDICT = "verdict."  # a claim's tag begins with it


@dataclass(frozen=True)
class Headlines:
    """Named numbers, each with the training step that it belongs to (or 0), and verdicts."""

    numbers: list[tuple[str, float, int]]
    words: list[tuple[str, str]]
    table: str
    """The verdicts as Markdown, for the description; empty where there is no claim."""
    pair: str
    """The first signal against the distance, as a file would be called: m_global_vs_distance."""


def headlines(folder: Path) -> Headlines:
    """Of the claims.csv and correlations.csv in a results folder (see results/columns.py).

    MLflow draws one group of charts for what stands before a name's last slash, so all claims are
    one group, and all correlations.
    """
    claims, numbers, pair = _rows(folder, "claims"), [], ""
    for row in claims:
        for column in ("effect", "low", "high", "p_holm", "least_p_holm"):
            numbers.append((f"claims/{row['id']}.{column}", row[column], 0))
    for row in _rows(folder, "correlations"):
        if row["cell"] or row["measure"] != "spearman":  # over all cells, in ranks
            continue
        # Of the distance alone: MLflow would draw a group for every other metric too.
        if row["level"] in WITHIN and row["role"] == "signal" and row["outcome"] == DISTANCE:
            group = f"{row['signal']}_vs_{row['outcome']}"
            pair = pair or group
            numbers.append((f"{group}/{WITHIN[row['level']]}", row["value"], 0))
        if row["level"] == "raw":  # no evidence: two falling series always correlate
            continue
        name = ".".join([row["level"], row["signal"], row["outcome"]])
        step = int(float(row["step"] or 0))
        numbers += [
            (f"correlation/{name}.{column}", row[column], step) for column in ("value", "p_holm")
        ]
    return Headlines(
        [
            (name, float(text), step)
            for name, text, step in numbers
            if text and math.isfinite(float(text))
        ],
        [(f"{VERDICT}{row['id']}", row["verdict"]) for row in claims],
        _table(claims),
        pair,
    )


def is_headline(name: str) -> bool:
    """Whether a metric of the parent run is one of these numbers."""
    group, _, last = name.rpartition("/")
    return group in ("claims", "correlation") or last in WITHIN.values()


def _table(claims: list[dict[Any, str]]) -> str:
    if not claims:
        return ""
    rows = [
        f"| {_cell(row['says'])} | {row['verdict']} | {_cell(row['status'])} |"
        f" {_effect(row['effect'])} |"
        for row in claims
    ]
    return "\n".join(["| claim | verdict | status | effect |", "|---|---|---|---|", *rows])


def _effect(text: str) -> str:
    return significant(float(text), 4) if text else "—"


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|")


def _rows(folder: Path, name: str) -> list[dict[Any, str]]:
    table = read_evidence(folder, name)
    return [] if table is None else table.to_dict("records")
