"""`bench probe` on an untrained run that says it is done."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import bench
from benchmark.data.batches import first_positions
from benchmark.data.settings import CelebASettings, FacesSettings
from benchmark.data.store import open_store
from benchmark.errors import BenchError
from benchmark.methods.pixelcnn import ConditionalPixelCNN, PixelCnnSettings
from benchmark.probe import Probe, Sizes, _labels, probe
from benchmark.runs.directory import Result, RunDirectory
from benchmark.training import checkpoint
from benchmark.training.checkpoint import Progress
from benchmark.training.learning_rate import RateState
from benchmark.training.loop import new_method
from tests.conftest import tiny_spec

CPU = torch.device("cpu")
SIZES = Sizes(images=4, steps=3, paths=2, samples=50, training=60)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    spec = tiny_spec()
    run, method = RunDirectory.create(tmp_path, spec), new_method(spec, CPU)
    progress = Progress(step=12, rate=RateState(lr=1e-4), wall_s=0, cpu_s=0)
    checkpoint.write(run.checkpoints, method, progress)
    return run


def finish(run: RunDirectory, state: str = "done") -> None:
    result = {"state": state, "step": 12, "reason": None, "weights_sha256": "", "decays": []}
    run.write_result(Result.model_validate({**result, "wall_s": 0.0, "cpu_s": 0.0}))


def test_numbers_and_figures_are_written_and_the_weights_kept(
    run: RunDirectory, cache: Path
) -> None:
    finish(run)
    before = {path: path.read_bytes() for path in run.checkpoints.iterdir()}
    found = probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ("Male",))
    assert Probe.model_validate_json((run.path / "probe.json").read_bytes()) == found
    assert (found.step, found.attributes) == (12, {})
    assert found.embedding.gap_low <= found.embedding.gap <= found.embedding.gap_high
    assert found.embedding.gap == found.embedding.heldout - found.embedding.training
    assert 0 < found.embedding.heldout < 2
    assert 1 / 8 <= found.linear.longest_step <= 1
    # An untrained generator's images are nothing like faces.
    assert found.memorisation.distance_ratio > 1
    sizes = {}
    for path in (run.path / "probe").iterdir():
        with Image.open(path) as figure:
            sizes[path.name] = figure.size
    assert sizes == {
        "embedded_heldout.png": (8 * 18 + 2, 18 + 2),
        "embedded_training.png": (8 * 18 + 2, 18 + 2),
        "neighbours.png": (6 * 18 + 2, 8 * 18 + 2),
        "path_linear.png": (9 * 18 + 2, 2 * 18 + 2),
        "path_spherical.png": (9 * 18 + 2, 2 * 18 + 2),
    }
    assert {path: path.read_bytes() for path in run.checkpoints.iterdir()} == before
    assert probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ()) == found


def test_a_method_with_an_encoder_embeds_by_it(tmp_path: Path, cache: Path) -> None:
    """PixelCNN's samples have no gradient by which z could be found."""
    block = {"name": "pixelcnn", "n": 2, "layers": 1, "mixtures": 1, "code": 2}
    spec = tiny_spec(data={"size": 16}).model_copy(
        update={"method": PixelCnnSettings.model_validate(block)}
    )
    run, method = RunDirectory.create(tmp_path, spec), new_method(spec, CPU)
    progress = Progress(step=12, rate=RateState(lr=1e-4), wall_s=0, cpu_s=0)
    checkpoint.write(run.checkpoints, method, progress)
    finish(run)
    found = probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ())
    store = open_store(spec.data, None, cache)
    first = first_positions(store.splits["test"], SIZES.samples)[: SIZES.images]
    pixels = store.fixed(np.array(first))
    x = torch.from_numpy(pixels).float() / 127.5 - 1
    assert isinstance(method, ConditionalPixelCNN)
    errors = (x - method.generate(method.encoder(x))).abs().mean((1, 2, 3))
    assert found.embedding.heldout == pytest.approx(errors.mean().item(), rel=1e-5)


def test_only_a_run_that_is_done_is_probed(run: RunDirectory, cache: Path) -> None:
    with pytest.raises(BenchError, match="not finished; only a run that is done"):
        probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ())
    finish(run, "failed")
    with pytest.raises(BenchError, match="failed"):
        probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ())
    finish(run)
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(BenchError, match="no sound checkpoint"):
        probe(run, None, cache, CPU, SIZES, "efficientnet_lite0", ())
    assert not (run.path / "probe.json").exists()


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench, ["probe", str(tmp_path)])
    assert isinstance(result.exception, BenchError)
    assert "no run directory, and no run of that id" in str(result.exception)


def test_attributes_are_those_of_the_images_in_the_store(real_faces: Path) -> None:
    settings = CelebASettings(name="celeba")
    found = _labels(settings, real_faces, ("Male", "Young"))
    lines = (real_faces / "celeba" / "list_attr_celeba.txt").read_text().splitlines()
    male = lines[1].split().index("Male")
    by_name = {line.split()[0]: line.split()[1 + male] == "1" for line in lines[2:]}
    assert found["Male"].tolist() == [by_name[name] for name in sorted(by_name)]
    assert 0.5 < found["Young"].mean() < 0.9
    assert not np.array_equal(found["Male"], found["Young"])
    assert _labels(FacesSettings(name="faces"), None, ("Male",)) == {}
