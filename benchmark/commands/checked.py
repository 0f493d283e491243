"""Plans that the command line names, and what in them is known to be wrong before they train."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan
    from benchmark.spec import RunSpec


def load_plan(file: Path, profile: str, overrides: tuple[str, ...] = ()) -> "Plan":
    """As ablation/plan.py loads it.

    Also raises InputError where a column has a name of another, or a judge's features are unknown.
    """
    from benchmark.ablation.plan import load

    return _judged(file, load(file, profile, overrides))


def load_profiles(file: Path) -> "list[Plan]":
    """The same of every profile of a file."""
    from benchmark.ablation.plan import check

    return [_judged(file, plan) for plan in check(file)]


def _judged(file: Path, plan: "Plan") -> "Plan":
    from benchmark.evaluation.catalogue import refuse_unknown
    from benchmark.results.columns import refuse_taken

    try:
        for judge in plan.evaluation.judges.values():
            refuse_unknown(judge.features)
        refuse_taken(plan)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    return plan


def try_methods(file: Path, specs: "Iterable[RunSpec]") -> None:
    """Raise InputError where a method from outside cannot be trained, saved, resumed or judged.

    Each is tried for a few updates where that takes least; of its other settings, whether its
    constructor takes them. The package's own are held by its tests.
    """
    outside = [spec for spec in specs if ":" in spec.method.name]
    if not outside:
        return
    from benchmark.ablation.cost import work_of
    from benchmark.training.rehearsal import build_alone, rehearse

    outside.sort(key=lambda spec: spec.data.size**2 * spec.training.batch, reverse=True)
    least = {spec.method.name: spec for spec in outside}  # the last of a name counts
    built = {f"{spec.method.model_dump_json()} {spec.data.size}": spec for spec in outside}
    try:
        for spec in least.values():
            rehearse(spec)
        for spec in built.values():
            work_of(spec)
            if spec not in least.values():
                build_alone(spec)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
