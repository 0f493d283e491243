"""Claims and their outcomes, and the analysis's tables, in a section."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import pandas as pd

from benchmark.ablation.claims import Claim, EventTest
from benchmark.claims.correlation_table import AT_STEP
from benchmark.claims.events import event_words
from benchmark.claims.settled import moving
from benchmark.claims.stopping import RIVALS
from benchmark.markup import code, escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Table, Words
from benchmark.report.evidence import NOT_JUDGED, Evidence, figure, interval
from benchmark.report.numbers import NONE, number, title
from benchmark.report.signals import events, stopping
from benchmark.results.schema import DISTANCE, RegistrationRecord
from benchmark.results.tables import Tables

DIRECTIONS = {
    "increasing": "{column} grows with {over}, by at least {least} from end to end",
    "decreasing": "{column} falls as {over} grows, by at least {least} from end to end",
    "none": "{column} changes by less than {least} over the range of {over}",
}
CONTRASTS = {
    "higher": "is higher, by at least {least},",
    "lower": "is lower, by at least {least},",
    "none": "differs by less than {least}",
    "not_higher": "is not higher by {least} or more",
    "not_lower": "is not lower by {least} or more",
}
MEANS = {
    "higher": "above {than}, by at least {least}",
    "lower": "below {than}, by at least {least}",
    "none": "within {least} of {than}",
}
# The CSV's columns as a reader's headings, where the two differ.
HEADINGS = {
    "event_runs": "with the event",
    "p_holm": "corrected p",
    "least_p": "least p",
    "false_alarms": "false alarms",
    "quiet_runs": "without the event",
    "lead_steps": "lead in steps",
    "left_out": "runs left out",
}
# Beside what made the numbers.
CAPTIONS = {
    "collapse": (
        "One row a signal of a method and an event: collapsed, as the evaluations say it, or"
        " low_coverage, below half of the most that the run had. pairs: of a run with the event and"
        " one without, of one cell at one step; auroc: the share of them in which the signal is"
        " higher with the event, 0.5 by chance. The alarm rings where the signal climbs back by"
        " a quarter of its fall: alarmed, missed: runs where the event stayed and it rang in time,"
        " or not; false alarms: in runs without the event"
    ),
    "variance": (
        "Of the variance of an outcome over the finished runs, the share that a swept key explains"
        " (eta squared, type II), with its interval over seeds"
    ),
}
# Of collapse.csv and variance.csv, the columns of names, which no number is made of.
WORDS = ["method", "role", "signal", "event", "verdict", "outcome", "key"]
LEVELS = {
    "within": "the changes between evaluations of one run",
    "between": "the runs of one cell at the same steps",
    "last": "the runs of one cell at their last step",
}


def claims(results: Tables) -> Iterator[Details]:
    """Each claim, its test and its verdict; then the tables that the analysis wrote."""
    record, evidence = results.record, Evidence(results.folder)
    unsettled = {run_id for run_id, columns in moving(results).items() if columns}
    lines = [_line(claim, evidence, unsettled) for claim in record.claims]
    if lines:
        registered = Words(_registered(record.registration))
        yield Details("Claims and their tests", [registered, Words("\n".join(lines))])
    yield from _correlations(results, evidence)
    yield from stopping(results, evidence)
    yield from events(results, evidence)
    for name, words in (
        ("collapse", "Does the signal see collapse?"),
        ("variance", "Which setting explains the variance?"),
    ):
        table = evidence.table(name)
        if len(table):
            source = results.folder / f"{name}.csv"
            caption = f"{CAPTIONS[name]}. {made_of(record)}."
            yield Details(words, [Table(name, _folded(table), caption, source)])
    yield from _runs(evidence)


def _registered(found: RegistrationRecord | None) -> str:
    if found is None:
        return "No registration: every verdict is exploratory."
    if found.commit is None:
        return f"{escaped(found.path)} is not committed: every verdict is exploratory."
    seeds = ", ".join(map(str, found.looks))
    pooled = "; identical cells of other ablations lend their seeds" * found.pool
    lines = [
        f"Registered in {escaped(found.path)} by commit {found.commit[:12]} ({found.time}): looks"
        f" at {seeds} seeds a cell, alpha {number(found.alpha)}, rules {found.rules}{pooled}.",
        *(f"- Amended: {escaped(each)}" for each in found.amended),
    ]
    return "\n".join(lines)


def in_words(claim: Claim) -> str:
    """The test of a claim as a sentence without its full stop."""
    test: dict[str, Any] = claim.test.model_dump()
    least = number(test.get("least_effect", 0.0))
    column, direction = title(test.get("column", "")), test.get("direction", "")
    than = "from that" if direction == "none" else "than"
    differs = f"{column} {CONTRASTS.get(direction, '').format(least=least)}"
    match test.get("kind", "trend"):
        case "trend":
            over = code(test["over"])
            words = DIRECTIONS[test["direction"]].format(column=column, over=over, least=least)
        case "contrast":
            of, against = (escaped(str(test[end])) for end in ("of", "against"))
            words = f"{differs} where {code(test['over'])} is {of} {than} where it is {against}"
        case "mean":
            side = MEANS[test["direction"]].format(than=number(test["than"]), least=least)
            words = f"the mean of {column} over seeds is {side}"
        case "correlation":
            sign = {"none": "smaller than", "positive": "above", "negative": "below minus"}
            words = (
                f"Spearman's rho of {title(test['signal'])} and {column}, over"
                f" {LEVELS[test['level']]}, is {sign[test['direction']]} {least}"
            )
        case "stopping":
            at, rival = f"{test['rule']} of {title(test['signal'])}", RIVALS[test["against"]]
            words = f"{differs} at the {at} {than} {rival}"
        case "event" if isinstance(claim.test, EventTest):
            event = event_words(claim.test)
            words = f"{differs} in runs with {event} {than} in the others of their cell"
        case "bound":
            side = "below" if test["below"] is not None else "above"
            when = "at the end of every run"
            if test["at"] == "throughout":
                when = f"in every row of every run after {test['after']:.0%} of its steps"
            words = f"{column} is {side} {number(test[side])} {when}"
        case "share":
            words = (
                f"{code(test['over'])} explains more of the variance of {column} than any other"
                f" swept key, by at least {least}"
            )
        case _:
            words = "no run fails or ends collapsed"
    where = test.get("where", {}).items()
    only = ", ".join(f"{code(key)} is {escaped(str(value))}" for key, value in where)
    return words + (f", where {only}" if only else "")


def _line(claim: Claim, evidence: Evidence, unsettled: AbstractSet[str]) -> str:
    says = (
        f"- `{claim.id}`: {escaped(claim.says)} ({escaped(claim.source)}). Test: {in_words(claim)}."
    )
    verdict = evidence.of(claim)
    if verdict.verdict == NOT_JUDGED:
        return f"{says} Verdict: **{NOT_JUDGED}**."
    others = "" if verdict.others == NONE else f" By other measures: {verdict.others}."
    sentence = escaped(verdict.sentence.rstrip("."))
    moved = len(unsettled & set(verdict.run_ids))
    still = f", {moved} of which had not settled" if moved else ""
    return (
        f"{says} Verdict: **{verdict.verdict}** ({escaped(verdict.status)}): {sentence}"
        f" ({verdict.runs} runs{still}).{others}"
    )


def _correlations(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """Pooled over cells; other outcomes and single cells are hundreds of rows."""
    rows = evidence.table("correlations")
    if rows.empty:
        return
    made = made_of(results.record)
    pooled = rows[(rows["cell"] == "") & (rows["outcome"] == DISTANCE)]
    steps = pooled[pooled["level"] == AT_STEP]
    pooled = pooled[pooled["level"] != AT_STEP]
    main, baselines = (pooled[(pooled["role"] == "baseline") == which] for which in (False, True))
    baselines = baselines[baselines["measure"] == "spearman"]  # the others say the same
    source = results.folder / "correlations.csv"
    found = [
        Table(
            "correlation",
            _correlation_frame(main),
            f"{made}. Correlation of each method's own signal, in training and over held-out"
            " images, with the distance. raw: within a run, descriptive only, since two falling"
            " series always correlate; differences: of the changes between evaluations; partial:"
            " within a run, given the step; between: between the runs of one cell at the same"
            " steps, pooled over cells. Null: the mean over mismatched pairs, one run's signal"
            " with another's distance. Intervals over seeds (docs/explanation/intervals.md), none"
            " where there are too few for one that holds; p from permutations of the runs"
            " within their cells, alike in cells with the same seeds; Holm-corrected. Other"
            " outcomes, and each cell by itself, are in correlations.csv.",
            source,
        ),
        Table(
            "correlation_by_step",
            _step_frame(steps),
            f"{made}. Spearman's rho of each signal and the distance, between the runs of one cell"
            " at one step, pooled over cells: whether the answer over all steps is that of an early"
            " stage of training, and whether L(x), |gamma L(x) - L(G(z))| or k alone would have"
            " done as well. Intervals of single steps are in correlations.csv.",
            source,
        ),
    ]
    if found := [table for table in found if len(table.frame)]:
        yield Details("Does the signal track the distance?", found)
    if len(baselines):
        yield Details(
            "What the step, L(x), |gamma L(x) - L(G(z))| and k alone would have said",
            [Table("baselines", _correlation_frame(baselines), f"{made}.", source)],
        )


def _correlation_frame(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": table["method"].map(escaped),
            "cell": "all",
            "signal": table["signal"].map(title) + " (" + table["role"] + ")",
            "outcome": table["outcome"].map(title),
            "level": table["level"] + ", " + table["measure"],
            "correlation": table["value"].map(figure),
            "interval": list(map(interval, table["low"], table["high"])),
            "null": table["null_mean"].map(figure),
            "corrected p": table["p_holm"].map(figure),
            "least p": table["least_p"].map(figure),
            "runs": table["runs"].map(figure),
            "reading": table["reading"],
        }
    )


def _folded(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the analysis without run ids and sentences, which only its CSV has room for."""
    kept = table.drop(columns=["run_ids", "sentence"], errors="ignore")
    for column in kept:
        kept[column] = kept[column].map(escaped if column in WORDS else figure).replace("", NONE)
    if "left_out" in table:
        kept["left_out"] = table["left_out"].map(lambda ids: str(len(ids.split())))
    return kept.rename(columns=HEADINGS)


def _step_frame(table: pd.DataFrame) -> pd.DataFrame:
    """One row a signal, one column a step."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for _, row in table.iterrows():
        name = f"{title(row['signal'])} ({row['role']})"
        cells = rows.setdefault(
            (row["method"], name), {"method": escaped(row["method"]), "signal": name}
        )
        cells[f"step {float(row['step']):.0f}"] = figure(row["value"])
    return pd.DataFrame(rows.values()).fillna(NONE)


def _runs(evidence: Evidence) -> Iterator[Details]:
    lines = [
        f"- `{claim}`: {' '.join(map(code, verdict.run_ids))}"
        for claim, verdict in evidence.verdicts.items()
        if verdict.run_ids
    ]
    if lines:
        yield Details("The runs behind each verdict", [Words("\n".join(lines))])
