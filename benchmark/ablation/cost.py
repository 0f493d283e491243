"""What a plan will cost, before it starts: rough, from operation counts, and said to be so."""

import os
from dataclasses import dataclass
from itertools import pairwise

from benchmark.ablation.plan import Plan
from benchmark.methods.settings import (
    BeganCsSettings,
    BeganSettings,
    DcganSettings,
    EbganSettings,
    ExternalSettings,
    MethodSettings,
    WganGpSettings,
)
from benchmark.runs.status import duration
from benchmark.spec import RunSpec

# Multiply-adds a second and core that training reached where this was measured (two cores with
# AVX2, 32 px, batch 16): BEGAN at n = 16, and the methods of strided convolutions and batch norm,
# which keep a core less busy, at n = 32. Another machine may well be three times off; a GPU far
# more.
RATE = 2.2e10
STRIDED_RATE = 1.4e10
# Seconds to judge one sample on one core with EfficientNet-Lite0, and with Inception.
JUDGE_S = {"efficientnet_lite0": 0.008, "inception_2015": 0.15}
BYTES_A_ROW = 450
# Of a run on a device beside its networks: the judge, and the libraries' workspaces.
JUDGE_BYTES = 300_000_000
# Maps that a layer keeps for the backward pass, and passes that are kept at once, D's and G's.
KEPT_MAPS, KEPT_PASSES = 2, 3

# A network as its layers' weights, how many places each weight is applied at, and the numbers of
# the larger of a layer's two maps, of one image.
Layers = list[tuple[int, int, int]]


def default_jobs(plan: Plan, lanes: int = 1) -> int:
    """As many processes of so many runs as fit on this machine's cores with each run's threads."""
    return max(1, (os.cpu_count() or 1) // (most_threads(plan) * lanes))


def most_threads(plan: Plan) -> int:
    """Of a run of the plan."""
    return max(planned.spec.training.threads for planned in plan.runs)


@dataclass(frozen=True)
class Cost:
    """Core-seconds and bytes of one run."""

    seconds: float
    disk: int


@dataclass(frozen=True)
class Work:
    """Multiply-adds of a training step per image, how many a second, parameters less biases."""

    macs: float
    rate: float
    parameters: int
    maps: int  # numbers of all layers' maps, of both players and one image


def estimate(spec: RunSpec) -> Cost | None:
    """One run on one CPU core; None where a method from outside the package is to be trained."""
    work = work_of(spec.method, spec.data.size)
    if work is None:
        return None
    training, evaluation = spec.training, spec.evaluation
    evaluations = -(-training.steps // evaluation.every)
    judged = (evaluations + evaluation.repeats) * evaluation.samples
    seconds = training.steps * training.batch * work.macs / work.rate
    seconds += judged * JUDGE_S[evaluation.features]
    # Two checkpoints of weights and Adam's two moments; metrics; a grid of 64 samples each time.
    disk = 2 * 3 * 4 * work.parameters + training.steps // training.log_every * BYTES_A_ROW
    disk += evaluations * 64 * 2 * spec.data.size**2
    return Cost(seconds, disk)


def device_bytes(spec: RunSpec) -> int | None:
    """What a run takes of a device, rather too much; None for a method from outside.

    Weights, gradients and Adam's two moments; the maps kept for backward passes; the judge.
    """
    work = work_of(spec.method, spec.data.size)
    if work is None:
        return None
    kept = KEPT_MAPS * KEPT_PASSES * spec.training.batch * work.maps
    return 4 * (4 * work.parameters + kept) + JUDGE_BYTES


def describe(plan: Plan, jobs: int) -> str:
    """One line about the whole plan with `jobs` runs at once."""
    costs = [estimate(planned.spec) for planned in plan.runs]
    known = [cost for cost in costs if cost is not None]
    at_once = min(jobs, len(costs))
    parts = []
    if known:
        lasting = sum(cost.seconds for cost in known)
        disk = sum(cost.disk for cost in known) / 1e6
        parts.append(
            f"roughly {duration(lasting / at_once)} on idle CPU cores "
            f"(guessed; three times as long on some), {disk:.0f} MB in the runs folder"
        )
    if len(known) < len(costs):
        runs = zip(plan.runs, costs, strict=True)
        names = sorted({planned.spec.method.name for planned, cost in runs if cost is None})
        parts.append(f"{len(costs) - len(known)} at a cost unknown here ({', '.join(names)})")
    return f"{len(costs)} runs, {at_once} at once: {'; '.join(parts)}"


def work_of(settings: MethodSettings, size: int) -> Work | None:
    """Of any method of the package; None for one from outside, whose networks nobody knows."""
    match settings:
        case ExternalSettings():
            return None
        case BeganSettings():
            return _began(settings, size)
        case BeganCsSettings():
            kin = BeganSettings(name="began", n=settings.n, h=settings.h, z=settings.h)
            return _began(kin, size)
        case EbganSettings():
            generator = _dcgan_generator(size, settings.n, settings.z)
            passes = _two_players(settings.shared_z)
            return _work(_auto_encoder(size, settings.n), generator, passes, STRIDED_RATE)
        case DcganSettings():
            generator = _dcgan_generator(size, settings.n, settings.z)
            passes = _two_players(shared_z=False)
            return _work(_dcgan_discriminator(size, settings.n), generator, passes, STRIDED_RATE)
        case WganGpSettings():
            generator = _dcgan_generator(size, settings.n, settings.z)
            # Three passes, one of them differentiated twice; G's update in each `critic`-th step.
            passes = (12 + 2 / settings.critic, 1 + 3 / settings.critic)
            return _work(_dcgan_discriminator(size, settings.n), generator, passes, STRIDED_RATE)


def _two_players(shared_z: bool) -> tuple[float, float]:
    """Passes over D and over G of a step of both players.

    A backward pass in full counts as two, one for the input's gradient alone as one. D has three
    forward and two backward in full and one for L_G, G two forward and one backward; a shared z
    saves each a forward pass.
    """
    return (7, 3) if shared_z else (8, 4)


def _work(d: Layers, g: Layers, passes: tuple[float, float], rate: float) -> Work:
    macs = [sum(weights * places for weights, places, _ in layers) for layers in (d, g)]
    parameters, maps = (sum(layer[at] for layer in d + g) for at in (0, 2))
    return Work(passes[0] * macs[0] + passes[1] * macs[1], rate, parameters, maps)


def _widths(size: int, n: int, base: int) -> list[int]:
    return [n << scale for scale in range((size // base).bit_length() - 1)]


def _halvings(channels: list[int], size: int) -> Layers:
    """4x4 convolutions of stride 2 through `channels`, or their mirror image."""
    return [
        (16 * one * other, (size >> scale) ** 2, max(4 * one, other) * (size >> scale) ** 2)
        for scale, (one, other) in enumerate(pairwise([3, *channels]), start=1)
    ]


def _dcgan_discriminator(size: int, n: int) -> Layers:
    channels = _widths(size, n, 4)
    return [*_halvings(channels, size), (16 * channels[-1], 1, 16 * channels[-1])]


def _dcgan_generator(size: int, n: int, z: int) -> Layers:
    channels = _widths(size, n, 4)
    return [*_halvings(channels, size), (16 * channels[-1] * z, 1, 16 * channels[-1])]


def _auto_encoder(size: int, n: int) -> Layers:
    return 2 * _halvings(_widths(size, n, 8), size)


def _began(settings: BeganSettings, size: int) -> Work:
    """Figure 1's 3x3 convolutions and dense layers, or the author's earlier ones."""
    n, scales = settings.n, (size // 8).bit_length() - 1
    figure_1 = settings.design == "figure_1"
    outer = (27 * n, size**2, n * size**2)  # from an image, and to one
    encoder = [outer]
    for scale in range(1, scales + 1):
        side, width = size >> (scale - 1), scale * n
        encoder.append((9 * width**2, side**2, width * side**2))
        encoder.append((9 * width * (width + n), (side // 2) ** 2, width * side**2))
    width = (scales + 1) * n
    # The author's earlier layers have no pair of convolutions at 8 x 8.
    encoder += [(9 * width**2, 64, 64 * width)] * 2 if figure_1 else []
    sides = [8 << scale for scale in range(scales + 1)]
    pairs = [(side, side) for side in sides] if figure_1 else list(pairwise(sides))
    inner = [side for pair in pairs for side in pair]
    if settings.skips:
        inner += sides[1:] if figure_1 else sides[1:-1]
    decoder = [*((9 * n * n, side**2, n * side**2) for side in inner), outer]
    dense = [(64 * width * settings.h, 1, 64 * width), (64 * n * settings.h, 1, 64 * n)]
    generator = [(64 * n * settings.z, 1, 64 * n), *decoder]
    passes = _two_players(settings.shared_z)
    return _work(encoder + dense + decoder, generator, passes, RATE)
