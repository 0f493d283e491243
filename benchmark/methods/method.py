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

    All state that a resumed run needs lives in parameters, buffers and `optimizers`. Randomness
    comes from `draw` alone. A method of the package names its columns in its settings; one from
    outside, named by its import path, has `train_columns`, `watch_columns` and `signal` itself.
    """

    optimizers: Mapping[str, torch.optim.Optimizer]
    # The learning rate of each optimizer is set by the training loop before every update.

    train_columns: ClassVar[tuple[str, ...]]
    watch_columns: ClassVar[tuple[str, ...]]
    signal: ClassVar[str]
    # Whether `update` does the same work at every step and keeps no number on the host, so that a
    # GPU may replay what one call of it launched; its optimizers are Adam, which can be told to do
    # likewise. Of each class itself: it is not inherited.
    capturable: ClassVar[bool] = False

    @abstractmethod
    def update(self, x: Tensor, draw: Draw) -> dict[str, Tensor]:
        """One training step on real images x (N, 3, S, S) in [-1, 1].

        Returns `train_columns` as detached scalars, without waiting for the device.
        """

    @abstractmethod
    def watch(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        """`watch_columns` for real images x (N, 3, S, S) and codes z (N, Z), as scalars.

        Called without gradients and in evaluation mode; changes nothing and draws nothing.
        """

    @abstractmethod
    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """Latent codes (count, Z) of the generator's prior."""

    @abstractmethod
    def generate(self, z: Tensor) -> Tensor:
        """Images (N, 3, S, S), meant for [-1, 1] and clamped by whoever shows them."""


def adam(player: nn.Module, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over one player's weights; the training loop sets its learning rate."""
    # Over lists of tensors: the bits of the loop over them, at two thirds of its time on a CPU.
    return torch.optim.Adam(player.parameters(), betas=betas, foreach=True)


def gradient_norm(player: nn.Module) -> Tensor:
    """The L2 norm over all gradients of one player's weights."""
    return nn.utils.get_total_norm([p.grad for p in player.parameters() if p.grad is not None])
