"""Before a sweep starts: its data are there, are those of its finished runs, and are enough."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Said
from PIL import Image

from benchmark.ablation.plan import load
from benchmark.cli import bench
from benchmark.errors import InputError
from benchmark.results.writer import write_results
from benchmark.runs.directory import Result
from benchmark.spec import RunSpec
from benchmark.sweep.data import Reader, open_stores, refuse_other_data, refuse_too_few
from tests.conftest import TINY, tiny_evaluation, tiny_plan
from tests.report.material import fill_all

FILE = """
name: small
question: Are there enough images?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: folder, folder: faces, size: 16}
  training: {steps: 4, batch: 300}
  evaluation:
    every: 2
    judges: {efficientnet_lite0: {samples: 60}, second: {features: efficientnet_lite0, samples: 70}}
sweep: {method.gamma: [0.5]}
seeds: [0]
profiles: {demo: {}}
"""


def photographs(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (16, 16), (i % 256, i // 256, 0)).save(folder / f"{i:04d}.png")


def spec(seed: int = 0, **data: Any) -> RunSpec:
    block = {"name": "folder", "folder": "faces", "size": 16, **data}
    return RunSpec.model_validate({**TINY, "data": block, "seed": seed})


def run(tmp_path: Path, *arguments: str) -> Said:
    (tmp_path / "small.yaml").write_text(FILE)
    places = ("--runs", "runs", "--results", "results", "--report", "REPORT.md", "--cache", "cache")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        command = ["run", "small.yaml", "--data-root", str(tmp_path), *places, *arguments]
        return CliRunner().invoke(bench, command)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_three_hundred_images_end_in_one_message_before_anything_starts(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    photographs(tmp_path / "faces", 300)
    result = run(tmp_path, *arguments)
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2
    said = str(result.exception)
    assert "\n" not in said
    # Every key at once, and no advice that another message takes back.
    assert "training.batch: 300 is more than the training images (at most 237)" in said
    assert "judges.efficientnet_lite0.samples: 60 is more than the images of validation" in said
    assert "judges.second.samples: 70 is more than the images of" in said
    assert "a judge takes no fewer than 50 samples" in said
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "REPORT.md").exists()


def test_the_number_of_images_that_would_do_does() -> None:
    """Ten times the images with the same shares are enough; one fewer in a part is not."""
    planned = tiny_plan(spec()).runs
    key = planned[0].spec.data.model_dump_json()
    sizes = {"train": 240, "validation": 30, "test": 30}
    with pytest.raises(InputError, match="about 600 images in all would do"):
        refuse_too_few(tiny_evaluation(), planned, {key: sizes})
    enough = {"train": 480, "validation": 60, "test": 60}
    refuse_too_few(tiny_evaluation(), planned, {key: enough})
    for part in ("validation", "test"):
        with pytest.raises(InputError, match=f"60 is more than the images of {part}"):
            refuse_too_few(tiny_evaluation(), planned, {key: {**enough, part: 59}})
    with pytest.raises(InputError, match=r"images of test \(at most 55\); lower it, or about"):
        refuse_too_few(tiny_evaluation(), planned, {key: {**enough, "test": 55}})


def test_enough_images_pass_and_are_decoded_once(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", 700)
    planned = tiny_plan(spec(0), spec(1)).runs
    reader = Reader(tmp_path, tmp_path / "cache")
    stores = open_stores(
        tiny_evaluation(judges={"efficientnet_lite0": {"samples": 50}}), planned, reader
    )
    assert [len(store.images) for _, store in stores] == [700]


def trained_on(root: Path, tmp_path: Path) -> tuple[str, str]:
    source = Reader(root, tmp_path / "cache").source(spec().data)
    return source.title, source.fingerprint()


def test_a_run_on_other_data_is_refused_by_name(tmp_path: Path) -> None:
    photographs(tmp_path / "a" / "faces", 60)
    photographs(tmp_path / "b" / "faces", 61)
    planned = tiny_plan(spec(0), spec(1)).runs
    first, second = (each.run_id for each in planned)
    here = trained_on(tmp_path / "a", tmp_path)
    reader = Reader(tmp_path / "a", tmp_path / "cache")
    refuse_other_data(planned, {first: here, second: here}, reader)
    refuse_other_data(planned, {}, Reader(None, tmp_path / "cache"))  # nothing has begun
    there = trained_on(tmp_path / "b", tmp_path)
    with pytest.raises(InputError, match=r"^1 of 2 runs were trained on images of faces") as caught:
        refuse_other_data(planned, {first: here, second: there}, reader)
    said = str(caught.value)
    assert second in said
    assert first not in said
    assert there[1][:12] in said
    assert here[1][:12] in said


def test_tables_of_other_data_are_not_mixed_with_these(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", 60)
    (tmp_path / "small.yaml").write_text(FILE)
    plan, elsewhere = load(tmp_path / "small.yaml", "demo"), tmp_path / "elsewhere"
    other = {"title": "other faces", "subject": "faces", "broken": [], "fingerprint": "f" * 64}
    fill_all(elsewhere, plan, data=other)
    table = write_results(plan, elsewhere, tmp_path / "results") / "runs.csv"
    before = table.read_bytes()
    refused = run(tmp_path).exception
    assert isinstance(refused, InputError)
    assert "1 of 1 runs were trained on other faces (ffffffffffff)" in str(refused)
    assert "(--results out/folder), or --replace" in str(refused)
    assert "\n" not in str(refused)
    assert not list((tmp_path / "runs").glob("*"))
    assert table.read_bytes() == before
    for way_out in (["--replace"], ["--results", "out/folder"]):
        assert "too few images" in str(run(tmp_path, *way_out).exception)  # the next check


def test_a_root_that_is_gone_is_no_finished_sweep(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", 60)
    planned = tiny_plan(spec()).runs
    trained = {planned[0].run_id: trained_on(tmp_path, tmp_path)}
    for path in sorted((tmp_path / "faces").iterdir()):
        path.unlink()
    (tmp_path / "faces").rmdir()
    with pytest.raises(InputError, match="no such folder"):
        refuse_other_data(planned, trained, Reader(tmp_path, tmp_path / "cache"))


def finished(tmp_path: Path, root: Path, run_id: str, run_spec: RunSpec) -> None:
    """A run's folder as far as a driver looks at it before it starts anything."""
    folder = tmp_path / "runs" / run_id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(run_spec.to_json())
    title, fingerprint = trained_on(root, tmp_path)
    record = {
        "code": {},
        "data": {"title": title, "fingerprint": fingerprint, "labels_sha256": None},
    }
    (folder / "provenance.json").write_text(json.dumps(record))
    result = Result(
        state="done", step=4, reason=None, weights_sha256="0" * 64, wall_s=1, cpu_s=1, decays=[]
    )
    (folder / "result.json").write_text(result.model_dump_json())


def test_bench_run_sees_that_an_image_has_changed(tmp_path: Path) -> None:
    """The run is done, and its data are others now: it says so instead of done."""
    photographs(tmp_path / "faces", 100)
    (tmp_path / "small.yaml").write_text(FILE)
    planned = load(tmp_path / "small.yaml", "demo").runs[0]
    finished(tmp_path, tmp_path, planned.run_id, planned.spec)
    Image.new("RGB", (16, 16), (1, 2, 3)).save(tmp_path / "faces" / "0007.png")
    result = run(tmp_path)
    assert isinstance(result.exception, InputError), result.output
    assert "1 of 1 runs were trained on images of faces" in str(result.exception)
    (tmp_path / "faces").rename(tmp_path / "gone")
    result = run(tmp_path)
    assert "no such folder" in str(result.exception)
