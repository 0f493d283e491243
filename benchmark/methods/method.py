"""What a method is to the rest of the house."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn


class Draw(Protocol):
    """Random tensors of one training step, each named by its use ("z_D", "z_G", ...)."""

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Uniform in [-1, 1]."""

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Standard normal."""


class Method(nn.Module, ABC):
    """A generative method: its networks, its update and its own convergence signal.

    All state that a resumed run needs lives in parameters, buffers and `optimizers`.
    """

    # The metric that the method's paper watches; lower is taken for better.
    signal: ClassVar[str]
    optimizers: Mapping[str, torch.optim.Optimizer]

    @abstractmethod
    def update(self, x: Tensor, draw: Draw) -> dict[str, Tensor]:
        """One training step on real images x (N, 3, S, S) in [-1, 1]; returns scalar metrics."""

    @abstractmethod
    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """Latent codes (count, z) of the generator's prior."""

    @abstractmethod
    def generate(self, z: Tensor) -> Tensor:
        """Images (N, 3, S, S), meant for [-1, 1] and clamped by whoever shows them."""
