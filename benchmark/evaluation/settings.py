"""What the `evaluation` block of an ablation file may say, and the columns that come of it."""

from typing import Annotated, Literal

from pydantic import Field

from benchmark.strict import Strict

Extractor = Literal["efficientnet_lite0", "inception_2015"]


class EvaluationSettings(Strict):
    """When and against what the generator is judged."""

    # Steps between two evaluations; the last step is always evaluated.
    every: Annotated[int, Field(ge=1)]
    # Generated images, and as many held-out ones: unequal counts would bias the distance.
    samples: Annotated[int, Field(ge=50, le=1_000_000)]
    features: Extractor
    # The held-out part of the data that the samples are compared with.
    reference: Literal["validation", "test"] = "test"


def distance_column(features: Extractor) -> str:
    """The name of the Fréchet distance: only the 2015 Inception features' is called FID."""
    return "fid" if features == "inception_2015" else f"fd_{features}"


def evaluation_columns(features: Extractor) -> list[str]:
    """The columns of one evaluation row, in order."""
    return [
        distance_column(features),
        "kid",
        "kid_sd",
        "precision",
        "recall",
        "density",
        "coverage",
    ]
