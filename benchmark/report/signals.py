"""Methods' own signals beside one another, for a question whose claims are about signals."""

from collections.abc import Iterator

import pandas as pd

from benchmark.ablation.claims import CorrelationTest, StoppingTest
from benchmark.claims.stopping import RIVALS
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Table
from benchmark.report.evidence import Evidence, with_ends
from benchmark.report.numbers import NONE, title
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

LEVELS = {"differences": "rho within runs", "between": "rho between runs"}
LOST = "lost at its least value"
CAPTION = (
    "Each method's own signal in training against the distance. rho within runs: Spearman's, of the"
    " changes between evaluations; between runs: of the runs of a cell at the same steps; above 0"
    " both fall together. lost: the distance where the signal is least, less the run's least; then"
    " the same of the last evaluation, and of the evaluations where other runs' signals are least:"
    " a signal that loses no less than those says nothing of its own run"
)


def about_signals(results: Tables) -> bool:
    """Whether a claim says that a signal tells something."""
    tests = [claim.test for claim in results.record.claims]
    return any(isinstance(test, CorrelationTest | StoppingTest) for test in tests)


def signals(results: Tables) -> Iterator[Table]:
    """One row a method; nothing where there is one alone, of which the claims say as much."""
    evidence, source = Evidence(results.folder), results.folder / "stopping.csv"
    rhos, stops = evidence.table("correlations"), evidence.table("stopping")
    if not about_signals(results) or not source.is_file():
        return
    rhos = rhos[(rhos["role"] == "signal") & (rhos["outcome"] == DISTANCE) & (rhos["cell"] == "")]
    rhos = rhos[rhos["measure"] == "spearman"].set_index(["method", "level"])
    stops = stops[(stops["role"] == "signal") & (stops["rule"] == "minimum")]
    stops = stops.set_index(["method", "against"])
    rows = []
    for method, signal in {cell.method: cell.signal for cell in results.record.cells}.items():
        row = {"method": escaped(method), "signal": title(signal)}
        for level, name in LEVELS.items():
            row[name] = _with_ends(rhos, (method, level), ("value", "low", "high"))
        row[LOST] = _with_ends(stops, (method, "last"), ("lost", "lost_low", "lost_high"))
        for against in ("last", "mismatched"):
            row[RIVALS[against]] = _with_ends(stops, (method, against), ("against_lost",))
        rows.append(row)
    if len(rows) > 1:
        yield Table("signals", pd.DataFrame(rows), f"{CAPTION}. {made_of(results.record)}.", source)


def _with_ends(table: pd.DataFrame, key: tuple[str, str], columns: tuple[str, ...]) -> str:
    """A number of a row with its interval, if it has one; NONE without the row."""
    known = key in table.index
    return with_ends(*(str(table.loc[key, name]) for name in columns)) if known else NONE
