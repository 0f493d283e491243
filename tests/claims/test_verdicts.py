"""Every verdict is reached by a case of known answer; errors stay within the corrected level."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.ablation.claims import Claim, claims_digest
from benchmark.claims.verdicts import claims_table
from benchmark.results.schema import AblationRecord
from benchmark.results.tables import Tables
from benchmark.statistics import resampling
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


def with_claims(
    found: Tables, claims: Sequence[Mapping[str, Any]], at_start: str | None = None
) -> AblationRecord:
    written = [Claim.model_validate(claim) for claim in claims]
    return found.record.model_copy(update={"claims": written, "claims_at_start": at_start})


@pytest.mark.parametrize(
    ("direction", "gap", "verdict"),
    [
        ("higher", 5, "supported"),
        ("higher", 0, "refuted"),
        ("higher", -5, "refuted"),
        ("higher", 1.6, "undecided"),
        ("lower", -5, "supported"),
        ("lower", 0, "refuted"),
        ("lower", 5, "refuted"),
        ("none", 0, "supported"),
        ("none", 5, "refuted"),
        ("none", -5, "refuted"),
        ("none", 1.6, "undecided"),
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
    assert row["least_p"] == pytest.approx(2 / 924)
    assert len(row["run_ids"].split()) == 12


def test_claims_that_no_p_can_refute_leave_the_others_theirs() -> None:
    everywhere = {"kind": "bound", "column": "distance", "below": 1e9, "at": "end"}
    missing = contrast("higher", column="kid")
    rows = judged(arms(-5), contrast("higher"), {"kind": "failures"}, everywhere, missing)
    assert rows["against_p"].iloc[0] == pytest.approx(2 / 924)
    # Two claims are tested: this one, and the one that has nothing to measure yet.
    assert rows["against_p_holm"].iloc[0] == pytest.approx(2 * 2 / 924)
    assert rows["verdict"].tolist() == ["refuted", "supported", "supported", "not run"]


@pytest.mark.parametrize("tests", [(), ("bound",), ("bound", "contrast")])
def test_any_mixture_of_claims_is_judged_also_none(tests: tuple[str, ...]) -> None:
    """A file without claims, or with such alone as no p can refute, has an empty family."""
    bound = {"kind": "bound", "column": "distance", "below": 1e9, "at": "end"}
    kinds = {"bound": bound, "contrast": contrast("higher")}
    rows = judged(arms(5), *(kinds[name] for name in tests))
    assert rows["verdict"].tolist() == ["supported"] * len(tests)


def test_effect_short_of_the_least_is_not_supported_however_sure() -> None:
    row = judged(arms(1.6), contrast("higher", 2.0)).iloc[0]
    assert row["verdict"] != "supported"
    assert judged(arms(1.6), contrast("higher", 1.0)).iloc[0]["verdict"] == "supported"


def test_three_seeds_a_side_are_underpowered_and_four_are_not() -> None:
    three = judged(arms(50, seeds=3), contrast("higher")).iloc[0]
    assert (three["verdict"], three["least_p"]) == ("underpowered", pytest.approx(0.1))
    four = judged(arms(50, seeds=4), contrast("higher")).iloc[0]
    assert (four["verdict"], four["p"]) == ("supported", pytest.approx(2 / 70))
    # In a family of two, hopeless beside it, four are too few as well.
    two = judged(arms(50, seeds=4), contrast("higher"), contrast("lower"))
    assert two.iloc[0]["verdict"] == "underpowered"
    assert two.iloc[0]["least_p_holm"] == pytest.approx(4 / 70)


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


def test_a_column_that_is_the_same_in_every_run_decides_nothing() -> None:
    ends = np.zeros((12, 1))
    found = tables({"signal": ends, "recall": ends}, ARMS, seeds=6)
    row = judged(found, contrast("higher", column="recall")).iloc[0]
    assert row["verdict"] == "undecided"
    # But that nothing failed is a finding.
    same = judged(found, contrast("not_higher", 0.5, column="failed")).iloc[0]
    assert same["verdict"] == "supported"


def test_arms_of_the_very_same_networks_are_said_to_be() -> None:
    ends = np.array([437.065, 639.81, 532.9, 501.2, 429.6])
    both = np.concatenate([ends, ends[::-1]])[:, None]
    found = tables({"signal": both, DISTANCE: both}, ARMS, seeds=5)
    hashes = [f"{seed:064x}" for seed in range(5)]
    found.runs["seed"] = [*range(5), *range(4, -1, -1)]  # in another order of the sums
    found.runs["weights_sha256"] = [*hashes, *hashes[::-1]]
    row = judged(found, contrast("higher", 20.0)).iloc[0]
    assert row["effect"] == 0  # and not what rounding leaves
    assert row["verdict"] == "undecided"  # what other seeds would do, so few cannot tell
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


def curves(rho: float, seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    signal, noise = rng.standard_normal((2, 18, 12)).cumsum(axis=2)
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
    row = judged(tables(curves(rho), GAMMAS, seeds=6), {**test, "least_effect": 0.5}).iloc[0]
    assert row["verdict"] == verdict, row["sentence"]


def test_the_last_step_is_asked_by_itself() -> None:
    """A relation that turns over at the end: over training it holds, there it is the opposite."""
    found = curves(0.95)
    found[DISTANCE][:, -1] *= -1
    test = {"kind": "correlation", "column": "distance", "least_effect": 0.3}
    table = judged(
        tables(found, GAMMAS, seeds=6),
        {**test, "level": "between", "direction": "positive"},
        {**test, "level": "last", "direction": "positive"},
        {**test, "level": "last", "direction": "negative"},
    )
    assert table["verdict"].tolist() == ["supported", "refuted", "supported"]
    assert "runs of a cell at their last step" in table["sentence"][1]


def test_unrelated_changes_refute_a_claim_that_they_are_related() -> None:
    test = {"kind": "correlation", "column": "distance", "level": "within", "least_effect": 0.5}
    found = tables(curves(0.0), GAMMAS, seeds=6, apart=True)
    table = judged(found, {**test, "direction": "positive"}, {**test, "direction": "none"})
    assert table["verdict"].tolist() == ["refuted", "supported"]


def test_bound() -> None:
    ratio = np.full((12, 10), 0.5)
    found = {"signal": ratio, "ratio": ratio}
    test = {"kind": "bound", "column": "ratio", "below": 1.0, "at": "throughout"}
    row = judged(tables(found, ARMS, seeds=6), test).iloc[0]
    assert (row["verdict"], row["p"]) == ("supported", pytest.approx(0.5**12))
    few = judged(tables(found, ARMS, seeds=2), test).iloc[0]
    assert few["verdict"] == "underpowered"  # 4 of 4 by chance: 0.0625
    missing = tables(found, ARMS, seeds=6, state={2: "running"})
    assert judged(missing, test).iloc[0]["verdict"] == "undecided"
    ratio[2, 0] = 1.2
    broken = tables(found, ARMS, seeds=6, state={3: "running"})
    row = judged(broken, test, {**test, "after": 0.3}, {**test, "at": "end"})
    assert row["verdict"].tolist() == ["refuted", "undecided", "undecided"]
    assert "began-000000000002" in row.iloc[0]["sentence"]


def test_failures() -> None:
    ends = np.zeros((12, 1))
    test = {"kind": "failures"}
    good = {"signal": ends, "collapsed": ends}
    assert judged(tables(good, ARMS, seeds=6), test).iloc[0]["verdict"] == "supported"
    failed = judged(tables(good, ARMS, seeds=6, state={4: "failed"}), test).iloc[0]
    assert failed["verdict"] == "refuted"
    assert "began-000000000004" in failed["sentence"]
    running = tables(good, ARMS, seeds=6, state={4: "running"})
    assert judged(running, test).iloc[0]["verdict"] == "undecided"
    collapsed = ends.copy()
    collapsed[7] = 1
    bad = tables({**good, "collapsed": collapsed}, ARMS, seeds=6)
    assert judged(bad, test).iloc[0]["verdict"] == "refuted"
    spared = judged(bad, {**test, "where": {"variant": "A"}}).iloc[0]
    assert spared["verdict"] == "supported"


def test_share() -> None:
    cells = [{"method.gamma": g, "method.h": h} for g in (0.3, 0.7) for h in (16, 64)]
    noise = np.random.default_rng(0).standard_normal(16)
    ends = (np.repeat([0.0, 1, 9, 10], 4) + noise)[:, None]
    found = tables({"signal": ends, DISTANCE: ends}, cells, seeds=4)
    tests = [{"kind": "share", "column": "distance", "over": key} for key in cells[0]]
    assert judged(found, *tests)["verdict"].tolist() == ["supported", "refuted"]
    gap = tables({"signal": ends, DISTANCE: ends}, cells, seeds=4, state={0: "failed"})
    assert judged(gap, *tests)["verdict"].tolist() == ["undecided", "undecided"]


def test_claims_changed_after_the_first_start_are_marked() -> None:
    found = arms(5)
    claims = [_claim(**contrast("higher"))]
    digest = claims_digest(with_claims(found, claims).claims)
    for at_start, changed in ((digest, 0), ("0" * 64, 1)):
        row = claims_table(replace(found, record=with_claims(found, claims, at_start))).iloc[0]
        assert row["changed"] == changed
    assert np.isnan(judged(found, contrast("higher")).iloc[0]["changed"])


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fewer resamples: the error rates do not hang on them. statsmodels collects garbage."""
    monkeypatch.setattr(resampling, "RESAMPLES", 999)
    monkeypatch.setattr(resampling, "BOOTSTRAPS", 100)
    gc.freeze()
    yield
    gc.unfreeze()


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
    hits = sum(
        judged(_family(rng, gap), *tests)["verdict"].eq(wrong).any() for _ in range(families)
    )
    return hits / families


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    "families", [25, pytest.param(1000, marks=pytest.mark.slow)], ids=["25", "1000"]
)
def test_nothing_there_is_seldom_supported(families: int) -> None:
    rate = _error_rate(families, gap=0.0, least=0.0, wrong="supported")
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / families)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    "families", [25, pytest.param(1000, marks=pytest.mark.slow)], ids=["25", "1000"]
)
def test_an_effect_of_the_claimed_size_is_seldom_refuted(families: int) -> None:
    rate = _error_rate(families, gap=3.0, least=3.0, wrong="refuted")
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / families)
