"""Train once, judge at any time: the same rows while training and after, and no new training."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.ablation.plan import load
from benchmark.commands.evaluate import evaluate as evaluate_command
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.metrics import METRICS
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import EvaluationRow, Evaluations
from tests.processes import bench
from tests.reliability.conftest import MLFLOW, TINY, Swept

USUAL = "efficientnet_lite0: {samples: 60}"
METRIC = """
from benchmark.evaluation.metrics import Metric

GAP = Metric("mean_gap", lambda c: float(abs(c.features.mean() - c.real.features.mean())),
             better="lower", unit="features", version="{version}", meaning="gap of the means",
             source="this test")
"""


@pytest.fixture
def trained(swept: Swept, tmp_path: Path) -> Path:
    """A folder with two finished runs and the file that they are of."""
    for name in ("runs", "results"):
        shutil.copytree(swept.folder / name, tmp_path / name)
    (tmp_path / "cache").symlink_to(swept.folder / "cache")
    write(tmp_path)
    return tmp_path


def write(folder: Path, old: str = "", new: str = "") -> None:
    """The file of the sweep, its learning rate as it was trained, with a part replaced."""
    text = TINY.replace("batch: 4", "batch: 4, lr: 1.0e-4")
    assert old in text
    (folder / "tiny.yaml").write_text(text.replace(old, new) if old else text)


def evaluate(folder: Path, *arguments: str) -> str:
    done = bench("evaluate", "tiny.yaml", "--mlflow", MLFLOW, *arguments, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def unknown_before_and_after(module: str, metric: str) -> Iterator[None]:
    """As to a process of its own: what is imported from outside is known in here alone."""
    assert module not in sys.modules
    assert metric not in METRICS
    path = sys.path.copy()
    try:
        yield
        assert metric in METRICS
    finally:
        METRICS.pop(metric, None)
        sys.modules.pop(module, None)
        sys.path[:] = path


def rows(folder: Path) -> dict[tuple[str, str, int, int], EvaluationRow]:
    """By run, judge, step and draw."""
    return {
        (path.name, each.path.stem, row.step, row.draw): row
        for path in sorted((folder / "runs").glob("began-*"))
        for each in Evaluations.all(path)
        for row in each.rows()
    }


def weights(folder: Path) -> dict[str, bytes]:
    """Everything that training left, to the byte."""
    names = ("spec.json", "result.json", "metrics.jsonl", "provenance.json")
    files = [*folder.glob("runs/began-*/*/*.safetensors")]
    files += [path for name in names for path in folder.glob(f"runs/began-*/{name}")]
    assert len(files) > 8
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_ids_are_the_same_whatever_the_evaluation_block_says(tmp_path: Path) -> None:
    write(tmp_path)
    usual = [run.run_id for run in load(tmp_path / "tiny.yaml", "demo").runs]
    for changed in (
        "evaluation.collapse_below=0.31",
        "evaluation.judges.efficientnet_lite0.samples=100",
        "evaluation.judges={inception_2015: {samples: 50}}",
        "evaluation.every=1",
        "evaluation.repeats=0",
    ):
        plan = load(tmp_path / "tiny.yaml", "demo", (changed,))
        assert [run.run_id for run in plan.runs] == usual, changed
        assert plan.evaluation != load(tmp_path / "tiny.yaml", "demo").evaluation


def test_evaluating_after_training_gives_the_rows_of_evaluating_while_training(
    trained: Path,
) -> None:
    before, trained_files = rows(trained), weights(trained)
    assert sorted({(key[2], key[3]) for key in before}) == [(6, 0), (12, 0), (12, 1)]
    for path in trained.glob("runs/*/evaluations"):
        shutil.rmtree(path)
    evaluate(trained)
    after = rows(trained)
    assert after.keys() == before.keys()
    for key, row in after.items():
        assert row.values == before[key].values, key  # the same bits
        assert (row.snapshot, row.versions) == (before[key].snapshot, before[key].versions)
    assert weights(trained) == trained_files


def test_samples_that_the_data_lack_are_refused_before_any_judge_starts(trained: Path) -> None:
    """Once, where every run is trained; not where another judge alone is asked."""
    judges = "{efficientnet_lite0: {samples: 60}, more: {features: efficientnet_lite0, samples: N}}"
    write(trained, "{efficientnet_lite0: {samples: 60}}", judges.replace("N", "5000"))
    for command in ("run", "evaluate"):
        done = bench(command, "tiny.yaml", cwd=trained)
        assert done.returncode == 2
        assert "evaluation.judges.more.samples: 5000 is more than the images" in done.stderr
    evaluate(trained, "--judge", "efficientnet_lite0")


def test_a_sweep_that_has_not_ended_is_evaluated_without_failures(trained: Path) -> None:
    write(trained, "[0.3, 0.7]", "[0.3, 0.5, 0.7]")
    unfinished = sorted(trained.glob("runs/began-*"))[0]
    (unfinished / "result.json").unlink()
    shutil.rmtree(unfinished / "evaluations")
    said = evaluate(trained)
    assert "1 of 3 runs have no snapshot yet" in said
    assert "2 of 2 runs done, 0 failed" in said


def test_a_second_judge_and_a_metric_in_one_new_file_train_nothing(trained: Path) -> None:
    before, trained_files = rows(trained), weights(trained)
    (trained / "gap.py").write_text(METRIC.format(version="1"))
    second = "few: {features: efficientnet_lite0, samples: 50, snapshots: last}"
    write(trained, USUAL + "}", f"{USUAL}, {second}}}, metrics: ['gap:GAP']")
    with unknown_before_and_after("gap", "mean_gap"):
        evaluate(trained)
    after = rows(trained)
    assert len(after) == len(before) + 2 * 2  # of the last snapshot alone: one draw and a repeat
    for key, row in before.items():
        assert after[key].values.items() >= row.values.items()
        assert set(after[key].values) - set(row.values) == {"mean_gap"}
    assert weights(trained) == trained_files
    header, *lines = (trained / "results/tiny/demo/evaluations.csv").read_text().splitlines()
    assert "mean_gap" in header.split(",")
    assert {line.split(",")[1] for line in lines} == {"efficientnet_lite0", "few"}
    assert "few" in (trained / "REPORT.md").read_text()

    # Another version of the metric: its column alone, in every row.
    (trained / "gap.py").write_text(METRIC.format(version="2"))
    with unknown_before_and_after("gap", "mean_gap"):
        evaluate(trained)
    for key, row in rows(trained).items():
        assert row.values == after[key].values
        changed = {name for name in row.versions if row.versions[name] != after[key].versions[name]}
        assert changed == {"mean_gap"}


def test_what_is_there_is_not_computed_again(trained: Path) -> None:
    files = {path: path.read_bytes() for path in trained.glob("runs/*/evaluations/*.jsonl")}
    evaluate(trained, "--judge", "efficientnet_lite0")
    assert {path: path.read_bytes() for path in files} == files
    done = bench("evaluate", "tiny.yaml", "--judge", "nobody", cwd=trained)
    assert done.returncode == 2
    assert "--judge nobody: no such judge; tiny has: efficientnet_lite0" in done.stderr


def test_a_spoilt_snapshot_costs_one_line_and_the_other_is_judged(trained: Path) -> None:
    runs = [RunDirectory(path) for path in sorted(trained.glob("runs/began-*"))]
    (snapshot,) = runs[0].snapshots.glob("00000006-*")
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    for path in trained.glob("runs/*/evaluations"):
        shutil.rmtree(path)
    done = bench("evaluate", "tiny.yaml", "--mlflow", MLFLOW, cwd=trained)
    assert done.returncode == 1
    assert "its checksum does not match its name" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    judged = rows(trained)
    assert (runs[1].run_id, 12) in {(key[0], key[2]) for key in judged}
    found = bench("doctor", "--fix", "--mlflow", MLFLOW, cwd=trained)
    assert str(snapshot.relative_to(trained)) in found.stdout
    assert "MLflow was not checked" in found.stdout
    assert found.returncode == 1
    evaluate(trained)
    assert (runs[0].run_id, 12) in {(key[0], key[2]) for key in rows(trained)}


def test_strangers_images_get_a_row(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(trained / "tiny.yaml", "demo").runs[0].spec.data
    store = open_store(data, None, trained / "cache")
    folder = trained / "theirs"
    folder.mkdir()
    for at in store.splits["train"][:61]:
        image = np.ascontiguousarray(store.images[at].transpose(1, 2, 0))
        Image.fromarray(image).save(folder / f"{at}.png")
    (folder / "broken.png").write_bytes(b"not an image")
    command = ["evaluate", "tiny.yaml", "--images", "theirs", "--as", "theirs", "--json"]
    done = bench(*command, cwd=trained)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["judge"], row["samples"]) == ("efficientnet_lite0", 60)
    assert row["values"]["distance"] < row["floor"]["blurred"]["distance"]
    report = (trained / "REPORT.md").read_text()
    assert "theirs (images from outside" in report
    few = bench("evaluate", "--images", "theirs", "--against", "faces", "--size", "16", cwd=trained)
    assert few.returncode == 0, few.stderr
    assert "kid\tlower\t" in few.stdout
    assert "sharpness\t\t" in few.stdout
    assert "61 images in 1,280 dimensions are mostly bias" in few.stderr
    for path in list(folder.glob("[0-9]*.png"))[:20]:
        Image.new("RGB", (16, 16)).save(path)
    with monkeypatch.context() as patch:  # refused before minutes of judging
        patch.setattr(Judge, "of_data", None)
        other = bench(*command, cwd=trained)
    assert other.returncode == 2
    assert "'theirs' names other images there; give another --as" in other.stderr
    for path in list(folder.iterdir())[:20]:
        path.unlink()
    done = bench(*command, cwd=trained)
    assert done.returncode == 2
    assert "60 are needed" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--as", "theirs"], "need --images"),
        (["--against", "faces"], "need --images"),
        (["--size", "16"], "need --images"),
        (["--images", ".", "--size", "16"], "says the size"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(
    tmp_path: Path, options: list[str], said: str
) -> None:
    write(tmp_path)
    file = str(tmp_path / "tiny.yaml")
    done = CliRunner().invoke(evaluate_command, [file, *options])
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_images_are_refused_before_they_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object) -> None:
        raise AssertionError("judged before it is refused")

    monkeypatch.setattr("benchmark.sweep.images.evaluate_images", judge)
    write(tmp_path)
    command = [str(tmp_path / "tiny.yaml"), "--images", str(tmp_path), "--as", "theirs"]
    done = CliRunner().invoke(evaluate_command, [*command, "--results", str(tmp_path / "none")])
    assert isinstance(done.exception, InputError)
    assert "no tables there yet" in str(done.exception)


def test_a_run_that_another_process_trains_is_judged_and_not_waited_for(trained: Path) -> None:
    run = RunDirectory(sorted(trained.glob("runs/began-*"))[0])
    (run.path / "result.json").unlink()
    before = rows(trained)
    shutil.rmtree(run.path / "evaluations")
    with run.locked():
        said = evaluate(trained)
    (label,) = (
        each.label for each in load(trained / "tiny.yaml", "demo").runs if each.run_id == run.run_id
    )
    assert f"another process still writes {label}: judge them again then" in said
    assert "2 of 2 runs done, 0 failed" in said
    assert {key[2:] for key in rows(trained) if key[0] == run.run_id} == {(6, 0), (12, 0)}
    assert len(rows(trained)) == len(before) - 1  # the last step is that once it has ended


def test_a_sweep_says_which_runs_lack_its_snapshots(trained: Path) -> None:
    assert "lack snapshots" not in evaluate(trained)
    write(trained, "every: 6", "every: 4")
    said = evaluate(trained)
    assert "2 of 2 runs lack snapshots every 4 steps, as gamma=0.3 seed=0: they keep" in said
    synced = bench("sync", "tiny.yaml", "--mlflow", MLFLOW, cwd=trained)
    assert "2 of 2 runs lack snapshots every 4 steps" in synced.stdout
    for path in trained.glob("runs/*/evaluation.json"):
        assert json.loads(path.read_text())["every"] == 6
    write(trained, "every: 6", "every: 12")
    assert "lack snapshots" not in evaluate(trained)


def test_data_that_are_missing_are_one_line_before_anything_starts(trained: Path) -> None:
    write(trained, "name: faces, size: 16, count: 1000", "name: celeba, size: 16")
    for planned in load(trained / "tiny.yaml", "demo").runs:
        run = RunDirectory.create(trained / "runs", planned.spec)
        data = {"title": "CelebA", "fingerprint": "0" * 64, "labels_sha256": None}
        run.write_provenance({"code": {}, "data": data})
        run.snapshots.mkdir()
        (run.snapshots / f"00000006-{'0' * 16}.safetensors").touch()
    done = bench("evaluate", "tiny.yaml", "--replace", "--mlflow", MLFLOW, cwd=trained)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "--data-root" in done.stderr
    assert not (run.path / "log.txt").exists()
