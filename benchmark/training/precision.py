"""`training.precision`: the number format in which a run's networks compute while they train.

Weights, Adam's state, losses, k and evaluation are float32 in any case: bfloat16 applies only to
the networks' passes, and TF32 to the matrix products and convolutions of an update.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import BenchError
from benchmark.methods.method import Method
from benchmark.precision import has_tf32, round_to_tf32
from benchmark.training.settings import Precision


def choose(precision: Precision, method: Method, device: torch.device) -> None:
    """Let `method` train in `precision`; on a GPU this switches TF32 for the whole process.

    Raises BenchError if the device does not support it.
    """
    if precision == "tf32" and not has_tf32(device):
        raise BenchError(
            f"training.precision: tf32 needs an NVIDIA GPU (Ampere or later), and this run is on "
            f"{device.type}; use float32"
        )
    if device.type == "cuda":
        round_to_tf32(precision == "tf32")
    if precision == "bfloat16":
        _Bfloat16(method, device)


class _Bfloat16:
    """torch's autocast around each call of a method's networks, while it trains.

    In evaluation mode they compute in float32. A network's output is converted to float32 before
    the loss, and gradients have their weights' type.
    """

    def __init__(self, method: Method, device: torch.device) -> None:
        self._method, self._device = method, device.type
        self._open: list[ExitStack] = []  # networks may be nested
        for network in _networks(method):
            network.register_forward_pre_hook(self._enter)
            network.register_forward_hook(self._leave, always_call=True)

    def _enter(self, network: nn.Module, inputs: Any) -> None:
        if self._method.training:
            # No weight cache: each weight is used once per pass, and a graph must not hold a weight
            # rounded before its capture.
            self._open.append(ExitStack())
            context = torch.autocast(self._device, torch.bfloat16, cache_enabled=False)
            self._open[-1].enter_context(context)

    def _leave(self, network: nn.Module, inputs: Any, made: Any) -> Any:
        if not self._open:
            return made
        self._open.pop().close()
        return made if self._open else _as_float(made)


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    """The callable submodules of a method; for one without `forward`, its own submodules
    instead."""
    for part in module.children():
        if type(part).forward is nn.Module.forward:
            yield from _networks(part)
        else:
            yield part


def _as_float(made: Any) -> Any:
    if isinstance(made, tuple):
        return tuple(map(_as_float, made))
    return made.float() if isinstance(made, Tensor) else made
