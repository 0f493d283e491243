"""Confirmatory or exploratory: whether a claim was registered, as it is tested, before its runs.

What is tested must match the registration: the claim's exact wording, the judge and the evaluation,
the rules, the seeds (all, or those of a look) and the cells, so that nobody can add seeds until a
claim holds or drop an arm that contradicts it. Every run behind the verdict must have been
registered, and made by code committed after the registration. Later rules that leave a claim's
verdict as it is do no harm.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmark.ablation.claims import (
    Claim,
    ClaimTest,
    ContrastTest,
    CorrelationTest,
    EventTest,
    TrendTest,
)
from benchmark.ablation.registration import claim_digest
from benchmark.claims.strata import strata_of
from benchmark.levels import ALPHA, RULES
from benchmark.results.schema import AblationRecord, RegistrationRecord
from benchmark.statistics.looks import look_levels

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"


class Look(NamedTuple):
    """One look at the claims: the number of seeds per cell, and the level of its tests."""

    seeds: int
    level: float


def status(record: AblationRecord, claim: Claim, run_ids: Sequence[str]) -> str:
    why = why_exploratory(record, claim, run_ids)
    return f"{EXPLORATORY}: {why}" if why else CONFIRMATORY


def why_exploratory(record: AblationRecord, claim: Claim, run_ids: Sequence[str]) -> str:
    """Empty if the claim is confirmatory."""
    registration = record.registration
    if registration is None:
        return "no registration"
    if registration.commit is None:
        return "the registration is not committed"
    return (
        _of_claim(record, registration, claim)
        or _of_design(record, registration)
        or _of_runs(registration, run_ids)
    )


def looks(record: AblationRecord) -> tuple[Look, ...]:
    """The looks in order; without a registration, a single one at all seeds."""
    registration = record.registration
    if registration is None:
        return (Look(len(record.seeds), ALPHA),)
    levels = look_levels(registration.looks, registration.alpha)
    return tuple(Look(n, level) for n, level in zip(registration.looks, levels, strict=True))


def _of_claim(record: AblationRecord, registration: RegistrationRecord, claim: Claim) -> str:
    rules = registration.rules
    # A version that is not in _CHANGED may have changed anything.
    if rules > RULES or not all(
        version in _CHANGED and not _CHANGED[version](record, claim.test)
        for version in range(rules + 1, RULES + 1)
    ):
        return f"rules of version {rules}"
    if claim.id not in registration.claims:
        return "claim added since"
    return "" if registration.claims[claim.id] == claim_digest(claim) else "claim changed since"


def _cells(record: AblationRecord, test: ClaimTest) -> dict[str, dict[str, Any]]:
    return {each.cell: each.point for each in record.cells if test.selects(each.point)}


def _by_version_4(record: AblationRecord, test: ClaimTest) -> bool:
    """Crossed cells that share seeds are averaged; a trend of four levels or more turns between any
    two of them; claims of no correlation no longer need matched pairs to be told apart."""
    cells = _cells(record, test)
    match test:
        case TrendTest() | ContrastTest():
            strata = strata_of(cells, test)
            turns = isinstance(test, TrendTest) and test.direction != "none"
            return len(strata) > 1 or (turns and any(len(each) > 3 for each in strata))
        case EventTest():
            return len(cells) > 1
        case CorrelationTest():
            return test.direction == "none"
    return False


def _by_version_5(record: AblationRecord, test: ClaimTest) -> bool:
    """Means of crossed cells, by which a trend turns, have a term for each stratum. (A finished run
    that is not judged to its end is missing, which only leaves a claim undecided.)"""
    return isinstance(test, TrendTest) and len(strata_of(_cells(record, test), test)) > 1


_CHANGED: Mapping[int, Callable[[AblationRecord, ClaimTest], bool]] = {
    4: _by_version_4,
    5: _by_version_5,
}


def _of_design(record: AblationRecord, registration: RegistrationRecord) -> str:
    asked, now = registration.evaluation, record.evaluation
    if asked.judges[asked.headline].identity() != record.headline.settings.identity():
        return "another judge than registered"
    if (asked.every, asked.collapse_below) != (now.every, now.collapse_below):
        return "another evaluation than registered"
    seeds = set(record.seeds)
    if not seeds <= set(registration.seeds):
        return "seeds beyond the registered"
    if seeds not in [set(registration.seeds[:n]) for n in registration.looks]:
        return "seeds of no registered look"
    if set(registration.runs) != {cell.cell for cell in record.cells}:
        return "other cells than registered"
    return ""


def _of_runs(registration: RegistrationRecord, run_ids: Sequence[str]) -> str:
    registered = {run_id for ids in registration.runs.values() for run_id in ids}
    registered |= set(registration.lent) if registration.pool else set()
    others = set(run_ids) - registered
    if others:
        return f"{len(others)} of {len(run_ids)} runs are others than registered"
    early = set(run_ids) & set(registration.unregistered)
    if early:
        return f"{len(early)} of {len(run_ids)} runs are not known to be of commits after it"
    return ""
