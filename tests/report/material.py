"""Run directories made by hand: two methods, one failed run and one collapsed run.

Every figure follows from the arm, the seed and the step, so that a test can say what must come out.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from benchmark.ablation.claims import Claim
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.evaluation.metrics import METRICS
from benchmark.evaluation.samples import save_grid
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods import heldout_columns, signal, train_columns
from benchmark.runs.directory import Result, Row, RunDirectory
from benchmark.runs.evaluations import EvaluationRow, Evaluations, JudgeRecord
from benchmark.spec import RunSpec
from tests.conftest import tiny_spec

JUDGE = "efficientnet_lite0"
TITLE = f"Fréchet distance ({JUDGE})"
STEPS = (100, 200, 300)
BEGAN = {"name": "began", "n": 2, "h": 4, "z": 4}
EBGAN = {"name": "ebgan", "n": 2, "z": 4, "pulling_away": 0.1}
# Mean test distance of each arm at its last step; a seed adds 10 times its number.
LEVEL = {"BEGAN": 100.0, "EBGAN-PT": 200.0}
CLAIM = {
    "id": "began-better",
    "says": "BEGAN is better",
    "source": "the review",
    "test": {
        "kind": "contrast",
        "column": "distance",
        "over": "variant",
        "of": "BEGAN",
        "against": "EBGAN-PT",
        "direction": "lower",
        "least_effect": 20.0,
    },
}
EVALUATION = EvaluationSettings.model_validate(
    {"every": 100, "judges": {JUDGE: {"samples": 1000}}, "repeats": 2}
)
# The same, with a judge of faces beside it.
TWO_JUDGES = EvaluationSettings.model_validate(
    {
        **{"every": 100, "repeats": 2},
        "judges": {
            JUDGE: {"samples": 1000},
            "faces": {"features": "dlib_face", "samples": 500, "snapshots": "last"},
        },
    }
)
NETWORK = {
    **{"name": JUDGE, "version": "1", "weights_sha256": "579344248a93" + "0" * 52},
    **{"input_size": 128, "width": 1280, "domain": "ImageNet"},
}
PARAMETERS = {"kid_subsets": 100, "kid_subset_size": 500, "precision_recall_neighbours": 3}
FLOOR = {"distance": 40.125, "kid": 0.0005, "precision": 0.71, "coverage": 0.97}
VERSIONS = {name: metric.version for name, metric in METRICS.items()}


def spec(method: dict[str, Any], seed: int, **blocks: Any) -> RunSpec:
    written = tiny_spec().model_dump(mode="json", exclude={"method", "seed"})
    for name, block in blocks.items():
        written[name] = {**written[name], **block}
    return RunSpec.model_validate({**written, "method": method, "seed": seed})


def plan(
    name: str = "baselines", profile: str = "short", evaluation: EvaluationSettings = EVALUATION
) -> Plan:
    """Two arms, BEGAN and EBGAN-PT, of three seeds each."""
    runs = tuple(
        PlannedRun(spec(method, seed, training={"steps": STEPS[-1]}), {"variant": arm})
        for arm, method in (("BEGAN", BEGAN), ("EBGAN-PT", EBGAN))
        for seed in (0, 1, 2)
    )
    claims = (Claim.model_validate(CLAIM),)
    question = "Which is better on the same data?"
    return Plan(name, question, "EBGAN, section 4", profile, (), claims, evaluation, runs)


def metrics(distance: float, validation: float, spread: float = 0.5) -> dict[str, float]:
    """Of one draw: shares of 0.5, and the figures given; collapsed is a spread below 0.3."""
    return {
        **dict.fromkeys(METRICS, 0.5),
        "distance": distance,
        "distance_validation": validation,
        "distance_infinite": distance - 5,
        "kid": distance / 1000,
        "kid_sd": 0.002,
        "spread": spread,
    }


def latent() -> Plan:
    """h against z: a map of two by two whose last corner is not planned, two seeds each."""
    runs = tuple(
        PlannedRun(
            spec({**BEGAN, "n": 3, "h": h, "z": z}, seed, training={"steps": STEPS[-1]}),
            {"method.h": h, "method.z": z},
        )
        for h, z in ((4, 4), (4, 8), (8, 4))
        for seed in (0, 1)
    )
    question = "Do unbalanced h and z matter?"
    return Plan("latent", question, None, "demo", (), (), EVALUATION, runs, finding=False)


def weights(planned: PlannedRun) -> str:
    """The SHA-256 of its last weights, as if it had any."""
    return sha256(planned.run_id.encode()).hexdigest()


def judge_record(features: str = JUDGE, samples: int = 1000, **changes: Any) -> JudgeRecord:
    """Of the judge with these settings; `changes` may make it another version."""
    asked = next(j for j in TWO_JUDGES.judges.values() if j.features == features)
    asked = asked.model_copy(update={"samples": samples})
    made = {
        "digest": sha256(f"{features}{samples}".encode()).hexdigest(),
        "settings": asked.identity(),
        "network": {**NETWORK, "name": features},
        "parameters": PARAMETERS,
        "reference": "abcdef0123456789",
        "floor": {"real": FLOOR, "blurred": {**FLOOR, "distance": 80.5}},
        "made": 1e9,
    }
    return JudgeRecord.model_validate({**made, **changes})


def evaluate(
    run: RunDirectory,
    record: JudgeRecord,
    step: int,
    draw: int,
    values: dict[str, float],
    **changes: Any,
) -> None:
    """Append what the judge says of one draw of samples."""
    found = Evaluations(run.path, record.settings["features"], record.digest)
    found.write_record(record)
    row = {
        "step": step,
        "draw": draw,
        "snapshot": f"{step:016d}",
        "reference": record.reference,
        "versions": {name: VERSIONS.get(name, "1") for name in values},
        "values": values,
        "time": 1e9 + step + draw,
    }
    found.append(EvaluationRow.model_validate({**row, **changes}))


def fill(root: Path, planned: PlannedRun, **provenance: Any) -> RunDirectory:
    """Train a run by hand, and let a judge see it.

    Seed 1 of EBGAN-PT is collapsed from step 200 on, seed 2 of it fails after step 200. The least
    validation distance is at step 200 of every run, the least test distance at the last one.
    """
    run = RunDirectory.create(root, planned.spec)
    run.write_evaluation(EVALUATION)
    arm, seed = planned.cell, planned.spec.seed
    method, level = planned.spec.method, LEVEL.get(arm, 50.0) + 10 * seed
    collapses, fails = (arm, seed) == ("EBGAN-PT", 1), (arm, seed) == ("EBGAN-PT", 2)
    steps = STEPS[:2] if fails else STEPS
    judge = judge_record()
    for step in steps:
        values = dict.fromkeys(train_columns(method), 0.25)
        values[signal(method)] = level / step
        run.append(Row(step=step, kind="train", time=1e9 + seed, values=values))
        values = dict.fromkeys(heldout_columns(method), 0.75)
        run.append(Row(step=step, kind="heldout", time=1e9 + seed, values=values))
        judged = metrics(
            distance=level + 300 - step,
            validation=level + abs(step - 200),
            spread=0.1 if collapses and step >= 200 else 0.5,
        )
        evaluate(run, judge, step, 0, judged)
        grid = torch.full((64, 3, 16, 16), 40 * seed + 60, dtype=torch.uint8)
        grid[:, LEVEL.get(arm, 0) > 150] = 0
        save_grid(grid, 8, run.samples / f"{step:08d}.png")
    run.write_provenance(record(planned, **provenance))
    if not fails:
        for draw, off in enumerate((1.0, -1.0), 1):
            evaluate(run, judge, STEPS[-1], draw, metrics(level + off, level + 100))
    reason = "not finite: energy_real, energy_fake\nlower the rate" if fails else None
    run.write_result(
        Result(
            state="failed" if fails else "done",
            step=steps[-1],
            reason=reason,
            weights_sha256=weights(planned),
            wall_s=90.0,
            cpu_s=60.0 * (seed + 1),
            decays=[],
        )
    )
    return run


def record(planned: PlannedRun, **changes: Any) -> dict[str, Any]:
    """provenance.json of a run."""
    return {
        "code": {"bench": "0.1.0", "commit": "bada52f00000" + "0" * 28, "dirty": None},
        "device": "cpu",
        "parameters": 1000 if planned.spec.method.name == "began" else 2000,
        "data": {
            **{"title": "Procedural faces", "subject": "faces", "broken": ["a"]},
            "fingerprint": "abcdef0123456789",
        },
        **changes,
    }


def fill_all(root: Path, made: Plan | None = None, **provenance: Any) -> Plan:
    made = made or plan()
    for planned in made.runs:
        fill(root, planned, **provenance)
    return made
