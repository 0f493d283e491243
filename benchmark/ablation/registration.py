"""A registration: an ablation's claims and how they will be tested, committed before its runs.

ablations/registered/<ablation>-<profile>.yaml    beside the ablation's file, by `bench register`

The file proves nothing by itself. The commit that adds it does, if it precedes the runs' commits in
the history: results/registered.py checks that.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML

from benchmark.ablation import written
from benchmark.ablation.claims import Claim
from benchmark.ablation.messages import plainly
from benchmark.ablation.plan import Plan, Seeds
from benchmark.ablation.tuning import tuned_cell
from benchmark.errors import InputError, of_system
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.files import write_atomic
from benchmark.levels import ALPHA, RULES
from benchmark.strict import Slug, Strict

FOLDER = "registered"


class Registration(Strict):
    """The content of the file."""

    format: Literal[1]
    ablation: Slug
    profile: Slug
    rules: int
    """The version of the test rules: levels.RULES."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """Of all claims together, over all looks."""
    seeds: Seeds
    looks: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """The number of seeds per cell at each look, in order, taken from the start of `seeds`."""
    pool: bool
    """Whether identical cells of other ablations may lend their seeds."""
    evaluation: EvaluationSettings
    """The judges, the first of which is decisive, and whatever else the claims' columns depend
    on."""
    claims: list[Claim]
    runs: dict[str, list[str]]
    """By cell, the ids of its runs in the order of the seeds: different training gives different
    ids. Empty for a tuned cell: its ids depend on the search."""
    search: Annotated[dict[str, list[str]], Field(exclude_if=lambda search: not search)] = {}  # noqa: RUF012 - pydantic copies defaults
    """By tuned arm, the ids of its search's runs."""

    @model_validator(mode="after")
    def _looks_lead_to_all_seeds(self) -> Self:
        rising = all(a < b for a, b in pairwise(self.looks))
        if not rising or self.looks[-1] != len(self.seeds):
            raise ValueError(
                f"Invalid looks {', '.join(map(str, self.looks))}: they have to rise to the number "
                f"of seeds, {len(self.seeds)}"
            )
        return self


def of_plan(plan: Plan, looks: Sequence[int] = (), pool: bool = False) -> Registration:
    """Without looks there is one, at all seeds; raises InputError unless they lead to these."""
    runs: dict[str, list[str]] = {}
    for planned in plan.runs:
        runs.setdefault(planned.cell, []).append(planned.run_id)
    search: dict[str, list[str]] = {}
    if plan.tuning is not None:
        for arm, drawn in plan.tuning.arms.items():
            runs[tuned_cell(arm)] = []
            search[arm] = [each.search.run_id for each in drawn]
    try:
        return Registration(
            format=1,
            ablation=plan.name,
            profile=plan.profile,
            rules=RULES,
            alpha=ALPHA,
            seeds=plan.seeds,
            looks=list(looks) or [len(plan.seeds)],
            pool=pool,
            evaluation=plan.evaluation,
            claims=list(plan.claims),
            runs=runs,
            search=search,
        )
    except ValidationError as error:
        raise InputError(plainly(error)) from None


def path_of(plan: Plan) -> Path | None:
    """Where the registration is or would be; None for a plan without a file."""
    if plan.path is None:
        return None
    return plan.path.parent / FOLDER / f"{plan.name}-{plan.profile}.yaml"


def read(plan: Plan) -> Registration | None:
    """None where there is no file; raises InputError where it cannot be read."""
    path = path_of(plan)
    if path is None:
        return None
    try:
        return parse(path.read_bytes(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({of_system(error)})") from None


def parse(content: bytes, path: Path) -> Registration:
    """Raises InputError, which names `path`, where the content is no registration."""
    try:
        return Registration.model_validate(written.parse(content.decode()))
    except ValidationError as error:
        why = plainly(error)
    except (InputError, UnicodeDecodeError) as error:
        why = str(error)
    raise InputError(
        f"{path}: Invalid registration: {why}; restore it from the history, or write it anew by "
        "`bench register FILE --profile P --amend`"
    )


def write(registration: Registration, path: Path, head: str) -> None:
    """Write the file with `head` as comments above."""
    text = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)  # its stubs lack the order of keys
    yaml.sort_base_mapping_type_on_output = False
    yaml.default_flow_style = None  # lists of plain values on one line
    yaml.width = 4096  # wrapped lines would have trailing spaces
    yaml.dump(registration.model_dump(mode="json"), text)
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    write_atomic(path, "\n".join([*lines, text.getvalue()]).encode())


def claim_digest(claim: Claim) -> str:
    """SHA-256 of a claim with every default resolved."""
    found = json.dumps(claim.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(found.encode()).hexdigest()


def differences(then: Registration, now: Registration) -> str:
    """What has changed, in words; empty if both are equal."""
    old, new = ({claim.id: claim_digest(claim) for claim in each.claims} for each in (then, now))
    said = {
        "added": [name for name in new if name not in old],
        "dropped": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and old[name] != new[name]],
    }
    parts = [f"{what} {', '.join(names)}" for what, names in said.items() if names]
    if parts:
        parts = [f"claims: {', '.join(parts)}"]
    for name in ("rules", "alpha", "seeds", "looks", "pool"):
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            parts.append(f"{name}: {_words(before)} became {_words(after)}")
    before, after = (list(each.evaluation.judges.items()) for each in (then, now))
    if before != after:  # their order too: the first is decisive
        parts.append("other judges")
    rest = {"judges"}
    if then.evaluation.model_dump(exclude=rest) != now.evaluation.model_dump(exclude=rest):
        parts.append("other settings of evaluation")
    if set(then.runs) != set(now.runs):
        parts.append("other cells")
    if then.search != now.search:
        parts.append("other tuning")
    shared = [cell for cell in then.runs if cell in now.runs and then.seeds == now.seeds]
    if any(then.runs[cell] != now.runs[cell] for cell in shared):
        parts.append("other settings of training")
    return "; ".join(parts)


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
