"""The 2015 Inception: the only features on which a Fréchet distance is called FID here."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import (
    URL_INCEPTION_V3,
    FeatureExtractorInceptionV3,
)

from benchmark.errors import BenchError, of_system
from benchmark.files import sha256


class Inception2015(nn.Module):
    """torch-fidelity's port of the TensorFlow network, unchanged: 2,048 pooled features."""

    VERSION = "1"
    INPUT_IMAGE_SIZE = 299
    WIDTH = 2048
    domain: ClassVar[str] = "ImageNet"
    seconds_per_sample: ClassVar[float] = 0.15

    def __init__(self) -> None:
        """Raises BenchError if the weights cannot be downloaded or have another checksum."""
        super().__init__()
        weights = _weights()
        self.network = FeatureExtractorInceptionV3(
            "inception_2015", ["2048"], feature_extractor_weights_path=str(weights)
        )
        self.weights_sha256 = sha256(weights)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) -> float32 (N, 2048)."""
        features: Tensor
        (features,) = self.network(images)
        return features


def _weights() -> Path:
    """The weights file in torch hub's folder, downloaded on first use and checked."""
    name: str = URL_INCEPTION_V3.rpartition("/")[2]
    # As everywhere in torch hub, the name ends in the first digits of the content's SHA-256.
    prefix = Path(name).stem.rpartition("-")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise BenchError(
                f"the weights of inception_2015 cannot be downloaded ({of_system(error)}); put the "
                f"file {name} of torch-fidelity's release v0.2.0 ({URL_INCEPTION_V3}) at {path}, "
                "or choose other features: efficientnet_lite0"
            ) from None
    digest = sha256(path)
    if not digest.startswith(prefix):
        raise BenchError(
            f"{path}: not the weights of inception_2015 (SHA-256 {digest}, expected to begin with "
            f"{prefix}); delete the file and start again, or put {name} there by hand"
        )
    return path
