"""The Vendi score of a set of features, in float64."""

import numpy as np

from benchmark.evaluation.frechet import Floats


def vendi_score(features: Floats) -> float:
    """How many entirely different images would be as diverse as the rows of (N, F): 1 to N.

    The exponential of the entropy of the eigenvalues of K / N, where K holds the cosine
    similarities of all pairs (Friedman and Dieng 2023, arXiv 2210.02410, definition 3.1). A row of
    zeros is similar to nothing.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows = features / np.where(lengths > 0, lengths, 1) / np.sqrt(len(features))
    # Both products have the same nonzero eigenvalues.
    small = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    eigenvalues = np.linalg.eigvalsh(small)
    positive = eigenvalues[eigenvalues > 0]
    return float(np.exp(-(positive * np.log(positive)).sum()))
