"""Claims are kept as they stood before the first run."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.ablation.claims import claims_digest
from benchmark.ablation.plan import load
from benchmark.ablation.registration import register, registered
from benchmark.errors import BenchError

GAMMA = Path(__file__).parents[2] / "ablations" / "gamma.yaml"


def test_the_first_claims_stay(tmp_path: Path) -> None:
    plan = load(GAMMA, "demo")
    assert registered(tmp_path, plan) is None
    register(tmp_path, plan)
    changed = replace(plan, claims=plan.claims[:-1])
    register(tmp_path, changed)
    kept = registered(tmp_path, changed)
    assert kept is not None
    assert kept.claims_sha256 == claims_digest(plan.claims) != claims_digest(changed.claims)
    assert registered(tmp_path, load(GAMMA, "short")) is None  # each profile has its own start


def test_a_torn_record_is_not_taken_for_none(tmp_path: Path) -> None:
    plan = load(GAMMA, "demo")
    register(tmp_path, plan)
    (tmp_path / "claims" / "gamma-demo.json").write_text("{")
    with pytest.raises(BenchError, match="restore it"):
        registered(tmp_path, plan)
