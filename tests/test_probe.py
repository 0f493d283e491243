"""`bench probe` on untrained runs that say they are done, seen by a network that costs nothing."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from benchmark.cli import bench
from benchmark.commands.probe import lines, usual_attributes
from benchmark.data.settings import CelebASettings
from benchmark.data.store import open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation.settings import JudgeSettings, ProbeSettings
from benchmark.methods.began import BEGAN
from benchmark.methods.pixelcnn import ConditionalPixelCNN
from benchmark.precision import round_to_tf32
from benchmark.probe import look
from benchmark.probe.embedding import all_pairs
from benchmark.probe.look import _Parts, probe, refuse_codeless
from benchmark.probe.record import Probe
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.sweep.data import Reader, open_stores
from benchmark.sweep.run import PROBE, pending_of
from benchmark.training import checkpoint, snapshots
from benchmark.training.checkpoint import Progress
from benchmark.training.determinism import ALONE
from benchmark.training.learning_rate import RateState
from benchmark.training.loop import new_method, to_floats
from benchmark.worker import Where, evaluate_one, run_one
from tests.conftest import tiny_evaluation, tiny_plan, tiny_run, tiny_spec

CPU = torch.device("cpu")
POOLED = "tests.test_probe:Pooled"
SETTINGS = ProbeSettings(images=12, steps=3, samples=60, training=80)
JUDGES = {"pooled": JudgeSettings(features=POOLED, samples=60)}
PIXELCNN: dict[str, Any] = {"name": "pixelcnn", "n": 2, "layers": 1, "mixtures": 1}
ALI: dict[str, Any] = {"name": "ali", "n": 2, "z": 4}


class Pooled(nn.Module):
    """The image at 4 x 4 pixels."""

    VERSION: ClassVar[str] = "1"
    WIDTH = 48

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(1)


class Other(Pooled):
    """The same by another name."""


@pytest.fixture(autouse=True)
def _faces_are_told_apart_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "FACE_FEATURES", POOLED)


def of(method: dict[str, Any]) -> RunSpec:
    written = tiny_spec().model_dump(mode="json", exclude={"method"})
    return RunSpec.model_validate({**written, "method": method})


def made(folder: Path, spec: RunSpec) -> RunDirectory:
    """A run with a checkpoint of weights that were never trained."""
    run, method = RunDirectory.create(folder, spec), new_method(spec, CPU)
    progress = Progress(step=12, rate=RateState(lr=1e-4), wall_s=0, cpu_s=0)
    checkpoint.write(run.checkpoints, method, progress)
    return run


def finish(run: RunDirectory, state: str = "done") -> None:
    result = {"state": state, "step": 12, "reason": None, "weights_sha256": "", "decays": []}
    run.write_result(Result.model_validate({**result, "wall_s": 0.0, "cpu_s": 0.0}))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return made(tmp_path, tiny_spec())


def test_numbers_and_figures_are_written_and_the_weights_kept(
    run: RunDirectory, cache: Path
) -> None:
    finish(run)
    before = {path: path.read_bytes() for path in run.checkpoints.iterdir()}
    found = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    assert Probe.model_validate_json((run.path / "probe.json").read_bytes()) == found
    assert (found.step, found.way, found.searched, found.attributes) == (12, "search", None, {})
    pixels = found.embedded.pixels
    assert pixels.gap_low <= pixels.gap <= pixels.gap_high
    assert pixels.gap == pixels.heldout - pixels.training
    assert 0 < pixels.heldout < 2
    # Three steps of 0.05 are no plateau, and do not leave [-1, 1] from most places in it.
    assert (found.embedded.steps, found.embedded.unsettled) == (3, 30)
    assert 0 <= found.embedded.outside < 0.2
    said = found.judges["pooled"]
    # An untrained generator's images are nearly alike: its paths are short, and lead nowhere.
    assert said.embedded.linear.ends <= said.embedded.linear.length < 0.3
    assert 1 / 8 <= said.embedded.linear.longest_step <= 1
    assert said.embedded.middle["distance"] > 1.5 * said.blended["distance"]
    assert said.embedded.middle_over_blended > 1.5
    assert said.real["distance"] < said.blended["distance"]
    assert found.middles == 48  # of 66 pairs: of 60 images 12 are embedded
    assert found.memorisation.distance_ratio > 1
    assert found.embedded.identity is not None
    assert found.embedded.identity.kept < 0.5
    sizes = {}
    for path in (run.path / "probe").iterdir():
        with Image.open(path) as figure:
            sizes[path.name] = figure.size
    assert sizes == {
        "embedded_heldout.png": (8 * 18 + 2, 3 * 18 + 2),
        "embedded_training.png": (8 * 18 + 2, 3 * 18 + 2),
        "neighbours.png": (6 * 18 + 2, 8 * 18 + 2),
        "path_linear.png": (9 * 18 + 2, 6 * 18 + 2),
        "path_mirrored.png": (9 * 18 + 2, 6 * 18 + 2),
        "path_spherical.png": (9 * 18 + 2, 6 * 18 + 2),
        "strip.png": (11 * 18 + 2, 4 * 18 + 2),
    }
    assert {path: path.read_bytes() for path in run.checkpoints.iterdir()} == before
    assert probe(run, None, cache, CPU, SETTINGS, JUDGES) == found


def test_a_generator_that_can_make_every_face_keeps_all_of_it(
    run: RunDirectory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code is the image: what is then measured of codes is measured of the faces themselves."""

    class Copying:
        def latent(self, count: int, draw: Any, stream: str) -> Tensor:
            return draw.uniform(stream, count, 3 * 16 * 16)

        def generate(self, z: Tensor) -> Tensor:
            return z.view(-1, 3, 16, 16)

        def encode(self, images: Tensor, draw: Any) -> Tensor:
            return images.flatten(1)

    finish(run)
    monkeypatch.setattr(look, "_coded", lambda *_: Copying())
    found = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    said, embedded = found.judges["pooled"], found.embedded
    assert (found.way, embedded.steps, embedded.unsettled) == ("encoder", 0, 0)
    assert embedded.outside < 0.02  # black and white, beyond the most of 1,000 uniform numbers
    assert embedded.pixels.heldout == pytest.approx(0, abs=1e-6)
    assert embedded.pixels.gap_low == embedded.pixels.gap == embedded.pixels.gap_high
    assert embedded.identity is not None
    assert (embedded.identity.kept, embedded.identity.distance) == (1, 0)
    # Between the codes lie the photographs laid over one another, and a face seen from the front.
    assert said.embedded.middle["distance"] == pytest.approx(said.blended["distance"], rel=0.01)
    assert embedded.mirror_asymmetry < 0.05
    assert said.embedded.linear.longest_step == pytest.approx(1 / 8, abs=0.01)
    assert said.embedded.linear.length == pytest.approx(said.embedded.linear.ends, rel=0.01)
    assert 0.6 < said.embedded.linear.ends < 1.5
    # By search it comes less near in three steps.
    assert found.searched is not None
    assert found.searched.pixels.heldout > 0.1
    assert said.searched is not None


def test_codes_are_searched_for_in_full_precision(
    run: RunDirectory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    default, seen = [switch.fp32_precision for switch in switches], set()
    original = BEGAN.generate

    def watched(method: BEGAN, z: Tensor) -> Tensor:
        seen.update(switch.fp32_precision for switch in switches)
        return original(method, z)

    finish(run)
    monkeypatch.setattr(BEGAN, "generate", watched)
    try:
        round_to_tf32(True)
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
        assert [switch.fp32_precision for switch in switches] == ["tf32", "tf32"]
    finally:
        for switch, before in zip(switches, default, strict=True):
            switch.fp32_precision = before
    assert seen == {"ieee"}


def test_a_method_without_a_gradient_embeds_by_its_encoder_alone(
    tmp_path: Path, cache: Path
) -> None:
    spec = of({**PIXELCNN, "code": 2})
    run = made(tmp_path, spec)
    finish(run)
    found = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    method = new_method(spec, CPU)
    assert isinstance(method, ConditionalPixelCNN)
    x = to_floats(_Parts(look.open_store(spec.data, None, cache), SETTINGS).targets.heldout, CPU)
    assert method.encoder is not None
    errors = (x - method.generate(method.encoder(x))).abs().mean((1, 2, 3))
    assert found.embedded.pixels.heldout == pytest.approx(errors.mean().item(), rel=1e-5)
    assert (found.way, found.searched, found.judges["pooled"].searched) == ("encoder", None, None)


def test_a_method_with_both_embeds_by_both(tmp_path: Path, cache: Path) -> None:
    run = made(tmp_path, of(ALI))
    finish(run)
    found = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    assert found.searched is not None
    assert (found.way, found.embedded.steps, found.searched.steps) == ("encoder", 0, 3)
    assert (run.path / "probe" / "strip_searched.png").is_file()
    said = "\n".join(lines(found))
    assert "embedded by encoder: held-out" in said
    assert "30 of 30 codes had not reached their plateau" in said


def test_without_the_face_network_the_probe_says_so(
    run: RunDirectory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, device: torch.device) -> Any:
        if name == "dlib_face":
            raise BenchError("the weights of `dlib_face` are not installed: pip install x")
        return original(name, device)

    original = look.load_network
    monkeypatch.setattr(look, "FACE_FEATURES", "dlib_face")
    monkeypatch.setattr(look, "load_network", missing)
    finish(run)
    found = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    assert found.embedded.identity is None
    assert "identity: not measured: the weights of `dlib_face`" in "\n".join(lines(found))


def test_only_a_run_that_is_done_is_probed(run: RunDirectory, cache: Path) -> None:
    with pytest.raises(BenchError, match="not finished; only a run that is done"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
    finish(run, "failed")
    with pytest.raises(BenchError, match="failed"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
    finish(run)
    with pytest.raises(InputError, match=r"probe.images: 60 of 60 images leave .* set it to 40"):
        probe(run, None, cache, CPU, SETTINGS.model_copy(update={"images": 60}), JUDGES)
    method, rate = new_method(run.spec(), CPU), RateState(lr=1e-4)
    checkpoint.write(run.checkpoints, method, Progress(step=8, rate=rate, wall_s=0, cpu_s=0))
    for damaged in run.checkpoints.glob("*12*"):
        damaged.write_bytes(b"")
    with pytest.raises(BenchError, match="no intact checkpoint of its last step"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(BenchError, match="no intact checkpoint"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
    assert not (run.path / "probe.json").exists()


def test_a_generator_without_checkpoints_is_probed_by_its_last_snapshot(
    run: RunDirectory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(run)
    whole = probe(run, None, cache, CPU, SETTINGS, JUDGES)
    method = new_method(run.spec(), CPU)
    checkpoint.read_latest(run.checkpoints, method)
    shutil.rmtree(run.checkpoints)
    snapshots.write(run.snapshots, 8, method)
    with pytest.raises(BenchError, match="no intact checkpoint"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)
    snapshots.write(run.snapshots, 12, method)
    assert probe(run, None, cache, CPU, SETTINGS, JUDGES) == whole
    monkeypatch.setattr(look, "has_encoder", lambda _: True)  # whose weights are not there
    with pytest.raises(BenchError, match="no intact checkpoint"):
        probe(run, None, cache, CPU, SETTINGS, JUDGES)


def test_networks_are_built_while_no_lane_initialises_its_own(
    run: RunDirectory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building a network draws from the generator that the lanes share."""
    load, held = look.load_network, []

    def watched(name: str, device: torch.device) -> Any:
        held.append(free_elsewhere())
        return load(name, device)

    def free_elsewhere() -> bool:
        with ThreadPoolExecutor(1) as other:
            got = other.submit(ALONE.acquire, blocking=False).result()
            if got:
                other.submit(ALONE.release).result()
        return got

    finish(run)
    monkeypatch.setattr(look, "load_network", watched)
    monkeypatch.setattr(look, "FACE_FEATURES", "tests.test_probe:Other")
    probe(run, None, cache, CPU, SETTINGS, JUDGES)
    assert held == [False, False]
    assert free_elsewhere()


def test_a_view_that_lacks_images_is_compared_with_those_that_it_has(
    run: RunDirectory, cache: Path
) -> None:
    store = open_store(run.spec().data, None, cache)
    parts = _Parts(store, SETTINGS)
    same = parts.real(store, JUDGES["pooled"])
    embedded, rest = parts.test_positions[:12], parts.test_positions[12:]
    assert np.array_equal(same.reference, store.fixed(rest[: parts.middles]))
    gone = {part: np.delete(at, np.s_[::10]) for part, at in store.splits.items()}
    other = replace(store, splits=gone)
    found = parts.real(other, JUDGES["pooled"])
    kept = {image.tobytes() for image in store.fixed(gone["test"])}
    assert all(image.tobytes() in kept for image in found.reference)
    apart = {image.tobytes() for image in store.fixed(embedded)}
    assert not any(image.tobytes() in apart for image in found.reference)
    few = replace(store, splits={part: at[:20] for part, at in store.splits.items()})
    with pytest.raises(InputError, match=r"the judge's view lacks images.*set probe\.images lower"):
        parts.real(few, JUDGES["pooled"])


def test_methods_without_a_code_are_refused_before_they_train() -> None:
    refuse_codeless([tiny_spec(), of({**PIXELCNN, "code": 2})])
    with pytest.raises(InputError, match=r"^pixelcnn has no latent code"):
        refuse_codeless([tiny_spec(), of(PIXELCNN)])


def test_a_worker_probes_a_run_once(tmp_path: Path, cache: Path) -> None:
    judges = {"pooled": {"features": POOLED, "samples": 60}}
    asked = {"judges": judges, "repeats": 0, "probe": SETTINGS.model_dump()}
    run, where = tiny_run(tmp_path, tiny_spec(), **asked), Where(None, cache)
    left = pending_of(tiny_evaluation(**asked))
    assert left(run) == []  # it has no snapshot, and is not done
    result = run_one(run, where)
    first = (run.path / "probe.json").read_bytes()
    assert Probe.model_validate_json(first).weights_sha256 == result.weights_sha256
    assert left(run) == []
    run_one(run, where)
    assert (run.path / "probe.json").stat().st_mtime_ns  # there, and not written again:
    (run.path / "probe.json").write_bytes(first + b"\n")
    evaluate_one(run, where, [])
    assert (run.path / "probe.json").read_bytes() == first + b"\n"
    # Other sizes, another judge or another metric's version are another probe.
    other = {**asked, "probe": {**asked["probe"], "steps": 2}}
    assert pending_of(tiny_evaluation(**other))(run) == [PROBE]
    run.write_evaluation(tiny_evaluation(**other))
    evaluate_one(run, where, ["pooled"])  # one judge is asked, and not for a probe
    assert (run.path / "probe.json").read_bytes() == first + b"\n"
    evaluate_one(run, where, [])
    assert pending_of(tiny_evaluation(**other))(run) == []
    assert pending_of(tiny_evaluation(**asked))(run) == [PROBE]
    assert pending_of(tiny_evaluation(**{**asked, "probe": None}))(run) == []


def test_the_command_takes_what_the_ablation_asked_for(tmp_path: Path, cache: Path) -> None:
    judges = {"pooled": {"features": POOLED, "samples": 60}}
    run = tiny_run(tmp_path, tiny_spec(), judges=judges, probe=SETTINGS.model_dump())
    shutil.copytree(made(tmp_path / "made", tiny_spec()).checkpoints, run.checkpoints)
    finish(run)
    asked = ["probe", str(run.path), "--cache", str(cache), "--steps", "2"]
    done = CliRunner().invoke(bench, asked)
    assert done.exit_code == 0, done.output
    found = Probe.model_validate_json((run.path / "probe.json").read_bytes())
    assert (found.sizes.model_dump(), list(found.judged_by)) == (
        {**SETTINGS.sizes(), "steps": 2},
        ["pooled"],
    )
    done = CliRunner().invoke(bench, [*asked, "--images", "7"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("--images 7: allowed: ")


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench, ["probe", str(tmp_path)])
    assert isinstance(result.exception, BenchError)
    assert "no such run in" in str(result.exception)


def test_pairs_are_all_or_evenly_taken() -> None:
    assert all_pairs(3, 100).tolist() == [[0, 1], [0, 2], [1, 2]]
    some = all_pairs(12, 20)
    assert len({tuple(pair) for pair in some.tolist()}) == 20
    assert set(some.flatten().tolist()) == set(range(12))


def test_the_usual_attributes_are_those_that_the_data_have(real_faces: Path) -> None:
    assert usual_attributes(CelebASettings(name="celeba"), real_faces) == ("Male", "Young")


def test_attributes_are_counted_on_all_data_that_have_them(run: RunDirectory, cache: Path) -> None:
    finish(run)
    smiling = SETTINGS.model_copy(update={"attributes": ("Smiling",)})
    found = probe(run, None, cache, CPU, smiling, JUDGES)
    store = look.open_store(run.spec().data, None, cache, ("Smiling",))
    assert store.labels is not None
    training = store.labels[_Parts(store, smiling).train_positions, 0].mean()
    assert 0 < training < 1
    assert found.attributes["Smiling"].training == training
    assert found.asked_attributes == ["Smiling"]


def test_an_attribute_that_the_data_lack_is_refused(run: RunDirectory, cache: Path) -> None:
    finish(run)
    male = SETTINGS.model_copy(update={"attributes": ("Male",)})
    with pytest.raises(InputError, match=r"^probe\.attributes: .* no attribute 'Male'; it has: B"):
        probe(run, None, cache, CPU, male, JUDGES)
    assert usual_attributes(run.spec().data, None) == ()


def test_a_sweep_refuses_it_before_its_runs_train(cache: Path) -> None:
    asked = tiny_evaluation(probe={**SETTINGS.model_dump(), "attributes": ["Male"]})
    with pytest.raises(InputError, match=r"^evaluation\.probe\.attributes: .* attribute 'Male'"):
        open_stores(asked, tiny_plan(tiny_spec()).runs, Reader(None, cache))
