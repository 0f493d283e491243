"""What a plan and its runs are called where people compare them: tags, parameters, metrics."""

import hashlib
import re
from typing import Any

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.markup import escaped
from benchmark.results.schema import DISTANCE
from benchmark.strict import dotted

JUDGES = "bench.evaluation"  # the tag that says who judged a run
ORIGIN = "bench.origin"  # on a server: which runs folder it is shown from
NAMES = 1  # higher when metrics get other names: what MLflow holds is then compared again
_LONGEST = 250  # characters of a name that MLflow takes
_EQUILIBRIUM = {"m_global", "k", "balance", "ratio"}
# The method's own signal and the headline judge's distance: a group that sorts before the others,
# so that MLflow draws it first and lists it first where people choose the axes of a scatter.
_PAIR = "convergence"
_GROUPS = {_PAIR, "equilibrium", "train", "heldout", "eval"}


def parent_tags(plan: Plan) -> dict[str, str]:
    """Of the run that stands for the ablation; MLflow shows the note as its description."""
    return {
        "bench.ablation": plan.name,
        "profile": plan.profile,
        "mlflow.note.content": note(plan),
    }


def child_tags(plan: Plan, planned: PlannedRun) -> dict[str, str]:
    """Of one run, to filter and to group by; and whose evaluations its metrics are."""
    return {
        JUDGES: plan.evaluation.model_dump_json(),
        "bench.run_id": planned.run_id,
        "profile": plan.profile,
        "method": planned.spec.method.name,
        "cell": planned.cell,  # its runs differ in their seed alone
    }


def note(plan: Plan, verdicts: str = "", figure: str = "") -> str:
    """The question, what became of its claims, and how to read what is below, as Markdown.

    `verdicts` is a table of them, `figure` the address of a picture; both come with the results.
    """
    claims = [
        f"- {escaped(claim.says)} ({escaped(claim.source)}): its verdict is the tag"
        f" `verdict.{claim.id}`"
        for claim in plan.claims
    ]
    answers = [verdicts, ""] if verdicts else []
    answers += [f"![Signal against distance]({figure})", ""] if figure else []
    return "\n".join(
        [
            f"**{escaped(plan.question)}**" + (f" ({escaped(plan.source)})" if plan.source else ""),
            "",
            *answers,
            f"Profile {plan.profile}; one child run for each setting and seed, named by what "
            "differs. Group them by the tag `cell` to see means over seeds.",
            "",
            f"- `{_PAIR}/`: the method's own signal, and the distance of samples from real images"
            f" by {plan.evaluation.headline}, of which lower is better",
            "- `eval/`: its other metrics; of distances and `kid` lower is better; `eval_NAME/`:"
            " another judge's",
            "- `equilibrium/`: BEGAN's balance",
            "- `train/`: the method's other columns, means since the row before",
            *(["", "Claims, written before the runs:", "", *claims] if claims else []),
        ]
    )


def newest_last(plan: Plan) -> list[PlannedRun]:
    """In the order to make them in: MLflow lists the newest first, and draws the first ten.

    So these are of the first seed, one of each cell, and a chart shows at once what the cells do.
    """
    by_seed = sorted(plan.runs, key=lambda planned: plan.seeds.index(planned.spec.seed))
    return by_seed[::-1]


def parameters(planned: PlannedRun) -> dict[str, Any]:
    """What is swept, the seed, and settings that are not their default: few enough to read."""
    spec = planned.spec
    shown = dotted(spec.model_dump(mode="json", exclude_defaults=True))
    everything = dotted(spec.model_dump(mode="json"))
    for swept in planned.point:
        shown |= {k: v for k, v in everything.items() if f"{k}.".startswith(f"{swept}.")}
    return {key: shown[key] for key in everything if key in shown}


def metric_name(kind: str, column: str, signal: str) -> str:
    """Grouped, so that MLflow puts what belongs together side by side."""
    if column == signal:
        return accepted(f"{_PAIR}/{column}")
    return accepted(f"{'equilibrium' if column in _EQUILIBRIUM else kind}/{column}")


def is_ours(name: str) -> bool:
    """Whether a metric is in a group of this harness; others are people's own."""
    group, slash, _ = name.partition("/")
    return bool(slash) and (group in _GROUPS or group.startswith("eval_"))


def is_judged(name: str, signal: str) -> bool:
    """Whether it is a judge's, and not of the training's rows."""
    if name == f"{_PAIR}/{DISTANCE}":
        return signal != DISTANCE
    return name.startswith(("eval/", "eval_"))


def accepted(name: str) -> str:
    """The name of a metric or parameter as MLflow takes it: itself, wherever that is possible.

    Else it has _ where MLflow refuses a character, and ends in digits that tell it from any other.
    """
    parts = re.sub(r"[^/\w.\- ]", "_", name).split("/")
    taken = "/".join(part for part in parts if part.strip(". "))[:_LONGEST] or "_"
    if taken == name:
        return name
    digits = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{taken[: _LONGEST - 9].rstrip('/')}.{digits}"


def judged_name(evaluation: EvaluationSettings, judge: str, column: str) -> str:
    """What one judge says in a column; the headline's distance stands with the signal."""
    if judge != evaluation.headline:
        return f"eval_{judge}/{column}"
    return f"{_PAIR if column == DISTANCE else 'eval'}/{column}"
