"""What a plan will cost, before it starts: a rough estimate from operation counts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.cores import usable
from benchmark.durations import duration
from benchmark.errors import InputError, of_system
from benchmark.evaluation.catalogue import seconds_per_sample
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods.cost import Work, without_weights
from benchmark.methods.registry import method_class
from benchmark.spec import RunSpec

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan

BYTES_A_ROW = 450
FLOAT = 4  # bytes
# Memory of a run on a device besides its networks: the judge, and the libraries' workspaces.
JUDGE_BYTES = 300_000_000
# Maps that a layer keeps for the backward pass, and passes of D and G held at once.
KEPT_MAPS, KEPT_PASSES = 2, 3
# By method, settings and size, since a method builds its networks to say it.
_known: dict[tuple[type, str, int], Work | None] = {}


def default_jobs(plan: "Plan", lanes: int = 1) -> int:
    """As many processes as fit on this machine's cores, `lanes` runs in each."""
    return max(1, usable() // (most_threads(plan) * lanes))


def most_threads(plan: "Plan") -> int:
    return max(planned.spec.training.threads for planned in plan.runs)


@dataclass(frozen=True)
class Cost:
    """Core-seconds and bytes of one run."""

    seconds: float
    disk: int
    uncounted: tuple[str, ...] = ()  # judges of unknown time, not included in `seconds`


def estimate(spec: RunSpec, evaluation: EvaluationSettings) -> Cost | None:
    """One run on one CPU core, trained and judged; None if its method declares no cost."""
    work = work_of(spec)
    if work is None:
        return None
    training = spec.training
    snapshots = -(-training.steps // evaluation.every)
    seconds = training.steps * training.batch * work.macs / work.rate
    rows, uncounted = training.steps // training.log_every + snapshots, []
    for name, judge in evaluation.judges.items():
        judged = (snapshots if judge.snapshots == "all" else 1) + evaluation.repeats
        rows += judged
        each = seconds_per_sample(judge.features)
        if each is None:
            uncounted.append(name)
        else:
            seconds += judged * judge.samples * each
    # Two checkpoints of weights and Adam's two moments; snapshots, each with a grid of 64 samples.
    disk = 2 * 3 * FLOAT * work.parameters + rows * BYTES_A_ROW
    disk += snapshots * (FLOAT * work.generator + 64 * 2 * spec.data.size**2)
    return Cost(seconds, disk, tuple(uncounted))


def device_bytes(spec: RunSpec) -> int | None:
    """A run's memory on a device, an upper estimate; None if its method declares no cost.

    Weights, gradients and Adam's two moments; the maps kept for backward passes; the judge.
    """
    work = work_of(spec)
    if work is None:
        return None
    kept = KEPT_MAPS * KEPT_PASSES * spec.training.batch * work.maps
    return FLOAT * (4 * work.parameters + kept) + JUDGE_BYTES


def work_of(spec: RunSpec) -> Work | None:
    """Cost of a training step, as declared by the method."""
    name = spec.method.name
    method = method_class(name)
    key = method, spec.method.model_dump_json(), spec.data.size
    if key in _known:
        return _known[key]
    try:
        found = without_weights(method.cost, spec.method, spec.data.size)
    except InputError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {of_system(error)}"
        raise InputError(f"{name}: its cost raises {said}") from error
    if found is not None and not isinstance(found, Work):
        raise InputError(f"{name}: its cost must be a benchmark.methods.cost.Work, or None")
    _known[key] = found
    return found


@dataclass(frozen=True)
class Total:
    """Cost of a whole plan: the runs of known cost, and what is unknown."""

    runs: int
    at_once: int
    seconds: float | None  # given the runs at once; None if no run's cost is known
    disk: int | None  # bytes
    uncounted_judges: tuple[str, ...]
    uncounted_runs: int
    uncounted_methods: tuple[str, ...]


def total(plan: "Plan", jobs: int) -> Total:
    """With `jobs` runs at once."""
    costs = [estimate(planned.spec, plan.evaluation) for planned in plan.runs]
    known = [cost for cost in costs if cost is not None]
    at_once = min(jobs, len(costs))
    names = {run.spec.method.name for run, cost in zip(plan.runs, costs, strict=True) if not cost}
    return Total(
        runs=len(costs),
        at_once=at_once,
        seconds=sum(cost.seconds for cost in known) / at_once if known else None,
        disk=sum(cost.disk for cost in known) if known else None,
        uncounted_judges=known[0].uncounted if known else (),
        uncounted_runs=len(costs) - len(known),
        uncounted_methods=tuple(sorted(names)),
    )


def describe(plan: "Plan", jobs: int) -> str:
    """One line about the whole plan with `jobs` runs at once."""
    found = total(plan, jobs)
    parts = []
    if found.seconds is not None and found.disk is not None:
        parts.append(
            f"roughly {duration(found.seconds)} on idle CPU cores "
            "(guessed; three times as long on some; on a GPU not known), "
            f"{_size(found.disk)} in the runs folder"
        )
        if found.uncounted_judges:
            names = ", ".join(found.uncounted_judges)
            parts.append(f"without judging by {names}, of unknown cost")
        if plan.evaluation.probe is not None:
            parts.append("without its probes")
    if found.uncounted_runs:
        names = ", ".join(found.uncounted_methods)
        parts.append(f"{found.uncounted_runs} of unknown cost ({names})")
    return f"{found.runs} runs, {found.at_once} at once: {'; '.join(parts)}"


def _size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
