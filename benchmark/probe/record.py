"""The result of one probe: <run>/probe.json. Its columns are explained in evaluation/columns.py."""

from typing import Any

from benchmark.evaluation.attributes import Share
from benchmark.strict import Strict


class Gap(Strict):
    """Errors of embedded held-out and training images, and how they differ."""

    heldout: float
    heldout_sd: float
    training: float
    training_sd: float
    # Held-out minus training, with Welch's 95 % interval: above 0 if the generator reproduces its
    # training images better than other images.
    gap: float
    gap_low: float
    gap_high: float


class Walk(Strict):
    """Paths between the codes of two given images, in features: means over the paths.

    Distances are relative to the mean distance between two real held-out images.
    """

    length: float
    # Distance between the two images at a path's ends; for the photographs it is about 1.
    ends: float
    # The longest step's share of the path: 0.125 if all 8 are equal, 1 if one jump does it all.
    longest_step: float


class Identity(Strict):
    """Whether an embedded face still shows the same person, by a face recognition network."""

    kept: float
    distance: float


class Embedded(Strict):
    """Codes of given images, measured by the pixels of the images generated from them."""

    pixels: Gap
    outside: float
    steps: float
    unsettled: int
    mirror_asymmetry: float
    identity: Identity | None


class FeatureResult(Strict):
    """The same codes, measured by one judge's features."""

    features: Gap
    linear: Walk
    spherical: Walk
    mirrored: Walk
    # The judge's metrics of the images half-way between the codes of two held-out images.
    middle: dict[str, float]
    middle_over_blended: float
    middle_over_sampled: float


class JudgeResult(Strict):
    """Everything measured by one judge."""

    embedded: FeatureResult
    searched: FeatureResult | None
    # The same metrics for as many other images: the generator's samples, averages of two
    # photographs, and real training images.
    sampled: dict[str, float]
    blended: dict[str, float]
    real: dict[str, float]


class Memorisation(Strict):
    """See `evaluation.neighbours.memorisation`."""

    distance_ratio: float
    closer_than_unseen: float


class Sizes(Strict):
    """`ProbeSettings.sizes()`."""

    images: int
    steps: int
    samples: int
    training: int


class Probe(Strict):
    """Everything that one probe measured."""

    version: int
    step: int
    weights_sha256: str
    data: str
    fingerprint: str
    sizes: Sizes
    middles: int
    # Each judge's settings and network, and each metric's version.
    judged_by: dict[str, dict[str, Any]]
    versions: dict[str, str]
    # "encoder" or "search": how `embedded` was found.
    way: str
    embedded: Embedded
    # By search too, if the method has an encoder and its samples have a gradient.
    searched: Embedded | None
    judges: dict[str, JudgeResult]
    # Why no identity was measured; empty if it was.
    no_identity: str
    # Measured by the first judge, like the attributes.
    memorisation: Memorisation
    asked_attributes: list[str]
    # Keyed by attribute; one that all images have, or none, is left out.
    attributes: dict[str, Share]
