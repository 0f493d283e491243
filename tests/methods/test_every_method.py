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
from benchmark.runs.directory import RunDirectory
from benchmark.training.loop import Stopped, Trainer, sampler
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, images
from tests.training.test_loop import QuietJudge, train, values

CPU = torch.device("cpu")
EVERY = pytest.mark.parametrize("name", list(_METHODS))


def settings_of(name: str, **block: Any) -> MethodSettings:
    adapter: TypeAdapter[Any] = TypeAdapter(MethodSettings)
    return adapter.validate_python({"name": name, "n": 2, **block})  # type: ignore[no-any-return]


def made(name: str, size: int = 16) -> Method:
    torch.manual_seed(0)
    return build(settings_of(name), size)


@EVERY
def test_update_gives_its_columns_as_detached_scalars(name: str) -> None:
    method = made(name)
    for step in range(6):
        metrics = method.update(images(), FixedDraw(step))
        assert list(metrics) == list(settings_of(name).train_columns)
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
    assert list(watched) == list(settings_of(name).watch_columns)
    assert all(value.shape == () and value.isfinite() for value in watched.values())
    assert watched == again
    after = method.state_dict()
    assert all(after[key].equal(value) for key, value in before.items())


@EVERY
def test_resumed_at_every_row_equals_uninterrupted(name: str, tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec().model_copy(update={"method": settings_of(name)})
    whole = train(spec, tmp_path / "whole", cache)
    for _ in range(5):  # after every second step; a cycle of WGAN-GP has five
        with pytest.raises(Stopped):
            train(spec, tmp_path / "cut", cache, stop_at=1)
    resumed = train(spec, tmp_path / "cut", cache)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)


# Enough for 200 steps to be seen: wider, faster or, in WGAN-GP, a generator step each time.
# EBGAN has 32 px, since at 16 its auto-encoder has a single layer and judges badly.
HASTE: dict[str, dict[str, Any]] = {
    "began": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 16}},
    "began_cs": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 16}},
    "ebgan": {"size": 32, "lr": 1e-3, "batch": 16, "method": {"n": 32}},
    "dcgan": {"size": 16, "lr": 1e-3, "batch": 64, "method": {"n": 32}},
    "wgan_gp": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 32, "critic": 1}},
}


# What 200 steps were seen to do instead, with real faces at 157 and, for EBGAN, 116.
TOO_SOON = {
    "began": "871 -> 880 (877 -> 841 at a rate of 4e-4 and a batch of 16): faces come after 1,000",
    "began_cs": "not measured; BEGAN's kin",
    "ebgan": "781 -> 1080: its fakes are all alike in the first hundred steps (PT 0.9)",
}


def _hasty(name: str) -> Any:
    reason = TOO_SOON.get(name)
    return pytest.param(name, marks=[pytest.mark.xfail(reason=reason)] if reason else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", [_hasty(name) for name in _METHODS])
def test_200_steps_bring_the_samples_nearer_to_the_faces(
    name: str, tmp_path: Path, cache: Path
) -> None:
    """A quarter of the way from the untrained samples' distance to real faces' own."""
    haste = HASTE[name]
    spec = tiny_spec(
        data={"size": haste["size"], "count": 3000},
        training={
            **{"steps": 200, "batch": haste["batch"], "lr": haste["lr"]},
            "lr_decay": {"on": "never"},
        },
        evaluation={"every": 200, "samples": 200, "repeats": 0},
    ).model_copy(update={"method": settings_of(name, **haste["method"])})
    store = open_store(spec.data, None, cache)
    evaluator = Evaluator(spec.evaluation, store, cache, CPU)

    def distance(method: Method) -> float:
        return evaluator.evaluate(sampler(method, 0, "z_eval", CPU))["fd_efficientnet_lite0"]

    trainer = Trainer(RunDirectory.create(tmp_path, spec), store, CPU)
    before, best = distance(trainer.method), evaluator.floor()["fd_efficientnet_lite0"]
    trainer.train(QuietJudge(), lambda: False)
    after = distance(trainer.method)
    print(f"{name}: {before:.0f} -> {after:.0f}, real faces {best:.0f}")
    assert after < before - 0.25 * (before - best)
