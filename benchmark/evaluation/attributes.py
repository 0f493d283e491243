"""Estimate the share of samples with an attribute, by a linear probe on features of real images.

An imperfect probe is biased: false positives inflate the share of a rare attribute, and misses
deflate that of a common one. Its error rates are measured on held-out images and the share is
corrected for them (statistics/prevalence.py). Samples may mislead it more than photographs do,
which held-out images cannot reveal.
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

# Inverse strength of the L2 penalty on standardised features. It is strong, as there are many
# features; on faces a stronger one predicts the more common label too often, and a weaker one is
# less accurate.
PENALTY = 1e-2


class Share(Strict):
    """One attribute among training, held-out and generated images."""

    training: float
    heldout: float
    heldout_probed: float
    """As predicted by the probe; its difference from `heldout` is the probe's own bias."""
    samples_probed: float
    samples_corrected: float | None
    """`samples_probed` corrected for the probe's errors on the held-out images; None, like its
    interval, if the probe is no better than chance."""
    samples_low: float | None
    samples_high: float | None
    """Ends of its 95 % interval, which accounts for the uncertainty of these error rates."""
    accuracy: float
    """The probe's accuracy on the held-out images."""
    balanced_accuracy: float
    """Its mean accuracy over both classes."""


@dataclass(frozen=True)
class Counted:
    """The share of samples that have an attribute: as probed, and corrected with its 95 % interval.

    All but the first are None if the probe is no better than chance.
    """

    probed: float
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AttributeProbe:
    """A logistic regression fitted on some images and checked on others."""

    model: Any
    known: Classified

    @classmethod
    def fit(cls, features: Floats, labels: Labels, heldout: Floats, truth: Labels) -> Self | None:
        """Fit on features (N, F) with labels (N,); check on held-out ones (M, F) with `truth` (M,).

        Both classes have equal weight, so that a rare one is not overlooked. Returns None if either
        set has only one class.
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
        """Youden's J on the held-out images: 0 if it is uninformative, 1 if it makes no errors."""
        return float(self.known.youden())

    @property
    def balanced_accuracy(self) -> float:
        return (1 + self.youden) / 2

    def predict(self, features: Floats) -> Labels:
        """Whether each row of features (N, F) is predicted to have the attribute: (N,)."""
        return np.asarray(self.model.predict(features), dtype=np.bool_)

    def count(self, features: Floats) -> Counted:
        """Estimate the share of samples with features (N, F) that have the attribute."""
        counted, cases = int(self.predict(features).sum()), len(features)
        if self.youden <= 0:
            return Counted(counted / cases)
        low, high = prevalence.interval(counted, cases, self.known)
        share = prevalence.corrected(counted, cases, self.known)
        return Counted(counted / cases, float(share), float(low), float(high))


def probe(
    training: Floats, labels: Labels, heldout: Floats, truth: Labels, samples: Floats
) -> Share | None:
    """Fit on features (N, F) and labels (N,), check on held-out ones, count among samples (M, F).

    Returns None if either real set has only one class.
    """
    fitted = AttributeProbe.fit(training, labels, heldout, truth)
    if fitted is None:
        return None
    predicted, counted = fitted.predict(heldout), fitted.count(samples)
    return Share(
        training=float(labels.mean()),
        heldout=float(truth.mean()),
        heldout_probed=float(predicted.mean()),
        samples_probed=counted.probed,
        samples_corrected=counted.share,
        samples_low=counted.low,
        samples_high=counted.high,
        accuracy=float((predicted == truth).mean()),
        balanced_accuracy=fitted.balanced_accuracy,
    )
