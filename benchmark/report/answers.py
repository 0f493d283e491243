"""The answer to a question in a sentence, and the one table of its section."""

from collections import Counter

import pandas as pd

from benchmark.ablation.claims import BoundTest, Claim, FailuresTest, ShareTest
from benchmark.claims.seeds import difference
from benchmark.claims.status import CONFIRMATORY
from benchmark.claims.verdicts import DECIDED
from benchmark.evaluation.columns import CLASSIFIED
from benchmark.markup import BREAK, escaped
from benchmark.report.captions import distance_name, made_of
from benchmark.report.document import Table
from benchmark.report.evidence import DEPENDS, NOT_JUDGED, Evidence, Verdict
from benchmark.report.numbers import FACTORS, NONE, finite, mean_spread, title
from benchmark.report.tables import measured, rows_without_runs
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Tables
from benchmark.text import counted

# Tests whose effect is only a share, of runs or of variance.
OF_SHARES = (BoundTest, FailuresTest, ShareTest)
DIFFERENCES = {"contrast": "difference in ", "trend": "change in "}  # by the test's kind
ASKED = 3  # columns of the answer's table besides the distance: as many as fit on a page


def answer(results: Tables) -> str:
    """The claims' outcomes: decided ones in full, one per line; of the others, how many and why."""
    if not results.record.claims:
        return "No claim."
    evidence, decided, open_ = Evidence(results.folder), [], Counter[str]()
    for claim in results.record.claims:
        verdict = evidence.of(claim)
        if verdict.verdict in DECIDED:
            decided.append(f"**{verdict.verdict}**: {escaped(claim.says)}{_size(claim, verdict)}")
        else:
            open_[verdict.verdict] += 1
    rest = [f"{counted(count, 'claim')} {name}" for name, count in open_.items()]
    about = asked(results)
    if not decided and about[0] != DISTANCE:  # a decided claim would have named the columns
        return f"On {', '.join(map(title, about))}: {'; '.join(rest)}."
    return f";{BREAK}".join([*decided, "; ".join(rest)] if rest else decided) + "."


def status(results: Tables) -> str:
    """The status of all claims together."""
    statuses = [verdict.status for verdict in Evidence(results.folder).verdicts.values()]
    if not results.record.finding:
        return "demonstration, no finding"
    if not statuses:
        return NOT_JUDGED
    confirmed = statuses.count(CONFIRMATORY)
    return {0: "exploratory", len(statuses): CONFIRMATORY}.get(
        confirmed, f"{confirmed} of {len(statuses)} claims confirmatory"
    )


def _size(claim: Claim, verdict: Verdict) -> str:
    """The effect in brackets, unless it is only a share, and whether other measures disagree."""
    parts = []
    if not isinstance(claim.test, OF_SHARES):
        of = DIFFERENCES.get(claim.test.kind, "")
        parts.append(f"{of}{title(claim.test.column)} {verdict.effect} {verdict.interval}")
    if DEPENDS in verdict.others:
        parts.append(DEPENDS)
    return f" ({', '.join(parts)})" if parts else ""


def asked(results: Tables) -> list[str]:
    """At most ASKED measured columns that most claims are about; else the distance."""
    count = Counter(
        test.column
        for test in (claim.test for claim in results.record.claims)
        if hasattr(test, "column")
        and not (isinstance(test, BoundTest) and test.at == "throughout")  # the end says little
    )
    measured = {name: results.values(name).dropna() for name, _ in count.most_common()}
    # If as many claims are about two columns, one that is the same in every run comes second.
    columns = [name for name, values in measured.items() if len(values)]
    columns.sort(key=lambda name: (-count[name], measured[name].nunique() == 1))
    return columns[:ASKED] or [DISTANCE]


def answer_table(results: Tables) -> Table:
    """One row per cell: the columns asked about, and the distance.

    The first column is followed by its difference from the first cell's.
    """
    record = results.record
    columns = list(dict.fromkeys([*asked(results), DISTANCE]))
    names = {column: title(results.shown(column)) for column in columns}
    names[DISTANCE] = distance_name(record, record.headline)
    values = {}
    for column in columns:
        scaled = results.values(column) * FACTORS.get(column, 1.0)
        values[column] = dict(zip(results.runs["run_id"], scaled, strict=True))

    def of(cell: Cell, column: str) -> list[float]:
        return [values[column][run["run_id"]] for run in cell.done]

    cells, leading = results.cells, columns[0]
    first = cells[0]
    whole = all(len(cell.done) == cell.planned for cell in cells)
    broken = any(cell.failed or cell.collapsed for cell in cells)
    rows = []
    for cell in cells:
        row = {"cell": escaped(cell.title)}
        if not whole:
            row["runs"] = f"{len(cell.done)}/{cell.planned}"
        if broken:
            row |= {"failed": str(cell.failed), "collapsed": str(cell.collapsed)}
        for column in columns:
            row[names[column]] = mean_spread(of(cell, column), cell.planned)
            if column == leading and len(cells) > 1:
                own, other = (finite(of(each, column)) for each in (cell, first))
                less = NONE if cell is first else measured(*difference(own, other), digits=3)
                row[f"minus {first.title}"] = less
        rows.append(row)
    shown = {name: (results.judge, column) for column, name in names.items()}
    rows += rows_without_runs(results, shown)
    paired = ""
    if any(column.startswith(CLASSIFIED) for column in columns):
        paired = "A pair of generators is listed under the one trained with the attribute. "
    return Table(
        "answer",
        pd.DataFrame(rows).fillna(NONE),
        f"Mean ± sd over seeds at the last snapshot. {paired}{made_of(record)}.",
        results.folder / "runs.csv",
    )
