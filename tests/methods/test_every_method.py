"""What the loop asks of any method of the registry."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.store import open_store
from benchmark.evaluation.frechet import Gaussian
from benchmark.methods.method import Batch, Method
from benchmark.methods.registry import build, built_in, method_class
from benchmark.methods.settings import MethodSettings
from benchmark.runs.directory import RunDirectory
from benchmark.training import snapshots
from benchmark.training.loop import Stopped, Trainer, sampler
from tests.conftest import tiny_spec
from tests.methods.fixed import FixedDraw, images
from tests.training.test_loop import train, values

CPU = torch.device("cpu")
EVERY = pytest.mark.parametrize("name", built_in())


# WGAN's generator waits for 100 updates of the critic; here it moves in a few steps, twice.
# LAPGAN's widths at 8 px are settings of their own. PixelCNN's samples take as long as it has
# layers. StackGAN goes from stage to stage; at n = 2 the batch norms of its stage II would make
# much of a rounding.
SOON: dict[str, dict[str, Any]] = {
    "lapgan": {"hidden_g": 8, "hidden_d": 8},
    "pixelcnn": {"layers": 2, "mixtures": 2},
    "stackgan": {"n": 8, "stage_1": 3},
    "wgan": {"critic": 2, "long_critic": 3, "warm_up": 1},
}


def settings_of(name: str, **block: Any) -> MethodSettings:
    tiny = {"name": name, "n": 2, **SOON.get(name, {})}
    return method_class(name).Settings.model_validate({**tiny, **block})


def made(name: str, size: int = 16) -> Method:
    torch.manual_seed(0)
    return build(settings_of(name), size)


@EVERY
def test_update_gives_its_columns_as_detached_scalars(name: str) -> None:
    method = made(name)
    for step in range(6):
        metrics = method.update(Batch(images()), FixedDraw(step))
        assert list(metrics) == list(method.columns)
        for value in metrics.values():
            assert value.shape == ()
            assert not value.requires_grad
            assert value.isfinite()
    first = {key: value.clone() for key, value in metrics.items()}
    method.update(Batch(images()), FixedDraw(7))
    assert metrics == first  # a row that was given stays as it was


@EVERY
def test_watching_changes_nothing(name: str) -> None:
    method = made(name)
    method.update(Batch(images()), FixedDraw())
    before = {key: value.clone() for key, value in method.state_dict().items()}
    method.eval()
    with torch.no_grad():
        watched = method.watch(Batch(images(8)), FixedDraw())
        again = method.watch(Batch(images(8)), FixedDraw())
    assert tuple(watched) == method.heldout
    assert all(value.shape == () and value.isfinite() for value in watched.values())
    assert watched == again
    after = method.state_dict()
    assert all(after[key].equal(value) for key, value in before.items())


@EVERY
def test_a_snapshot_is_all_that_samples_need(name: str, tmp_path: Path) -> None:
    more = {"carry_steps": 50} if name == "began" else {}
    torch.manual_seed(0)
    method, fresh = (build(settings_of(name, **more), 16) for _ in range(2))
    for step in range(6):
        method.update(Batch(images()), FixedDraw(step))
    samples = [sampler(each, 0, "z_eval", CPU)(0, 5) for each in (method, fresh)]
    assert not samples[0].equal(samples[1])
    snapshots.write(tmp_path, 6, method).load_into(fresh)
    assert samples[0].equal(sampler(fresh, 0, "z_eval", CPU)(0, 5))


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


# Enough for 200 steps to be seen: wider, faster or, where a critic comes first, a generator step
# each time. At gamma 0.5 flat grey fakes are in equilibrium with a discriminator that is still so
# bad: BEGAN has 1, and a gain that is felt at once. At 16 px EBGAN's auto-encoder has one layer.
# LAPGAN's discriminator at 8 px starts with small weights; a wide one is felt sooner.
BEGAN = {"n": 8, "h": 32, "gamma": 1.0, "lambda_k": 0.1}
HASTE: dict[str, dict[str, Any]] = {
    "ali": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 8, "z": 32}},
    "began": {"size": 16, "lr": 3e-3, "batch": 32, "method": {**BEGAN, "z": 32}},
    "began_cs": {"size": 16, "lr": 3e-3, "batch": 32, "method": BEGAN},
    "ebgan": {"size": 32, "lr": 1e-3, "batch": 16, "method": {"n": 16}},
    "dcgan": {"size": 16, "lr": 1e-3, "batch": 64, "method": {"n": 32}},
    "lapgan": {
        **{"size": 16, "lr": 0.1, "batch": 64},
        "method": {"n": 8, "hidden_g": 256, "hidden_d": 1024, "dropout": 0.0},
    },
    "stackgan": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 16, "stage_1": 100}},
    "pixelcnn": {
        **{"size": 16, "lr": 3e-3, "batch": 16},
        "method": {"n": 16, "layers": 3, "kernel": 3, "mixtures": 3, "coordinates": True},
    },
    "wgan": {
        **{"size": 16, "lr": 1e-3, "batch": 32},
        "method": {"n": 32, "critic": 1, "long_critic": 1},
    },
    "wgan_gp": {"size": 16, "lr": 1e-3, "batch": 32, "method": {"n": 32, "critic": 1}},
}


def random_features(pixels: Tensor) -> NDArray[np.float64]:
    """Mean and deviation of 64 responses of a fixed random convolutional network, (N, 128).

    EfficientNet's, which judge runs, say otherwise so early: from flat grey images to blobs of the
    faces' colours BEGAN-CS goes from 865 to 861 and EBGAN from 781 to 1063.
    """
    draw = torch.Generator().manual_seed(0)
    x = nn.functional.adaptive_avg_pool2d(pixels.float() / 127.5 - 1, 16)
    for shape in ((32, 3, 5, 5), (64, 32, 3, 3)):
        weight = torch.randn(shape, generator=draw) / math.prod(shape[1:]) ** 0.5
        x = nn.functional.leaky_relu(nn.functional.conv2d(x, weight, padding="same"), 0.2)
        x = nn.functional.avg_pool2d(x, 2)
    x = x.flatten(2).double()
    return torch.cat([x.mean(2), x.std(2)], 1).numpy()


@pytest.mark.slow  # a minute of processor time
@EVERY
def test_200_steps_bring_the_samples_nearer_to_the_faces(
    name: str, tmp_path: Path, cache: Path
) -> None:
    """Below 0.6 of the untrained samples' Fréchet distance to held-out faces."""
    haste = HASTE[name]
    spec = tiny_spec(
        data={"size": haste["size"], "count": 3000},
        training={
            **{"steps": 200, "batch": haste["batch"], "lr": haste["lr"]},
            "lr_decay": {"on": "never"},
        },
    ).model_copy(update={"method": settings_of(name, **haste["method"])})
    store = open_store(spec.data, None, cache)
    faces = torch.from_numpy(store.images[store.splits["test"]])
    heldout = Gaussian(random_features(faces))

    def distance(method: Method) -> float:
        sample = sampler(method, 0, "z_eval", CPU)
        return heldout.distance(random_features(sample(0, 200)))

    trainer = Trainer(RunDirectory.create(tmp_path, spec), store, CPU)
    before = distance(trainer.method)
    trainer.train(lambda: False, lambda snapshot: None)
    after = distance(trainer.method)
    print(f"{name}: {before:.3f} -> {after:.3f}")
    assert after < 0.6 * before
