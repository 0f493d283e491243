"""How numbers are written, and what columns are called."""

import math
from collections.abc import Collection

import numpy as np

from benchmark.claims import seeds
from benchmark.evaluation.columns import CLASSIFIED
from benchmark.numbers import significant

NONE = "—"
INCOMPLETE = "\\*"
# The names that papers give to columns.
TITLES = {
    "m_global": "M_global",
    "distance_validation": "distance to validation images",
    "distance_infinite": "distance, infinitely many samples",
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
    f"{CLASSIFIED}generated_alone": "accuracy of generated alone",
    f"{CLASSIFIED}shortfall": "shortfall of generated alone",
    f"{CLASSIFIED}classifier_sd": "sd over classifiers",
}
# Of so many real images, after CLASSIFIED and before their number.
TAUGHT = {
    "real": "accuracy",
    "augmented": "accuracy with mirroring and turning",
    "generated": "accuracy with generated images",
    "gain_augmented": "gain by mirroring and turning",
    "gain_generated": "gain by generated images",
    "gain_over_augmented": "gain over mirroring and turning",
}
FACTORS = {"kid": 1000.0, "kid_sd": 1000.0}


def number(value: float, digits: int = 4) -> str:
    """So many significant digits; what only rounding keeps from 0 is 0."""
    return significant(value, digits) if math.isfinite(value) else NONE


def noise(value: float) -> str:
    """A standard deviation: of a few seeds it is not known to more than three digits."""
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
    """Mean of the finite values, marked where fewer than the planned runs have one."""
    found = finite(values)
    if not found:
        return NONE
    return number(float(np.mean(found))) + _gaps(found, values, planned)


def spread(values: Collection[float]) -> str:
    """Sample standard deviation (ddof 1) of the finite values."""
    return noise(seeds.spread(finite(values)))


def mean_spread(values: Collection[float], planned: int) -> str:
    """Mean ± sample standard deviation over training seeds, marked as `mean` is."""
    found = finite(values)
    if len(found) < 2:
        return mean(values, planned)
    return f"{number(float(np.mean(found)))} ± {spread(values)}{_gaps(found, values, planned)}"


def pooled(deviations: Collection[float]) -> str:
    """Root mean square of standard deviations of equally many draws each."""
    found = finite(deviations)
    return noise(math.sqrt(float(np.mean(np.square(found))))) if found else NONE


def _gaps(found: list[float], values: Collection[float], planned: int) -> str:
    """A diverged or unfinished run's number is left out in the open."""
    count = f" (n={len(found)})" if len(found) == 1 or len(found) < len(values) else ""
    return count + (INCOMPLETE if len(found) < planned else "")


def least_p(n: int) -> float:
    """The least two-sided p of an exact rank or permutation test of n seeds against n."""
    return min(1.0, 2 / math.comb(2 * n, n))
