"""What the columns of evaluations and probes mean. No torch here."""

from collections.abc import Sequence

from benchmark.column import Column
from benchmark.evaluation.metrics import METRICS

CLASSIFIED = "classified."
"""Prefix of the columns of `evaluation.classify` in probes.csv."""


_SHARE = "share, 0 to 1"
_ERROR = "of [-1, 1], mean over pixels"
_EMBEDDING = "BEGAN, figure 4"
_REAL = "mean distances of two held-out images"


def _gap(above: str, of: str, unit: str) -> dict[str, Column]:
    """Columns for errors of embedded images."""
    found = {}
    for name, words in (("heldout", "held-out"), ("training", "training")):
        found[f"{above}.{name}"] = Column(
            f"{of} of {words} images", unit, "lower" if name == "heldout" else "", _EMBEDDING
        )
        found[f"{above}.{name}_sd"] = Column(f"standard deviation over images: {of}, {words}", unit)
    told = f"{of}, held-out less training; above 0 it reproduces its training images better"
    found[f"{above}.gap"] = Column(told, unit, "lower")
    for name, words in (("low", "lower"), ("high", "upper")):
        meant = f"{words} end of Welch's 95 % interval of the gap: {of}"
        found[f"{above}.gap_{name}"] = Column(meant, unit)
    return found


def _walk(above: str, kind: str) -> dict[str, Column]:
    return {
        f"{above}.length": Column(f"length of {kind}", _REAL),
        f"{above}.ends": Column(f"distance of the ends of {kind}; about 1 for photographs", _REAL),
        f"{above}.longest_step": Column(
            f"the longest step of {kind}; 0.125 where all 8 are equal", "share of the path", "lower"
        ),
    }


def _found(name: str, how: str) -> dict[str, Column]:
    """Columns for codes, however found: from pixels, then from the headline judge's features."""
    return {
        **_gap(f"{name}.pixels", f"|x - G(z)|, {how}", _ERROR),
        f"{name}.outside": Column(
            f"coordinates beyond those of 1,000 codes of the prior, {how}: held-out images", _SHARE
        ),
        f"{name}.steps": Column(f"of Adam until its plateau, mean, {how}; an encoder takes 0"),
        f"{name}.unsettled": Column(f"codes that had not reached their plateau, {how}", "codes"),
        f"{name}.mirror_asymmetry": Column(
            f"|x - flipped x| half-way to the mirror image, over that of the ends, {how}; below 1 "
            "the face turns to the front",
            "ratio",
        ),
        f"{name}.identity.kept": Column(
            f"embedded faces whose own photograph is the nearest, by dlib_face, {how}",
            _SHARE,
            "higher",
        ),
        f"{name}.identity.distance": Column(
            f"distance to their own photographs, by dlib_face, {how}", "features", "lower"
        ),
        **_gap(f"{name}.features", f"distance of x and G(z) in features, {how}", _REAL),
        **_walk(f"{name}.linear", f"straight paths between pairs of held-out images, {how}"),
        **_walk(f"{name}.spherical", f"great arcs between pairs of held-out images, {how}"),
        **_walk(f"{name}.mirrored", f"straight paths from an image to its mirror image, {how}"),
        **_metrics(f"{name}.middle", f"images half-way between held-out images, {how}"),
        f"{name}.middle_over_blended": Column(
            f"distance of the middles over that of averages of two photographs, {how}",
            "ratio",
            "lower",
        ),
        f"{name}.middle_over_sampled": Column(
            f"distance of the middles over that of as many samples, {how}", "ratio", "lower"
        ),
    }


def _metrics(above: str, of: str) -> dict[str, Column]:
    return {
        f"{above}.{name}": Column(f"{name} of {of}", each.unit, each.better, each.source)
        for name, each in METRICS.items()
        if not each.labelled
    }


def probe_columns() -> dict[str, Column]:
    """What a probe measures, by dotted name; NAME stands for an attribute of the data.

    Other judges' columns have the names of OF_JUDGE with the prefix `judges.JUDGE.`.
    """
    return {
        "version": Column("of the probe"),
        "step": Column("of the weights that were probed", "steps"),
        "sizes.images": Column("embedded images of each part", "images"),
        "sizes.steps": Column("of Adam on each of them, at most; in version 1 always", "steps"),
        "sizes.samples": Column(
            "samples, and test images, compared with training images", "images"
        ),
        "sizes.training": Column("training images that they were compared with", "images"),
        "middles": Column("images half-way, and as many others, that the metrics are of", "images"),
        **_found("embedded", "by the method's encoder, else by search"),
        **_found("searched", "by search, of a method that has an encoder too"),
        **_metrics("sampled", "as many samples"),
        **_metrics("blended", "averages of two photographs"),
        **_metrics("real", "real training images"),
        "memorisation.distance_ratio": Column(
            "median distance of samples to their nearest training image, over held-out images'; "
            "far below 1 they are copies, or merely plainer",
            "ratio",
            "",
            "evaluation/neighbours.py",
        ),
        "memorisation.closer_than_unseen": Column(
            "samples nearer to a training image than all but 1 % of the held-out ones of which "
            "there is no copy in training",
            _SHARE,
            "lower",
        ),
        "attributes.NAME.training": Column("training images with the attribute", _SHARE),
        "attributes.NAME.heldout": Column("held-out images with it", _SHARE),
        "attributes.NAME.heldout_probed": Column(
            "held-out images that the probe says have it", _SHARE
        ),
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


_OF_FEATURES = ("features.", "linear.", "spherical.", "mirrored.", "middle")
# Prefixes of the columns that each judge has separately.
OF_JUDGE = (
    *(f"{name}.{part}" for name in ("embedded", "searched") for part in _OF_FEATURES),
    *("sampled.", "blended.", "real."),
)


def probed_by_judges(names: Sequence[str], attributes: Sequence[str]) -> list[str]:
    """The columns of a probe by these judges, the first being the headline judge."""
    known = probe_columns()
    found = [name for name in known if "NAME" not in name]
    found += [f"attributes.{n}.{k.split('.')[2]}" for n in attributes for k in known if "NAME" in k]
    for judge in names[1:]:
        found += [f"judges.{judge}.{name}" for name in known if name.startswith(OF_JUDGE)]
    return found


_RANDOM = "over the mean distance of two samples"
_FIXED = "after a fixed number of Adam's steps"
# Columns that probes no longer have. Version 1 did not search for codes until the error plateaued,
# and measured paths between random codes in units of the generator's own spread.
EARLIER_PROBE_COLUMNS: dict[str, Column] = {
    "memorisation.closer_than_heldout": Column(
        "samples nearer to a training image than all but 1 % of held-out ones; 0, whatever the "
        "samples are, where more held-out images than that are copies of training images",
        _SHARE,
    ),
    "sizes.paths": Column("version 1: paths that were measured", "paths"),
    "embedding.heldout": Column(f"version 1: |x - G(z)| of held-out images, {_FIXED}", _ERROR),
    "embedding.heldout_sd": Column("version 1: its standard deviation over images", _ERROR),
    "embedding.training": Column(f"version 1: |x - G(z)| of training images, {_FIXED}", _ERROR),
    "embedding.training_sd": Column("version 1: the same, over training images", _ERROR),
    "embedding.gap": Column("version 1: held-out less training", _ERROR),
    "embedding.gap_low": Column("version 1: lower end of Welch's 95 % interval", _ERROR),
    "embedding.gap_high": Column("version 1: upper end of Welch's 95 % interval", _ERROR),
    "linear.length": Column("version 1: length of straight paths of random codes", _RANDOM),
    "linear.longest_step": Column("version 1: their longest step", "share of the path"),
    "spherical.length": Column("version 1: length of great arcs of random codes", _RANDOM),
    "spherical.longest_step": Column("version 1: the arcs' longest step", "share of the path"),
}


def copies_in_words(closer: float) -> str:
    """The share of samples that are closer to a training image than 99 % of held-out images are."""
    if closer == 0:
        return "no sample is closer to a training image than held-out faces are"
    return (
        f"{closer:.1%} of samples are closer to a training image than 99 % of held-out faces are"
        " (1 % is expected where nothing is copied)"
    )


_ACCURACY = "mean over both classes of held-out images that are right, 0 to 1"
_SCORE = "Ravuri and Vinyals 2019 (arXiv 1905.10887)"
# What `evaluation.classify` measures; N stands for the number of real images, or `all`.
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
        "from generated images alone, as many as the most real images", _ACCURACY, "higher", _SCORE
    ),
    f"{CLASSIFIED}shortfall": Column(
        "generated_alone seen from real_N of the most real images", _ACCURACY, "lower", _SCORE
    ),
    f"{CLASSIFIED}classifier_sd": Column(
        "standard deviation over classifiers of the same generators", _ACCURACY
    ),
}


def classified_columns(real: Sequence[int | str]) -> list[str]:
    """The columns for these numbers of real images."""
    return [
        name.replace("_N", f"_{size}")
        for name in CLASSIFIED_COLUMNS
        for size in (real if name.endswith("_N") else ("",))
    ]
