"""Which claims go together, against covariances by hand, and what verdicts make of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.ablation.claims import Claim, ContrastTest
from benchmark.claims.contrasts import shift
from benchmark.claims.effects import Effect
from benchmark.claims.verdicts import claims_table, correlations
from benchmark.results.tables import Tables
from benchmark.statistics.families import step_down
from tests.statistics.simulate import DISTANCE, tables

SPREADS = {"A": 1.0, "B": 2.0, "C": 5.0}


@pytest.fixture(scope="module")
def found() -> Tables:
    """Three arms of five seeds, C the one with the widest spread; kid is distance again."""
    shape = np.array([-2.0, -1, 0, 1, 2])
    ends = np.concatenate([shape * spread for spread in SPREADS.values()])[:, None]
    ends += np.repeat([60.0, 40, 0], 5)[:, None]
    cells = [{"variant": name} for name in SPREADS]
    return tables({"signal": ends, DISTANCE: ends, "kid": ends}, cells, seeds=5)


def contrast(of: str, against: str, direction: str = "higher", column: str = DISTANCE) -> Any:
    names = {"kind": "contrast", "over": "variant", "of": of, "against": against}
    return {**names, "column": column, "direction": direction, "least_effect": 1.0}


def related(found: Tables, *tests: Any) -> Any:
    effects = [shift(found, ContrastTest.model_validate(test)) for test in tests]
    return correlations([each for each in effects if isinstance(each, Effect)])


def test_a_shared_control_is_what_two_claims_have_in_common(found: Tables) -> None:
    together = 25 / np.sqrt((1 + 25) * (4 + 25))
    tests = (contrast("A", "C"), contrast("B", "C"))
    np.testing.assert_allclose(related(found, *tests), [[1, together], [together, 1]])
    # Turned round, C comes once for and once against.
    turned = related(found, contrast("A", "C"), contrast("C", "B"))
    assert turned[0, 1] == pytest.approx(-together)
    # So it does where one says that there is more and the other that there is less.
    less = related(found, contrast("A", "C"), contrast("B", "C", "lower"))
    assert less[0, 1] == pytest.approx(-together)
    not_less = related(found, contrast("A", "C"), contrast("B", "C", "not_lower"))
    assert not_less[0, 1] == pytest.approx(together)
    # The same claim, turned round twice.
    same = related(found, contrast("A", "C"), contrast("C", "A", "lower"))
    assert same[0, 1] == pytest.approx(1)


def test_other_columns_and_absences_have_no_known_relation(found: Tables) -> None:
    tests = (contrast("A", "C"), contrast("A", "C", column="kid"), contrast("A", "C", "none"))
    whole = related(found, *tests)
    assert np.isnan(whole[0, 1:]).all()
    assert np.isnan(whole[2]).all()
    assert np.isnan(correlations([Effect("up", "", gaps=())])).all()


def test_noise_adds_up_to_the_error_of_a_change_over_strata() -> None:
    cells = [{"variant": v, "method.h": h} for v in "AB" for h in (16, 64)]
    ends = np.random.default_rng(0).standard_normal((20, 1))
    two = tables({"signal": ends, DISTANCE: ends}, cells, seeds=5)
    effect = shift(two, ContrastTest.model_validate(contrast("A", "B")))
    assert isinstance(effect, Effect)
    variances = ends.reshape(2, 2, 5).mean(axis=1).var(axis=1, ddof=1)  # of seeds over both h
    assert sum(part**2 for part in effect.noise.values()) == pytest.approx(variances.sum() / 5)


def test_verdicts_know_the_shared_control(found: Tables) -> None:
    tests = (contrast("A", "C"), contrast("B", "C"), contrast("A", "C", column="kid"))
    claims = [
        Claim.model_validate({"id": f"claim-{i}", "says": "So", "source": "a test", "test": test})
        for i, test in enumerate(tests)
    ]
    rows = claims_table(replace(found, record=found.record.model_copy(update={"claims": claims})))
    expected = step_down(rows["p"].tolist(), related(found, *tests))
    np.testing.assert_allclose(rows["p_holm"], expected, atol=2e-5)
    assert rows["p_holm"].iloc[0] < 3 * rows["p"].iloc[0]  # Holm's
    assert rows["p_holm"].iloc[0] > 2 * rows["p"].iloc[0]
    assert rows["least_p_holm"].iloc[0] == pytest.approx(rows["p_holm"].iloc[0], abs=2e-5)
    assert rows["verdict"].tolist() == ["supported"] * 3
