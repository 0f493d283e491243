"""What share of samples has an attribute, by a linear probe on features of real images."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.evaluation.frechet import Floats
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
    accuracy: float
    """Of the probe, on the held-out images."""
    balanced_accuracy: float
    """The mean over both classes."""


def probe(
    training: Floats, labels: Labels, heldout: Floats, truth: Labels, samples: Floats
) -> Share | None:
    """Fit on features (N, F) and labels (N,), check on others, count among samples (M, F).

    A logistic regression. Its accuracy is measured on photographs and may be lower on samples. None
    where either real set has only one class, so that nothing can be learnt or checked.
    """
    if labels.all() or not labels.any() or truth.all() or not truth.any():
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
    model.fit(training, labels)
    predicted: Labels = model.predict(heldout)
    right = predicted == truth
    return Share(
        training=float(labels.mean()),
        heldout=float(truth.mean()),
        heldout_probed=float(predicted.mean()),
        samples_probed=float(model.predict(samples).mean()),
        accuracy=float(right.mean()),
        balanced_accuracy=float((right[truth].mean() + right[~truth].mean()) / 2),
    )
