"""A run's randomness is three streams, each with a seed of its own where the file gives one."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import Tensor

from benchmark.data.store import open_store
from benchmark.evaluation.samples import save_grid
from benchmark.methods.method import Batch, Draw
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.training import snapshots
from benchmark.training.checkpoint import weights_digest
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import Step, Stopped, Trainer, new_method, sampler
from benchmark.training.settings import STREAMS, Stream
from benchmark.worker import GRID, Panel, Where
from tests.conftest import tiny_spec
from tests.training.test_loop import CPU, train, values

# Every visit turns an image again, and the method draws noise and codes.
DRAWN: dict[str, Any] = {
    "data": {"view": {"name": "rotated", "degrees": 20.0, "draw": "visit"}},
    "method": {"noise_sd": 0.1, "kl_weight": 0.1},
}


def split(**seeds: int) -> RunSpec:
    """A tiny run, with seeds of single streams."""
    return tiny_spec(**DRAWN, training={"seeds": seeds})


class Seen(NamedTuple):
    """What each stream gave to three steps of training, in the order of STREAMS."""

    weights: str
    batches: list[Any]
    numbers: list[Any]

    def differing(self, other: "Seen") -> set[Stream]:
        return {name for name, a, b in zip(STREAMS, self, other, strict=True) if a != b}


class Listening:
    """A draw that keeps what it gives."""

    def __init__(self, draw: Draw, kept: list[Any]) -> None:
        self._draw, self._kept = draw, kept

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self._keep(stream, self._draw.uniform(stream, *shape))

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self._keep(stream, self._draw.normal(stream, *shape))

    def _keep(self, stream: str, numbers: Tensor) -> Tensor:
        self._kept.append((stream, numbers.tolist()))
        return numbers


def given(spec: RunSpec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    step = Step(spec, open_store(spec.data, None, cache), CPU, graphs=False)
    seen = Seen(weights_digest(step.method), [], [])
    update = step.method.update

    def listened(batch: Batch, draw: Draw) -> dict[str, Tensor]:
        seen.batches.append(batch.images.tolist())
        return update(batch, Listening(draw, seen.numbers))

    monkeypatch.setattr(step.method, "update", listened)
    for number in (1, 2, 3):
        step(number, 1e-4)
    return seen


def test_the_seed_of_a_stream_changes_that_stream_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = given(split(), cache, monkeypatch)
    assert {stream for stream, _ in usual.numbers} >= {"z_D", "z_G", "noise_real", "code_real"}
    for stream in STREAMS:
        other = given(split(**{stream: 7}), cache, monkeypatch)
        assert usual.differing(other) == {stream}
    seed_7 = given(split().model_copy(update={"seed": 7}), cache, monkeypatch)
    assert usual.differing(seed_7) == set(STREAMS)
    # It is the stream that a run of that seed has.
    assert given(split(initialisation=7, order=7), cache, monkeypatch).differing(seed_7) == {
        "latents"
    }


def test_streams_of_the_runs_own_seed_train_the_same_bits(tmp_path: Path, cache: Path) -> None:
    usual, spelt_out = split(), split(**dict.fromkeys(STREAMS, 0))
    found = [train(spec, tmp_path, cache).weights_sha256 for spec in (usual, spelt_out)]
    assert found[0] == found[1]
    assert values(tmp_path, usual) == values(tmp_path, spelt_out)
    assert usual.run_id != spelt_out.run_id
    assert usual.trains_as() == spelt_out.trains_as()


@pytest.mark.parametrize("stop_at", [1, 4])
def test_resumed_with_split_streams_it_has_the_same_bits(
    stop_at: int, tmp_path: Path, cache: Path
) -> None:
    spec = split(initialisation=3, order=7, latents=1)
    whole = train(spec, tmp_path / "whole", cache)
    with pytest.raises(Stopped):
        train(spec, tmp_path / "cut", cache, stop_at)
    assert train(spec, tmp_path / "cut", cache).weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)


def test_what_measures_draws_by_the_runs_own_seed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = split(initialisation=3, order=7, latents=1)
    run = RunDirectory.create(tmp_path, spec)
    trainer = Trainer(run, open_store(spec.data, None, cache), CPU)
    watch = trainer.method.watch
    numbers: list[Any] = []

    def listened(batch: Batch, draw: Draw) -> dict[str, Tensor]:
        return watch(batch, Listening(draw, numbers))

    monkeypatch.setattr(trainer.method, "watch", listened)
    trainer.train(lambda: False, lambda snapshot: None)
    ((stream, codes),) = numbers
    assert stream == "z_heldout"
    assert codes == StepDraw(spec.seed, 0, CPU).uniform(stream, len(codes), 4).tolist()

    Panel.of(run, Where(None, cache, "cpu"), CPU).evaluate()
    (snapshot,) = snapshots.listed(run.snapshots)
    method = new_method(spec, CPU)
    snapshot.load_into(method)
    samples = sampler(method, spec.seed, "z_eval", CPU)(0, GRID[0])
    save_grid(samples, GRID[1], tmp_path / "grid.png")
    (grid,) = run.samples.glob("*.png")
    assert grid.read_bytes() == (tmp_path / "grid.png").read_bytes()
