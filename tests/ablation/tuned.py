"""An ablation whose two arms are tuned, as small as one can be."""

from pathlib import Path

from benchmark.ablation.plan import Plan, PlannedRun, load
from benchmark.runs.directory import Result, Row, RunDirectory
from tests.report.material import evaluate, judge_record, metrics, record

FILE = """\
name: tuned
question: Which is better, tuned alike?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 300, batch: 4, log_every: 10, checkpoint_every: 100, lr_decay: {on: never}}
  evaluation: {every: 100, judges: {efficientnet_lite0: {samples: 1000}}}
sweep:
  variants:
    BEGAN: {}
    EBGAN: {method: {name: ebgan, n: 2, z: 4}}
tune:
  count: 4
  seed: 77
  budget: {steps: 50}
  arms:
    BEGAN:
      training.lr: {log_uniform: [1.0e-5, 1.0e-2]}
      method.gamma: {uniform: [0.3, 0.8]}
      method.n: {integers: [2, 5]}
    EBGAN:
      training.lr: {log_uniform: [1.0e-5, 1.0e-2]}
      method.pulling_away: [0, 0.1]
seeds: [0, 1]
profiles: {short: {}, demo: {finding: false, tune: {count: 2}}}
claims:
  - id: began-better
    says: Tuned alike, BEGAN is better
    source: readers
    test: {kind: contrast, column: distance, over: variant, of: BEGAN tuned, against: EBGAN tuned,
           direction: lower, least_effect: 5}
"""


def tuned_plan(folder: Path, old: str = "", new: str = "", profile: str = "short") -> Plan:
    """The plan of FILE with one part of it replaced."""
    assert old in FILE
    path = folder / "tuned.yaml"
    path.write_text(FILE.replace(old, new, 1) if old else FILE)
    return load(path, profile)


# What each of the four settings of an arm ends with: a validation distance, or how it failed.
Ends = list[float | str]
BEGAN: Ends = [300.0, 120.0, "failed", 200.0]
EBGAN: Ends = ["collapsed 50", 400.0, 150.0, "failed"]
ALL: dict[str, Ends] = {"BEGAN": BEGAN, "EBGAN": EBGAN}
# Test distances of the cells; a seed adds 10 times its number.
LEVEL = {"BEGAN": 100.0, "BEGAN tuned": 60.0, "EBGAN": 90.0, "EBGAN tuned": 80.0}


def train_search(root: Path, plan: Plan, ends: dict[str, Ends]) -> None:
    """The search's runs as far as `ends` goes, by hand."""
    assert plan.tuning is not None
    assert plan.search is not None
    planned = {each.run_id: each for each in plan.search.runs}
    for arm, found in ends.items():
        for each, end in zip(plan.tuning.arms[arm], found, strict=False):
            train(root, plan.search, planned[each.search.run_id], end)


def train_own(root: Path, plan: Plan) -> None:
    """The runs of a plan with its winners."""
    for planned in plan.runs:
        train(root, plan, planned, LEVEL[planned.cell] + 10 * planned.spec.seed)


def train(root: Path, plan: Plan, planned: PlannedRun, end: float | str) -> None:
    """One run, to its end."""
    run, failed = RunDirectory.create(root / "runs", planned.spec), end == "failed"
    run.write_evaluation(plan.evaluation)
    step = planned.spec.training.steps
    signal = "m_global" if planned.spec.method.name == "began" else "energy_real"
    run.append(Row(step=step, kind="train", time=1e9, values={signal: 0.1}))
    run.write_provenance(record(planned))
    said = {"state": "failed" if failed else "done", "step": step, "reason": "nan" * failed or None}
    clocks = {"weights_sha256": planned.run_id, "decays": [], "wall_s": 1.0, "cpu_s": 1.0}
    run.write_result(Result.model_validate({**said, **clocks}))
    if not failed:
        distance, collapsed = float(str(end).rpartition(" ")[2]), isinstance(end, str)
        settings = plan.evaluation.judges[plan.evaluation.headline].identity()
        judge = judge_record(settings=settings, digest=str(settings["reference"]))
        evaluate(run, judge, step, 0, metrics(distance, distance, 0.1 if collapsed else 0.5))
