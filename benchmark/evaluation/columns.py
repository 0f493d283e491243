"""What each column of an evaluation means; `evaluation_columns` in settings.py names them."""

from typing import get_args

from benchmark.column import Column
from benchmark.evaluation.settings import Extractor, distance_column

_HEUSEL = "Heusel et al. 2017, equation 6"
_SHARE = "share, 0 to 1"


def _distances(features: Extractor) -> dict[str, Column]:
    name = distance_column(features)
    unit = "squared features"
    return {
        name: Column(
            f"Fréchet distance of {features}'s features to as many held-out real images",
            unit,
            "lower",
            _HEUSEL,
        ),
        f"{name}_validation": Column(
            f"{name} to validation images; it alone chooses a checkpoint", unit, "lower", _HEUSEL
        ),
        f"{name}_infinite": Column(
            f"{name}, extrapolated to infinitely many samples",
            unit,
            "lower",
            "Chong and Forsyth 2020, section 4",
        ),
    }


EVALUATION_COLUMNS: dict[str, Column] = {
    **{
        name: each
        for features in get_args(Extractor)
        for name, each in _distances(features).items()
    },
    "kid": Column(
        "kernel distance, unbiased: mean over subsets", "", "lower", "Bińkowski et al. 2018, 3"
    ),
    "kid_sd": Column(
        "standard deviation of kid over its subsets", "", "", "Bińkowski et al. 2018, section 3"
    ),
    "precision": Column(
        "samples within the real images' manifold", _SHARE, "higher", "Kynkäänniemi et al. 2019"
    ),
    "recall": Column(
        "real images within the samples' manifold", _SHARE, "higher", "Kynkäänniemi et al. 2019"
    ),
    "density": Column(
        "real neighbourhoods that a sample lies in, over their number; may pass 1",
        "",
        "higher",
        "Naeem et al. 2020, equation 4",
    ),
    "coverage": Column(
        "real images with a sample in their neighbourhood",
        _SHARE,
        "higher",
        "Naeem et al. 2020, equation 5",
    ),
    "sharpness": Column(
        "the samples' Laplacian variance over the real images'; 1 is as sharp as they",
        "ratio",
        "",
        "Pech-Pacheco et al. 2000",
    ),
    "spread": Column(
        "the samples' mean distance from one another, over the real images'; 1 is as varied",
        "ratio",
        "",
        "evaluation/fidelity.py",
    ),
    "collapsed": Column(
        "1 where spread is below evaluation.collapse_below, else 0", "", "lower", "evaluation/"
    ),
}

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


# What `bench probe` finds, by dotted name; NAME stands for an attribute of the data.
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
        "held-out less training; above 0 it remembers its training images", _ERROR, "lower"
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
    "attributes.NAME.accuracy": Column("held-out images it is right on", _SHARE, "higher"),
    "attributes.NAME.balanced_accuracy": Column("the mean over both classes", _SHARE, "higher"),
}
