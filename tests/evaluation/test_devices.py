"""What a judge computes on a device stays there; metrics are the host's, and use no torch at all.

The border is `features.extract`: a network's rows come to the CPU, where all metrics compute in
NumPy's float64. On the device are the images, their sharpness and the network. Two reads wait for
it, once a batch: whether features are finite, and the sum of the sharpness.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import BenchError
from benchmark.evaluation import inception_2015
from benchmark.evaluation.catalogue import network_class, network_names
from benchmark.evaluation.features import BATCH, _rebatched
from benchmark.evaluation.metrics import METRICS, Comparison, Reference
from benchmark.evaluation.networks import _built
from benchmark.evaluation.sharpness import laplacian_variance
from benchmark.evaluation.torch_fidelity_networks import registered
from benchmark.training.loop import to_uint8
from tests.devices import META, NoTorch, OneDevice, moved, pixels
from tests.evaluation.test_fid import weights as weights  # a fixture

SIDE = 32


# Those of torch-fidelity cannot be built without their weights, which are downloads.
NETWORKS = [name for name in network_names() if name not in registered()]


def network(name: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """As `load_network` makes it, on the device; skips where its weights are not installed."""
    monkeypatch.setattr(inception_2015, "_weights", lambda: weights)
    try:
        return moved(lambda: _built(name, network_class(name)).eval().requires_grad_(False))
    except BenchError as error:
        pytest.skip(str(error))


def rows(module: nn.Module) -> Tensor:
    """Features of a batch, without the check that they are finite, which the host makes."""
    with OneDevice(), torch.inference_mode():
        output = module(pixels(BATCH, SIDE))
    found: Tensor = output[0] if isinstance(output, tuple | list) else output
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_stays_on_its_device(
    name: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = network(name, weights, monkeypatch)
    found = rows(module)
    assert found.is_meta
    assert found.shape == (BATCH, getattr(module, "WIDTH", found.shape[1]))


class Planted(nn.Module):
    """A constant that is no buffer: the CPU takes it, and so does a matrix product on meta."""

    def __init__(self) -> None:
        super().__init__()
        self.basis = torch.ones(3, 8)

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3)) @ self.basis


def test_a_fault_of_a_network_is_seen() -> None:
    with pytest.raises(AssertionError, match="on cpu"):
        rows(moved(Planted))


def test_what_samples_go_through_stays_on_their_device() -> None:
    with OneDevice():
        images = to_uint8(torch.empty(40, 3, 16, 16, device=META))
        batches = list(_rebatched(iter([images[:30], images[30:]])))
        sharpness = laplacian_variance(images)
    assert [len(batch) for batch in batches] == [16, 16, 8]
    assert all(batch.is_meta for batch in batches)
    assert sharpness.is_meta
    assert sharpness.shape == (40,)


@pytest.mark.parametrize("name", [name for name in METRICS if not METRICS[name].labelled])
def test_a_metric_is_the_hosts(name: str) -> None:
    draw = np.random.default_rng(0)
    real, validation, fake = (draw.standard_normal((60, 8)) for _ in range(3))
    with NoTorch():
        value = METRICS[name].compute(Comparison(fake, 2.0, Reference(real, validation, 1.0)))
    assert np.isfinite(value)
    assert not isinstance(value, Tensor)


def test_a_metric_that_asks_a_device_is_seen() -> None:
    with NoTorch(), pytest.raises(AssertionError, match="on the host"):
        torch.linalg.eigvalsh(torch.eye(2))
