"""Methods' own signals compared with one another and as stopping rules, and runs with an event."""

from collections.abc import Iterator

import pandas as pd

from benchmark.ablation.claims import CorrelationTest, StoppingTest
from benchmark.claims.stopping import RIVALS
from benchmark.markup import code, escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Table
from benchmark.report.evidence import Evidence, figure, with_ends
from benchmark.report.numbers import NONE, title
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

HAD = {"1": "yes", "0": "no", "": "not known"}
LEVELS = {"differences": "rho within runs", "between": "rho between runs"}
LOST = "lost at its least value"
CAPTION = (
    "Each method's own signal in training against the distance. rho within runs: Spearman's, of"
    " changes between evaluations; between runs: over the runs of a cell at the same steps; above"
    " 0, both fall together. lost: the distance at the signal's least value, minus the run's least"
    " distance; then the same at the last evaluation, and at the evaluations where other runs'"
    " signals are least: a signal that loses no less than there says nothing about its own run"
)


def about_signals(results: Tables) -> bool:
    """Whether a claim is about what a signal tells."""
    tests = [claim.test for claim in results.record.claims]
    return any(isinstance(test, CorrelationTest | StoppingTest) for test in tests)


def signals(results: Tables) -> Iterator[Table]:
    """One row per method; nothing if there is only one, as its claims say as much."""
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
    present = key in table.index
    return with_ends(*(str(table.loc[key, name]) for name in columns)) if present else NONE


def stopping(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """The loss from stopping by each signal, compared with other rules."""
    rows = evidence.table("stopping")
    if rows.empty:
        return
    caption = (
        f"{made_of(results.record)}. Distance where a rule stops a run, minus the run's least, mean"
        " over seeds. The first number is for stopping by the signal (claims/stopping.py): at its"
        " minimum, or at a plateau, once two evaluations have hardly lowered it. Then, for the same"
        " runs: the last evaluation, the least distance to validation images, the mean over all"
        " evaluations, and where the signals of the other runs of the cell stop. In brackets, if"
        " there are enough seeds: whether the signal is better or worse than that, Holm-corrected"
        " over the rows of its method. A signal that is no better than other runs' signals says"
        " nothing about its own run."
    )
    source = results.folder / "stopping.csv"
    table = Table("stopping", _stopping_frame(rows), caption, source)
    yield Details("What is lost by stopping at the signal?", [table])


def _stopping_frame(table: pd.DataFrame) -> pd.DataFrame:
    """One row per signal and rule, one column per rival."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for _, row in table.iterrows():
        key = (row["method"], row["role"], row["rule"])
        head = {
            "method": escaped(row["method"]),
            "stopped by": f"{row['rule']} of {title(row['signal'])} ({row['role']})",
            "runs": figure(row["runs"]),
            "at step": figure(row["step"]),
            "lost": with_ends(row["lost"], row["lost_low"], row["lost_high"]),
        }
        cells = rows.setdefault(key, {**head, **dict.fromkeys(RIVALS.values(), NONE)})
        reading = f" ({row['reading']})" if row["reading"] in ("better", "worse") else ""
        cells[RIVALS[row["against"]]] = figure(row["against_lost"]) + reading
    return pd.DataFrame(rows.values())


def events(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """For each run, whether it had the event of a claim, and how it ended."""
    rows = evidence.table("events")
    if rows.empty:
        return
    source, tables = results.folder / "events.csv", []
    for claim in dict.fromkeys(rows["claim"]):
        own = rows[rows["claim"] == claim]
        frame = pd.DataFrame(
            {
                "run": own["run_id"].map(code),
                "cell": own["cell"].map(escaped),
                "seed": own["seed"].map(figure),
                "state": own["state"],
                "event": own["had"].map(HAD),
                "from step": own["first_step"].map(figure),
                "longest stretch": own["longest"].map(figure),
                "share of the run": own["held"].map(figure),
                title(own["outcome"].iloc[0]): own["value"].map(figure),
            }
        )
        event, had = own["event"].iloc[0], int((own["had"] == "1").sum())
        caption = (
            f"{made_of(results.record)}. Claim {code(claim)}: {escaped(event)}. {had} of"
            f" {len(own)} runs had it. The longest stretch is in steps; the share is that of all"
            " steps in which the conditions held, in stretches of any length."
        )
        tables.append(Table(f"events_{claim}", frame, caption, source))
    yield Details("Which runs had the event?", tables)
