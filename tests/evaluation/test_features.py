"""Features of many images and their cache."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from benchmark.errors import BenchError
from benchmark.evaluation.extractors import load_extractor
from benchmark.evaluation.features import BATCH, cached_features, content_key, extract
from benchmark.precision import round_to_tf32


class Means(FeatureExtractorBase):
    """Three features: the channels' means, counted as they are computed."""

    VERSION, INPUT_IMAGE_SIZE, WIDTH = "1", 8, 3
    weights_sha256 = "0" * 64

    def __init__(self) -> None:
        super().__init__("means", ["3"])
        self.scale = nn.Parameter(torch.ones(()))
        self.batches: list[int] = []

    def forward(self, input: Tensor) -> tuple[Tensor]:
        self.batches.append(len(input))
        return (input.float().mean((2, 3)) * self.scale,)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("3",)


def some_images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)


def test_bits_do_not_depend_on_how_images_arrive() -> None:
    extractor = load_extractor("efficientnet_lite0", torch.device("cpu"))
    images = torch.from_numpy(some_images(BATCH + 3))
    whole = extract(extractor, [images])
    assert whole.shape == (BATCH + 3, 1280)
    assert not whole.is_inference()
    assert torch.equal(extract(extractor, images.split(1)), whole)
    assert torch.equal(extract(extractor, images.split([7, 0, BATCH - 4])), whole)


def test_images_go_through_in_order_in_fixed_batches() -> None:
    extractor, images = Means(), torch.from_numpy(some_images(2 * BATCH + 5))
    features = extract(extractor, images.split(50))
    assert extractor.batches == [BATCH, BATCH, 5]
    torch.testing.assert_close(features, images.float().mean((2, 3)))


@pytest.mark.parametrize("wrong", [torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8).to(torch.uint8)])
def test_what_is_not_an_image_is_refused(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match="uint8 images"):
        extract(Means(), [wrong])


def test_training_is_not_disturbed() -> None:
    """Nor where it has chosen the precision of its own products and convolutions."""
    switches = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    default = [switch.fp32_precision for switch in switches]
    chosen: list[str] = []

    class Watched(Means):
        def forward(self, input: Tensor) -> tuple[Tensor]:
            chosen.extend(switch.fp32_precision for switch in switches)
            return super().forward(input)

    try:
        round_to_tf32(True)
        extract(Watched(), [torch.from_numpy(some_images(2))])
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
    keys = [content_key(Means(), i) for i in (images, changed, images.reshape(4, 3, 8, 32))]
    for attribute in ("weights_sha256", "VERSION"):
        extractor = Means()
        setattr(extractor, attribute, "2")
        keys.append(content_key(extractor, images))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    keys.append(content_key(Means(), images))
    assert len(set(keys)) == 6
    monkeypatch.undo()
    assert content_key(Means(), images.copy()) == keys[0]


def test_the_cache_is_read_not_recomputed(tmp_path: Path) -> None:
    images = some_images(5)
    first = cached_features(Means(), images, tmp_path)
    again = Means()
    assert torch.equal(cached_features(again, images, tmp_path), first)
    assert again.batches == []
    other = cached_features(again, some_images(5, seed=1), tmp_path)
    assert again.batches == [5]
    assert not torch.equal(other, first)


@pytest.mark.parametrize("damage", ["torn", "empty", "garbage", "rows", "not a number", "object"])
def test_a_damaged_cache_file_is_computed_afresh(tmp_path: Path, damage: str) -> None:
    images = some_images(5)
    wanted = cached_features(Means(), images, tmp_path)
    (path,) = (tmp_path / "features").glob("*.npy")
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage in ("empty", "garbage"):
        path.write_bytes(b"" if damage == "empty" else b"not a numpy file")
    else:
        rows = {"rows": wanted[:3].numpy(), "not a number": np.full((5, 3), np.nan, np.float32)}
        np.save(path, rows.get(damage, np.array([None])), allow_pickle=True)
    extractor = Means()
    assert torch.equal(cached_features(extractor, images, tmp_path), wanted)
    assert extractor.batches == [5]
    assert np.array_equal(np.load(path), wanted.numpy())


def test_many_at_once_compute_once(tmp_path: Path) -> None:
    extractor, images = Means(), some_images(3)
    results: list[Tensor] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(cached_features(extractor, images, tmp_path))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert extractor.batches == [3]


def test_an_unusable_cache_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="cannot keep the features"):
        cached_features(Means(), some_images(2), tmp_path / "file")
