"""`bench run --dry-run`: what each run of a plan has left to do. Nothing is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.ablation.cost import describe
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.data.source import open_source
from benchmark.results.source import only_recorded
from benchmark.results.tuning import with_winners
from benchmark.sweep.data import Sizes, refuse_too_few
from benchmark.sweep.run import Places, pending_of, refuse_changed_methods

Action = Literal["train", "continue", "evaluate", "nothing"]


@dataclass(frozen=True)
class Step:
    """What `bench run` would do about a run."""

    planned: PlannedRun
    action: Action
    why: str = ""


def what_would_run(plan: Plan, places: Places, *, trust_tables: bool = False) -> list[Step]:
    """One a run, in the plan's order, those of its search first.

    Raises InputError where the data to train on are missing or too few.
    """
    plan = with_winners(plan, places.runs, places.results)
    refuse_changed_methods(plan, places)
    if plan.search is not None:
        before = what_would_run(plan.search, places, trust_tables=trust_tables)
        return [
            *before,
            *what_would_run(replace(plan, tuning=None), places, trust_tables=trust_tables),
        ]
    recorded = only_recorded(plan, places.runs, places.results) if trust_tables else {}
    left = pending_of(plan.evaluation)

    def step(planned: PlannedRun) -> Step:
        run = places.run(planned.run_id)
        result = run.result()
        if result is None and planned.run_id in recorded:
            return Step(planned, "nothing", "finished in the tables")
        if result is None:
            at = int(run.reached()[:8] or 0)
            return Step(planned, "continue", f"from step {at}") if at else Step(planned, "train")
        if judges := left(run):
            return Step(planned, "evaluate", f"by {', '.join(judges)}")
        return Step(planned, "nothing", result.state)

    steps = [step(planned) for planned in plan.runs]
    trained = [each.planned for each in steps if each.action in ("train", "continue")]
    data = {each.spec.data.model_dump_json(): each.spec.data for each in trained}
    sizes: dict[str, Sizes] = {}
    for key, settings in data.items():
        parts = open_source(settings, places.data_root).splits()
        sizes[key] = {part: len(at) for part, at in parts.items()}
    refuse_too_few(plan.evaluation, trained, sizes)
    return steps


def lines(plan: Plan, steps: Sequence[Step], jobs: int) -> list[str]:
    """The same for people, with a rough cost of what would be trained."""
    said = []
    for each in steps:
        what = f"{each.action} {each.why}" if each.action != "nothing" else f"- ({each.why})"
        said.append(f"{each.planned.run_id}  {what.strip():22}  {each.planned.label}")
    train = tuple(each.planned for each in steps if each.action in ("train", "continue"))
    if train:
        said.append(describe(replace(plan, runs=train), jobs))
    counts = Counter(each.action for each in steps)
    done = ", ".join(f"{action} {counts[action]}" for action in ("train", "continue", "evaluate"))
    return [*said, f"would {done} of {len(steps)} runs; nothing was written"]
