"""What a training step of a method computes, from the shapes of its layers. No torch here."""

from dataclasses import dataclass
from itertools import pairwise

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


def strided(channels: list[int], size: int) -> Layers:
    """4x4 convolutions of stride 2 from an image through `channels`, or their mirror image."""
    return [
        (16 * one * other, (size >> scale) ** 2, max(4 * one, other) * (size >> scale) ** 2)
        for scale, (one, other) in enumerate(pairwise([3, *channels]), start=1)
    ]
