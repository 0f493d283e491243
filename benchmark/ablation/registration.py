"""Claims as they stood when the first run of an ablation started: written once, never again.

<runs>/claims/<ablation>-<profile>.json    the claims' digest, the claims themselves, the time
"""

import time
from pathlib import Path

from pydantic import ValidationError

from benchmark.ablation.claims import claims_digest
from benchmark.ablation.plan import Plan
from benchmark.errors import BenchError
from benchmark.files import write_atomic
from benchmark.strict import Strict


class Registration(Strict):
    """What was claimed, and since when (seconds since the epoch)."""

    claims_sha256: str
    ids: tuple[str, ...]
    time: float


def register(runs: Path, plan: Plan) -> None:
    """Keep the plan's claims below the `runs` folder unless an earlier start has kept its own."""
    path = _path(runs, plan)
    if not path.exists():
        ids = tuple(claim.id for claim in plan.claims)
        kept = Registration(claims_sha256=claims_digest(plan.claims), ids=ids, time=time.time())
        write_atomic(path, kept.model_dump_json(indent=2).encode() + b"\n")


def registered(runs: Path, plan: Plan) -> Registration | None:
    """The claims at the first start; None where no run was started from this folder."""
    path = _path(runs, plan)
    try:
        return Registration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BenchError(
            f"{path}: not a record of claims ({error.error_count()} faults); it says what was "
            "claimed before the runs, so restore it rather than delete it"
        ) from None


def _path(runs: Path, plan: Plan) -> Path:
    return runs / "claims" / f"{plan.name}-{plan.profile}.json"
