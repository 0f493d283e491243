"""A GPU's float32 precision, which training may reduce but judges never do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Process-wide settings. Not `cudnn.flags` or `allow_tf32`: they fail, or change what they should
# restore, if the precision of convolutions was set separately.
_SWITCHES: tuple[Any, ...] = (
    torch.backends.cuda.matmul,
    # torch puts an object in this module's place, whose attributes mypy cannot see.
    torch.backends.cudnn.conv,  # type: ignore[attr-defined]
)


def round_to_tf32(on: bool) -> None:
    """Whether CUDA's products and convolutions round what they multiply to TF32's 10 bits."""
    for switch in _SWITCHES:
        switch.fp32_precision = "tf32" if on else "ieee"


def has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def full_precision() -> Iterator[None]:
    """Without TF32 inside this context, whatever training has chosen, which is restored at the
    end."""
    chosen = [switch.fp32_precision for switch in _SWITCHES]
    round_to_tf32(False)
    try:
        yield
    finally:
        for switch, before in zip(_SWITCHES, chosen, strict=True):
            switch.fp32_precision = before
