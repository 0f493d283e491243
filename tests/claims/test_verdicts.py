"""Every verdict is reached by a case of known answer; errors stay within the corrected level."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.ablation.claims import Claim, ContrastTest
from benchmark.claims.effects import Effect
from benchmark.claims.measures import measure
from benchmark.claims.verdicts import claims_table, judge
from benchmark.results.schema import AblationRecord, RegistrationRecord
from benchmark.results.tables import Tables
from benchmark.statistics import intervals
from tests.statistics.simulate import DISTANCE, Floats, tables

ARMS = [{"variant": "A"}, {"variant": "B"}]
GAMMAS = [{"method.gamma": gamma} for gamma in (0.3, 0.5, 0.7)]


def _claim(number: int = 0, **test: Any) -> dict[str, Any]:
    return {"id": f"claim-{number}", "says": "So it is", "source": "a test", "test": test}


def contrast(direction: str, least: float = 1.0, **more: Any) -> dict[str, Any]:
    names = {"over": "variant", "of": "A", "against": "B", "column": "distance"}
    return {"kind": "contrast", **names, "direction": direction, "least_effect": least, **more}


def arms(gap: float, seeds: int = 6, **more: Any) -> Tables:
    """Distance of A less that of B is `gap`, beside seeds that differ by at most 1."""
    spread = np.linspace(0, 1, seeds)
    ends = np.concatenate([spread + gap, spread])[:, None]
    return tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=seeds, **more)


def judged(found: Tables, *tests: Mapping[str, Any]) -> pd.DataFrame:
    claims = [_claim(i, **test) for i, test in enumerate(tests)]
    return claims_table(replace(found, record=with_claims(found, claims)))


def with_claims(found: Tables, claims: Sequence[Mapping[str, Any]]) -> AblationRecord:
    written = [Claim.model_validate(claim) for claim in claims]
    return found.record.model_copy(update={"claims": written})


@pytest.mark.parametrize(
    ("direction", "gap", "verdict"),
    [
        ("higher", 5, "supported"),
        ("higher", 0, "refuted"),
        ("higher", -5, "refuted"),
        ("higher", 1, "too small"),
        ("higher", 1.9, "undecided"),
        ("higher", 2.1, "undecided"),
        ("lower", -5, "supported"),
        ("lower", -1, "too small"),
        ("lower", 0, "refuted"),
        ("lower", 5, "refuted"),
        ("none", 0, "supported"),
        ("none", 5, "refuted"),
        ("none", -5, "refuted"),
        ("none", 1.9, "undecided"),
        ("not_higher", -5, "supported"),
        ("not_higher", 0, "supported"),
        ("not_higher", 5, "refuted"),
        ("not_lower", 5, "supported"),
        ("not_lower", -5, "refuted"),
    ],
)
def test_contrast(direction: str, gap: float, verdict: str) -> None:
    least = 2.0
    row = judged(arms(gap), contrast(direction, least)).iloc[0]
    assert row["verdict"] == verdict, row["sentence"]
    assert row["effect"] == pytest.approx(gap)
    assert row["least_p"] == pytest.approx(1 / 924)
    assert len(row["run_ids"].split()) == 12


def test_claims_that_no_p_can_refute_leave_the_others_theirs() -> None:
    everywhere = {"kind": "bound", "column": "distance", "below": 1e9, "at": "end"}
    missing = contrast("higher", column="kid")
    found = arms(-5)
    found.runs["collapsed"] = 0.0
    rows = judged(found, contrast("higher"), {"kind": "failures"}, everywhere, missing)
    assert rows["against_p"].iloc[0] == pytest.approx(1 / 924)
    # Two claims are tested: this one, and the one that has nothing to measure yet.
    assert rows["against_p_holm"].iloc[0] == pytest.approx(2 / 924)
    # Six seeds without a counter-example are too few to say that a fifth of all do not break it.
    assert rows["verdict"].tolist() == ["refuted", "underpowered", "underpowered", "not run"]


@pytest.mark.parametrize("tests", [(), ("bound",), ("bound", "contrast")])
def test_any_mixture_of_claims_is_judged_also_none(tests: tuple[str, ...]) -> None:
    """A file without claims, or with such alone as no p can refute, has an empty family."""
    bound = {"kind": "bound", "column": "distance", "below": 1e9, "at": "end"}
    kinds = {"bound": bound, "contrast": contrast("higher")}
    rows = judged(arms(5, seeds=18), *(kinds[name] for name in tests))
    assert rows["verdict"].tolist() == ["supported"] * len(tests)


def test_the_least_effect_itself_is_tested() -> None:
    """An effect that is surely there, and about as large as the least one, is not yet supported."""
    row = judged(arms(2.1), contrast("higher", 2.0)).iloc[0]
    assert row["low"] > 1.5
    assert row["effect"] > 2.0
    assert row["verdict"] == "undecided"
    assert judged(arms(2.1), contrast("higher", 1.0)).iloc[0]["verdict"] == "supported"


def test_no_effect_is_not_shown_by_seeds_that_could_not_have_shown_one() -> None:
    """Spreads of some 0.4: a change of less than 0.2 cannot be told from none by six seeds."""
    row = judged(arms(0), contrast("none", 0.2)).iloc[0]
    assert row["verdict"] == "underpowered"
    assert row["power"] < 0.5
    assert (
        f"with 6 seeds the chance to support a true claim was {row['power']:.0%}"
        in (row["sentence"])
    )


def test_two_seeds_a_side_are_underpowered_and_three_are_not() -> None:
    two = judged(arms(50, seeds=2), contrast("higher")).iloc[0]
    assert (two["verdict"], two["least_p"]) == ("underpowered", 1.0)
    three = judged(arms(50, seeds=3), contrast("higher")).iloc[0]
    assert (three["verdict"], three["p"]) == ("supported", pytest.approx(1 / 20))
    # In a family of two, hopeless beside it, three are too few as well.
    family = judged(arms(50, seeds=3), contrast("higher"), contrast("lower"))
    assert family.iloc[0]["verdict"] == "underpowered"
    assert family.iloc[0]["least_p_holm"] == pytest.approx(2 / 20)


@pytest.mark.parametrize("state", ["failed", "running", "queued", "stopped"])
def test_a_missing_run_blocks_the_verdict_that_needs_it(state: str) -> None:
    found = arms(50, state={3: state})
    row = judged(found, contrast("higher")).iloc[0]
    assert row["verdict"] == "undecided"
    assert f"began-000000000003 ({state}" in row["sentence"]
    assert row["p"] < 0.05  # it is the gap alone that blocks
    many = {**dict.fromkeys(range(1, 5), "running"), 5: "failed"}
    told = judged(arms(50, state=many), contrast("higher")).iloc[0]["sentence"]
    assert "missing: began-000000000005 (failed" in told
    assert told.endswith("; and 2 more.")
    cells = [*ARMS, {"variant": "C"}]
    ends = np.concatenate([np.linspace(0, 1, 6) + gap for gap in (50, 0, 0)])[:, None]
    other = tables({"signal": ends, DISTANCE: ends}, cells, seeds=6, state={15: state})
    assert judged(other, contrast("higher")).iloc[0]["verdict"] == "supported"


def test_not_run() -> None:
    queued = arms(50, state=dict.fromkeys(range(6), "queued"))
    row = judged(queued, contrast("higher"), contrast("higher", of="C"))
    assert row["verdict"].tolist() == ["not run", "not run"]
    assert "variant = A" in row.iloc[0]["sentence"]
    assert "variant = C" in row.iloc[1]["sentence"]
    failed = arms(50, state=dict.fromkeys(range(6), "failed"))
    assert judged(failed, contrast("higher")).iloc[0]["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.0, "saturated"), (1.0, "saturated"), (0.5, "undecided")]
)
def test_a_column_that_is_the_same_in_every_run_decides_nothing(value: float, verdict: str) -> None:
    ends = np.full((12, 1), value)
    found = tables({"signal": ends, "recall": ends}, ARMS, seeds=6)
    row = judged(found, contrast("not_higher", 0.1, column="recall")).iloc[0]
    assert row["verdict"] == verdict


def test_arms_of_the_very_same_networks_are_said_to_be() -> None:
    ends = np.array([437.065, 639.81, 532.9, 501.2, 429.6])
    both = np.concatenate([ends, ends[::-1]])[:, None]
    found = tables({"signal": both, DISTANCE: both}, ARMS, seeds=5)
    hashes = [f"{seed:064x}" for seed in range(5)]
    found.runs["seed"] = [*range(5), *range(4, -1, -1)]  # in another order of the sums
    found.runs["weights_sha256"] = [*hashes, *hashes[::-1]]
    row = judged(found, contrast("higher", 20.0)).iloc[0]
    assert row["effect"] == 0  # and not what rounding leaves
    assert row["verdict"] == "underpowered"  # what other seeds would do, so few cannot tell
    assert "change 0, seed by seed with the very same weights" in row["sentence"]
    found.runs.loc[0, "weights_sha256"] = "f" * 64
    assert "same weights" not in judged(found, contrast("higher", 20.0)).iloc[0]["sentence"]


def trend(direction: str, least: float = 1.0) -> dict[str, Any]:
    names = {"column": "distance", "over": "method.gamma"}
    return {**names, "direction": direction, "least_effect": least}


@pytest.mark.parametrize(
    ("means", "direction", "verdict"),
    [
        ((0, 3, 6), "increasing", "supported"),
        ((0, 3, 6), "decreasing", "refuted"),
        ((6, 3, 0), "decreasing", "supported"),
        ((0, 0, 0), "increasing", "refuted"),
        ((0, 0, 0), "none", "supported"),
        ((0, 3, 6), "none", "refuted"),
        # It rises end to end, but turns back on the way.
        ((0, 9, 6), "increasing", "undecided"),
        # A hill has no trend, but it is no absence of an effect either.
        ((0, 9, 0), "none", "undecided"),
    ],
)
def test_trend(means: Sequence[float], direction: str, verdict: str) -> None:
    ends = np.concatenate([np.linspace(0, 1, 5) + mean for mean in means])[:, None]
    found = tables({"signal": ends, DISTANCE: ends}, GAMMAS, seeds=5)
    row = judged(found, trend(direction, 2.0)).iloc[0]
    assert row["verdict"] == verdict, row["sentence"]
    assert row["effect"] == pytest.approx(means[2] - means[0])


def test_a_trend_may_turn_over_several_levels() -> None:
    """No two neighbours differ by 4, but the third and the fifth do."""
    means, seeds = (0, 6, 12, 9.5, 7, 20), 5
    ends = np.concatenate([np.linspace(0, 1, seeds) + mean for mean in means])[:, None]
    cells = [{"method.gamma": gamma / 10} for gamma in range(1, 7)]
    rising = tables({"signal": ends, DISTANCE: ends}, cells, seeds=seeds)
    falling = tables({"signal": -ends, DISTANCE: -ends}, cells, seeds=seeds)
    for found, direction in ((rising, "increasing"), (falling, "decreasing")):
        row = judged(found, trend(direction, 4.0)).iloc[0]
        assert row["verdict"] == "undecided", row["sentence"]
        assert "two of its means differ by 5 against the claim" in row["sentence"]


def test_contrast_compares_only_runs_that_differ_in_its_key_alone() -> None:
    # h moves the distance by 100; inside each h, A is 5 above B.
    cells = [{"variant": v, "method.h": h} for v in "AB" for h in (16, 64)]
    ends = np.concatenate([np.linspace(0, 1, 4) + m for m in (105, 5, 100, 0)])[:, None]
    found = tables({"signal": ends, DISTANCE: ends}, cells, seeds=4)
    row = judged(found, contrast("higher")).iloc[0]
    assert row["verdict"] == "supported"
    assert row["effect"] == pytest.approx(5)
    only = judged(found, contrast("higher", where={"method.h": 16})).iloc[0]
    assert only["runs"] == 8


CROSSED = [{"variant": v, "method.gamma": g} for g in (0.3, 0.5, 0.7) for v in ("A", "B")]


def crossed(levels: Mapping[tuple[float, int], float], seeds: int = 6) -> Tables:
    """Mean distances by gamma and n, beside seeds that differ by at most 1."""
    cells = [{"method.gamma": gamma, "method.n": n} for gamma, n in levels]
    ends = np.concatenate([np.linspace(0, 1, seeds) + mean for mean in levels.values()])[:, None]
    return tables({"signal": ends, DISTANCE: ends}, cells, seeds=seeds)


def test_means_of_cells_that_are_not_fully_crossed_are_those_of_equal_strata() -> None:
    """Each step of gamma adds 20, and n = 16 takes 100 off; plain means would fall."""
    found = crossed({(0.3, 8): 200, (0.5, 8): 220, (0.5, 16): 120, (0.7, 16): 140})
    row = judged(found, trend("increasing", 10)).iloc[0]
    assert row["verdict"] == "supported"
    assert "150.5 at 0.3, 170.5 at 0.5, 190.5 at 0.7; change 40" in row["sentence"]


def test_runs_that_no_pair_of_strata_shares_are_not_counted() -> None:
    """One cell has five seeds more than the three that it is averaged with."""
    cells = [{"variant": variant, "method.h": h} for variant in "AB" for h in (16, 64)]
    means = {("A", 16): 205, ("A", 64): 105, ("B", 16): 200, ("B", 64): 100}
    ends = np.concatenate([np.linspace(0, 1, 10) + mean for mean in means.values()])[:, None]
    whole = tables({"signal": ends, DISTANCE: ends}, cells, seeds=10)
    more = (whole.runs["variant"] == "A") & (whole.runs["method.h"] == "64")
    found = replace(whole, runs=whole.runs[(whole.runs["seed"] < 5) | more])
    row = judged(found, contrast("higher", 2)).iloc[0]
    assert (row["verdict"], row["runs"]) == ("supported", 20)
    assert "150.2 at B, 155.2 at A; change 5" in row["sentence"]


def test_strata_that_share_seeds_add_none() -> None:
    """What a seed adds to its run of a variant it adds to that at every gamma."""
    studies, rng = 150, np.random.default_rng(4)
    test = ContrastTest.model_validate(contrast("higher", 0.0))
    made = tables({DISTANCE: np.zeros((30, 1))}, CROSSED, seeds=5)
    rejected = covered = 0
    for _ in range(studies):
        of_seeds = rng.standard_normal((1, 2, 5)) + 0.3 * rng.standard_normal((3, 2, 5))
        runs = made.runs.assign(**{DISTANCE: of_seeds.ravel()})
        found = measure(replace(made, runs=runs), test)
        assert isinstance(found, Effect)
        assert found.least_p == pytest.approx(1 / 252)
        rejected += found.above(0.0) <= 0.05
        covered += found.low <= 0 <= found.high
    chance = 3 * np.sqrt(0.05 * 0.95 / studies)
    assert rejected / studies <= 0.05 + chance
    assert covered / studies >= 0.95 - chance


def test_strata_of_other_seeds_are_independent() -> None:
    values = np.random.default_rng(4).standard_normal((30, 1))
    made = tables({"signal": values, DISTANCE: values}, CROSSED, seeds=5, apart=True)
    seeds = np.repeat([0, 5, 0, 5, 10, 15], 5) + np.tile(np.arange(5), 6)
    made = replace(made, runs=made.runs.assign(seed=seeds))  # of the first two gammas the same
    test = ContrastTest.model_validate(contrast("higher", 0.0))
    found = measure(made, test)
    assert isinstance(found, Effect)
    means = values.reshape(3, 2, 5)
    expected = intervals.contrast([{0.0: b, 1.0: a} for a, b in (means[:2].mean(axis=0), means[2])])
    assert expected is not None
    assert (found.low, found.high) == pytest.approx(intervals.ends(expected))
    assert found.least_p == pytest.approx(1 / 20_000)
    # The parts of all runs make up the error.
    assert sum(part**2 for part in found.noise.values()) == pytest.approx(float(expected.error**2))


def curves(rho: float, seed: int = 0, seeds: int = 12) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    signal, noise = rng.standard_normal((2, 3 * seeds, 12)).cumsum(axis=2)
    return {"signal": signal, DISTANCE: rho * signal + np.sqrt(1 - rho**2) * noise}


@pytest.mark.parametrize("level", ["within", "between"])
@pytest.mark.parametrize(
    ("rho", "direction", "verdict"),
    [
        (0.95, "positive", "supported"),
        (-0.95, "negative", "supported"),
        (-0.95, "positive", "refuted"),
        (0.95, "none", "refuted"),
    ],
)
def test_correlation(level: str, rho: float, direction: str, verdict: str) -> None:
    test = {"kind": "correlation", "column": "distance", "level": level, "direction": direction}
    row = judged(tables(curves(rho), GAMMAS, seeds=12), {**test, "least_effect": 0.5}).iloc[0]
    assert row["verdict"] == verdict, row["sentence"]
    few = judged(tables(curves(rho, seeds=6), GAMMAS, seeds=6), {**test, "least_effect": 0.5})
    # Between seeds six have no test of a least rho.
    expected = verdict if level == "within" else "underpowered"
    assert few.iloc[0]["verdict"] == expected


def test_a_claim_of_no_relation_needs_no_mismatched_pairs() -> None:
    """Of three seeds, 1/3! could not support a claim; p of the interval alone can."""
    rng = np.random.default_rng(0)
    signal, distance = rng.standard_normal((2, 9, 400))
    test = {"kind": "correlation", "column": "distance", "level": "within", "direction": "none"}
    made = tables({"signal": signal, DISTANCE: distance}, GAMMAS, seeds=3)
    row = judged(made, {**test, "least_effect": 0.5}).iloc[0]
    assert (row["verdict"], row["least_p"]) == ("supported", 0.0)
    assert row["power"] > 0.9


def test_what_mismatched_pairs_have_is_said() -> None:
    """All runs rise and fall together: another run's signal says as much."""
    wave = np.sin(np.arange(12.0)) + 0.1 * np.random.default_rng(0).standard_normal((2, 4, 12))
    test = {"kind": "correlation", "column": "distance", "level": "within", "direction": "positive"}
    made = tables({"signal": wave[0], DISTANCE: wave[1]}, GAMMAS[:1], seeds=4)
    row = judged(made, {**test, "least_effect": 0.3}).iloc[0]
    assert ", of mismatched pairs 0.9" in row["sentence"]
    assert row["high"] == 1


def unjudged(found: Tables, run: int, after: int) -> Tables:
    """Without what a judge said of a run after a step."""
    rows = found.evaluations
    gone = (rows["run_id"] == found.runs["run_id"].iloc[run]) & (rows["step"] > after)
    return replace(found, evaluations=rows[~gone])


@pytest.mark.parametrize("after", [0, 400])
@pytest.mark.parametrize(
    "test",
    [
        *({"kind": "correlation", "level": level} for level in ("within", "between", "last")),
        {"kind": "stopping", "against": "random"},
    ],
    ids=str,
)
def test_a_finished_run_that_is_not_judged_to_its_end_is_missing(
    test: dict[str, Any], after: int
) -> None:
    direction = "lower" if test["kind"] == "stopping" else "positive"
    asked = {**test, "column": "distance", "direction": direction, "least_effect": 0.1}
    whole = tables(curves(0.95), [{"method.gamma": 0.5}], seeds=12)
    assert judged(whole, asked).iloc[0]["verdict"] != "undecided"
    row = judged(unjudged(whole, 1, after), asked).iloc[0]
    assert row["verdict"] == "undecided"
    assert "missing: began-000000000001 (done, without this column)" in row["sentence"]


def test_runs_that_nobody_judged_are_missing_and_no_fault() -> None:
    whole = tables(curves(0.95), [{"method.gamma": 0.5}], seeds=12)
    found = replace(whole, evaluations=whole.evaluations.iloc[:0])
    asked = {"kind": "correlation", "level": "within", "column": "distance"}
    row = judged(found, {**asked, "direction": "positive", "least_effect": 0.1}).iloc[0]
    assert row["verdict"] in ("undecided", "not run")


def test_the_last_step_is_asked_by_itself() -> None:
    """A relation that turns over at the end: over training it holds, there it is the opposite."""
    found = curves(0.95)
    found[DISTANCE][:, -1] *= -1
    test = {"kind": "correlation", "column": "distance", "least_effect": 0.3}
    table = judged(
        tables(found, GAMMAS, seeds=12),
        {**test, "level": "between", "direction": "positive"},
        {**test, "level": "last", "direction": "positive"},
        {**test, "level": "last", "direction": "negative"},
    )
    assert table["verdict"].tolist() == ["supported", "refuted", "supported"]
    assert "runs of a cell at their last step" in table["sentence"][1]


def test_unrelated_changes_refute_a_claim_that_they_are_related() -> None:
    test = {"kind": "correlation", "column": "distance", "level": "within", "least_effect": 0.5}
    found = tables(curves(0.0), GAMMAS, seeds=12, apart=True)
    table = judged(found, {**test, "direction": "positive"}, {**test, "direction": "none"})
    assert table["verdict"].tolist() == ["refuted", "supported"]


def test_bound() -> None:
    """The seed is the unit: 14 without a counter-example reject that a fifth of all break it."""
    ratio = np.full((28, 10), 0.5)
    found = {"signal": ratio, "ratio": ratio}
    test = {"kind": "bound", "column": "ratio", "below": 1.0, "at": "throughout"}
    row = judged(tables(found, ARMS, seeds=14), test).iloc[0]
    assert (row["verdict"], row["p"]) == ("supported", pytest.approx(0.8**14))
    few = judged(tables(found, ARMS, seeds=13), test).iloc[0]
    assert (few["verdict"], few["power"]) == ("underpowered", 0)  # however many cells they are in
    missing = tables(found, ARMS, seeds=14, state={2: "running"})
    assert judged(missing, test).iloc[0]["verdict"] == "undecided"
    ratio[2, 0] = 1.2
    broken = tables(found, ARMS, seeds=14, state={3: "running"})
    row = judged(broken, test, {**test, "after": 0.3}, {**test, "at": "end"})
    assert row["verdict"].tolist() == ["refuted", "undecided", "undecided"]
    assert "began-000000000002" in row.iloc[0]["sentence"]
    assert row.iloc[0]["effect"] == pytest.approx(13 / 14)


def test_a_bound_of_runs_that_all_failed_is_undecided_not_unasked() -> None:
    ends = np.zeros((6, 1))
    states = dict.fromkeys(range(6), "failed")
    found = tables({"signal": ends, DISTANCE: ends}, ARMS[:1], seeds=6, state=states)
    row = judged(found, {"kind": "bound", "column": "distance", "below": 1, "at": "end"}).iloc[0]
    assert row["verdict"] == "undecided"
    assert "failed: not finite" in row["sentence"]


def test_failures() -> None:
    ends = np.zeros((28, 1))
    test = {"kind": "failures"}
    good = {"signal": ends, "collapsed": ends}
    assert judged(tables(good, ARMS, seeds=14), test).iloc[0]["verdict"] == "supported"
    failed = judged(tables(good, ARMS, seeds=14, state={4: "failed"}), test).iloc[0]
    assert failed["verdict"] == "refuted"
    assert "began-000000000004" in failed["sentence"]
    running = tables(good, ARMS, seeds=14, state={4: "running"})
    assert judged(running, test).iloc[0]["verdict"] == "undecided"
    unjudged = tables(good, ARMS, seeds=14)
    unjudged.runs.loc[4, "collapsed"] = np.nan
    row = judged(unjudged, test).iloc[0]
    assert row["verdict"] == "undecided"
    assert "missing: began-000000000004 (done, without this column)" in row["sentence"]
    collapsed = ends.copy()
    collapsed[20] = 1
    bad = tables({**good, "collapsed": collapsed}, ARMS, seeds=14)
    assert judged(bad, test).iloc[0]["verdict"] == "refuted"
    spared = judged(bad, {**test, "where": {"variant": "A"}}).iloc[0]
    assert spared["verdict"] == "supported"


def test_one_method_of_eight_that_fails_now_and_then_is_seldom_called_stable() -> None:
    """A fifth of its runs fail: counted by runs, five seeds called all eight stable in a third."""
    rng, hits = np.random.default_rng(0), 0
    claims = [Claim.model_validate(_claim(kind="failures"))]
    cells = [{"variant": name} for name in "ABCDEFGH"]
    for _ in range(60):
        collapsed = np.zeros((8 * 14, 1))
        collapsed[:14, 0] = rng.random(14) < 0.2
        found = tables({"signal": collapsed, "collapsed": collapsed}, cells, seeds=14)
        hits += judge(claims, found)[0]["verdict"] == "supported"
    assert hits / 60 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_a_mean_is_compared_with_a_number() -> None:
    """Two arms of six seeds: a seed's value is the mean of its two runs, near 5."""
    noise = np.random.default_rng(0).standard_normal((12, 1)) / 10
    ends = np.repeat([4.0, 6.0], 6)[:, None] + noise
    found = tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=6)

    def mean(direction: str, than: float, least: float, **more: Any) -> dict[str, Any]:
        sides = {"direction": direction, "than": than, "least_effect": least}
        return {"kind": "mean", "column": "distance", **sides, **more}

    tests = [
        mean("higher", 4.5, 0.1),
        mean("lower", 4.5, 0.1),
        mean("higher", 4.9, 0.5),
        mean("none", 5, 0.3),
        mean("lower", 5, 0.5, where={"variant": "A"}),
    ]
    rows = judged(found, *tests)
    assert rows["verdict"].tolist() == [
        "supported", "refuted", "too small", "supported", "supported"
    ]  # fmt: skip
    by_seed = (ends[:6, 0] + ends[6:, 0]) / 2
    low, high = stats.ttest_1samp(by_seed, 4.5).confidence_interval(0.95)
    assert rows.loc[0, "effect"] == pytest.approx(by_seed.mean() - 4.5)
    assert rows.loc[0, ["low", "high"]].tolist() == pytest.approx([low - 4.5, high - 4.5])
    p = stats.ttest_1samp(by_seed, 4.6, alternative="greater").pvalue
    assert rows.loc[0, "p"] == pytest.approx(p)
    gap = tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=6, state={3: "failed"})
    assert judged(gap, tests[0]).iloc[0]["verdict"] == "undecided"


def test_two_seeds_have_no_mean() -> None:
    ends = np.array([[4.0], [4.1], [4.2], [4.2]])
    found = tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=2)
    test = {"kind": "mean", "column": "distance", "direction": "higher", "than": 0.0}
    row = judged(found, {**test, "least_effect": 0.1}).iloc[0]
    assert (row["verdict"], row["p"], row["least_p"]) == ("underpowered", 1, 1)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (
            "identities",
            "identities needs a headline judge of faces, and efficientnet_lite0 is none",
        ),
        ("attribute_share", "attribute_share needs a headline judge that is told an attribute"),
    ],
)
def test_a_metric_that_the_headline_judge_never_gives_is_not_run(column: str, why: str) -> None:
    ends = np.zeros((12, 1))
    found = tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=6)
    entry = found.record.judges[0].model_copy(update={"digest": "0" * 64})
    found = replace(found, record=found.record.model_copy(update={"judges": [entry]}))
    test = {"kind": "mean", "column": column, "direction": "higher", "than": 0.0}
    row = judged(found, {**test, "least_effect": 0.1}).iloc[0]
    assert (row["verdict"], row["sentence"]) == ("not run", f"{why}.")


def test_share() -> None:
    cells = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.7) for h in (16, 64)]
    noise = np.random.default_rng(0).standard_normal(16)
    ends = (np.repeat([0.0, 1, 9, 10], 4) + noise)[:, None]
    found = tables({"signal": ends, DISTANCE: ends}, cells, seeds=4)
    tests = [{"kind": "share", "column": "distance", "over": key} for key in cells[0]]
    assert judged(found, *tests)["verdict"].tolist() == ["supported", "refuted"]
    gap = tables({"signal": ends, DISTANCE: ends}, cells, seeds=4, state={0: "failed"})
    assert judged(gap, *tests)["verdict"].tolist() == ["undecided", "undecided"]


def test_other_metrics_of_the_same_and_other_judges_stand_beside_it() -> None:
    """Coverage and density rise with the distance that falls, recall falls, kid stays."""
    gap = np.repeat([-5.0, 0.0], 6)[:, None]
    noise = np.random.default_rng(0).standard_normal((5, 12, 1)) / 10
    metrics = {
        DISTANCE: gap + noise[0],
        "kid": np.tile(noise[1, :6], (2, 1)),
        "coverage": -gap + noise[2],
        "recall": gap + noise[3],
        "density": -gap + noise[4],
    }
    found = tables({"signal": gap, **metrics}, ARMS, seeds=6)
    row = judged(found, contrast("lower")).iloc[0]
    assert row["verdict"] == "supported"
    assert (row["agree"], row["oppose"], row["silent"]) == ("coverage, density", "recall", "kid")
    variety = judged(found, contrast("higher", column="coverage")).iloc[0]
    assert (variety["agree"], variety["oppose"], variety["silent"]) == ("", "recall", "")
    absent = judged(found, contrast("not_higher", column="kid")).iloc[0]
    assert (absent["verdict"], absent["oppose"]) == ("supported", "recall")


def test_the_first_look_that_decides_stands() -> None:
    """Five seeds show it at their look's level; that all ten would not does not matter any more."""
    early = np.concatenate([np.linspace(0, 1, 5) + 8, np.full(5, -20.0)])
    ends = np.concatenate([early, np.linspace(0, 1, 10)])[:, None]
    found = tables({"signal": ends, DISTANCE: ends}, ARMS, seeds=10)
    assert judged(found, contrast("higher")).iloc[0]["verdict"] != "supported"
    claims = [_claim(**contrast("higher"))]
    record = with_claims(found, claims)
    names = dict.fromkeys(("path", "sha256"), "x") | dict.fromkeys(("commit", "time"))
    looks = {"looks": [5, 10], "seeds": list(range(10)), "alpha": 0.05, "rules": 2, "pool": False}
    evaluation = {"every": 100, "judges": {"efficientnet_lite0": {"samples": 100}}}
    lists: dict[str, Any] = {key: [] for key in ("lent", "amended", "unregistered")}
    registration = RegistrationRecord.model_validate(
        {**names, **looks, **lists, "evaluation": evaluation, "claims": {}, "runs": {}}
    )
    looked = replace(found, record=record.model_copy(update={"registration": registration}))
    row = claims_table(looked).iloc[0]
    assert (row["verdict"], row["runs"]) == ("supported", 10)
    assert row["status"] == "exploratory: the registration is not committed"


def _family(rng: np.random.Generator, gap: float) -> Tables:
    """Two arms of five seeds, three outcomes: falling walks that are independent."""
    steps = 6
    curves = {
        name: (rng.standard_normal((10, steps)) - 1).cumsum(axis=1)
        for name in ("signal", DISTANCE, "kid", "coverage")
    }
    for name in (DISTANCE, "kid", "coverage"):
        curves[name][:5] += gap
    return tables(curves, ARMS, seeds=5, heldout=False)


def _error_rate(families: int, gap: float, least: float, wrong: str) -> float:
    rng = np.random.default_rng(42)
    correlation = {"kind": "correlation", "column": "distance", "direction": "positive"}
    tests = [
        *(contrast("higher", least, column=name) for name in ("distance", "kid", "coverage")),
        *({**correlation, "level": level, "least_effect": 0.0} for level in ("within", "between")),
    ]
    if gap:
        tests = tests[:3]
    claims = [Claim.model_validate(_claim(i, **test)) for i, test in enumerate(tests)]
    # Without claims_table's other metrics and judges, most of its time, which change no verdict.
    rows = (judge(claims, _family(rng, gap)) for _ in range(families))
    return sum(any(row["verdict"] == wrong for row in each) for each in rows) / families


@pytest.mark.parametrize(
    "families", [25, pytest.param(1000, marks=pytest.mark.slow)], ids=["25", "1000"]
)
def test_nothing_there_is_seldom_supported(families: int) -> None:
    rate = _error_rate(families, gap=0.0, least=0.0, wrong="supported")
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / families)


@pytest.mark.slow
def test_an_effect_of_the_claimed_size_is_seldom_refuted() -> None:
    rate = _error_rate(1000, gap=0.5, least=0.5, wrong="refuted")
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_refutations_are_corrected_over_their_claims() -> None:
    """p 0.02 refutes one claim, and none of three."""
    seeds = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    values = np.concatenate([seeds - 0.4, seeds])[:, None]
    names = (DISTANCE, "kid", "coverage")
    found = tables(dict.fromkeys(("signal", *names), values), ARMS, seeds=5, heldout=False)
    claims = [
        Claim.model_validate(_claim(i, **contrast("higher", 1.0, column=name)))
        for i, name in enumerate(names)
    ]
    (alone,) = judge(claims[:1], found)
    assert (alone["verdict"], round(alone["against_p_holm"], 3)) == ("refuted", 0.02)
    together = judge(claims, found)
    assert {row["verdict"] for row in together} == {"underpowered"}
    assert [row["against_p_holm"] for row in together] == pytest.approx(
        [3 * alone["against_p_holm"]] * 3
    )
