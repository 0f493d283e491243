"""The interface between a method and the rest of the package."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor, nn

from benchmark.column import Column
from benchmark.methods.cost import Work
from benchmark.methods.settings import LabelledSettings as LabelledSettings  # for other packages
from benchmark.methods.settings import MethodSettings as MethodSettings

GRADIENTS: Mapping[str, Column] = {
    "grad_norm_d": Column("L2 norm of the gradient over the discriminator's weights"),
    "grad_norm_g": Column("L2 norm of the gradient over the generator's weights"),
}


class Batch(NamedTuple):
    """Real images, and their labels for a `labelled` method."""

    images: Tensor  # (N, 3, S, S) in [-1, 1]
    labels: Tensor | None = None  # (N, A), 0 or 1 for each of the settings' `attributes`


class Draw(Protocol):
    """Random tensors of one training step, each named by its use ("z_D", "z_G", ...)."""

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Uniform in [-1, 1]."""

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Standard normal."""


class Method(nn.Module, ABC):
    """A generative method: its networks, its update and its own convergence signal.

    It is built as `Class(settings, size)`, `size` being the images' side in pixels. All state that
    a resumed run needs lives in parameters, buffers and `optimizers`; randomness comes from the
    `draw` that is passed in, or, as dropout's, from global generators, which the loop seeds at each
    step for a method from outside the package. The package's own methods use `draw` alone.

    With `training.precision: bfloat16` each call of a network (a submodule, or a part of one that
    has no `forward` of its own) computes in bfloat16 and returns float32.

    Optional abilities are declared by defining functions: `latent(count, draw, stream)`, codes
    (count, Z) from the prior, and `generate(z)`, their images, if samples are generated from a
    code; `encode(images, draw)`, the codes (N, Z) of images, or None, if it may have an encoder;
    `sample_with(labels, draw, stream)`, images with these labels (N, A), given as in a batch, if
    samples can be requested by label.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    """The schema of its block in an ablation file; LabelledSettings if it is `labelled`."""
    columns: ClassVar[Mapping[str, Column]]
    """The columns of a training row, in order: what `update` returns."""
    heldout: ClassVar[tuple[str, ...]]
    """Those of `columns` that `watch` returns, logged as heldout_<column>."""
    signal: ClassVar[str]
    """The column that its paper watches for convergence; lower counts as better."""
    sampled_by: ClassVar[tuple[str, ...]] = ("generator",)
    """Submodules and buffers that `sample` needs, which a snapshot stores if they exist."""
    labelled: bool = False
    """Whether batches must carry labels; an instance may override it, depending on its settings."""
    capturable: ClassVar[bool] = False
    """Whether `update` does the same work at every step and keeps no number on the host, so that a
    GPU may replay the kernels launched by one call; its optimizers must be Adam, which can be made
    capturable. Each class declares it for itself: it is not inherited."""

    optimizers: Mapping[str, torch.optim.Optimizer]
    """The optimizers, whose learning rates the training loop sets before every update."""

    @classmethod
    def cost(cls, settings: Any, size: int) -> Work | None:
        """Cost of a training step on images of `size` pixels; None if unknown."""
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
        """Images (count, 3, S, S), nominally in [-1, 1]; the caller clamps them.

        A method without a code, or one that also draws labels, overrides it.
        """
        assert has_code(self)
        return self.generate(self.latent(count, draw, stream))


class FromPrior(Method):
    """A method whose generator makes images of codes of the settings' `prior`."""

    settings: Any
    generator: nn.Module

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """z (count, Z) uniform in [-1, 1], or standard normal."""
        numbers = draw.uniform if self.settings.prior == "uniform" else draw.normal
        return numbers(stream, count, self.settings.z)

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z)
        return images


class Counting(Method):
    """A method whose steps depend on how many updates there have been.

    The count stays on the host, where reading it waits for no device; `get_extra_state` puts it
    into the checkpoint. Such a method is not capturable.
    """

    def __init__(self) -> None:
        super().__init__()
        self._updates = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self._updates)

    def set_extra_state(self, state: Any) -> None:
        self._updates = int(state)


class Coded(Protocol):
    def latent(self, count: int, draw: Draw, stream: str) -> Tensor: ...

    def generate(self, z: Tensor) -> Tensor: ...


class Asked(Protocol):
    def sample_with(self, labels: Tensor, draw: Draw, stream: str) -> Tensor: ...


class Encoding(Protocol):
    def encode(self, images: Tensor, draw: Draw) -> Tensor | None: ...


def has_code(method: object) -> TypeGuard[Coded]:
    """Whether a method, or its class, generates samples from a code: `latent` and `generate`."""
    return hasattr(method, "latent") and hasattr(method, "generate")


def has_encoder(method: object) -> TypeGuard[Encoding]:
    """Whether a method, or its class, can encode images: `encode`."""
    return hasattr(method, "encode")


def takes_labels(method: object) -> TypeGuard[Asked]:
    """Whether a method, or its class, makes samples of the labels asked for: `sample_with`."""
    return hasattr(method, "sample_with")


def dropped(v: Tensor, share: float, draw: Draw, stream: str) -> Tensor:
    """Dropout: each element is zeroed with probability `share`, else scaled by 1 / (1 - share)."""
    kept = draw.uniform(stream, *v.shape) >= 2 * share - 1
    return v * kept / (1 - share)


def adam(player: nn.Module, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over one player's weights; the training loop sets its learning rate."""
    # `foreach`: bit-identical to the loop over tensors, in two thirds of the time on a CPU.
    return torch.optim.Adam(player.parameters(), betas=betas, foreach=True)


def players(
    settings: Any, discriminator: nn.Module, generator: nn.Module
) -> dict[str, torch.optim.Adam]:
    """Adam with the settings' betas over either player's weights."""
    betas = settings.beta_1, settings.beta_2
    return {"discriminator": adam(discriminator, betas), "generator": adam(generator, betas)}


def gradient_norm(player: nn.Module) -> Tensor:
    """The L2 norm over all gradients of one player's weights."""
    return nn.utils.get_total_norm([p.grad for p in player.parameters() if p.grad is not None])
