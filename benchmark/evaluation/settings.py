"""What the `evaluation` block of an ablation file may say, and the columns that come of it."""

from typing import Annotated, Literal

from pydantic import Field

from benchmark.data.settings import View
from benchmark.strict import Strict

Extractor = Literal["efficientnet_lite0", "inception_2015"]


class EvaluationSettings(Strict):
    """When and against what the generator is judged."""

    # Steps between two evaluations; the last step is always evaluated.
    every: Annotated[int, Field(ge=1)]
    # Generated images, and as many held-out ones: unequal counts would bias the distance.
    samples: Annotated[int, Field(ge=50, le=1_000_000)]
    # The network whose features are compared; only those of inception_2015 make a FID.
    features: Extractor
    # The held-out part of the data that the samples are compared with.
    reference: Literal["validation", "test"] = "test"
    # Another view of the same faces to compare with; by default the one trained on.
    reference_view: View | None = None
    # Validation images over which the method's own energies are watched, always the same.
    heldout: Annotated[int, Field(ge=2, le=100_000)] = 64
    # More draws of samples from the last weights: evaluation noise, apart from training's seeds.
    repeats: Annotated[int, Field(ge=0, le=100)] = 2
    # Collapsed: the samples' mean pairwise distance between features is below this share of the
    # real images' own.
    collapse_below: Annotated[float, Field(ge=0, le=1)] = 0.3


def distance_column(features: Extractor) -> str:
    """The name of the Fréchet distance: only the 2015 Inception features' is called FID."""
    return "fid" if features == "inception_2015" else f"fd_{features}"


def evaluation_columns(features: Extractor) -> list[str]:
    """The columns of one evaluation row, in order."""
    distance = distance_column(features)
    return [
        distance,
        # Against validation images: what chooses a checkpoint without touching the test part.
        f"{distance}_validation",
        # Extrapolated to infinitely many samples.
        f"{distance}_infinite",
        "kid",
        "kid_sd",
        "precision",
        "recall",
        "density",
        "coverage",
        # Of the samples over the real images' own: Laplacian energy, mean pairwise distance.
        "sharpness",
        "spread",
        # 1 where spread is below collapse_below, else 0.
        "collapsed",
    ]
