"""Signals as stopping rules, and runs with and without an event, in a section."""

from collections.abc import Iterator

import pandas as pd

from benchmark.claims.stopping import RIVALS
from benchmark.markup import code, escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Table
from benchmark.report.evidence import Evidence, figure, with_ends
from benchmark.report.numbers import NONE, title
from benchmark.results.tables import Tables

YES, NO = "1", "0"
HAD = {YES: "yes", NO: "no", "": "not known"}


def stopping(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """The loss from stopping by each signal, compared with other rules."""
    rows = evidence.table("stopping")
    if rows.empty:
        return
    caption = (
        f"{made_of(results.record)}. Distance where a rule stops a run, less the run's least: mean"
        " over seeds. The first number is the signal's own, by its rule (claims/stopping.py):"
        " minimum, its least value; plateau, where two evaluations have hardly lowered it. Then, of"
        " the same runs: the last evaluation, the least distance to validation images, the mean"
        " over all evaluations, and where the signals of the other runs of the cell stop. In"
        " brackets, where the seeds are enough for it, whether the signal is better or worse than"
        " that, Holm-corrected over the rows of its method. A signal that is no better than other"
        " runs' signals says nothing of its own run."
    )
    source = results.folder / "stopping.csv"
    table = Table("stopping", _stopping_frame(rows), caption, source)
    yield Details("What is lost by stopping at the signal?", [table])


def _stopping_frame(table: pd.DataFrame) -> pd.DataFrame:
    """One row a signal and rule, one column a rival."""
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
        found = rows.setdefault(key, {**head, **dict.fromkeys(RIVALS.values(), NONE)})
        told = f" ({row['reading']})" if row["reading"] in ("better", "worse") else ""
        found[RIVALS[row["against"]]] = figure(row["against_lost"]) + told
    return pd.DataFrame(rows.values())


def events(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """Each run, whether it had the event of a claim, and how it ended."""
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
        event, had = own["event"].iloc[0], int((own["had"] == YES).sum())
        caption = (
            f"{made_of(results.record)}. Claim {code(claim)}: {escaped(event)}. {had} of"
            f" {len(own)} runs had it. The longest stretch is in steps; the share is of all steps"
            " in which the conditions held, in stretches of any length."
        )
        tables.append(Table(f"events_{claim}", frame, caption, source))
    yield Details("Which runs had the event?", tables)
