"""The feature networks that the installed torch-fidelity registers: CLIP, DINOv2 and VGG16.

Their weights, and DINOv2's code, are downloaded into torch hub's folder on first use.
"""

from pathlib import Path
from typing import Any

import torch
import torchvision
from torch_fidelity.feature_extractor_clip import MODEL_URLS as CLIP_URLS
from torch_fidelity.feature_extractor_dinov2 import MODEL_METADATA as DINOV2_MODELS
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

_KNOWN_AS_INCEPTION_2015 = "inception-v3-compat"


def registered() -> dict[str, Any]:
    """The classes of these networks, keyed by name."""
    return {
        name: each
        for name, each in FEATURE_EXTRACTORS_REGISTRY.items()
        if name != _KNOWN_AS_INCEPTION_2015
    }


def where_weights_belong(name: str) -> str:
    """Say which file to put where on a machine that cannot download it."""
    folder = Path(torch.hub.get_dir())
    if name in CLIP_URLS:
        *_, digest, _ = CLIP_URLS[name].split("/")
        return f"put {CLIP_URLS[name]} at {folder / 'checkpoints' / f'{name}-{digest}.pt'}"
    if name in DINOV2_MODELS:
        model = DINOV2_MODELS[name]
        file = f"{model}_pretrain.pth"
        return (
            f"put https://dl.fbaipublicfiles.com/dinov2/{model}/{file} at "
            f"{folder / 'checkpoints' / file} and the repository facebookresearch/dinov2 at "
            f"{folder / 'facebookresearch_dinov2_main'}"
        )
    if name == "vgg16":
        url = torchvision.models.VGG16_Weights.IMAGENET1K_V1.url
        return f"put {url} at {folder / 'checkpoints' / Path(url).name}"
    return f"put its weights into {folder / 'checkpoints'}"
