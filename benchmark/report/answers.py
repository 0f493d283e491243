"""A question's answer in a sentence, and the one table of its section."""

from collections import Counter

import numpy as np
import pandas as pd

from benchmark.ablation.claims import (
    Claim,
    ContrastTest,
    CorrelationTest,
    EventTest,
    MeanTest,
    StoppingTest,
    TrendTest,
)
from benchmark.claims.seeds import difference
from benchmark.claims.status import CONFIRMATORY
from benchmark.claims.verdicts import DECIDED
from benchmark.markup import escaped
from benchmark.report.captions import distance_name, made_of
from benchmark.report.document import Table
from benchmark.report.evidence import NOT_JUDGED, Evidence, Verdict
from benchmark.report.numbers import NONE, finite, mean_spread, number, title
from benchmark.report.tables import beside
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

# Tests whose effect is in the column's own unit or a rho.
SIZED = (TrendTest, ContrastTest, MeanTest, CorrelationTest, StoppingTest, EventTest)


def answer(results: Tables) -> str:
    """The claims' outcomes: decided ones in full, for the others how many and why."""
    verdicts = Evidence(results.folder).verdicts
    decided, open_ = [], Counter[str]()
    for claim in results.record.claims:
        verdict = verdicts.get(claim.id)
        if verdict and verdict.verdict in DECIDED:
            decided.append(f"**{verdict.verdict}**: {escaped(claim.says)}{_size(claim, verdict)}")
        else:
            open_[verdict.verdict if verdict else NOT_JUDGED] += 1
    if not results.record.claims:
        return "No claim."
    rest = [f"{count} claim{'s' * (count > 1)} {name}" for name, count in open_.items()]
    return "; ".join([*decided, *rest]) + "."


def status(results: Tables) -> str:
    """Of the claims together."""
    found = [verdict.status for verdict in Evidence(results.folder).verdicts.values()]
    if not results.record.finding:
        return "demonstration, no finding"
    if not found:
        return NOT_JUDGED
    confirmed = found.count(CONFIRMATORY)
    return {0: "exploratory", len(found): CONFIRMATORY}.get(
        confirmed, f"{confirmed} of {len(found)} claims confirmatory"
    )


def _size(claim: Claim, verdict: Verdict) -> str:
    """The effect in brackets, where it has a size of its own, and whether other measures agree."""
    said = []
    if isinstance(claim.test, SIZED):
        said.append(f"{title(claim.test.column)} {verdict.effect} {verdict.interval}")
    if "hangs on the measure" in verdict.others:
        said.append("hangs on the measure")
    return f" ({', '.join(said)})" if said else ""


def answer_table(results: Tables) -> Table:
    """One row a cell: the distance over seeds, and how far it is from the first cell's."""
    record, planned = results.record, len(results.record.seeds)
    name, cells = distance_name(record, record.headline), results.cells
    first = cells[0]
    broken = any(cell.failed or cell.collapsed for cell in cells)
    rows = []
    for cell in cells:
        row = {"cell": escaped(cell.title), "runs": f"{len(cell.done)}/{planned}"}
        if broken:
            row |= {"failed": str(cell.failed), "collapsed": str(cell.collapsed)}
        row[name] = mean_spread(cell.values(DISTANCE), planned)
        if len(cells) > 1:
            own = finite(cell.values(DISTANCE))
            row[f"less {first.title}"] = (
                NONE if cell is first else _difference(own, finite(first.values(DISTANCE)))
            )
        rows.append(row)
    for label, found in beside(results):
        value = found.get(results.judge, {}).get(DISTANCE, np.nan)
        rows.append(dict.fromkeys(rows[0], NONE) | {"cell": label, name: number(value)})
    return Table(
        "answer",
        pd.DataFrame(rows),
        f"Last snapshots, mean ± sd over seeds. {made_of(record)}.",
        results.folder / "runs.csv",
    )


def _difference(of: list[float], against: list[float]) -> str:
    found = difference(of, against)
    if found.interval is None:
        return number(found.value, 3)
    low, high = (number(end, 3) for end in found.interval)
    return f"{number(found.value, 3)} [{low}, {high}]"
