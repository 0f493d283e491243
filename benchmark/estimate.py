"""What a plan will cost, before it starts: rough, from operation counts, and said to be so."""

from dataclasses import dataclass

from benchmark.ablation import Plan
from benchmark.methods.settings import BeganSettings
from benchmark.spec import RunSpec

# Multiply-adds a second and core that training reached where this was measured (two cores with
# AVX2, 32 px, n = 16: 92 ms a step). Another machine may well be three times off; a GPU far more.
RATE = 2.2e10
# Seconds to judge one sample on one core with EfficientNet-Lite0, and with Inception.
JUDGE_S = {"efficientnet_lite0": 0.008, "inception_2015": 0.15}
BYTES_A_ROW = 450


@dataclass(frozen=True)
class Cost:
    """Core-seconds and bytes of one run."""

    seconds: float
    disk: int


def estimate(spec: RunSpec) -> Cost:
    """One run on one CPU core."""
    macs, parameters = _began(spec.method, spec.data.size)
    training, evaluation = spec.training, spec.evaluation
    evaluations = -(-training.steps // evaluation.every)
    seconds = training.steps * macs * training.batch / RATE
    seconds += evaluations * evaluation.samples * JUDGE_S[evaluation.features]
    # Two checkpoints of weights and Adam's two moments; metrics; a grid of 64 samples each time.
    disk = 2 * 3 * 4 * int(parameters) + training.steps // training.log_every * BYTES_A_ROW
    disk += evaluations * 64 * 2 * spec.data.size**2
    return Cost(seconds, disk)


def total(plan: Plan, jobs: int) -> Cost:
    """The whole plan with `jobs` runs at once."""
    costs = [estimate(planned.spec) for planned in plan.runs]
    at_once = min(jobs, len(costs))
    return Cost(sum(cost.seconds for cost in costs) / at_once, sum(cost.disk for cost in costs))


def _began(settings: BeganSettings, size: int) -> tuple[float, float]:
    """Multiply-adds of a step per image, and parameters, of figure 1's convolutions."""
    n, scales = settings.n, (size // 8).bit_length() - 1
    encoder = [(3 * n, size)]
    for scale in range(1, scales + 1):
        side = size >> (scale - 1)
        encoder += [((scale * n) ** 2, side), (scale * n * (scale + 1) * n, side // 2)]
    encoder += [(((scales + 1) * n) ** 2, 8)] * 2
    decoder = [(n * n, 8 << scale) for scale in range(scales + 1) for _ in range(2)]
    decoder.append((3 * n, size))
    discriminator = sum(9 * weights * side**2 for weights, side in encoder + decoder)
    generator = sum(9 * weights * side**2 for weights, side in decoder)
    dense = 64 * n * (settings.h * (scales + 2) + settings.z)
    parameters = sum(9 * weights for weights, _ in encoder + decoder + decoder) + dense
    # Passes: D three forward, two backward in full and one for its input alone; G two and one.
    return 8.0 * discriminator + 4.0 * generator, float(parameters)
