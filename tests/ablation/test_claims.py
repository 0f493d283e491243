"""What a claim may say, and the fault that tells what is wrong with it."""

from pathlib import Path

import pytest

from benchmark.ablation.claims import swept_text
from benchmark.ablation.plan import check, load
from benchmark.ablation.registration import claim_digest
from benchmark.errors import InputError

ABLATIONS = Path(__file__).parents[2] / "ablations"
FILE = """\
name: arms
question: Do they differ?
base:
  method: {name: began, n: 4}
  data: {name: faces, size: 32}
  training: {steps: 100}
  evaluation: {every: 50, judges: {efficientnet_lite0: {samples: 100}}}
sweep:
  method.batch_norm: [false, true]
  variants: {slow: {training: {lr: 5.0e-5}}, fast: {training: {lr: 2.0e-4}}}
seeds: [0, 1]
profiles:
  demo: {}
  small: {sweep: {variants: {fast: null}}}
claims:
  - {id: one, says: S, source: T, test: {kind: contrast, column: distance, over: variant, of: slow,
     against: fast, direction: lower, least_effect: 5, where: {method.batch_norm: false}}}
  - {id: two, says: S, source: T, test: {kind: correlation, column: best, level: between,
     direction: positive, least_effect: 0.3}}
  - {id: three, says: S, source: T, test: {kind: bound, column: ratio, below: 1.0}}
  - {id: four, says: S, source: T, test: {kind: event, event: [{column: k, above: 0.9}],
     column: distance, direction: higher, least_effect: 4}}
  - {id: five, says: S, source: T, test: {kind: stopping, column: distance, against: last,
     direction: lower, least_effect: 3}}
"""
GOOD = FILE.replace("column: best", "column: kid")


@pytest.mark.parametrize("path", sorted(ABLATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_claims_are_well_formed(path: Path) -> None:
    assert all(plan.claims for plan in check(path))


def test_a_profile_may_leave_out_an_arm_that_a_claim_is_about(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    path.write_text(GOOD)
    assert [len(plan.runs) for plan in check(path)] == [8, 4]


def test_what_a_probe_measures_may_be_claimed_where_there_is_a_probe(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    of_probe = GOOD.replace("column: distance", "column: embedded.middle.distance", 1)
    path.write_text(of_probe)
    with pytest.raises(InputError, match=r"claims\.one\.test\.column: unknown column"):
        load(path, "demo")
    two = "judges: {efficientnet_lite0: {samples: 100}, dlib_face: {samples: 100}}, probe: {}}"
    probed = of_probe.replace("judges: {efficientnet_lite0: {samples: 100}}}", two)
    path.write_text(probed)
    probe = load(path, "demo").evaluation.probe
    assert probe is not None
    assert probe.images == 16
    known = "judges.dlib_face.embedded.middle.distance"
    path.write_text(probed.replace("embedded.middle.distance", known))
    load(path, "demo")
    for unknown in (known.replace("face", "faces"), "judges.dlib_face.embedded.outside"):
        path.write_text(probed.replace("embedded.middle.distance", unknown))
        with pytest.raises(InputError, match="unknown column"):
            load(path, "demo")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: contrast", "kind: contrst", "allowed: trend, contrast, mean, correlation"),
        ("of: slow", "of: slowly", "claims.one.test.of: unknown value 'slowly', did you mean"),
        ("over: variant", "over: variants", "claims.one.test.over: unknown swept key"),
        ("where: {method.batch_norm: false}", "where: {method.batch_norm: maybe}", "False, True"),
        ("direction: lower, least_effect: 5", "direction: none, least_effect: 0", "above 0"),
        ("column: kid", "column: wall_s", "claims.two.test.column: unknown column"),
        ("column: kid", "signal: sgnal, column: kid", "did you mean 'signal'"),
        ("level: between,", "", "claims.1.test.level: missing"),
        ("below: 1.0", "below: 1.0, above: 0.5", "one of below and above"),
        ("below: 1.0", "belw: 1.0", "did you mean 'below'"),
        ("{column: k, above: 0.9}", "{column: k}", "one of below and above"),
        ("{column: k,", "{column: kid,", "claims.four.test.event.0.column: unknown column 'kid'"),
        ("[{column: k, above: 0.9}]", "[]", "claims.3.test.event"),
        ("higher, least_effect: 4", "none, least_effect: 0", "above 0"),
        ("against: last", "against: first", "allowed: last, validation, random, mismatched"),
        ("column: distance, against: last", "column: wall_s, against: last", "unknown column"),
        ("against: last", "signal: kd, against: last", "claims.five.test.signal: unknown column"),
        (
            "kind: bound, column: ratio, below: 1.0",
            "column: ratio, over: variant, direction: increasing, least_effect: 1",
            "use kind: contrast",
        ),
    ],
)
def test_fault(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in GOOD
    path = tmp_path / "arms.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load(path, "demo")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_digest_knows_a_change_and_no_spelling(tmp_path: Path) -> None:
    digests = []
    for text in (
        GOOD,
        GOOD.replace("least_effect: 5,", "least_effect: 5.0,"),
        GOOD.replace("below: 1.0", "below: 1.0, at: end"),
        GOOD.replace("least_effect: 5,", "least_effect: 6,"),
    ):
        path = tmp_path / "arms.yaml"
        path.write_text(text)
        digests.append(list(map(claim_digest, load(path, "demo").claims)))
    assert digests[0] == digests[1] == digests[2] != digests[3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (64, "64"),
        (1e-4, "0.0001"),
        (True, "True"),
        (None, ""),
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_swept_values_are_written_as_the_tables_write_them(value: object, text: str) -> None:
    assert swept_text(value) == text
