"""What the columns of evaluations and probes mean. No torch here."""

from collections.abc import Sequence

from benchmark.column import Column
from benchmark.evaluation.metrics import METRICS

CLASSIFIED = "classified."
"""Prefix of the columns of `evaluation.classify` in probes.csv."""

_SHARE = "share, 0 to 1"
_ERROR = "mean over pixels, on the scale of [-1, 1]"
_EMBEDDING = "BEGAN, figure 4"
_REAL = "mean distance between two held-out images"


def _gap_columns(prefix: str, error: str, unit: str) -> dict[str, Column]:
    """Columns for errors of embedded images."""
    columns = {}
    for name, part in (("heldout", "held-out"), ("training", "training")):
        columns[f"{prefix}.{name}"] = Column(
            f"{error}, {part} images", unit, "lower" if name == "heldout" else "", _EMBEDDING
        )
        columns[f"{prefix}.{name}_sd"] = Column(
            f"standard deviation over images of {error}, {part} images", unit
        )
    meaning = f"{error}, held-out minus training; above 0, training images are reproduced better"
    columns[f"{prefix}.gap"] = Column(meaning, unit, "lower")
    for name, end in (("low", "lower"), ("high", "upper")):
        meaning = f"{end} end of Welch's 95 % interval of the gap in {error}"
        columns[f"{prefix}.gap_{name}"] = Column(meaning, unit)
    return columns


def _path_columns(prefix: str, paths: str) -> dict[str, Column]:
    return {
        f"{prefix}.length": Column(f"length of {paths}", _REAL),
        f"{prefix}.ends": Column(
            f"distance between the ends of {paths}; about 1 for photographs", _REAL
        ),
        f"{prefix}.longest_step": Column(
            f"longest step of {paths}; 0.125 if all 8 are equal", "share of the path", "lower"
        ),
    }


def _code_columns(name: str, how: str) -> dict[str, Column]:
    """Columns for codes found in one way: by pixels, then by the headline judge's features."""
    return {
        **_gap_columns(f"{name}.pixels", f"|x - G(z)|, {how}", _ERROR),
        f"{name}.outside": Column(
            f"coordinates of held-out images' codes outside the range of 1,000 codes from the "
            f"prior, {how}",
            _SHARE,
        ),
        f"{name}.steps": Column(
            f"mean number of Adam steps until the plateau, {how}; 0 for an encoder"
        ),
        f"{name}.unsettled": Column(f"codes that had not reached their plateau, {how}", "codes"),
        f"{name}.mirror_asymmetry": Column(
            f"|x - flipped x| half-way to the mirror image, over that of the ends, {how}; below 1, "
            "the face turns to the front",
            "ratio",
        ),
        f"{name}.identity.kept": Column(
            f"embedded faces whose own photograph is the nearest, by dlib_face, {how}",
            _SHARE,
            "higher",
        ),
        f"{name}.identity.distance": Column(
            f"distance of embedded faces to their own photographs, by dlib_face, {how}",
            "features",
            "lower",
        ),
        **_gap_columns(f"{name}.features", f"feature distance between x and G(z), {how}", _REAL),
        **_path_columns(
            f"{name}.linear", f"straight paths between pairs of held-out images, {how}"
        ),
        **_path_columns(f"{name}.spherical", f"great arcs between pairs of held-out images, {how}"),
        **_path_columns(
            f"{name}.mirrored", f"straight paths from an image to its mirror image, {how}"
        ),
        **_metric_columns(f"{name}.middle", f"images half-way between held-out images, {how}"),
        f"{name}.middle_over_blended": Column(
            f"distance of the middles over that of averages of two photographs, {how}",
            "ratio",
            "lower",
        ),
        f"{name}.middle_over_sampled": Column(
            f"distance of the middles over that of as many samples, {how}", "ratio", "lower"
        ),
    }


def _metric_columns(prefix: str, images: str) -> dict[str, Column]:
    return {
        f"{prefix}.{name}": Column(f"{name} of {images}", each.unit, each.better, each.source)
        for name, each in METRICS.items()
        if not each.labelled
    }


def probe_columns() -> dict[str, Column]:
    """What a probe measures, keyed by dotted name; NAME stands for an attribute of the data.

    Other judges' columns have the names of OF_JUDGE with the prefix `judges.JUDGE.`.
    """
    return {
        "version": Column("version of the probe"),
        "step": Column("training step of the probed weights", "steps"),
        "sizes.images": Column("embedded images of each part", "images"),
        "sizes.steps": Column("most Adam steps per image; in version 1 the exact number", "steps"),
        "sizes.samples": Column(
            "samples, and test images, compared with training images", "images"
        ),
        "sizes.training": Column("training images that they were compared with", "images"),
        "middles": Column(
            "images half-way, and as many others, for which metrics are computed", "images"
        ),
        **_code_columns("embedded", "by the method's encoder, else by search"),
        **_code_columns("searched", "by search, if the method also has an encoder"),
        **_metric_columns("sampled", "as many samples"),
        **_metric_columns("blended", "averages of two photographs"),
        **_metric_columns("real", "real training images"),
        "memorisation.distance_ratio": Column(
            "median distance of samples to their nearest training image, over held-out images'; "
            "far below 1, they are copies, or merely plainer",
            "ratio",
            "",
            "evaluation/neighbours.py",
        ),
        "memorisation.closer_than_unseen": Column(
            "samples nearer to a training image than all but 1 % of the held-out images that have "
            "no copy in training",
            _SHARE,
            "lower",
        ),
        "attributes.NAME.training": Column("training images with the attribute", _SHARE),
        "attributes.NAME.heldout": Column("held-out images with the attribute", _SHARE),
        "attributes.NAME.heldout_probed": Column(
            "held-out images that have it according to the probe", _SHARE
        ),
        "attributes.NAME.samples_probed": Column(
            "samples that have it according to the probe", _SHARE
        ),
        "attributes.NAME.samples_corrected": Column(
            "samples_probed, corrected for the probe's errors on held-out images",
            _SHARE,
            "",
            "Rogan and Gladen 1978",
        ),
        "attributes.NAME.samples_low": Column(
            "lower end of its 95 % interval, which allows for the probe's errors", _SHARE
        ),
        "attributes.NAME.samples_high": Column("upper end of that interval", _SHARE),
        "attributes.NAME.accuracy": Column(
            "held-out images that the probe classifies correctly", _SHARE, "higher"
        ),
        "attributes.NAME.balanced_accuracy": Column(
            "mean of the accuracies on both classes", _SHARE, "higher"
        ),
    }


_OF_FEATURES = ("features.", "linear.", "spherical.", "mirrored.", "middle")
# Prefixes of the columns that each judge has separately.
OF_JUDGE = (
    *(f"{name}.{part}" for name in ("embedded", "searched") for part in _OF_FEATURES),
    *("sampled.", "blended.", "real."),
)


def probed_by_judges(names: Sequence[str], attributes: Sequence[str]) -> list[str]:
    """The columns of a probe by these judges, of which the first is the headline judge."""
    known = probe_columns()
    columns = [name for name in known if "NAME" not in name]
    columns += [
        f"attributes.{attribute}.{name.split('.')[2]}"
        for attribute in attributes
        for name in known
        if "NAME" in name
    ]
    for judge in names[1:]:
        columns += [f"judges.{judge}.{name}" for name in known if name.startswith(OF_JUDGE)]
    return columns


_RANDOM = "mean distance between two samples"
_FIXED = "after a fixed number of Adam steps"
# Columns that probes no longer have. Version 1 did not search for codes until the error plateaued,
# and measured paths between random codes in units of the generator's own spread.
EARLIER_PROBE_COLUMNS: dict[str, Column] = {
    "memorisation.closer_than_heldout": Column(
        "samples nearer to a training image than all but 1 % of held-out images; 0, whatever the "
        "samples are, if more held-out images than that are copies of training images",
        _SHARE,
    ),
    "sizes.paths": Column("version 1: paths that were measured", "paths"),
    "embedding.heldout": Column(f"version 1: |x - G(z)| of held-out images, {_FIXED}", _ERROR),
    "embedding.heldout_sd": Column("version 1: its standard deviation over images", _ERROR),
    "embedding.training": Column(f"version 1: |x - G(z)| of training images, {_FIXED}", _ERROR),
    "embedding.training_sd": Column("version 1: its standard deviation over images", _ERROR),
    "embedding.gap": Column("version 1: held-out minus training", _ERROR),
    "embedding.gap_low": Column("version 1: lower end of Welch's 95 % interval", _ERROR),
    "embedding.gap_high": Column("version 1: upper end of Welch's 95 % interval", _ERROR),
    "linear.length": Column("version 1: length of straight paths between random codes", _RANDOM),
    "linear.longest_step": Column("version 1: their longest step", "share of the path"),
    "spherical.length": Column("version 1: length of great arcs between random codes", _RANDOM),
    "spherical.longest_step": Column("version 1: the arcs' longest step", "share of the path"),
}


def copies_in_words(closer: float) -> str:
    """The share of samples that are closer to a training image than 99 % of held-out images are."""
    if closer == 0:
        return "no sample is closer to a training image than held-out faces are"
    return (
        f"{closer:.1%} of samples are closer to a training image than 99 % of held-out faces are"
        " (1 % is expected if nothing is copied)"
    )


_ACCURACY = "balanced accuracy on held-out images, 0 to 1"
_SCORE = "Ravuri and Vinyals 2019 (arXiv 1905.10887)"
# What `evaluation.classify` measures; N stands for the number of real images, or `all`.
CLASSIFIED_COLUMNS: dict[str, Column] = {
    f"{CLASSIFIED}real_N": Column(
        "a classifier trained on N real images alone", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}augmented_N": Column(
        "trained on the same, mirrored and rotated by up to 10 degrees", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}generated_N": Column(
        "trained on the same and as many generated images", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}gain_augmented_N": Column("augmented_N minus real_N", _ACCURACY, "higher"),
    f"{CLASSIFIED}gain_generated_N": Column("generated_N minus real_N", _ACCURACY, "higher"),
    f"{CLASSIFIED}gain_over_augmented_N": Column(
        "generated_N minus augmented_N", _ACCURACY, "higher"
    ),
    f"{CLASSIFIED}generated_alone": Column(
        "trained on generated images alone, as many as the largest N", _ACCURACY, "higher", _SCORE
    ),
    f"{CLASSIFIED}shortfall": Column(
        "real_N of the largest N, minus generated_alone", _ACCURACY, "lower", _SCORE
    ),
    f"{CLASSIFIED}classifier_sd": Column(
        "standard deviation over classifiers for the same generators", _ACCURACY
    ),
}


def classified_columns(real: Sequence[int | str]) -> list[str]:
    """The columns of `evaluation.classify` for these numbers of real images."""
    return [
        name.replace("_N", f"_{size}")
        for name in CLASSIFIED_COLUMNS
        for size in (real if name.endswith("_N") else ("",))
    ]
