"""The results of the analysis, if it has been run: verdicts and tables beside ablation.json."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from benchmark.ablation.claims import Claim
from benchmark.claims.verdicts import AGAINST, MISSING
from benchmark.report.numbers import NONE, number
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import read_evidence

NOT_JUDGED = "not judged"
DEPENDS = "depends on the measure"


@dataclass(frozen=True)
class Verdict:
    """The outcome of one claim, with numbers as text: "—" if there is none.

    The defaults are those of a claim that has not been judged.
    """

    verdict: str = NOT_JUDGED
    sentence: str = ""
    effect: str = NONE
    interval: str = NONE
    p: str = NONE
    status: str = NONE  # confirmatory, or exploratory and why
    power: str = NONE
    runs: str = NONE
    run_ids: Sequence[str] = ()
    agree: str = ""  # names of other metrics and judges, separated by commas
    oppose: str = ""
    silent: str = ""
    p_values: tuple[float, float] = (math.nan, math.nan)  # uncorrected, for and against

    @property
    def waits(self) -> bool:
        """Whether runs that it needs have failed or are yet to be trained."""
        return MISSING in self.sentence

    @property
    def others(self) -> str:
        """What other metrics of the same thing, and other judges, say about it."""
        same, opposite = self.agree, self.oppose
        if self.verdict == "refuted":
            same, opposite = opposite, same
        if self.verdict not in ("supported", "refuted"):
            parts = {"as claimed": same, "the other way": opposite, "no change shown": self.silent}
        elif opposite:
            parts = {f"{DEPENDS}; the opposite": opposite, "the same": same}
        else:
            parts = {"the same" if self.silent else "holds under all": same, "silent": self.silent}
        return (
            "; ".join(f"{name}: {measures}" for name, measures in parts.items() if measures) or NONE
        )


@dataclass(frozen=True)
class Evidence:
    """The tables of one ablation's analysis, as text; one that is missing has no rows."""

    folder: Path

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts keyed by the claim's id; empty if the claims have not been judged yet."""
        return {row["id"]: _verdict(row) for _, row in self.table("claims").iterrows()}

    def of(self, claim: Claim) -> Verdict:
        return self.verdicts.get(claim.id, Verdict())

    def table(self, name: str) -> pd.DataFrame:
        table = read_evidence(self.folder, name, tuple(EVIDENCE[name]))
        return pd.DataFrame(columns=[*EVIDENCE[name]], dtype=str) if table is None else table


def figure(text: str) -> str:
    """A number of a table with four digits, or all if it is whole; other text as it is."""
    if text == "":
        return NONE
    if text.isdecimal():
        return text
    try:
        return number(float(text))
    except ValueError:
        return text


def interval(low: str, high: str) -> str:
    return NONE if "" in (low, high) else f"[{figure(low)}, {figure(high)}]"


def with_ends(value: str, low: str = "", high: str = "") -> str:
    """A number of a table with its interval, if it has one."""
    return figure(value) if "" in (low, high) else f"{figure(value)} {interval(low, high)}"


def _verdict(row: "pd.Series[str]") -> Verdict:
    words = ("verdict", "sentence", "status", "agree", "oppose", "silent")
    return Verdict(
        **{name: row[name] for name in words},
        **{name: figure(row[name]) for name in ("effect", "power", "runs")},
        interval=interval(row["low"], row["high"]),
        # The decisive p: that against the claim if the runs contradict it.
        p=figure(row["against_p_holm" if row["verdict"] in AGAINST else "p_holm"]),
        run_ids=row["run_ids"].split(),
        p_values=(float(row["p"] or "nan"), float(row["against_p"] or "nan")),
    )
