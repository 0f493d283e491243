"""What a training step of a method computes, from its networks' layers. No torch until they are."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

# Multiply-adds per second and core that training reached where this was measured (two cores with
# AVX2, 32 px, batch 16): BEGAN at n = 16, and the methods of strided convolutions and batch norm,
# which keep a core less busy, at n = 32. Another machine may differ by a factor of three; a GPU by
# far more.
RATE = 2.2e10
STRIDED_RATE = 1.4e10

# A network as a list of layers: weights, places that each weight is applied at, and the size of the
# larger of the layer's input and output maps, for one image.
Layers = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Work:
    """Compute of a training step per image, and the sizes that determine memory; biases are not
    counted."""

    macs: float  # multiply-adds
    rate: float  # of them a second on one core
    parameters: int  # of both players
    generator: int  # parameters needed for sampling, which a snapshot holds
    maps: int  # elements in all layers' maps, both players, per image


def macs(layers: Layers) -> int:
    """Multiply-adds of one pass."""
    return sum(weights * places for weights, places, _ in layers)


def parameters(layers: Layers) -> int:
    return sum(weights for weights, _, _ in layers)


def work(
    discriminator: Layers, generator: Layers, passes: tuple[float, float], rate: float
) -> Work:
    """The cost with two players, given how many passes a step makes through each; see
    `two_players`."""
    both = discriminator + generator
    return Work(
        macs=passes[0] * macs(discriminator) + passes[1] * macs(generator),
        rate=rate,
        parameters=parameters(both),
        generator=parameters(generator),
        maps=sum(maps for _, _, maps in both),
    )


def two_players(*, shared_z: bool) -> tuple[float, float]:
    """Passes through D and G in one step of both players.

    A full backward pass counts as two, one for the input gradient alone as one. D has three forward
    passes, two full backward passes and one input-only pass for L_G; G has two forward and one
    backward. A shared z saves each a forward pass.
    """
    return (7, 3) if shared_z else (8, 4)


def without_weights(cost: Callable[..., Any], *arguments: Any) -> Any:
    """What `cost` says, with networks on torch's meta device: they take no memory and draw no
    random numbers."""
    import torch

    with torch.device("meta"):
        return cost(*arguments)


def layers(network: "nn.Module", *inputs: Any) -> Layers:
    """The convolutions and fully connected layers of one pass, in order.

    The pass is in evaluation mode; `without_weights` it costs no time.
    """
    import torch
    from torch import Tensor, nn

    found = Layers()

    def count(layer: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        maps = [given[0].shape[1:], made.shape[1:]]
        applied = maps[0 if isinstance(layer, nn.ConvTranspose2d) else 1][1:]
        assert isinstance(layer.weight, Tensor)
        found.append((layer.weight.numel(), prod(applied), max(map(prod, maps))))

    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    counted = [part for part in network.modules() if isinstance(part, kinds)]
    hooks = [part.register_forward_hook(count) for part in counted]
    with torch.no_grad():
        network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return found
