"""What a plan's claims can hope for, against values by hand or by the power of its test."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from scipy import stats

from benchmark.ablation.claims import CorrelationTest
from benchmark.ablation.plan import Plan, load
from benchmark.claims.correlation import associate, cells_of
from benchmark.claims.power import Prospect, mean_chance, prospects, rho_chance, table
from benchmark.claims.stopping import difference, stopped
from benchmark.claims.variance import decompose
from benchmark.errors import InputError
from benchmark.results.tables import Tables
from benchmark.statistics.components import Design, lead_power
from benchmark.statistics.power import change_power, correlation_power, mean_power, pairing_power
from tests.statistics.simulate import DISTANCE, tables

GAMMA = [{"method.gamma": gamma} for gamma in (0.3, 0.7)]
SPREADS = (2.0, 1.0)


def plan(tmp_path: Path, *tests: dict[str, Any], seeds: int = 5, **changes: Any) -> Plan:
    """Two gammas, or the sweep given, with a claim for each test."""
    written = {
        "name": "hopes",
        "question": "Can it be?",
        "base": {
            "method": {"name": "began", "n": 2, "h": 4, "z": 4},
            "data": {"name": "faces", "size": 16, "count": 1000},
            "training": {"steps": 4},
            "evaluation": {"every": 2, "judges": {"efficientnet_lite0": {"samples": 60}}},
        },
        "sweep": {"method.gamma": [0.3, 0.7]},
        "seeds": list(range(seeds)),
        "profiles": {"short": {}},
        "claims": [
            {"id": f"claim-{i}", "says": "It is so", "source": "readers", "test": test}
            for i, test in enumerate(tests)
        ],
        **changes,
    }
    path = tmp_path / "hopes.yaml"
    YAML().dump(written, path)
    return load(path, "short")


def trend(direction: str, least: float = 1.0, **more: Any) -> dict[str, Any]:
    names = {"column": "distance", "over": "method.gamma"}
    return {**names, "direction": direction, "least_effect": least, **more}


def rho(level: str, direction: str = "positive", least: float = 0.3) -> dict[str, Any]:
    names = {"kind": "correlation", "column": "distance", "level": level}
    return {**names, "direction": direction, "least_effect": least}


def one(found: list[Prospect]) -> Prospect:
    (only,) = found
    return only


@pytest.fixture(scope="module")
def pilot() -> Tables:
    """Four seeds of two cells, whose last distances have these standard deviations."""
    shape = np.array([-1, -1, 1, 1]) * np.sqrt(3 / 4)
    last = np.concatenate([10 + spread * shape for spread in SPREADS])
    steps = np.linspace(3, 0, 6) ** 2
    wobble = np.random.default_rng(0).standard_normal((8, 6)) * 0.5
    wobble[:, -1] = 0
    distance = last[:, None] + steps + wobble
    return tables({"signal": distance + wobble, DISTANCE: distance}, GAMMA, seeds=4)


@pytest.mark.parametrize(
    ("seeds", "least"), [(2, 1.0), (3, 1 / 20), (5, 1 / 252), (10, 1 / 20_000)]
)
def test_the_least_p_is_that_of_the_arrangements(tmp_path: Path, seeds: int, least: float) -> None:
    found = prospects(plan(tmp_path, trend("increasing"), trend("decreasing"), seeds=seeds))
    for each in found:
        assert each.least_p == pytest.approx(least)
        assert each.least_p_holm == pytest.approx(min(1, 2 * least))
        assert each.decidable == (2 * least <= 0.05)
        assert each.seeds == seeds
        assert np.isnan(each.chance)  # without a pilot


def test_strata_are_no_further_seeds(tmp_path: Path) -> None:
    sweep = {"method.gamma": [0.3, 0.7], "method.h": [4, 8]}
    made = plan(tmp_path, trend("increasing"), seeds=3, sweep=sweep)
    assert one(prospects(made)).least_p == pytest.approx(1 / 20)
    # A pilot's spread is that of its seeds' means over the strata.
    cells = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.7) for h in (4, 8)]
    ends = np.random.default_rng(0).standard_normal((4, 6))
    seen = tables({"signal": ends.reshape(-1, 1), DISTANCE: ends.reshape(-1, 1)}, cells, seeds=6)
    spreads = [{0.0: ends[:2].mean(0).std(ddof=1), 1.0: ends[2:].mean(0).std(ddof=1)}]
    made = plan(tmp_path, trend("increasing", 1.0), seeds=8, sweep=sweep)
    assert one(prospects(made, seen)).chance == pytest.approx(change_power(spreads, 8, 2.0, 1.0))
    alone = trend("increasing", where={"method.h": 4})
    assert one(prospects(plan(tmp_path, alone, seeds=3, sweep=sweep))).least_p == 1 / 20


def test_keys_that_change_together_are_one(tmp_path: Path) -> None:
    pairs = [{"method.gamma": 0.3, "method.h": 4}, {"method.gamma": 0.7, "method.h": 8}]
    made = plan(tmp_path, trend("increasing"), seeds=3, sweep={"paired": pairs})
    assert one(prospects(made)).least_p == 1 / 20


def test_a_profile_without_an_arm_has_nothing_to_compare(tmp_path: Path) -> None:
    gone = {"short": {"sweep": {"method.gamma": [0.3]}}}
    contrast = {"kind": "contrast", **trend("higher"), "of": 0.7, "against": 0.3}
    at = trend("increasing", where={"method.gamma": 0.7})
    found = prospects(plan(tmp_path, contrast, trend("increasing"), at, profiles=gone))
    assert [each.decidable for each in found] == [False] * 3
    assert found[0].note == found[1].note == "this profile has nothing to compare"
    assert found[2].note == "this profile has no such runs"


@pytest.mark.parametrize(
    ("direction", "least", "asked"),
    [
        ("increasing", 1.0, (2.0, 1.0, "greater")),
        ("decreasing", 1.0, (-2.0, -1.0, "less")),
        ("increasing", 0.0, (np.sqrt(2.5), 0.0, "greater")),  # one standard deviation
        ("none", 4.0, (0.0, 4.0, "within")),
    ],
)
def test_the_chance_of_a_change(
    tmp_path: Path, pilot: Tables, direction: str, least: float, asked: tuple[float, float, Any]
) -> None:
    made = plan(tmp_path, trend(direction, least), {"kind": "failures"}, seeds=8)
    found = prospects(made, pilot)[0]
    effect, margin, aim = asked
    spreads = [dict(zip((0.0, 1.0), SPREADS, strict=True))]

    def chance(seeds: int) -> float:
        return change_power(spreads, seeds, effect, margin, aim, alpha=0.025)

    assert found.chance == pytest.approx(chance(8))
    assert found.enough is not None
    assert chance(found.enough) >= 0.8 > chance(found.enough - 1)


def test_no_worse_is_a_test_of_its_own(tmp_path: Path, pilot: Tables) -> None:
    sides = {"kind": "contrast", "of": 0.7, "against": 0.3}
    tests = [{**trend(d, 4.0), **sides} for d in ("not_higher", "not_lower", "none")]
    higher, lower, none = prospects(plan(tmp_path, *tests, seeds=8), pilot)
    assert higher.chance == pytest.approx(lower.chance, abs=0.02)
    assert none.chance < higher.chance


def test_a_pilot_without_a_cell_is_named(tmp_path: Path, pilot: Tables) -> None:
    made = plan(tmp_path, trend("increasing"), sweep={"method.gamma": [0.3, 0.5]})
    found = one(prospects(made, pilot))
    assert np.isnan(found.chance)
    assert found.enough is None
    assert found.note == "the pilot lacks seeds of gamma=0.5"


def test_a_pilot_without_spread_says_nothing(tmp_path: Path) -> None:
    flat = np.zeros((8, 6))
    found = prospects(
        plan(tmp_path, trend("increasing"), rho("within")),
        tables({"signal": flat, DISTANCE: flat}, GAMMA, seeds=4),
    )
    notes = ["the pilot shows no spread", "the pilot lacks seeds with a correlation"]
    assert [each.note for each in found] == notes
    assert all(np.isnan(each.chance) and each.enough is None for each in found)


def test_a_pilot_of_another_judge_is_refused(tmp_path: Path, pilot: Tables) -> None:
    made = plan(tmp_path, trend("increasing"))
    other = made.evaluation.model_validate({"every": 2, "judges": {"dlib_face": {"samples": 60}}})
    with pytest.raises(InputError, match=r"Invalid pilot: judged by efficientnet_lite0, and .* d"):
        prospects(replace(made, evaluation=other), pilot)


def test_rank_correlations_between_seeds_need_ten(tmp_path: Path) -> None:
    tests = [rho("between"), rho("last", "none", 0.5)]
    for each in prospects(plan(tmp_path, *tests, seeds=9)):
        assert (each.least_p, each.decidable) == (1, False)
        assert each.note == "rank correlations need 10 seeds"
    positive, none = prospects(plan(tmp_path, *tests, seeds=24))  # no pilot is needed
    assert (positive.least_p, none.least_p) == (1 / 20_000, 0)
    assert positive.chance == pytest.approx(correlation_power(0.6, 24, 0.3, alpha=0.025))
    assert none.chance == pytest.approx(correlation_power(0.0, 24, 0.5, "within", alpha=0.025))
    assert positive.enough is not None
    assert correlation_power(0.6, positive.enough, 0.3, alpha=0.025) >= 0.8


def test_a_true_rho_is_at_most_nine_tenths(tmp_path: Path) -> None:
    found = one(prospects(plan(tmp_path, rho("last", least=0.8), seeds=24)))
    assert found.chance == pytest.approx(correlation_power(0.9, 24, 0.8))


def test_correlations_within_runs_take_the_pilots_rhos(tmp_path: Path, pilot: Tables) -> None:
    found = one(prospects(plan(tmp_path, rho("within")), pilot))
    assert found.least_p == pytest.approx(1 / 120)
    points = pilot.points.sort_values("step")
    rhos = [
        rows[["signal", "distance"]].diff().corr("spearman").iloc[0, 1]
        for _, rows in points.groupby("run_id")
    ]
    spread = float(np.std((np.array(rhos[:4]) + rhos[4:]) / 2, ddof=1))
    seen = associate(cells_of(pilot), "signal", DISTANCE, "differences")
    assert seen is not None
    assert spread == pytest.approx(float(seen.each.std(ddof=1)))
    # All of the pilot's runs fall together: another run's signal says more than a rho of 0.6.
    assert seen.null_mean > 0.6
    assert mean_power(spread, 5, 0.3) > 0.9
    assert found.chance == 0.0


def test_correlations_within_runs_have_the_power_of_the_weaker_test() -> None:
    rng = np.random.default_rng(0)
    shared, own = 0.6 * rng.standard_normal(12), 0.6 * rng.standard_normal((5, 12))
    curves = {"signal": shared + own, DISTANCE: shared + own + rng.standard_normal((5, 12))}
    found = associate(cells_of(tables(curves, GAMMA[:1], seeds=5)), "signal", DISTANCE, "raw")
    assert found is not None
    test = CorrelationTest(
        kind="correlation",
        column="distance",
        level="within",
        direction="positive",
        least_effect=0.3,
    )
    of_rho = mean_power(float(found.each.std(ddof=1)), 5, 0.3)
    of_pairs = pairing_power(0.6 - found.null_mean, found.null_spread, 5)
    assert 0.05 < of_pairs < of_rho
    assert rho_chance(test, 5, found, 0.05) == of_pairs
    apart = replace(found, null_mean=-0.5)
    assert rho_chance(test, 5, apart, 0.05) == pytest.approx(of_rho)


def test_stopping_takes_the_pilots_differences(tmp_path: Path, pilot: Tables) -> None:
    test = {"kind": "stopping", "column": "distance", "against": "random", "direction": "lower"}
    made = plan(tmp_path, {**test, "least_effect": 0.5})
    found = one(prospects(made, pilot))
    assert found.least_p == 1 / 32
    each = difference(stopped(cells_of(pilot), "signal", DISTANCE, "minimum"), "random")
    assert each is not None
    spread = float(each.each.std(ddof=1))
    assert found.chance == pytest.approx(mean_power(spread, 5, 0.5))
    assert math.isnan(one(prospects(made)).chance)


def test_an_event_may_at_best_come_in_half_of_the_seeds(tmp_path: Path, pilot: Tables) -> None:
    test = {"kind": "event", "event": [{"column": "k", "below": 0.1}], "column": "distance"}
    where = {"where": {"method.gamma": 0.3}}
    made = plan(tmp_path, {**test, **where, "direction": "higher", "least_effect": 2}, seeds=10)
    found = one(prospects(made, pilot))
    assert found.least_p == pytest.approx(1 / 252)
    assert found.note == "if half of the seeds have it"
    spread = SPREADS[0]
    assert found.chance == change_power([{0.0: spread, 1.0: spread}], 5, 4.0, 2.0)


@pytest.mark.parametrize(("seeds", "decidable"), [(5, False), (13, False), (14, True)])
def test_a_claim_about_every_run_counts_seeds(tmp_path: Path, seeds: int, decidable: bool) -> None:
    bound = {"kind": "bound", "column": "ratio", "below": 1.0}
    for test in (bound, {"kind": "failures"}):
        found = one(prospects(plan(tmp_path, test, seeds=seeds)))
        assert found.least_p == pytest.approx(0.8**seeds)
        assert (found.decidable, found.chance, found.enough) == (decidable, float(decidable), 14)


def test_a_mean_needs_three_seeds(tmp_path: Path) -> None:
    mean = {"kind": "mean", "column": "distance", "direction": "higher", "than": 1.0}
    mean |= {"least_effect": 0.5}
    assert not one(prospects(plan(tmp_path, mean, seeds=2))).decidable
    assert one(prospects(plan(tmp_path, mean, seeds=3))).decidable
    chances = [mean_chance("up", spread, 5, 0.5, 0.01) for spread in (0.05, 0.5, 5.0)]
    assert chances[1] == pytest.approx(mean_power(0.5, 5, 0.5, alpha=0.01))
    assert chances[0] > 0.99 > 0.1 > chances[2]
    assert mean_chance("up", 0.5, 2, 0.5, 0.01) == mean_chance("none", 0.5, 2, 0.5, 0.01) == 0


def test_a_share_needs_a_rival(tmp_path: Path) -> None:
    share = {"kind": "share", "column": "distance", "over": "method.gamma"}
    two = {"method.gamma": [0.3, 0.7], "method.h": [4, 8]}
    assert one(prospects(plan(tmp_path, share, seeds=3, sweep=two))).decidable
    assert not one(prospects(plan(tmp_path, share, seeds=3))).decidable
    assert not one(prospects(plan(tmp_path, share, seeds=2, sweep=two))).decidable


def test_the_chance_of_a_share_is_that_of_a_pilots_lead(tmp_path: Path) -> None:
    """The pilot's jackknife error of the lead, over more seeds."""
    share = {"kind": "share", "column": "distance", "over": "method.gamma", "least_effect": 0.1}
    two = {"method.gamma": [0.3, 0.7], "method.h": [4, 8]}
    cells = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.7) for h in (4, 8)]
    ends = np.repeat([0.0, 1, 2, 3], 6) + np.random.default_rng(0).standard_normal(24)
    seen = tables({"signal": ends[:, None], DISTANCE: ends[:, None]}, cells, seeds=6)
    found = [one(prospects(plan(tmp_path, share, seeds=n, sweep=two), seen)) for n in (3, 6, 24)]
    chances = [each.chance for each in found]
    assert chances == sorted(chances)
    whole = decompose(seen, "distance")
    assert whole is not None
    estimate = whole.estimate(lambda shares: float(shares[0] - shares[1]))
    assert estimate is not None
    away = (np.arctanh(0.2) - np.arctanh(0.1)) / (float(estimate.error) / 2)  # of 6 seeds, by 24
    assert chances[2] == pytest.approx(stats.nct.sf(stats.t.isf(0.05, 23), 23, away))
    assert found[0].enough == found[2].enough
    assert found[0].enough is not None
    assert found[0].enough > 24
    other = tables({"signal": ends[:12, None], DISTANCE: ends[:12, None]}, cells[:2], seeds=6)
    assert (
        one(prospects(plan(tmp_path, share, sweep=two), other)).note == "the pilot lacks such runs"
    )


def test_streams_have_seeds_of_their_own(tmp_path: Path) -> None:
    """One `seed`, five seeds of each of two streams: what counts is the five."""
    keys = ("training.seeds.order", "training.seeds.latents")
    share = {"kind": "share", "column": "distance", "over": keys[0], "least_effect": 0.1}

    def of(count: int) -> Prospect:
        grid = {key: list(range(count)) for key in keys}
        return one(prospects(plan(tmp_path, share, seeds=1, sweep=grid)))

    assert (of(4).decidable, of(4).note) == (False, "needs 5 seeds of each stream")
    found = of(5)
    assert (found.seeds, found.decidable) == (5, True)
    assert found.note == "seeds of each stream, if the others explain nothing"
    assert found.chance == pytest.approx(lead_power(Design((5, 5), (5, 5)), (0,), 0.2, 0.1, 0.05))
    assert found.enough is not None
    assert 20 < found.enough < 60


def test_the_lottery_can_be_decided() -> None:
    made = load(Path(__file__).parents[2] / "ablations" / "lottery.yaml", "short")
    for each in prospects(made):
        assert (each.seeds, each.decidable) == (5, True)
        assert 0.01 < each.chance < 0.1  # and seldom will be
        assert each.enough is not None
        assert each.enough > 20


def test_what_others_leave_is_counted_at_best(tmp_path: Path) -> None:
    """0.8^14 is 0.044: enough where the other claim is supported, not where it is not."""
    found = prospects(plan(tmp_path, trend("increasing"), {"kind": "failures"}, seeds=14))[1]
    assert found.decidable
    assert found.least_p_holm > 0.05
    assert found.chance == 0


def test_a_plan_without_claims_has_no_prospects(tmp_path: Path) -> None:
    assert prospects(plan(tmp_path)) == []
    assert table([]).empty
