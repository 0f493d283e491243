"""What is left to judge of a run: each judge by the metrics that it computes."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmark.ablation.plan import Plan
from benchmark.evaluation.catalogue import domain
from benchmark.evaluation.metrics import computed_by
from benchmark.evaluation.networks import load_network
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.runs.directory import Result, RunDirectory
from benchmark.runs.evaluations import Evaluations, JudgeRecord, new_row
from benchmark.sweep.output import QuietOutput
from benchmark.sweep.run import (
    Places,
    Work,
    _Prepared,
    _summary,
    _worker_arguments,
    pending_of,
)
from benchmark.training.snapshots import listed
from benchmark.worker import Where, train
from tests.conftest import tiny_evaluation, tiny_plan, tiny_run, tiny_spec

JUDGES = {
    "plain": {"features": "efficientnet_lite0", "samples": 60},
    "told": {"features": "efficientnet_lite0", "samples": 60, "attribute": "Bald"},
    "dlib_face": {"samples": 60},
}


def judged_by_all(run: RunDirectory, settings: EvaluationSettings, without: str = "") -> None:
    """Rows of every judge with all of its metrics but one."""
    for name, judge in settings.judges.items():
        network = {"name": judge.features, "version": "1", "width": 4}
        record = JudgeRecord(
            digest=name.ljust(64, "0"),
            settings=judge.identity(),
            network=network,
            parameters={},
            reference="1" * 64,
            floor={},
            made=1.0,
        )
        metrics = computed_by(domain(judge.features), judge.attribute)
        names = [each for each in metrics if each != without]
        rows = Evaluations(run.path, judge.features, record.digest)
        rows.write_record(record)
        versions = dict.fromkeys(names, "1")
        rows.append(new_row(6, 0, "s" * 16, record.reference, versions, dict.fromkeys(names, 0.0)))


def left(root: Path, without: str = "") -> list[str]:
    settings = EvaluationSettings.model_validate({"every": 6, "judges": JUDGES, "repeats": 0})
    run = tiny_run(root, tiny_spec(), judges=JUDGES, repeats=0)
    run.snapshots.mkdir()
    (run.snapshots / f"00000006-{'s' * 16}.safetensors").touch()
    judged_by_all(run, settings, without)
    return pending_of(settings)(run)


def test_a_judge_owes_the_metrics_that_it_computes(tmp_path: Path) -> None:
    assert left(tmp_path / "all") == []
    assert left(tmp_path / "distance", "distance") == ["plain", "told", "dlib_face"]
    assert left(tmp_path / "share", "attribute_share") == ["told"]
    assert left(tmp_path / "identities", "identities") == ["dlib_face"]


def test_the_domain_is_known_without_weights() -> None:
    """What is left is asked by the name; a judge asks its network."""
    assert (domain("dlib_face"), domain("efficientnet_lite0")) == ("faces", "ImageNet")
    assert load_network("efficientnet_lite0", torch.device("cpu")).domain == "ImageNet"


def unjudged(root: Path) -> tuple[Plan, RunDirectory]:
    """A run that has been trained, and whose judge has not seen its snapshot."""
    plan = tiny_plan(tiny_spec())
    run = tiny_run(root, plan.runs[0].spec)
    run.snapshots.mkdir()
    (run.snapshots / f"00000012-{'s' * 16}.safetensors").touch()
    ended = {"state": "done", "step": 12, "reason": None, "weights_sha256": "0" * 64}
    run.write_result(Result.model_validate({**ended, "wall_s": 1, "cpu_s": 1, "decays": []}))
    run.log.write_text("bench: its judge says why")
    return plan, run


@pytest.mark.parametrize(
    ("codes", "why"), [(None, []), ({"run": 1}, ["    bench: its judge says why"])]
)
def test_a_trained_run_without_its_judge_is_not_judged_and_has_not_failed(
    codes: dict[str, int] | None, why: list[str], tmp_path: Path
) -> None:
    """Where the sweep was stopped before (codes None), and where a judge failed."""
    plan, run = unjudged(tmp_path)
    places = Places(tmp_path, *(Path("x"),) * 3, None, "x")
    for trains in (True, False):
        prepared = _Prepared(
            plan, plan.runs, {}, lambda run: bool(pending_of(plan.evaluation)(run)), trains=trains
        )
        summary = _summary(prepared, places, codes)
        assert (summary.done, summary.failures) == (0, [])
        console = Console(file=io.StringIO())
        QuietOutput(console).end(summary)
        assert isinstance(console.file, io.StringIO)
        first, *log, last = console.file.getvalue().splitlines()
        label = f"{plan.runs[0].label} ({run.run_id})"
        assert first == f"{label} not judged: the same command continues from here"
        assert log == why
        assert last.startswith("0 of 1 runs done, 0 failed, 1 not judged")


def test_a_run_that_has_begun_keeps_its_steps(tmp_path: Path, cache: Path) -> None:
    """Two sweeps share it, and each has its judges and its `every` beside it."""
    mine, theirs = tiny_evaluation(), tiny_evaluation(every=4, repeats=0)
    run = tiny_run(tmp_path, tiny_spec(), every=4, repeats=0)  # they were the last to say so
    train(run, Where(None, cache, "cpu", evaluation=mine), [])
    assert [each.step for each in listed(run.snapshots)] == [6, 12]
    assert run.evaluation() == mine
    assert pending_of(mine)(run) == []
    assert run.write_evaluation(theirs) == theirs.model_copy(update={"every": 6})
    assert run.evaluation() == theirs.model_copy(update={"every": 6})
    (run.path / "evaluation.json").write_text("{")  # damaged
    assert run.write_evaluation(theirs) == theirs


def test_folders_of_runs_that_have_not_begun_are_left_to_their_workers(tmp_path: Path) -> None:
    plan = tiny_plan(tiny_spec(), tiny_spec(method={"gamma": 0.3}))
    begun, queued = (tiny_run(tmp_path, each.spec, every=4) for each in plan.runs)
    begun.write_provenance({"code": {}, "data": {}})
    _Prepared(plan, plan.runs, {}, lambda run: True).make_folders(
        Places(tmp_path, *(Path("x"),) * 3, None, "x")
    )
    assert begun.evaluation() == tiny_evaluation(every=4)
    assert queued.evaluation() == tiny_evaluation(every=4)
    arguments = _worker_arguments(plan, Places(tmp_path, *(Path("x"),) * 3, None, "x"), Work("cpu"))
    assert EvaluationSettings.model_validate_json(arguments[-1]) == plan.evaluation
