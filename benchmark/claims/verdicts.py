"""Verdicts on an ablation's claims: claims.csv. docs/explanation/evidence.md explains them.

With m the claim's least effect, and a claim that an effect goes up (down is its mirror), it is
*supported* where "the effect is m or less" is rejected, and where "m or more" is, *too small* if
the effect found points the claimed way, else *refuted*. A claim of no effect is supported where "m
or more" (and, for `none`, "-m or less") is rejected, and refuted where "m or less" is. A claim
about every run (bound, failures) is refuted by one counter-example, and supported where
"BROKEN_SHARE of all seeds break it" is rejected.

Rejected means a corrected p of at most ALPHA over all claims of the ablation, including those not
run (statistics/families.py). Support and refutation are corrected separately, so each kind of error
is held to ALPHA per ablation. Claims about every run are not in the family of refutations, since no
p refutes them. With registered looks, each look has its own level (statistics/looks.py), and the
first that decides a claim stands. Where nothing is rejected:

not run       there is nothing to measure in this profile yet
saturated     the column is at its least or greatest value in every run, or no cell has runs with
              the claim's event and runs without it, so it cannot tell
underpowered  had the claim been true (by twice its least effect, or with no effect at all), the
              chance to support it with these seeds and this spread was below one half
undecided     the chance was one half or more; or a run that the verdict needs has failed or is
              missing, which blocks a verdict whatever the p
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.ablation.claims import BoundTest, Claim, FailuresTest
from benchmark.claims.agreement import agreement
from benchmark.claims.effects import SIGNS, Effect, NotRun
from benchmark.claims.measures import measure
from benchmark.claims.status import looks, status
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.families import least_step_down, step_down
from benchmark.statistics.intervals import Floats
from benchmark.text import counted

Verdict = Literal[
    "supported",
    "refuted",
    "too small",
    "undecided",
    "underpowered",
    "saturated",
    "not run",
]
AGAINST = ("refuted", "too small")
DECIDED = ("supported", *AGAINST)
MISSING = "; missing: "  # in a sentence, before the runs that the verdict waits for
GAPS_NAMED = 3
FAIR_CHANCE = 0.5
_NOTHING = Effect("every", "", gaps=())  # all numbers unknown


def claims_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; one row a claim, in the file's order."""
    rows: list[dict[str, Any]] = []
    for look in looks(tables.record):
        seen = first_seeds(tables, look.seeds)
        now = judge(tables.record.claims, seen, look.level)
        rows = [
            before if before["verdict"] in DECIDED else after
            for before, after in zip(rows or now, now, strict=True)
        ]
        if len(tables.record.seeds) <= look.seeds:
            break
    for row, claim in zip(rows, tables.record.claims, strict=True):
        row |= agreement(tables, claim.test)
        row["status"] = status(tables.record, claim, row["run_ids"].split())
    return pd.DataFrame(rows, columns=list(EVIDENCE["claims"]))


def first_seeds(tables: Tables, seeds: int) -> Tables:
    """The runs of a look's first seeds, as registered; at the last look all runs."""
    registration = tables.record.registration
    if registration is None or seeds >= len(tables.record.seeds):
        return tables
    first = registration.seeds[:seeds]
    return replace(tables, runs=tables.runs[tables.runs["seed"].isin(first)])


def judge(claims: Sequence[Claim], tables: Tables, alpha: float = ALPHA) -> list[dict[str, Any]]:
    """One row per claim; all claims together form the corrected family."""
    found = [measure(tables, claim.test) for claim in claims]
    effects = [each if isinstance(each, Effect) else _NOTHING for each in found]
    least = [getattr(claim.test, "least_effect", 0.0) for claim in claims]
    for_ = [effect.p_for(m) for effect, m in zip(effects, least, strict=True)]
    against = [effect.p_against(m) for effect, m in zip(effects, least, strict=True)]
    reach = [effect.least_p for effect in effects]
    related = correlations(effects)
    for_holm, reach_holm = step_down(for_, related), least_step_down(for_, reach, related)
    against_holm = _refutations(claims, against, related)
    rows = []
    for i, (claim, effect) in enumerate(zip(claims, effects, strict=True)):
        # Holm's first and strictest step, ignoring correlations: a conservative power.
        chance = effect.power(alpha / len(claims))
        verdict, sentence = decide(found[i], for_holm[i], against_holm[i], chance, alpha)
        names = ("kind", "column", "over", "direction", "least_effect")
        rows.append(
            {
                **{"id": claim.id, "says": claim.says, "source": claim.source},
                **{name: getattr(claim.test, name, None) for name in names},
                "verdict": verdict,
                "sentence": sentence,
                "effect": effect.value,
                "low": effect.low,
                "high": effect.high,
                "runs": len(effect.run_ids),
                "run_ids": " ".join(effect.run_ids),
                "p": for_[i],
                "p_holm": for_holm[i],
                "against_p": against[i],
                "against_p_holm": against_holm[i],
                "least_p": reach[i],
                "least_p_holm": reach_holm[i],
                "power": chance,
            }
        )
    return rows


def _refutations(claims: Sequence[Claim], against: Sequence[float], related: Floats) -> Floats:
    """Corrected over the claims that a p can refute; NaN for the others."""
    tested = [
        i for i, each in enumerate(claims) if not isinstance(each.test, BoundTest | FailuresTest)
    ]
    corrected = np.full(len(claims), np.nan)
    corrected[tested] = step_down([against[i] for i in tested], related[np.ix_(tested, tested)])
    return corrected


def correlations(effects: Sequence[Effect]) -> Floats:
    """(claims, claims) of the one-sided statistics, for the claims or all against; NaN: unknown.

    A change is a weighted sum of its cells' means, so two changes of one column are correlated
    through shared runs: many methods against one baseline, say. Runs of different cells count as
    independent, as in the changes' own intervals. The correlation of other kinds of claims, or
    between columns, is unknown.
    """
    found = np.full((len(effects), len(effects)), np.nan)
    signs = [SIGNS.get(each.direction, 0) if each.noise else 0 for each in effects]
    for i, one in enumerate(effects):
        for j, other in enumerate(effects):
            if signs[i] and signs[j] and one.column == other.column:
                found[i, j] = signs[i] * signs[j] * _together(one, other)
    return found


def _together(one: Effect, other: Effect) -> float:
    if one is other:
        return 1.0
    shared = sum(part * other.noise.get(run, 0.0) for run, part in one.noise.items())
    whole = [sum(part**2 for part in each.noise.values()) for each in (one, other)]
    return float(np.clip(shared / np.sqrt(whole[0] * whole[1]), -1, 1))


def decide(
    effect: Effect | NotRun, p: float, against: float, power: float, alpha: float = ALPHA
) -> tuple[Verdict, str]:
    """The verdict from corrected p, and one plain sentence that says why."""
    if isinstance(effect, NotRun):
        return "not run", f"{effect.why}."
    if effect.counter:
        return "refuted", f"{effect.says}: {effect.counter}."
    if effect.gaps:
        return "undecided", f"{effect.says}{MISSING}{_listed(effect.gaps)}."
    if effect.saturated:
        return "saturated", f"{effect.says}: no better or worse can be measured."
    if effect.constant:
        return "undecided", f"{effect.says}: the same in every run, so it cannot tell them apart."
    said = effect.says
    if math.isfinite(effect.low):
        said += f" (95 % {effect.low:.3g} to {effect.high:.3g})"
    if p <= alpha:
        if not effect.objection:
            return "supported", f"{said}, corrected p {p:.2g}."
        return "undecided", f"{said}, corrected p {p:.2g}, but {effect.objection}."
    if against <= alpha:
        if effect.direction in ("up", "down") and effect.points_as_claimed:
            return "too small", f"{said}, below the least effect with corrected p {against:.2g}."
        return "refuted", f"{said}, against the claim with corrected p {against:.2g}."
    if not power >= FAIR_CHANCE:
        told = f"the chance to support a true claim was {power:.0%}"
        if math.isnan(power):
            told = "the chance to support a true claim is not known"
        return "underpowered", f"{said}; with {counted(effect.seeds, 'seed')} {told}."
    return "undecided", f"{said}, corrected p {p:.2g} for and {against:.2g} against."


def _listed(gaps: Sequence[str]) -> str:
    """The first few runs that are missing, failed ones before those that are still to come."""
    named = sorted(gaps, key=lambda gap: "(failed" not in gap)[:GAPS_NAMED]
    more = len(gaps) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
