"""What a method is to the rest of the package."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor, nn

from benchmark.column import Column
from benchmark.methods.cost import Work
from benchmark.methods.settings import LabelledSettings, MethodSettings, Prior

__all__ = [
    "GRADIENTS",
    "Batch",
    "Draw",
    "LabelledSettings",
    "Method",
    "MethodSettings",
    "adam",
    "dropped",
    "gradient_norm",
    "has_code",
    "has_encoder",
    "takes_labels",
]

GRADIENTS: Mapping[str, Column] = {
    "grad_norm_d": Column("L2 norm of the gradient over the discriminator's weights"),
    "grad_norm_g": Column("L2 norm of the gradient over the generator's weights"),
}


class Batch(NamedTuple):
    """Real images, and their labels for a method that is `labelled`."""

    images: Tensor  # (N, 3, S, S) in [-1, 1]
    labels: Tensor | None = None  # (N, A), 0 or 1 for each of the settings' `attributes`


class Draw(Protocol):
    """Random tensors of one training step, each named by its use ("z_D", "z_G", ...)."""

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Uniform in [-1, 1]."""

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Standard normal."""


def drawn_from(prior: Prior, draw: Draw, stream: str, *shape: int) -> Tensor:
    """Codes of the prior: uniform in [-1, 1], or standard normal."""
    numbers = draw.uniform if prior == "uniform" else draw.normal
    return numbers(stream, *shape)


class Method(nn.Module, ABC):
    """A generative method: its networks, its update and its own convergence signal.

    It is built as `Class(settings, size)`, `size` being the images' side in pixels. All state that
    a resumed run needs lives in parameters, buffers and `optimizers`; randomness comes from the
    `draw` that is passed in, or, as dropout's, from global generators, which the loop seeds at each
    step for a method from outside the package. Those of the package use `draw` alone.

    With `training.precision: bfloat16` each call of a network (a submodule, or a part of one that
    has no `forward` of its own) computes in bfloat16 and returns float32.

    What else a method can do it says by having the functions: `latent(count, draw, stream)`, codes
    (count, Z) of the prior, and `generate(z)`, their images, where samples are made from a code;
    `encode(images, draw)`, the codes (N, Z) of images, where it has an encoder; or None;
    `sample_with(labels, draw, stream)`, images with these labels (N, A), as a batch has them, where
    samples can be asked for by label.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    """What its block of an ablation file may say; LabelledSettings where it is `labelled`."""
    columns: ClassVar[Mapping[str, Column]]
    """Of a training row, in order: what `update` returns."""
    heldout: ClassVar[tuple[str, ...]]
    """Those of `columns` that `watch` returns, logged as heldout_<column>."""
    signal: ClassVar[str]
    """The column that its paper watches for convergence; lower is taken for better."""
    sampled_by: ClassVar[tuple[str, ...]] = ("generator",)
    """Submodules and buffers that `sample` needs, where they are there: what a snapshot holds."""
    labelled: bool = False
    """Whether batches must carry labels; an instance may have it by its settings."""
    capturable: ClassVar[bool] = False
    """Whether `update` does the same work at every step and keeps no number on the host, so that a
    GPU may replay what one call of it launched; its optimizers are Adam, which can be told to do
    likewise. Each class says it for itself: it is not inherited."""

    optimizers: Mapping[str, torch.optim.Optimizer]
    """The training loop sets their learning rates before every update."""

    @classmethod
    def cost(cls, settings: Any, size: int) -> Work | None:
        """What a training step computes on images of `size` pixels; None where it is not known."""
        return None

    @abstractmethod
    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One training step: `columns` as detached scalars, without waiting for the device."""

    @abstractmethod
    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """`heldout` for fixed real images, as scalars; codes are drawn from stream "z_heldout".

        Called without gradients and in evaluation mode; changes nothing.
        """

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        """Images (count, 3, S, S), meant for [-1, 1] and clamped by whoever shows them.

        A method without a code, or one that draws labels too, has its own.
        """
        assert has_code(self)
        return self.generate(self.latent(count, draw, stream))


class Coded(Protocol):
    def latent(self, count: int, draw: Draw, stream: str) -> Tensor: ...

    def generate(self, z: Tensor) -> Tensor: ...


class Asked(Protocol):
    def sample_with(self, labels: Tensor, draw: Draw, stream: str) -> Tensor: ...


class Encoding(Protocol):
    def encode(self, images: Tensor, draw: Draw) -> Tensor | None: ...


def has_code(method: object) -> TypeGuard[Coded]:
    """Whether a method, or its class, makes samples from a code: `latent` and `generate`."""
    return hasattr(method, "latent") and hasattr(method, "generate")


def has_encoder(method: object) -> TypeGuard[Encoding]:
    """Whether a method, or its class, finds the code of an image: `encode`."""
    return hasattr(method, "encode")


def takes_labels(method: object) -> TypeGuard[Asked]:
    """Whether a method, or its class, makes samples of the labels asked for: `sample_with`."""
    return hasattr(method, "sample_with")


def dropped(v: Tensor, share: float, draw: Draw, stream: str) -> Tensor:
    """Dropout: each number is 0 with probability `share`, else 1 / (1 - share) times itself."""
    kept = draw.uniform(stream, *v.shape) >= 2 * share - 1
    return v * kept / (1 - share)


def adam(player: nn.Module, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over one player's weights; the training loop sets its learning rate."""
    # Over lists of tensors: the bits of the loop over them, at two thirds of its time on a CPU.
    return torch.optim.Adam(player.parameters(), betas=betas, foreach=True)


def gradient_norm(player: nn.Module) -> Tensor:
    """The L2 norm over all gradients of one player's weights."""
    return nn.utils.get_total_norm([p.grad for p in player.parameters() if p.grad is not None])
