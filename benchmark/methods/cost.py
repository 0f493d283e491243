"""What a training step of a method computes, from the shapes of its layers. No torch here."""

from dataclasses import dataclass
from itertools import pairwise

# Multiply-adds a second and core that training reached where this was measured (two cores with
# AVX2, 32 px, batch 16): BEGAN at n = 16, and the methods of strided convolutions and batch norm,
# which keep a core less busy, at n = 32. Another machine may well be three times off; a GPU far
# more.
RATE = 2.2e10
STRIDED_RATE = 1.4e10

# A network as its layers' weights, how many places each weight is applied at, and the numbers of
# the larger of a layer's two maps, of one image.
Layers = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Work:
    """A training step per image, and the sizes that decide memory; parameters less biases."""

    macs: float  # multiply-adds
    rate: float  # of them a second on one core
    parameters: int  # of both players
    generator: int  # parameters that samples need, which a snapshot holds
    maps: int  # numbers of all layers' maps, of both players and one image


def work(
    discriminator: Layers, generator: Layers, passes: tuple[float, float], rate: float
) -> Work:
    """Of two players, and how many passes a step makes over each; see `two_players`."""
    macs = [sum(weights * places for weights, places, _ in g) for g in (discriminator, generator)]
    both = discriminator + generator
    return Work(
        macs=passes[0] * macs[0] + passes[1] * macs[1],
        rate=rate,
        parameters=sum(weights for weights, _, _ in both),
        generator=sum(weights for weights, _, _ in generator),
        maps=sum(maps for _, _, maps in both),
    )


def two_players(*, shared_z: bool) -> tuple[float, float]:
    """Passes over D and over G of a step of both players.

    A backward pass in full counts as two, one for the input's gradient alone as one. D has three
    forward and two backward in full and one for L_G, G two forward and one backward; a shared z
    saves each a forward pass.
    """
    return (7, 3) if shared_z else (8, 4)


def strided(channels: list[int], size: int) -> Layers:
    """4x4 convolutions of stride 2 from an image through `channels`, or their mirror image."""
    return [
        (16 * one * other, (size >> scale) ** 2, max(4 * one, other) * (size >> scale) ** 2)
        for scale, (one, other) in enumerate(pairwise([3, *channels]), start=1)
    ]
