"""From settings to the method they name."""

from benchmark.methods.began import BEGAN
from benchmark.methods.method import Method
from benchmark.methods.settings import MethodSettings

_METHODS = {"began": BEGAN}


def build(settings: MethodSettings, size: int) -> Method:
    """The method on images of `size` pixels, freshly initialised from torch's global generator."""
    return _METHODS[settings.name](settings, size)
