"""Feature networks: from a name to a network that turns images into rows of features."""

import hashlib
import inspect
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import BenchError, InputError
from benchmark.evaluation import catalogue
from benchmark.files import sha256

_TRIAL = 2, 64  # images and their side, for counting the features


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network on its device, in evaluation mode, and what its features depend on."""

    name: str
    version: str
    weights_sha256: str
    input_size: int | None  # side that images are resized to; None if not declared
    width: int  # features per image
    domain: str
    device: torch.device
    module: nn.Module

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) on any device -> float32 (N, width) on the network's.

        Raises InputError if the network returns anything else, or numbers that are not finite.
        """
        features = _rows(self.name, self.module, images.to(self.device))
        if features.shape[1] != self.width:
            raise InputError(f"{self.name}: {features.shape[1]} features, not {self.width}")
        return features


def load_network(name: str, device: torch.device) -> FeatureNetwork:
    """The network with this name or import path, its weights verified.

    Raises InputError if there is none, BenchError if its weights are missing or have another
    checksum. Building a network draws initial weights, but torch's random generator is restored.
    """
    with torch.random.fork_rng(devices=[]):
        module = _built(name, catalogue.network_class(name))
    return as_network(name, module, device)


def as_network(name: str, module: nn.Module, device: torch.device) -> FeatureNetwork:
    """Wrap a module that takes uint8 (N, 3, H, W) and returns (N, F), or a tuple of only that.

    Whatever it does not declare (VERSION, weights_sha256, WIDTH) is derived: a hash of its source,
    a hash of its weights, and the number of features in a trial. Raises InputError if it returns
    anything else.
    """
    module = module.to(device).eval().requires_grad_(False)
    size = getattr(module, "INPUT_IMAGE_SIZE", getattr(module, "resolution", None))  # CLIP's word
    width = getattr(module, "WIDTH", None)
    return FeatureNetwork(
        name=name,
        version=_version(module),
        weights_sha256=getattr(module, "weights_sha256", None) or _weights_sha256(module),
        input_size=size if isinstance(size, int) else None,
        width=_count_features(name, module, device) if width is None else int(width),
        domain=getattr(module, "domain", None) or catalogue.registered_domain(name),
        device=device,
        module=module,
    )


def describe(network: FeatureNetwork) -> dict[str, Any]:
    """What determines the features: name, version, weights_sha256, input_size, width, domain."""
    keys = ("name", "version", "weights_sha256", "input_size", "width", "domain")
    return {key: getattr(network, key) for key in keys}


def _built(name: str, network: Any) -> nn.Module:
    if catalogue.is_of_torch_fidelity(network):
        try:
            module = network(name, [_layer(network)])
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            where = catalogue.of_torch_fidelity().where_weights_belong(name)
            raise BenchError(
                f"the weights of {name} cannot be loaded ({reason}); {where}, "
                "or choose other features: efficientnet_lite0"
            ) from None
    elif _takes_no_arguments(network):
        module = network()
    elif hasattr(network, "get_default_feature_layer_for_metric"):  # torch-fidelity's interface
        module = network(name, [_layer(network)])
    else:
        raise InputError(f"{name}: cannot be built; a feature network takes no arguments")
    if not isinstance(module, nn.Module):
        raise InputError(f"{name}: returns a {type(module).__name__}, not a torch.nn.Module")
    return module


def _layer(network: Any) -> str:
    return str(network.get_default_feature_layer_for_metric("fid"))


def _takes_no_arguments(network: Any) -> bool:
    try:
        inspect.signature(network).bind()
    except TypeError:
        return False
    return True


def _version(module: nn.Module) -> str:
    """The module's declared version, else torch-fidelity's, else a hash of its source file."""
    kind = type(module)
    declared = getattr(module, "VERSION", None)
    if declared is not None:
        return str(declared)
    if catalogue.is_of_torch_fidelity(kind):
        return f"torch-fidelity {installed_version('torch-fidelity')}"
    try:
        return f"source {sha256(Path(inspect.getfile(kind)))[:12]}"
    except (OSError, TypeError):  # defined in an interpreter
        return "unknown"


def _weights_sha256(module: nn.Module) -> str:
    """Hash the names, types, shapes and bytes of all parameters and buffers, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _count_features(name: str, module: nn.Module, device: torch.device) -> int:
    count, side = _TRIAL
    pixels = torch.arange(count * 3 * side * side, device=device) % 251
    images = pixels.to(torch.uint8).reshape(count, 3, side, side)
    with torch.inference_mode():
        return _rows(name, module, images).shape[1]


def _rows(name: str, module: nn.Module, images: Tensor) -> Tensor:
    """Features (N, F), float32. Raises InputError if the module returns anything else."""
    output = module(images)
    if isinstance(output, tuple | list) and len(output) == 1:
        (output,) = output
    if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != len(images):
        returned = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"{name}: returns {returned} for {len(images)} images; a feature network returns one "
            "row of features per image, (N, F)"
        )
    features = output.float()
    if not features.isfinite().all():
        raise InputError(f"{name}: returns features that are not finite")
    return features
