"""`training.precision`: what a run's networks compute in while they train.

Weights, Adam's state, losses, k and all that judges are float32 whatever is chosen: bfloat16 is of
the networks' passes alone, and TF32 of the products and convolutions of an update.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import BenchError
from benchmark.methods.method import Method
from benchmark.precision import has_tf32, round_to_tf32
from benchmark.training.settings import Precision


def choose(precision: Precision, method: Method, device: torch.device) -> None:
    """Let `method` train in `precision`; on a GPU TF32 is on or off for the process.

    Raises BenchError where the device has none of it.
    """
    if precision == "tf32" and not has_tf32(device):
        raise BenchError(
            f"training.precision: tf32 is of NVIDIA GPUs from Ampere on, and this run is on "
            f"{device.type}; use float32"
        )
    if device.type == "cuda":
        round_to_tf32(precision == "tf32")
    if precision == "bfloat16":
        _Bfloat16(method)


class _Bfloat16:
    """A method's networks with torch's autocast around each of their passes, while it trains.

    In evaluation mode they compute in float32. What a network makes is float32 again before a loss
    sees it, and its gradients are wherever a weight is.
    """

    def __init__(self, method: Method) -> None:
        self._method = method
        self._within = False  # a network: its parts are called by it
        for module in method.modules():
            if module is not method:
                module.forward = self._rounded(module.forward)

    def _rounded(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def passed(*inputs: Any) -> Any:
            if self._within or not self._method.training:
                return forward(*inputs)
            device = next(self._method.parameters()).device.type
            self._within = True
            try:
                # Every weight is used once a pass, and a graph must not hold one that was rounded
                # before its capture.
                with torch.autocast(device, torch.bfloat16, cache_enabled=False):
                    return _each_float(forward(*inputs))
            finally:
                self._within = False

        return passed


def _each_float(made: Any) -> Any:
    if isinstance(made, tuple):
        return tuple(map(_each_float, made))
    return made.float() if isinstance(made, Tensor) else made
