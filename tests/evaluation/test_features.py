"""Features of many images and their cache."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import BenchError
from benchmark.evaluation.features import BATCH, cached_features, content_key, extract
from benchmark.evaluation.networks import FeatureNetwork, as_network, load_network
from benchmark.precision import round_to_tf32

CPU = torch.device("cpu")


class Means(nn.Module):
    """Three features: the channels' means. Records the size of every batch."""

    VERSION, INPUT_IMAGE_SIZE, WIDTH = "1", 8, 3
    weights_sha256 = "0" * 64

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> tuple[Tensor]:
        self.batches.append(len(images))
        return (images.float().mean((2, 3)) * self.scale,)


def network_of(module: Means) -> FeatureNetwork:
    return as_network("means", module, CPU)


def some_images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)


def test_bits_do_not_depend_on_how_images_arrive() -> None:
    network = load_network("efficientnet_lite0", CPU)
    images = torch.from_numpy(some_images(BATCH + 3))
    whole = extract(network, [images])
    assert whole.shape == (BATCH + 3, 1280)
    assert not whole.is_inference()
    assert torch.equal(extract(network, images.split(1)), whole)
    assert torch.equal(extract(network, images.split([7, 0, BATCH - 4])), whole)


def test_images_go_through_in_order_in_fixed_batches() -> None:
    module, images = Means(), torch.from_numpy(some_images(2 * BATCH + 5))
    features = extract(network_of(module), images.split(50))
    assert module.batches == [BATCH, BATCH, 5]
    torch.testing.assert_close(features, images.float().mean((2, 3)))


@pytest.mark.parametrize("wrong", [torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8).to(torch.uint8)])
def test_other_tensors_than_images_are_refused(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match="uint8 images"):
        extract(network_of(Means()), [wrong])


def test_training_is_not_disturbed() -> None:
    """Nor where it has chosen the precision of its own products and convolutions."""
    switches = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    default = [switch.fp32_precision for switch in switches]
    chosen: list[str] = []

    class Watched(Means):
        def forward(self, images: Tensor) -> tuple[Tensor]:
            chosen.extend(switch.fp32_precision for switch in switches)
            return super().forward(images)

    try:
        round_to_tf32(True)
        extract(network_of(Watched()), [torch.from_numpy(some_images(2))])
        assert [switch.fp32_precision for switch in switches] == ["tf32", "tf32"]
    finally:
        for switch, before in zip(switches, default, strict=True):
            switch.fp32_precision = before
    assert chosen == ["ieee", "ieee"]


def test_the_key_depends_on_content_weights_version_and_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = some_images(4)
    changed = images.copy()
    changed[2, 1, 3, 3] ^= 1
    network = network_of(Means())
    keys = [content_key(network, i) for i in (images, changed, images.reshape(4, 3, 8, 32))]
    for attribute in ("weights_sha256", "VERSION"):
        module = Means()
        setattr(module, attribute, "2")
        keys.append(content_key(network_of(module), images))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    keys.append(content_key(network, images))
    assert len(set(keys)) == 6
    monkeypatch.undo()
    assert content_key(network_of(Means()), images.copy()) == keys[0]


def test_the_cache_is_read_not_recomputed(tmp_path: Path) -> None:
    images = some_images(5)
    first = cached_features(network_of(Means()), images, tmp_path)
    again = Means()
    network = network_of(again)
    assert torch.equal(cached_features(network, images, tmp_path), first)
    assert again.batches == []
    other = cached_features(network, some_images(5, seed=1), tmp_path)
    assert again.batches == [5]
    assert not torch.equal(other, first)


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "garbage", "rows", "not a number", "object"]
)
def test_a_damaged_cache_file_is_computed_again(tmp_path: Path, damage: str) -> None:
    images = some_images(5)
    expected = cached_features(network_of(Means()), images, tmp_path)
    (path,) = (tmp_path / "features").glob("*.npy")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage in ("empty", "garbage"):
        path.write_bytes(b"" if damage == "empty" else b"not a numpy file")
    else:
        rows = {"rows": expected[:3].numpy(), "not a number": np.full((5, 3), np.nan, np.float32)}
        np.save(path, rows.get(damage, np.array([None])), allow_pickle=True)
    module = Means()
    assert torch.equal(cached_features(network_of(module), images, tmp_path), expected)
    assert module.batches == [5]
    assert np.array_equal(np.load(path), expected.numpy())


def test_many_at_once_compute_once(tmp_path: Path) -> None:
    module, images = Means(), some_images(3)
    network = network_of(module)
    results: list[Tensor] = []
    threads = [
        threading.Thread(target=lambda: results.append(cached_features(network, images, tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert module.batches == [3]


def test_an_unusable_cache_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="cannot keep the features"):
        cached_features(network_of(Means()), some_images(2), tmp_path / "file")
