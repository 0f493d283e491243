"""What share of samples has an attribute, by a linear probe on features of real images.

A probe that is wrong on some images miscounts: the share of a rare attribute is too high by what it
takes for it, that of a common one too low by what it overlooks. How often it is wrong is counted on
held-out images, and the share corrected by it (statistics/prevalence.py). Samples that are no
photographs may mislead it more: that no held-out image can tell.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.frechet import Floats
from benchmark.statistics import prevalence
from benchmark.statistics.prevalence import Classified
from benchmark.strict import Strict

Labels = NDArray[np.bool_]

# Inverse strength of the L2 penalty on standardised features: strong, as there are many. On faces a
# stronger one predicts the commoner label too often, a weaker one is less accurate.
PENALTY = 1e-2


class Share(Strict):
    """One attribute among training, held-out and generated images."""

    training: float
    heldout: float
    heldout_probed: float
    """By the probe; its difference from `heldout` is the probe's own bias."""
    samples_probed: float
    samples_corrected: float | None
    """The same, corrected for the probe's errors on the held-out images; None, as its interval is,
    where the probe is no better than a coin."""
    samples_low: float | None
    samples_high: float | None
    """Ends of its 95 % interval, which includes that these errors are known from few images."""
    accuracy: float
    """Of the probe, on the held-out images."""
    balanced_accuracy: float
    """The mean over both classes."""


@dataclass(frozen=True)
class Counted:
    """The share of samples that have an attribute: as probed, and corrected with its 95 % interval.

    None but for the first where the probe is no better than a coin.
    """

    probed: float
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AttributeProbe:
    """A logistic regression that was fitted on some images and checked on others."""

    model: Any
    known: Classified

    @classmethod
    def fit(cls, features: Floats, labels: Labels, heldout: Floats, truth: Labels) -> Self | None:
        """On features (N, F) with labels (N,), checked on others (M, F) of known truth (M,).

        Both classes weigh the same, so that a rare one is not overlooked. None where either set has
        one class alone, so that nothing can be learnt or checked.
        """
        from sklearn.linear_model import LogisticRegression  # slow to import
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if labels.all() or not labels.any() or truth.all() or not truth.any():
            return None
        regression = LogisticRegression(C=PENALTY, max_iter=1000, class_weight="balanced")
        model = make_pipeline(StandardScaler(), regression)
        model.fit(features, labels)
        predicted: Labels = model.predict(heldout)
        known = Classified(
            positives=int(truth.sum()),
            found=int((predicted & truth).sum()),
            negatives=int((~truth).sum()),
            left=int((~predicted & ~truth).sum()),
        )
        return cls(model, known)

    @property
    def youden(self) -> float:
        """Youden's J on the held-out images: 0 where it tells nothing, 1 without errors."""
        return float(self.known.youden())

    @property
    def balanced_accuracy(self) -> float:
        return (1 + self.youden) / 2

    def predict(self, features: Floats) -> Labels:
        """Which rows (N, F) it says have the attribute."""
        return np.asarray(self.model.predict(features), dtype=np.bool_)

    def count(self, features: Floats) -> Counted:
        """Of samples (N, F)."""
        counted, cases = int(self.predict(features).sum()), len(features)
        if self.youden <= 0:
            return Counted(counted / cases)
        low, high = prevalence.interval(counted, cases, self.known)
        share = prevalence.corrected(counted, cases, self.known)
        return Counted(counted / cases, float(share), float(low), float(high))


def probe(
    training: Floats, labels: Labels, heldout: Floats, truth: Labels, samples: Floats
) -> Share | None:
    """Fit on features (N, F) and labels (N,), check on others, count among samples (M, F).

    None where either real set has only one class.
    """
    fitted = AttributeProbe.fit(training, labels, heldout, truth)
    if fitted is None:
        return None
    predicted, found = fitted.predict(heldout), fitted.count(samples)
    return Share(
        training=float(labels.mean()),
        heldout=float(truth.mean()),
        heldout_probed=float(predicted.mean()),
        samples_probed=found.probed,
        samples_corrected=found.share,
        samples_low=found.low,
        samples_high=found.high,
        accuracy=float((predicted == truth).mean()),
        balanced_accuracy=fitted.balanced_accuracy,
    )
