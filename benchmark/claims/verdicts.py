"""Verdicts on an ablation's claims: claims.csv.

With m the claim's least effect, and a claim that an effect goes up (down is its mirror):

supported     the hypothesis "no effect" is rejected, and the effect found is m or more
refuted       the hypothesis "the effect is m" is rejected from below, and the 95 % interval of the
              effect ends below m
A claim of no effect ("none", "not_higher", "not_lower") turns this round: it is supported where
the hypotheses "the effect is m" (and, for none, "is -m") are rejected and the interval ends within
m, and refuted where "no effect" is rejected and the effect found is m or more.
A claim about every run (bound, failures) is refuted by one counter-example, and supported where
none is seen and the runs are enough to reject "half of all seeds would break it".

Rejected means a p of at most 0.05 after Holm's correction over all claims of the ablation, those
that were not run included; support and refutation are corrected apart, so each kind of error is
held to 5 % an ablation. Claims about every run are no part of the family of refutations, since no p
refutes them. Where neither holds:

not run       there is nothing to measure in this profile yet
undecided     a run that the verdict needs has failed or is missing (it blocks a verdict whatever
              the p), the column is the same in every run and so cannot tell them apart, or
              the runs were enough and did not decide
underpowered  no outcome of so few runs could have been decided: the least p that the design can
              reach is above 0.05 when corrected, the other claims' p being what they are
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.ablation.claims import BoundTest, Claim, FailuresTest, claims_digest
from benchmark.claims.effects import Effect, NotRun
from benchmark.claims.measures import measure
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import holm, least_holm
from benchmark.statistics.permutations import Floats

Verdict = Literal["supported", "refuted", "undecided", "underpowered", "not run"]
GAPS_NAMED = 3


def claims_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py; one row a claim, in the file's order."""
    claims = tables.record.claims
    rows = judge(claims, [measure(tables, claim.test) for claim in claims])
    at_start = tables.record.claims_at_start
    changed = int(at_start != claims_digest(claims)) if at_start else np.nan
    return pd.DataFrame(
        [{**row, "changed": changed} for row in rows], columns=list(EVIDENCE["claims"])
    )


def judge(claims: Sequence[Claim], found: Sequence[Effect | NotRun]) -> list[dict[str, Any]]:
    """One row a claim; the claims together are the family that is corrected."""
    least = [getattr(claim.test, "least_effect", 0.0) for claim in claims]
    tests = [p_values(effect, m) for effect, m in zip(found, least, strict=True)]
    reach = [effect.least_p if isinstance(effect, Effect) else math.nan for effect in found]
    for_, against = ([pair[i] for pair in tests] for i in (0, 1))
    for_holm, against_holm = holm(for_), _refutations(claims, against)
    reach_holm = least_holm(for_, reach)
    rows = []
    for i, (claim, effect) in enumerate(zip(claims, found, strict=True)):
        verdict, sentence = decide(effect, least[i], for_holm[i], against_holm[i], reach_holm[i])
        rows.append(
            {
                **_head(claim),
                "verdict": verdict,
                "sentence": sentence,
                **_numbers(effect),
                "p": for_[i],
                "p_holm": for_holm[i],
                "against_p": against[i],
                "against_p_holm": against_holm[i],
                "least_p": reach[i],
                "least_p_holm": reach_holm[i],
            }
        )
    return rows


def _refutations(claims: Sequence[Claim], against: Sequence[float]) -> Floats:
    """Holm over the claims that a p can refute; NaN for the others."""
    counts = [not isinstance(claim.test, BoundTest | FailuresTest) for claim in claims]
    tested = np.array(counts, dtype=bool)  # bool also where there are no claims
    corrected = np.full(len(claims), np.nan)
    corrected[tested] = holm([p for p, counted in zip(against, counts, strict=True) if counted])
    return corrected


def p_values(effect: Effect | NotRun, least: float) -> tuple[float, float]:
    """(p for the claim, p against it): 1 where the effect found lies on the other side."""
    if isinstance(effect, NotRun) or math.isnan(effect.value):
        return math.nan, math.nan
    value, zero, plus, minus = effect.value, effect.p_zero, effect.p_plus, effect.p_minus
    up, down = value > 0 and value >= least, value < 0 and -value >= least
    match effect.direction:
        case "up":
            return (zero if up else 1.0), (plus if value < least else 1.0)
        case "down":
            return (zero if down else 1.0), (minus if value > -least else 1.0)
        case "not_up":
            return (plus if value < least else 1.0), (zero if up else 1.0)
        case "not_down":
            return (minus if value > -least else 1.0), (zero if down else 1.0)
        case "none":
            inside = abs(value) < least
            return (max(plus, minus) if inside else 1.0), (zero if up or down else 1.0)
    return (1.0 if effect.counter else zero), math.nan


def decide(
    effect: Effect | NotRun, least: float, p: float, against: float, reach: float
) -> tuple[Verdict, str]:
    """The verdict from corrected p, and one plain sentence that says why."""
    if isinstance(effect, NotRun):
        return "not run", f"{effect.why}."
    if effect.counter:
        return "refuted", f"{effect.says}: {effect.counter}."
    if effect.gaps:
        return "undecided", f"{effect.says}; missing: {_listed(effect.gaps)}."
    if effect.blind:
        return "undecided", f"{effect.says}: the same in every run, so it cannot tell them apart."
    said = f"{effect.says} (95 % {effect.low:.3g} to {effect.high:.3g})"
    if p <= ALPHA and _within(effect, least):
        if not effect.objection:
            return "supported", f"{said}, corrected p {p:.2g}."
        return "undecided", f"{said}, corrected p {p:.2g}, but {effect.objection}."
    if against <= ALPHA and _beyond(effect, least):
        return "refuted", f"{said}, short of the claim with corrected p {against:.2g}."
    if not reach <= ALPHA:
        runs = len(effect.run_ids)
        return "underpowered", f"{said}; no p of {runs} runs can be below {reach:.2g} corrected."
    return "undecided", f"{said}, corrected p {p:.2g} for and {against:.2g} against."


def _listed(gaps: Sequence[str]) -> str:
    """The first few runs that are missing, failed ones before those that are still to come."""
    named = sorted(gaps, key=lambda gap: "(failed" not in gap)[:GAPS_NAMED]
    more = len(gaps) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _within(effect: Effect, least: float) -> bool:
    """For a claim of no effect: whether the interval, too, ends within the least effect."""
    below, above = effect.high < least, effect.low > -least
    needed = {"not_up": below, "not_down": above, "none": below and above}
    return needed.get(effect.direction, True)


def _beyond(effect: Effect, least: float) -> bool:
    """For a claim of an effect: whether the interval, too, ends short of the least effect."""
    short = effect.high < least if least > 0 else effect.high < 0
    mirrored = effect.low > -least if least > 0 else effect.low > 0
    return {"up": short, "down": mirrored}.get(effect.direction, True)


def _head(claim: Claim) -> dict[str, Any]:
    names = ("kind", "column", "over", "direction", "least_effect")
    of_test = {name: getattr(claim.test, name, None) for name in names}
    return {"id": claim.id, "says": claim.says, "source": claim.source, **of_test}


def _numbers(effect: Effect | NotRun) -> dict[str, Any]:
    if isinstance(effect, NotRun):
        return {"runs": 0, "run_ids": ""}
    return {
        "effect": effect.value,
        "low": effect.low,
        "high": effect.high,
        "runs": len(effect.run_ids),
        "run_ids": " ".join(effect.run_ids),
    }
