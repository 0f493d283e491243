"""How numbers are formatted, and what columns are called."""

import math
from collections.abc import Collection

import numpy as np

from benchmark.claims import seeds
from benchmark.evaluation.columns import CLASSIFIED
from benchmark.numbers import significant

NONE = "—"
INCOMPLETE = "\\*"
# What columns are called in tables and figures, if not by their own name.
TITLES = {
    "m_global": "M_global",
    "distance_validation": "distance to validation images",
    "distance_infinite": "distance for infinitely many samples",
    "ratio": "L(G)/L(x)",
    "kid": "KID x1000",
    "kid_sd": "KID x1000, sd over subsets",
    "sliced_wasserstein": "sliced Wasserstein distance",
    "vendi": "Vendi score",
    "loss_d": "L_D",
    "loss_g": "L_G",
    "wasserstein": "Wasserstein estimate",
    "bits_per_dim": "bits per dimension",
    "attribute_share": "share with the attribute",
    "attribute_excess": "share beyond the training images'",
    "embedded.pixels.heldout": "error of embedded held-out faces",
    "embedded.pixels.gap": "embedding error, held-out minus training",
    "embedded.middle.distance": "distance of the middles",
    "embedded.middle_over_blended": "distance of the middles over that of blends",
    "embedded.linear.longest_step": "longest step between faces",
    "embedded.mirrored.longest_step": "longest step to the mirror image",
    "embedded.mirror_asymmetry": "asymmetry half-way to the mirror image",
    "embedded.identity.kept": "share whose own photograph is nearest",
    f"{CLASSIFIED}generated_alone": "accuracy with generated images alone",
    f"{CLASSIFIED}shortfall": "shortfall of generated images alone",
    f"{CLASSIFIED}classifier_sd": "sd over classifiers",
}
# The same for columns that end with a number of real images, without CLASSIFIED and the number.
TAUGHT = {
    "real": "accuracy",
    "augmented": "accuracy with mirroring and rotation",
    "generated": "accuracy with generated images",
    "gain_augmented": "gain from mirroring and rotation",
    "gain_generated": "gain from generated images",
    "gain_over_augmented": "gain over mirroring and rotation",
}
FACTORS = {"kid": 1000.0, "kid_sd": 1000.0}


def number(value: float, digits: int = 4) -> str:
    """Format with this many significant digits; a value that differs from 0 by rounding is 0."""
    return significant(value, digits) if math.isfinite(value) else NONE


def noise(value: float) -> str:
    """Format a standard deviation: a few seeds determine at most three digits."""
    return number(value, 3)


def title(column: str) -> str:
    """What a column is called in tables and on axes."""
    for prefix, words in (("heldout_", "held-out "), ("best_", "best ")):
        if column.startswith(prefix):
            return words + title(column.removeprefix(prefix))
    taught, _, size = column.removeprefix(CLASSIFIED).rpartition("_")
    if column.startswith(CLASSIFIED) and taught in TAUGHT and column not in TITLES:
        return f"{TAUGHT[taught]} ({size} real)"
    return TITLES.get(column, column)


def finite(values: Collection[float]) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]


def mean(values: Collection[float], planned: int) -> str:
    """Mean of the finite values, marked if fewer runs than planned have one."""
    known = finite(values)
    if not known:
        return NONE
    return number(float(np.mean(known))) + _gaps(known, values, planned)


def spread(values: Collection[float]) -> str:
    """Sample standard deviation (ddof 1) of the finite values."""
    return noise(seeds.spread(finite(values)))


def mean_spread(values: Collection[float], planned: int) -> str:
    """Mean ± sample standard deviation over training seeds, marked as `mean` is."""
    known = finite(values)
    if len(known) < 2:
        return mean(values, planned)
    return f"{number(float(np.mean(known)))} ± {spread(values)}{_gaps(known, values, planned)}"


def pooled(deviations: Collection[float]) -> str:
    """Root mean square of standard deviations, each over equally many draws."""
    known = finite(deviations)
    return noise(math.sqrt(float(np.mean(np.square(known))))) if known else NONE


def _gaps(known: list[float], values: Collection[float], planned: int) -> str:
    """Marks that show how many diverged or unfinished runs' values are left out."""
    count = f" (n={len(known)})" if len(known) == 1 or len(known) < len(values) else ""
    return count + (INCOMPLETE if len(known) < planned else "")


def least_p(n: int) -> float:
    """The least two-sided p of an exact rank or permutation test of n seeds against n."""
    return min(1.0, 2 / math.comb(2 * n, n))
