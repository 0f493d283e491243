"""The `evaluation` block of an ablation file. No torch here.

None of it is part of a run's description: a run is its training, and any number of judges may judge
it, during training or at any time after.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from benchmark.data.settings import View
from benchmark.strict import LISTED, Names, Slug, Strict

CLASSIFIER_VERSION = 1  # changes when the same weights get other numbers
FACE_FEATURES = "dlib_face"  # the feature network that distinguishes faces
PROBE_VERSION = 2  # changes when the same weights get other numbers
FID_FEATURES = "inception_2015"  # the only feature network whose Fréchet distance is called FID


class JudgeSettings(Strict):
    """A judge: a feature network, and what the samples are compared with."""

    features: str
    """Feature network: a built-in name, or an import path such as `package.module:Class`."""
    samples: Annotated[int, Field(ge=50, le=1_000_000)]
    """Number of generated images, and of real ones: unequal counts would bias the distance."""
    reference: Literal["validation", "test"] = "test"
    """Held-out part of the data that the samples are compared with."""
    reference_view: View | None = None
    """Another view of the same images to compare with; by default the one trained on."""
    snapshots: Literal["all", "last"] = "all"
    """Snapshots to judge; a slow judge may be limited to the last one."""
    # Omitted if not set, so that older judges keep their identity.
    attribute: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """Attribute of the data, such as Smiling, whose share among the samples is estimated: by a
    probe fitted on the validation images, with its errors counted on the test images."""

    @model_validator(mode="after")
    def _errors_are_counted_on_other_images(self) -> Self:
        if self.attribute is not None and self.reference != "test":
            raise ValueError("attribute needs reference: test; the probe is fitted on validation")
        return self

    def identity(self) -> dict[str, Any]:
        """What determines the judge's values, besides the network's version and weights."""
        return self.model_dump(mode="json", exclude={"snapshots"})


class ClassifySettings(Strict):
    """Whether generated images help a small classifier: its training sets, and how often it is
    trained.

    Runs come in pairs that differ only in `data.only`: images with the attribute, and images
    without it. A method that takes the attribute as a label, as StackGAN may, needs one run.
    """

    attribute: str
    """The attribute that the classifier learns."""
    real: Annotated[
        tuple[Annotated[int, Field(ge=10)] | Literal["all"], ...], Field(min_length=1), LISTED
    ]
    """Numbers of real training images, half of each class, as in [250, 1000, all]; the last is the
    largest, and training on generated images alone is compared with it."""
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    """Classifiers per training set and pair of generators, or single labelled generator."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Training steps of each classifier, in batches of 32."""

    @field_validator("real")
    @classmethod
    def _the_last_is_the_largest(cls, real: tuple[int | str, ...]) -> tuple[int | str, ...]:
        counts = [size for size in real if isinstance(size, int)]
        rising = all(one < other for one, other in pairwise(counts))
        if not rising or "all" in real[:-1]:
            raise ValueError("real must increase from one number to the next; all can only be last")
        return real


class ProbeSettings(Strict):
    """How much of a finished generator a probe examines. If the data have fewer images, all are
    used.

    Smaller numbers are faster: a probe searches for the codes of 2.5 times `images`, with up to
    `steps` steps of Adam on each.
    """

    images: Annotated[int, Field(ge=12, le=1000, multiple_of=2)] = 16
    """Images embedded from each of the training and test parts. The held-out ones give half as many
    paths from one image to another, and half as many from an image to its mirror image; the
    midpoints of all pairs are judged, up to `samples` of them."""
    steps: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Most steps of Adam on a code; the search ends once the error stops falling."""
    samples: Annotated[int, Field(ge=50, le=1_000_000)] = 500
    """Samples, and as many held-out images, whose nearest training images are searched for."""
    training: Annotated[int, Field(ge=50, le=1_000_000)] = 5000
    """Training images to search among."""
    attributes: Names = ()
    """Attributes of the data whose shares among the samples are estimated."""

    def sizes(self) -> dict[str, int]:
        """What the numbers depend on."""
        return self.model_dump(exclude={"attributes"})


class EvaluationSettings(Strict):
    """Which snapshots of a run are kept, and which judges judge them."""

    every: Annotated[int, Field(ge=1)]
    """Steps between two snapshots; the last step always has one."""
    judges: Annotated[dict[Slug, JudgeSettings], Field(min_length=1)]
    """Judges by name; the first is the headline judge, which decides the claims. `features`
    defaults to the judge's name."""
    metrics: Names = ()
    """Metrics from outside the package, each by its import path, as in `package.module:METRIC`."""
    repeats: Annotated[int, Field(ge=0, le=100)] = 2
    """Additional draws of samples from the last snapshot: they measure evaluation noise, apart from
    the variation over training seeds."""
    collapse_below: Annotated[float, Field(ge=0, le=1)] = 0.3
    """A run counts as collapsed if its samples' spread (mean pairwise distance of features, over
    the real images' own) is below this."""
    probe: ProbeSettings | None = None
    """Probe every finished run by all judges, as `bench probe` does; null: no probes."""

    classify: ClassifySettings | None = Field(default=None, exclude_if=lambda each: each is None)
    """Train classifiers on the images of every finished pair of runs; null: no classifiers."""

    @model_validator(mode="before")
    @classmethod
    def _features_are_the_name(cls, block: Any) -> Any:
        judges = block.get("judges") if isinstance(block, dict) else None
        if not isinstance(judges, dict):
            return block
        named = {
            name: {"features": name, **each} if isinstance(each, dict) else each
            for name, each in judges.items()
        }
        return {**block, "judges": named}

    @model_validator(mode="after")
    def _no_judge_twice(self) -> Self:
        seen: list[dict[str, Any]] = []
        for name, judge in self.judges.items():
            if judge.identity() in seen:
                raise ValueError(f"judges.{name} is the same judge as another")
            seen.append(judge.identity())
        return self

    @property
    def headline(self) -> str:
        """The name of the judge that decides the claims."""
        return next(iter(self.judges))


def is_mostly_bias(samples: int, width: int) -> bool:
    """Whether a Fréchet distance on so many samples and features is mostly bias."""
    return samples <= width


def distance_title(features: str) -> str:
    """What a Fréchet distance on these features is called: FID only on the 2015 Inception."""
    return "FID" if features == FID_FEATURES else f"Fréchet distance ({features})"
