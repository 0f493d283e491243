"""The claims in a section with their outcomes, and the tables of the analysis."""

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
    "increasing": "{column} rises with {over}, by at least {least} over its range",
    "decreasing": "{column} falls as {over} rises, by at least {least} over its range",
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
# Headings of the CSV's columns in the report, if they differ.
HEADINGS = {
    "event_runs": "with the event",
    "p_holm": "corrected p",
    "least_p": "least p",
    "false_alarms": "false alarms",
    "quiet_runs": "without the event",
    "lead_steps": "lead in steps",
    "left_out": "runs left out",
}
# Captions, without what the numbers depend on.
CAPTIONS = {
    "collapse": (
        "One row per signal of a method and event: collapsed, according to the evaluations, or"
        " low_coverage, below half of the run's highest so far. pairs: of a run with the event and"
        " one without, from the same cell at the same step; auroc: the share of pairs in which the"
        " signal is higher with the event, 0.5 by chance. The alarm is raised once the signal has"
        " climbed back by a quarter of its fall. alarmed, missed: runs with a lasting event in"
        " which it came in time, or did not; false alarms: runs without the event that had one"
    ),
    "variance": (
        "The share of the variance of an outcome over the finished runs that a swept key explains"
        " (eta squared, type II), with its interval over seeds"
    ),
}
# Columns of collapse.csv and variance.csv that hold names, not numbers.
WORDS = ["method", "role", "signal", "event", "verdict", "outcome", "key"]
LEVELS = {
    "within": "the changes between evaluations of one run",
    "between": "the runs of one cell at the same steps",
    "last": "the runs of one cell at their last step",
}


def claims(results: Tables) -> Iterator[Details]:
    """Each claim, its test and its verdict; then the tables that the analysis has written."""
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
            yield Details(words, [Table(name, _shortened(table), caption, source)])
    yield from _runs(evidence)


def _registered(registration: RegistrationRecord | None) -> str:
    if registration is None:
        return "Not registered, so every verdict is exploratory."
    path = escaped(registration.path)
    if registration.commit is None:
        return f"{path} is not committed, so every verdict is exploratory."
    seeds = ", ".join(map(str, registration.looks))
    pooled = "; identical cells of other ablations lend their seeds" * registration.pool
    alpha, rules = number(registration.alpha), registration.rules
    lines = [
        f"Registered in {path} by commit {registration.commit[:12]} ({registration.time}): looks"
        f" at {seeds} seeds per cell, alpha {alpha}, version {rules} of the rules{pooled}.",
        *(f"- Amended: {escaped(each)}" for each in registration.amended),
    ]
    return "\n".join(lines)


def in_words(claim: Claim) -> str:
    """The test of a claim as a sentence, without a full stop."""
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
            words = f"{differs} in runs with {event} {than} in other runs of their cell"
        case "bound":
            side = "below" if test["below"] is not None else "above"
            when = "at the end of every run"
            if test["at"] == "throughout":
                when = f"in every row of every run after the first {test['after']:.0%} of its steps"
            words = f"{column} is {side} {number(test[side])} {when}"
        case "share":
            words = (
                f"{code(test['over'])} explains more of the variance of {column} than any other"
                f" swept key, by at least {least}"
            )
        case _:
            words = "no run fails or ends collapsed"
    conditions = test.get("where", {}).items()
    only = ", ".join(f"{code(key)} is {escaped(str(value))}" for key, value in conditions)
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
    moving_runs = len(unsettled & set(verdict.run_ids))
    still = f", {moving_runs} of which had not settled" if moving_runs else ""
    return (
        f"{says} Verdict: **{verdict.verdict}** ({escaped(verdict.status)}): {sentence}"
        f" ({verdict.runs} runs{still}).{others}"
    )


def _correlations(results: Tables, evidence: Evidence) -> Iterator[Details]:
    """Correlations with the distance, pooled over cells; the rest would be hundreds of rows."""
    rows = evidence.table("correlations")
    if rows.empty:
        return
    basis = made_of(results.record)
    pooled = rows[(rows["cell"] == "") & (rows["outcome"] == DISTANCE)]
    steps = pooled[pooled["level"] == AT_STEP]
    pooled = pooled[pooled["level"] != AT_STEP]
    main, baselines = (pooled[(pooled["role"] == "baseline") == which] for which in (False, True))
    baselines = baselines[baselines["measure"] == "spearman"]  # the others say the same
    source = results.folder / "correlations.csv"
    tables = [
        Table(
            "correlation",
            _correlation_frame(main),
            f"{basis}. Correlation of each method's own signal, in training and over held-out"
            " images, with the distance. raw: within a run, descriptive only, because two falling"
            " series always correlate; differences: between the changes from one evaluation to the"
            " next; partial: within a run, given the step; between: over the runs of one cell at"
            " the same steps, pooled over cells. Null: the mean over mismatched pairs, one run's"
            " signal with another's distance. Intervals are over seeds"
            " (docs/explanation/intervals.md), and missing if there are too few for a valid one. p"
            " is from permutations of the runs within their cells, the same in cells with the same"
            " seeds, and Holm-corrected. Other outcomes and single cells are in correlations.csv.",
            source,
        ),
        Table(
            "correlation_by_step",
            _step_frame(steps),
            f"{basis}. Spearman's rho of each signal and the distance, over the runs of one cell at"
            " one step, pooled over cells. It shows whether the answer over all steps comes from an"
            " early stage of training, and whether L(x), |gamma L(x) - L(G(z))| or k alone would"
            " have done as well. Intervals for single steps are in correlations.csv.",
            source,
        ),
    ]
    if tables := [table for table in tables if len(table.frame)]:
        yield Details("Does the signal track the distance?", tables)
    if len(baselines):
        yield Details(
            "What the step, L(x), |gamma L(x) - L(G(z))| and k alone would have said",
            [Table("baselines", _correlation_frame(baselines), f"{basis}.", source)],
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


def _shortened(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the analysis without run ids and sentences, for which only its CSV has room."""
    short = table.drop(columns=["run_ids", "sentence"], errors="ignore")
    for column in short:
        short[column] = short[column].map(escaped if column in WORDS else figure).replace("", NONE)
    if "left_out" in table:
        short["left_out"] = table["left_out"].map(lambda ids: str(len(ids.split())))
    return short.rename(columns=HEADINGS)


def _step_frame(table: pd.DataFrame) -> pd.DataFrame:
    """One row per signal, one column per step."""
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
