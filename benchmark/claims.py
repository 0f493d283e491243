"""Claims: a sentence at stake and the test that would decide it, written before the runs.

The shapes here are what an ablation file may say; verdicts are reached in analysis/.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchmark.evaluation.settings import evaluation_columns
from benchmark.faults import refuse_unknown
from benchmark.methods import heldout_columns, train_columns
from benchmark.spec import RunSpec
from benchmark.strict import Slug, Strict


class ClaimTest(Strict):
    """A claim in terms of columns: how `column` should change as `over` grows."""

    column: str
    over: str
    direction: Literal["increasing", "decreasing", "none"]
    # The smallest change of the column, end to end, that would matter.
    least_effect: Annotated[float, Field(ge=0)]


class Claim(Strict):
    """A sentence of the paper (or of its readers) and the test that would decide it."""

    id: Slug
    says: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    test: ClaimTest


def claims_digest(claims: Sequence[Claim]) -> str:
    """SHA-256 of the claims with every default resolved; the order of their ids is no matter."""
    found = sorted((claim.model_dump(mode="json") for claim in claims), key=lambda c: str(c["id"]))
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def check_claims(
    path: Path, claims: Sequence[Claim], specs: Sequence[RunSpec], swept: Sequence[str]
) -> None:
    """Raise InputError for a claim about a column or a swept key that the runs do not have."""
    columns: dict[str, None] = {}
    for spec in specs:
        found = train_columns(spec.method), evaluation_columns(spec.evaluation.features)
        columns |= dict.fromkeys([*found[0], *found[1], *heldout_columns(spec.method)])
    for claim in claims:
        where = f"claims.{claim.id}.test"
        refuse_unknown(path, f"{where}.column", "column", claim.test.column, tuple(columns))
        refuse_unknown(path, f"{where}.over", "swept key", claim.test.over, tuple(swept))
