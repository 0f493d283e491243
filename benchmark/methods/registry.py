"""From settings to the method they name."""

from typing import Any

from benchmark.imports import load_class
from benchmark.methods.began import BEGAN
from benchmark.methods.began_cs import ConstrainedBEGAN
from benchmark.methods.dcgan import DCGAN
from benchmark.methods.ebgan import EBGAN
from benchmark.methods.method import Method
from benchmark.methods.settings import ExternalSettings, MethodSettings
from benchmark.methods.wgan_gp import WGANGP

_METHODS: dict[str, Any] = {
    "began": BEGAN,
    "began_cs": ConstrainedBEGAN,
    "ebgan": EBGAN,
    "dcgan": DCGAN,
    "wgan_gp": WGANGP,
}


def build(settings: MethodSettings, size: int) -> Method:
    """The method on images of `size` pixels, freshly initialised from torch's global generator."""
    if isinstance(settings, ExternalSettings):
        made: Method = load_class(settings.name)(settings, size)
    else:
        made = _METHODS[settings.name](settings, size)
    return made
