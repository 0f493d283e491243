"""A device without a device: torch's `meta`, where tensors have shapes and no numbers.

What is read back from it raises by itself: `.item()`, `float()`, a branch on a value. What stayed
on the CPU does not always: a matrix product of both gives a meta tensor. So every operation is
watched.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
Module = TypeVar("Module", bound=nn.Module)


class OneDevice(TorchDispatchMode):
    """Raises at an operation that takes or makes a tensor of the CPU; single numbers may be."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, made)):
            if isinstance(each, Tensor) and each.dim() and each.device != META:
                raise AssertionError(f"{func}: a tensor {tuple(each.shape)} on {each.device}")
        return made


class NoTorch(TorchDispatchMode):
    """Raises at any operation of torch."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func}: on the host, where NumPy computes")


class MetaDraw:
    """A step's random tensors, moved to the device as `StepDraw` moves them."""

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return torch.empty(shape, device=META)

    normal = uniform


def moved(made: Callable[[], Module]) -> Module:
    """A module that was made on the CPU, moved as a run moves it: its optimizers follow."""
    module = made()
    before = torch.__future__.get_swap_module_params_on_conversion()
    # Else parameters of another type of tensor are new ones, which a GPU's are not.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return module.to(device=META)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def pixels(count: int, size: int) -> Tensor:
    return torch.empty(count, 3, size, size, dtype=torch.uint8, device=META)
