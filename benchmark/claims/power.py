"""What a plan's claims can achieve before it runs: the least p, and the power to support each
claim.

A claim is taken to be true by TRUE times its least effect (without one, by one standard deviation
of the pilot, or a rho or a lead of TYPICAL_RHO); one of no effect by none at all; one about every
run by no seed that breaks it. Spreads over seeds are those of a pilot: tables of the same cells, of
any profile. Power is at Holm's first and strictest step, and so is conservative.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.ablation.claims import (
    BoundTest,
    Claim,
    ClaimTest,
    ContrastTest,
    CorrelationTest,
    EventTest,
    FailuresTest,
    MeanTest,
    ShareTest,
    StoppingTest,
    TrendTest,
    swept_text,
)
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.claims.correlation import Association, associate, cells_of
from benchmark.claims.effects import DIRECTIONS, Direction
from benchmark.claims.stopping import difference, stopped
from benchmark.claims.strata import by_seed, strata_of
from benchmark.claims.variance import (
    SEED,
    STREAMS,
    Decomposition,
    Factor,
    are_streams,
    decompose,
    factors_of,
)
from benchmark.errors import InputError
from benchmark.levels import ALPHA, BROKEN_SHARE
from benchmark.results.tables import Tables
from benchmark.statistics.components import LEAST_SEEDS_OF_STREAM, design_of, lead_power
from benchmark.statistics.families import holm
from benchmark.statistics.hypotheses import MOST, least_mean_p, least_p, share_below_p
from benchmark.statistics.intervals import LEAST_SEEDS, LEAST_SEEDS_OF_RHO, deviation
from benchmark.statistics.power import (
    Aim,
    change_power,
    clean_seeds,
    correlation_power,
    mean_power,
    pairing_power,
    seeds_for,
)

TRUE = 2.0
TYPICAL_RHO, GREATEST_RHO = 0.3, 0.9
_AIMS: dict[Direction, Aim] = {
    "up": "greater",
    "not_down": "greater",
    "down": "less",
    "not_up": "less",
    "none": "within",
}
Chance = Callable[[int, float], float]
"""The power at a level with a number of seeds per cell."""


@dataclass(frozen=True)
class Prospect:
    """The prospects of one claim; p is one-sided, in its favour."""

    claim: str
    seeds: int
    """Planned, of a cell."""
    least_p: float
    least_p_holm: float
    """At worst: times the number of claims."""
    decidable: bool
    """Whether any outcome can support it, assuming all other claims reach their least p."""
    chance: float
    """Power with the planned seeds; NaN if unknown."""
    enough: int | None
    """Seeds per cell needed for 80 % power; None if unknown."""
    note: str


@dataclass(frozen=True)
class _Asked:
    """The runs of a plan that a claim is about, with the pilot's of the same cells."""

    runs: Sequence[PlannedRun]
    swept: Sequence[str]
    pilot: Tables | None

    @property
    def seeds(self) -> int:
        return len({run.spec.seed for run in self.runs})


@dataclass(frozen=True)
class _Design:
    seeds: int
    least_p: float
    chance: Chance | None = None
    note: str = ""


def prospects(plan: Plan, pilot: Tables | None = None, alpha: float = ALPHA) -> list[Prospect]:
    """One per claim, in order. With looks, `alpha` is the level of the last.

    Raises InputError where the pilot has other judges.
    """
    seen = _by_same_judge(plan, pilot) if pilot is not None else None
    designs = [_design(plan, claim.test, seen) for claim in plan.claims]
    at_best = holm([each.least_p for each in designs])
    each = zip(plan.claims, designs, at_best, strict=True)
    return [_prospect(claim, d, best <= alpha, len(designs), alpha) for claim, d, best in each]


def table(found: Sequence[Prospect]) -> pd.DataFrame:
    rows = [
        {
            "claim": each.claim,
            "seeds": each.seeds,
            "least p": f"{each.least_p:.2g}",
            "corrected": f"{each.least_p_holm:.2g}",
            "can be supported": "yes" if each.decidable else "no",
            "chance": "" if math.isnan(each.chance) else f"{each.chance:.0%}",
            "seeds for 80 %": str(each.enough or ""),
            "note": each.note,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


def _by_same_judge(plan: Plan, pilot: Tables) -> Tables:
    wanted = plan.evaluation.judges[plan.evaluation.headline].features
    for judge in pilot.record.judges:
        if judge.features == wanted:
            return pilot.for_judge(judge.name)
    others = ", ".join(judge.features for judge in pilot.record.judges)
    raise InputError(
        f"{pilot.folder}: Invalid pilot: judged by {others}, and profile {plan.profile} by {wanted}"
    )


def _prospect(
    claim: Claim, design: _Design, decidable: bool, family: int, alpha: float
) -> Prospect:
    chance, enough, note = math.nan, None, design.note
    known = design.chance
    if known is not None:
        level = alpha / family
        chance = known(design.seeds, level)
        enough = seeds_for(lambda seeds: known(seeds, level))
        if math.isnan(chance):
            note = "the pilot shows no spread"
    corrected = min(1.0, design.least_p * family)
    return Prospect(
        claim.id, design.seeds, design.least_p, corrected, decidable, chance, enough, note
    )


def _design(plan: Plan, test: ClaimTest, pilot: Tables | None) -> _Design:
    runs = [run for run in plan.runs if test.selects(run.point)]
    if not runs:
        return _Design(0, 1.0, note="this profile has no such runs")
    if pilot is not None:
        mine = pilot.runs["cell"].isin({run.cell for run in runs})
        pilot = replace(pilot, runs=pilot.runs[mine])
    return _DESIGNS[test.kind](_Asked(runs, plan.swept, pilot), test)


def _every(of: _Asked, _: BoundTest | FailuresTest) -> _Design:
    return _Design(
        of.seeds,
        share_below_p(0, of.seeds, BROKEN_SHARE),
        lambda n, level: float(n >= clean_seeds(BROKEN_SHARE, alpha=level)),
        "if no seed breaks it",
    )


def _mean(of: _Asked, test: MeanTest) -> _Design:
    if of.seeds < LEAST_SEEDS:
        return _Design(of.seeds, 1.0, note=f"a mean needs {LEAST_SEEDS} seeds")
    if of.pilot is None:
        return _Design(of.seeds, 0.0)
    by_seed = of.pilot.values(test.column).dropna().groupby(of.pilot.runs["seed"]).mean()
    if len(by_seed) < 2:
        return _Design(of.seeds, 0.0, note="the pilot lacks seeds of these cells")
    spread, direction = deviation(by_seed), DIRECTIONS[test.direction]
    return _Design(
        of.seeds, 0.0, lambda n, level: mean_chance(direction, spread, n, test.least_effect, level)
    )


def mean_chance(
    direction: Direction,
    spread: float,
    seeds: int,
    least: float,
    level: float,
    true: float | None = None,
) -> float:
    """The chance of a p of at most `level` for the mean of one value a seed, with this spread over
    seeds, where the claim is true as the module says; or where the mean is `true`."""
    match direction:
        case "up" | "down":
            away = (TRUE * least or spread if true is None else true) - least
            return mean_power(spread, seeds, away, alpha=level)
        case "not_up" | "not_down":
            return mean_power(spread, seeds, least, alpha=level)
    return max(0.0, 2 * mean_power(spread, seeds, least, alpha=level) - 1)


def _share(of: _Asked, test: ShareTest) -> _Design:
    seeds = of.seeds
    points = [{k: swept_text(v) for k, v in run.point.items()} for run in of.runs]
    frame = pd.DataFrame(points).assign(**{SEED: [run.spec.seed for run in of.runs]})
    factors = factors_of(frame, of.swept)
    if len(factors) < 2 or not any(test.over in keys for keys in factors):
        return _Design(seeds, 1.0, note=f"no key varies beside {test.over}")
    seen = decompose(of.pilot, test.column) if of.pilot is not None else None
    known = seen if seen and set(seen.keys) == set(factors) else None
    if are_streams(factors):
        return _share_of_streams(frame, factors, test, known)
    if any(each.startswith(STREAMS) for keys in factors for each in keys):
        return _Design(seeds, 1.0, note="streams are swept beside other keys")
    least = 0.0 if seeds >= LEAST_SEEDS else 1.0
    if known is None or not known.seeds:
        return _Design(seeds, least, note="" if of.pilot is None else "the pilot lacks such runs")
    return _Design(
        seeds, least, lambda n, level: lead_chance(known, test.over, test.least_effect, n, level)
    )


def _share_of_streams(
    frame: pd.DataFrame, factors: Sequence[Factor], test: ShareTest, seen: Decomposition | None
) -> _Design:
    design = design_of([frame[keys[0]] for keys in factors])
    if design is None:
        return _Design(1, 1.0, note="the streams do not meet evenly")
    seeds = design.least_seeds
    if seeds < LEAST_SEEDS_OF_STREAM:
        return _Design(seeds, 1.0, note=f"needs {LEAST_SEEDS_OF_STREAM} seeds of each stream")
    others, said = [0.0] * (len(factors) - 1), ", if the others explain nothing"
    if seen is not None:
        key = seen.factor(test.over)
        others, said = [s for i, s in enumerate(seen.shares.tolist()) if i != key], ""
    least = test.least_effect
    return _Design(
        seeds,
        0.0,
        lambda n, level: lead_power(
            design if n == seeds else design.with_seeds(n), others, _true_lead(least), least, level
        ),
        f"seeds of each stream{said}",
    )


def lead_chance(found: Decomposition, over: str, least: float, seeds: int, level: float) -> float:
    """The power to support a key's lead in shares, given the spreads of `found`.

    Of streams by `lead_power`; else Student's t of Fisher's z, with the jackknife's error of the
    lead over the nearest rival.
    """
    key, true = found.factor(over), _true_lead(least)
    assert key is not None
    others = [i for i in range(len(found.keys)) if i != key]
    if (streams := found.streams) is not None:
        design = streams.design if seeds == found.seeds else streams.design.with_seeds(seeds)
        return lead_power(design, [float(found.shares[i]) for i in others], true, least, level)
    nearest = found.lead(key, max(others, key=lambda i: found.shares[i]))
    if nearest is None:
        return 0.0
    spread = nearest.error * math.sqrt(found.seeds)
    return mean_power(spread, seeds, math.atanh(true) - math.atanh(least), alpha=level)


def _true_lead(least: float) -> float:
    return min(TRUE * least or TYPICAL_RHO, GREATEST_RHO)


def _change(of: _Asked, test: TrendTest | ContrastTest) -> _Design:
    seeds = of.seeds
    strata = strata_of({run.cell: run.point for run in of.runs}, test)
    if not strata:
        return _Design(seeds, 1.0, note="this profile has nothing to compare")
    # All strata of a plan have its seeds.
    seedlings = pd.Series(0.0, range(LEAST_SEEDS))
    joint = by_seed([dict.fromkeys(each, seedlings) for each in strata])
    least = least_p([[seeds] * len(each) for _, each in joint])
    if of.pilot is None:
        return _Design(seeds, least)
    spreads = _spreads(of.pilot, test.column, strata)
    if isinstance(spreads, str):
        return _Design(seeds, least, note=spreads)
    if len(spreads) > len(joint):
        return _Design(seeds, least, note=f"the pilot's cells share fewer than {LEAST_SEEDS} seeds")
    direction = DIRECTIONS[test.direction]
    return _Design(
        seeds,
        least,
        lambda n, level: change_chance(spreads, n, direction, test.least_effect, level),
    )


def change_chance(
    spreads: Sequence[Mapping[float, float]],
    seeds: int,
    direction: Direction,
    least: float,
    level: float,
) -> float:
    """The chance of a p of at most `level` where the claim is true as the module says."""
    every = [spread for each in spreads for spread in each.values()]
    true = TRUE * least or float(np.sqrt(np.mean(np.square(every))))
    there = {"up": true, "down": -true}.get(direction, 0.0)
    margin = -least if direction in ("down", "not_down") else least
    return change_power(spreads, seeds, there, margin, _AIMS[direction], alpha=level)


def _stopping(of: _Asked, test: StoppingTest) -> _Design:
    seeds, least = of.seeds, least_mean_p(of.seeds)
    if of.pilot is None:
        return _Design(seeds, least)
    mine = stopped(cells_of(of.pilot), test.signal, test.column, test.rule)
    found = difference(mine, test.against)
    if found is None or len(found.each) < 2:
        return _Design(seeds, least, note="the pilot lacks seeds with enough evaluations")
    spread, direction = deviation(found.each), DIRECTIONS[test.direction]
    return _Design(
        seeds,
        least,
        lambda n, level: difference_chance(direction, spread, n, test.least_effect, level),
    )


def _event(of: _Asked, test: EventTest) -> _Design:
    """If the same half of the seeds has it in every cell: which will is unknown beforehand."""
    seeds, note = of.seeds, "if half of the seeds have it"
    least = least_p([[seeds // 2, seeds - seeds // 2]])
    if of.pilot is None:
        return _Design(seeds, least, note=note)
    cells = dict.fromkeys(run.cell for run in of.runs)
    spreads = _spreads(of.pilot, test.column, [{0.0: cell, 1.0: cell} for cell in cells])
    if isinstance(spreads, str):
        return _Design(seeds, least, note=spreads)
    return _Design(
        seeds,
        least,
        lambda n, level: change_chance(
            spreads, n // 2, DIRECTIONS[test.direction], test.least_effect, level
        ),
        note,
    )


def _spreads(
    pilot: Tables, column: str, strata: Sequence[Mapping[float, str]]
) -> list[dict[float, float]] | str:
    """The standard deviation over seeds at each position, of strata that share no seed; or which
    cells of `strata` the pilot lacks."""
    values = pilot.values(column).dropna()
    runs = pilot.runs.loc[values.index]
    known = {
        str(cell): of_cell.set_axis(runs.loc[of_cell.index, "seed"])
        for cell, of_cell in values.groupby(runs["cell"])
        if len(of_cell) > 1
    }
    if lacking := {cell for each in strata for cell in each.values()} - set(known):
        return f"the pilot lacks seeds of {', '.join(sorted(lacking))}"
    joint = by_seed([{place: known[cell] for place, cell in each.items()} for each in strata])
    return [{place: deviation(of_place) for place, of_place in group.items()} for _, group in joint]


def _correlation(of: _Asked, test: CorrelationTest) -> _Design:
    seeds, within = of.seeds, test.level == "within"
    fewest = LEAST_SEEDS if within else LEAST_SEEDS_OF_RHO
    # Matched pairs must be distinguished from mismatched ones; not for a claim of "no rho".
    least = 0.0 if test.direction == "none" else 1 / min(math.factorial(seeds), MOST)
    if seeds < fewest:
        return _Design(seeds, 1.0, note=f"rank correlations need {fewest} seeds")
    if not within:
        return _Design(seeds, least, lambda n, level: rho_chance(test, n, None, level))
    if of.pilot is None:
        return _Design(seeds, least)
    found = associate(cells_of(of.pilot), test.signal, test.column, "differences")
    if found is None or len(found.each) < 2:
        return _Design(seeds, least, note="the pilot lacks seeds with a correlation")
    return _Design(seeds, least, lambda n, level: rho_chance(test, n, found, level))


def rho_chance(test: CorrelationTest, seeds: int, found: Association | None, level: float) -> float:
    """The same of a correlation; `found` has the rhos within runs of the seeds at hand.

    Within runs it is the lesser of the chances of the two tests, that of rho against its margin and
    that of matched pairs against mismatched ones, whose rho stays what it is.
    """
    absent, margin = test.direction == "none", test.least_effect
    true, direction = min(TRUE * margin or TYPICAL_RHO, GREATEST_RHO), DIRECTIONS[test.direction]
    if found is not None and test.level == "within":
        chance = mean_chance(direction, deviation(found.each), seeds, margin, level, true)
        if absent or not found.null_spread > 0:
            return chance
        gain = true - (found.null_mean if direction == "up" else -found.null_mean)
        return min(chance, pairing_power(gain, found.null_spread, seeds, level))
    if seeds < LEAST_SEEDS_OF_RHO:
        return 0.0
    aim: Aim = "within" if absent else "greater"
    return correlation_power(0.0 if absent else true, seeds, margin, aim, alpha=level)


def difference_chance(
    direction: Direction, spread: float, seeds: int, least: float, level: float
) -> float:
    """The same of the mean of one difference a seed, whose p is that of sign flips too."""
    reachable = least_mean_p(seeds) <= level
    return mean_chance(direction, spread, seeds, least, level) if reachable else 0.0


_DESIGNS: Mapping[str, Callable[[_Asked, Any], _Design]] = {
    "trend": _change,
    "contrast": _change,
    "mean": _mean,
    "correlation": _correlation,
    "stopping": _stopping,
    "event": _event,
    "bound": _every,
    "share": _share,
    "failures": _every,
}
