"""The demo that a newcomer trains first: its networks learn to draw heads."""

from pathlib import Path

import pytest
import torch

from benchmark.ablation.plan import PlannedRun, load
from benchmark.data.store import open_store
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.settings import JudgeSettings
from benchmark.spec import RunSpec
from benchmark.training.learning_rate import LearningRate
from benchmark.training.loop import Step, sampler

CPU = torch.device("cpu")
FILE = Path(__file__).parents[2] / "ablations" / "gamma.yaml"
PLAN = load(FILE, "demo")


def distances(spec: RunSpec, at: list[int], samples: int, cache: Path) -> list[float]:
    """At these steps, of a run that is only so long, by the demo's judge."""
    store = open_store(spec.data, None, cache)
    judge = JudgeSettings(features=PLAN.evaluation.headline, samples=samples)
    judging = Judge("demo", judge, store, store, cache, CPU)
    step, rate, found = Step(spec, store, CPU, graphs=False), LearningRate(spec.training), []
    for number in range(1, at[-1] + 1):
        step(number, rate.state.lr)
        if number % spec.training.log_every == 0:
            rate.observe(number, 0.0)  # it is lowered on a schedule
        if number in at:
            sample = sampler(step.method, spec.seed, "z_eval", CPU)
            found.append(judging.evaluate(sample, ["distance"])["distance"])
    return found


def test_the_distance_falls_in_a_shortened_demo(cache: Path) -> None:
    plan = load(FILE, "demo", ("training.batch=8",))  # half the work
    spec = next(run.spec for run in plan.runs if run.label == "gamma=0.7 seed=0")
    first, last = distances(spec, [50, 400], 100, cache)
    assert last < 0.85 * first


@pytest.mark.slow
@pytest.mark.parametrize("planned", PLAN.runs, ids=lambda planned: planned.cell)
def test_the_distance_falls_in_every_run_of_the_demo(planned: PlannedRun, cache: Path) -> None:
    every, last = PLAN.evaluation.every, planned.spec.training.steps
    samples = PLAN.evaluation.judges[PLAN.evaluation.headline].samples
    first, end = distances(planned.spec, [every, last], samples, cache)
    assert end < 0.65 * first  # it is about half, and other processors give other bits
