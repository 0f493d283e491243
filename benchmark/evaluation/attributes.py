"""What share of samples has an attribute, by a linear probe on features of real images."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.evaluation.frechet import Floats
from benchmark.strict import Strict

Labels = NDArray[np.bool_]

# Inverse strength of the L2 penalty, on standardised features: strong, as they are many. On faces
# a stronger one calls more images by the commoner label, a weaker one is right less often.
PENALTY = 1e-2


class Share(Strict):
    """One attribute among training, held-out and generated images."""

    training: float
    heldout: float
    # By the probe: what it says of the held-out images shows its own bias.
    heldout_probed: float
    samples_probed: float
    # Of the probe on the held-out images: share right, and the mean of both classes' shares.
    accuracy: float
    balanced_accuracy: float


def probe(
    training: Floats, labels: Labels, heldout: Floats, truth: Labels, samples: Floats
) -> Share | None:
    """Fit on features (N, F) and labels (N,), check on others, count among samples (M, F).

    A logistic regression. Its accuracy is that on photographs: on samples it may be worse. None
    where either real set has only one kind, so that nothing can be learnt or checked.
    """
    if labels.all() or not labels.any() or truth.all() or not truth.any():
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
    model.fit(training, labels)
    found: Labels = model.predict(heldout)
    right = found == truth
    return Share(
        training=float(labels.mean()),
        heldout=float(truth.mean()),
        heldout_probed=float(found.mean()),
        samples_probed=float(model.predict(samples).mean()),
        accuracy=float(right.mean()),
        balanced_accuracy=float((right[truth].mean() + right[~truth].mean()) / 2),
    )
