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
