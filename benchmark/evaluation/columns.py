"""What the columns of evaluations and probes mean. No torch here."""

from collections.abc import Sequence

from benchmark.column import Column
from benchmark.evaluation.metrics import METRICS

CLASSIFIED = "classified."
"""Begins the columns of `evaluation.classify` in probes.csv."""


def evaluation_columns() -> list[str]:
    """The columns of one evaluation, in order: every registered metric."""
    return list(METRICS)


def metric_columns() -> dict[str, Column]:
    """What each of them means."""
    return {
        name: Column(metric.meaning, metric.unit, metric.better, metric.source)
        for name, metric in METRICS.items()
    }


_SHARE = "share, 0 to 1"
_ERROR = "of [-1, 1], mean over pixels"
_EMBEDDING = "BEGAN, section 4.4"
_FEATURES = "over the mean distance of two samples"


def _walk(kind: str) -> dict[str, Column]:
    return {
        f"{kind}.length": Column(f"{kind} paths' length in features; 1 is straight", _FEATURES),
        f"{kind}.longest_step": Column(
            f"the longest step of {kind} paths; 0.125 where all 8 are equal", "share of the path"
        ),
    }


# What `bench probe` measures, by dotted name; NAME stands for an attribute of the data.
PROBE_COLUMNS: dict[str, Column] = {
    "step": Column("of the weights that were probed", "steps"),
    "sizes.images": Column("embedded images of each part", "images"),
    "sizes.steps": Column("of Adam on each of them", "steps"),
    "sizes.paths": Column("paths that were measured", "paths"),
    "sizes.samples": Column("samples, and test images, compared with training images", "images"),
    "sizes.training": Column("training images that they were compared with", "images"),
    "embedding.heldout": Column("|x - G(z)| of held-out images", _ERROR, "lower", _EMBEDDING),
    "embedding.heldout_sd": Column("its standard deviation over images", _ERROR),
    "embedding.training": Column("|x - G(z)| of training images", _ERROR, "", _EMBEDDING),
    "embedding.training_sd": Column("the same, over training images", _ERROR),
    "embedding.gap": Column(
        "held-out less training; above 0 it reproduces its training images better", _ERROR, "lower"
    ),
    "embedding.gap_low": Column("lower end of Welch's 95 % interval of the gap", _ERROR),
    "embedding.gap_high": Column("upper end of Welch's 95 % interval of the gap", _ERROR),
    **_walk("linear"),
    **_walk("spherical"),
    "memorisation.distance_ratio": Column(
        "median distance of samples to their nearest training image, over held-out images'; far "
        "below 1 they are copies, or merely plainer",
        "ratio",
        "",
        "evaluation/neighbours.py",
    ),
    "memorisation.closer_than_heldout": Column(
        "samples nearer to a training image than all but 1 % of held-out ones", _SHARE, "lower"
    ),
    "attributes.NAME.training": Column("training images with the attribute", _SHARE),
    "attributes.NAME.heldout": Column("held-out images with it", _SHARE),
    "attributes.NAME.heldout_probed": Column("held-out images that the probe says have it", _SHARE),
    "attributes.NAME.samples_probed": Column("samples that the probe says have it", _SHARE),
    "attributes.NAME.samples_corrected": Column(
        "the same, corrected for the probe's errors on held-out images",
        _SHARE,
        "",
        "Rogan and Gladen 1978",
    ),
    "attributes.NAME.samples_low": Column(
        "lower end of its 95 % interval, the probe's errors included", _SHARE
    ),
    "attributes.NAME.samples_high": Column("upper end of it", _SHARE),
    "attributes.NAME.accuracy": Column("held-out images it is right on", _SHARE, "higher"),
    "attributes.NAME.balanced_accuracy": Column("the mean over both classes", _SHARE, "higher"),
}


_ACCURACY = "mean over both classes of held-out images that are right, 0 to 1"
_SCORE = "Ravuri and Vinyals 2019 (arXiv 1905.10887)"
# What `evaluation.classify` measures; N stands for the number of real images, or all.
CLASSIFIED_COLUMNS: dict[str, Column] = {
    f"{CLASSIFIED}real_N": Column("a classifier from N real images alone", _ACCURACY, "higher"),
    f"{CLASSIFIED}augmented_N": Column(
        "from the same, mirrored and turned by up to 10 degrees", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}generated_N": Column(
        "from the same and as many generated ones", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}gain_augmented_N": Column("augmented_N less real_N", _ACCURACY, "higher"),
    f"{CLASSIFIED}gain_generated_N": Column("generated_N less real_N", _ACCURACY, "higher"),
    f"{CLASSIFIED}gain_over_augmented_N": Column(
        "generated_N less augmented_N", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}generated_alone": Column(
        "from generated images alone, as many as all real ones", _ACCURACY, "higher", _SCORE
    ),
    f"{CLASSIFIED}shortfall": Column(
        "generated_alone seen from real_N of the most real images", _ACCURACY, "lower", _SCORE
    ),
    f"{CLASSIFIED}classifier_sd": Column(
        "standard deviation over classifiers of one pair of generators", _ACCURACY
    ),
}


def classified_columns(real: Sequence[int | str]) -> list[str]:
    """Those for these numbers of real images."""
    return [
        name.replace("_N", f"_{size}")
        for name in CLASSIFIED_COLUMNS
        for size in (real if name.endswith("_N") else ("",))
    ]
