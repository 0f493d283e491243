"""Prevalence estimated by a classifier whose error rates are known from a sample."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from benchmark.levels import LEVEL
from benchmark.statistics.intervals import Floats


@dataclass(frozen=True)
class Classified:
    """Cases of known class, and how many of them are classified correctly; integers (...)."""

    positives: ArrayLike
    found: ArrayLike
    """Correctly classified positives; over all positives, the sensitivity."""
    negatives: ArrayLike
    left: ArrayLike
    """Correctly classified negatives; over all negatives, the specificity."""

    def youden(self) -> Floats:
        """Youden's J (...), sensitivity + specificity - 1: 0 for a coin toss, 1 without errors."""
        return _share(self.found, self.positives) + _share(self.left, self.negatives) - 1


def corrected(counted: ArrayLike, cases: ArrayLike, known: Classified) -> Floats:
    """The share (...) of positives among `cases`, of which `counted` are classified as positive.

    Rogan and Gladen (1978): (counted share + specificity - 1) / J, for J above 0, in [0, 1].
    """
    specificity = _share(known.left, known.negatives)
    return np.asarray(np.clip((_share(counted, cases) + specificity - 1) / known.youden(), 0, 1))


def interval(counted: ArrayLike, cases: ArrayLike, known: Classified) -> tuple[Floats, Floats]:
    """Of `corrected`, accounting for error rates that are estimated from `known`.

    Lang and Reiczigel (2014, Preventive Veterinary Medicine 113): Agresti and Coull's addition of
    cases to the count and of one each way to the classifier's, then the delta method, with a shift
    towards the middle.
    """
    z = special.ndtri((1 + LEVEL) / 2)
    count, found, left = (np.asarray(v, float) for v in (counted, known.found, known.left))
    n, positives, negatives = (
        np.asarray(cases, float) + z**2,
        np.asarray(known.positives, float) + 2,
        np.asarray(known.negatives, float) + 2,
    )
    share = (count + z**2 / 2) / n
    sensitivity, specificity = (found + 1) / positives, (left + 1) / negatives
    youden = sensitivity + specificity - 1
    value = np.clip((share + specificity - 1) / youden, 0, 1)
    of_found = sensitivity * (1 - sensitivity) / positives
    of_left = specificity * (1 - specificity) / negatives
    middle = value + 2 * z**2 * (value * of_found - (1 - value) * of_left)
    variance = share * (1 - share) / n + value**2 * of_found + (1 - value) ** 2 * of_left
    reach = z * np.sqrt(variance) / youden
    low, high = (np.asarray(np.clip(middle + side, 0, 1)) for side in (-reach, reach))
    return low, high


def _share(part: ArrayLike, whole: ArrayLike) -> Floats:
    return np.asarray(np.asarray(part, float) / np.asarray(whole, float))
