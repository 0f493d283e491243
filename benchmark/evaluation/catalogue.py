"""The available feature networks, by name. Torch is imported only when one is asked for.

A network is a class in a file of its own, one registered by the installed torch-fidelity, or an
external one named by its import path. Its class declares, without loading weights, `domain` (what
it was trained on) and `seconds_per_sample` (a rough time on one CPU core).
"""

from importlib import import_module
from typing import Any

from benchmark.errors import InputError
from benchmark.imports import load_class

_BUILT_IN = {
    "efficientnet_lite0": "benchmark.evaluation.efficientnet_lite0:EfficientNetLite0",
    "inception_2015": "benchmark.evaluation.inception_2015:Inception2015",
    "dlib_face": "benchmark.evaluation.dlib_face:DlibFace",
}
# What the networks that torch-fidelity registers were trained on.
_REGISTERED_DOMAINS = {
    "vgg16": "ImageNet",
    "clip": "web photographs",
    "dinov2": "web photographs",
}


def network_names() -> list[str]:
    """The names of all built-in networks; import paths are accepted as well."""
    return [*_BUILT_IN, *of_torch_fidelity().registered()]


def network_class(name: str) -> Any:
    """The class of a feature network; needs no weights.

    Raises InputError if there is none with this name or import path.
    """
    if ":" in name:
        return load_class(name)
    if name in _BUILT_IN:
        return load_class(_BUILT_IN[name])
    registered = of_torch_fidelity().registered()
    if name not in registered:
        raise InputError(
            f"features: there is no feature network {name!r}; choose one of "
            f"{', '.join(network_names())}, or give an import path such as package.module:Class"
        )
    return registered[name]


def refuse_unknown(name: str) -> None:
    """Raise InputError if there is no network of this name; a built-in one is not imported."""
    if name not in _BUILT_IN:
        network_class(name)


def domain(name: str) -> str:
    """What the network was trained on ("ImageNet", "faces"); empty if not declared."""
    declared = getattr(network_class(name), "domain", None)
    return str(declared or registered_domain(name))


def seconds_per_sample(name: str) -> float | None:
    """Rough time for one image on one CPU core; None if unknown."""
    return getattr(network_class(name), "seconds_per_sample", None)


def registered_domain(name: str) -> str:
    """The domain of a network registered by torch-fidelity, which does not declare it."""
    return _REGISTERED_DOMAINS.get(name.partition("-")[0], "")


def is_of_torch_fidelity(network: Any) -> bool:
    """Whether this class is torch-fidelity's own."""
    return str(getattr(network, "__module__", "")).startswith("torch_fidelity.")


def of_torch_fidelity() -> Any:
    """Imported lazily: its dependency torchvision takes as long to import as torch."""
    return import_module("benchmark.evaluation.torch_fidelity_networks")
