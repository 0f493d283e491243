"""What the loop asks of any method of the registry."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from benchmark.data.store import open_store
from benchmark.evaluation.evaluator import Evaluator
from benchmark.methods.method import Method
from benchmark.methods.registry import _METHODS, build
from benchmark.methods.settings import MethodSettings
from benchmark.runs import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import Sampler, Stopped, Trainer, sampler
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, images

CPU = torch.device("cpu")
EVERY = pytest.mark.parametrize("name", list(_METHODS))


def settings_of(name: str, n: int = 2) -> MethodSettings:
    adapter: TypeAdapter[Any] = TypeAdapter(MethodSettings)
    return adapter.validate_python({"name": name, "n": n})  # type: ignore[no-any-return]


def made(name: str, size: int = 16) -> Method:
    torch.manual_seed(0)
    return build(settings_of(name), size)


@EVERY
def test_update_gives_its_columns_as_detached_scalars(name: str) -> None:
    method = made(name)
    for step in range(6):
        metrics = method.update(images(), FixedDraw(step))
        assert list(metrics) == list(method.settings.train_columns)  # type: ignore[union-attr]
        for value in metrics.values():
            assert value.shape == ()
            assert not value.requires_grad
            assert value.isfinite()
    first = {key: value.clone() for key, value in metrics.items()}
    method.update(images(), FixedDraw(7))
    assert metrics == first  # a row that was given stays as it was


@EVERY
def test_watching_changes_nothing(name: str) -> None:
    method = made(name)
    method.update(images(), FixedDraw())
    z = method.latent(8, FixedDraw(), "z_watch")
    before = {key: value.clone() for key, value in method.state_dict().items()}
    method.eval()
    with torch.no_grad():
        watched = method.watch(images(8), z)
        again = method.watch(images(8), z)
    assert list(watched) == list(method.settings.watch_columns)  # type: ignore[union-attr]
    assert all(value.shape == () and value.isfinite() for value in watched.values())
    assert watched == again
    after = method.state_dict()
    assert all(after[key].equal(value) for key, value in before.items())


def train(spec: RunSpec, root: Path, cache: Path, stops: bool = False) -> Result:
    def judge(step: int, sample: Sampler) -> dict[str, float]:
        return {"brightness": sample(0, 4).double().mean().item()}

    run = RunDirectory.create(root, spec)
    trainer = Trainer(run, open_store(spec.data, None, cache), CPU)
    return trainer.train(judge, lambda: stops)


@EVERY
def test_resumed_at_every_row_equals_uninterrupted(name: str, tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec().model_copy(update={"method": settings_of(name)})
    whole = train(spec, tmp_path / "whole", cache)
    for _ in range(5):  # after every second step; a cycle of WGAN-GP has five
        with pytest.raises(Stopped):
            train(spec, tmp_path / "cut", cache, stops=True)
    resumed = train(spec, tmp_path / "cut", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    rows = [RunDirectory(tmp_path / at / spec.run_id).rows() for at in ("whole", "cut")]
    assert [row.values for row in rows[0]] == [row.values for row in rows[1]]


@pytest.mark.slow
@EVERY
def test_200_steps_bring_the_samples_nearer_to_the_faces(name: str, cache: Path) -> None:
    """Procedural faces at 16 px, the method's published learning rate or near it."""
    rates = {"ebgan": 1e-3, "dcgan": 2e-4, "wgan_gp": 1e-4}
    spec = tiny_spec(data={"size": 16, "count": 3000}, evaluation={"samples": 200})
    store = open_store(spec.data, None, cache)
    torch.manual_seed(0)
    method = build(settings_of(name, n=16), 16)
    evaluator = Evaluator(spec.evaluation, store, cache, CPU)

    def distance() -> float:
        method.eval()
        scores = evaluator.evaluate(sampler(method, 0, "z_eval", CPU))
        method.train()
        return scores["fd_efficientnet_lite0"]

    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] = rates.get(name, 4e-4)
    before = distance()
    for step in range(200):
        at = store.splits["train"][16 * (step % 100) : 16 * (step % 100) + 16]
        x = torch.from_numpy(store.batch(at)).float() / 127.5 - 1
        method.update(x, StepDraw(0, step, CPU))
    after = distance()
    print(name, before, after)
    assert after < 0.7 * before
