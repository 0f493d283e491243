"""What one probe found: <run>/probe.json. Its columns are explained in evaluation/columns.py."""

from typing import Any

from benchmark.evaluation.attributes import Share
from benchmark.strict import Strict


class Gap(Strict):
    """Errors of embedded images: of held-out and of training images, and how they differ."""

    heldout: float
    heldout_sd: float
    training: float
    training_sd: float
    # Held-out minus training, with Welch's 95 % interval: above 0 if the generator reproduces its
    # training images better than others.
    gap: float
    gap_low: float
    gap_high: float


class Walk(Strict):
    """Paths between the codes of two given images, in features: means over the paths, relative to
    the mean distance of two real held-out images."""

    length: float
    # Of the two images that a path begins and ends with; of the photographs it is about 1.
    ends: float
    # The longest step's share of the path: 0.125 where all 8 are equal, 1 where one jump does it.
    longest_step: float


class Identity(Strict):
    """Whether an embedded face still shows the same person, by a face recognition network."""

    kept: float
    distance: float


class Embedded(Strict):
    """Codes of given images, by the pixels of what the generator makes of them."""

    pixels: Gap
    outside: float
    steps: float
    unsettled: int
    mirror_asymmetry: float
    identity: Identity | None


class FeatureResult(Strict):
    """The same codes by one judge's features."""

    features: Gap
    linear: Walk
    spherical: Walk
    mirrored: Walk
    # The judge's metrics of the images half-way between the codes of two held-out images.
    middle: dict[str, float]
    middle_over_blended: float
    middle_over_sampled: float


class JudgeResult(Strict):
    """All that one judge says."""

    embedded: FeatureResult
    searched: FeatureResult | None
    # The same metrics of as many other images: the generator's samples, averages of two
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
    """Everything that one probe found."""

    version: int
    step: int
    weights_sha256: str
    data: str
    fingerprint: str
    sizes: Sizes
    middles: int
    # By judge: its settings and its network; and of every metric its version.
    judged_by: dict[str, dict[str, Any]]
    versions: dict[str, str]
    # "encoder" or "search": how `embedded` was found.
    way: str
    embedded: Embedded
    # By search too, where the method has an encoder and its samples have a gradient.
    searched: Embedded | None
    judges: dict[str, JudgeResult]
    # Empty, or why no identity was measured.
    no_identity: str
    # By the first judge, as are the attributes.
    memorisation: Memorisation
    asked_attributes: list[str]
    # By attribute; empty where the data have none, or only images of one kind.
    attributes: dict[str, Share]
