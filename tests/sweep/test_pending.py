"""What is left to judge of a run: each judge by the metrics that it computes."""

from pathlib import Path

import torch

from benchmark.evaluation.catalogue import domain
from benchmark.evaluation.metrics import computed_by
from benchmark.evaluation.networks import load_network
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations, JudgeRecord, new_row
from benchmark.sweep.run import pending_of
from tests.conftest import tiny_run, tiny_spec

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
