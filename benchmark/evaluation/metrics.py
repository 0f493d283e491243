"""Every metric of generated images, in one registry. No torch here.

All compare two sets of features, in float64: in float32 the Fréchet distance is off by up to 0.4,
and distances between equal rows are far from zero. Some need a special judge: one whose network was
trained on faces, or one with an attribute of the data. A new metric is a `Metric`, registered from
a file of its own; tables, captions, the glossary and judges pick it up from here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmark.errors import InputError
from benchmark.evaluation import identities, pairs, sliced_wasserstein, vendi
from benchmark.evaluation.frechet import Floats, Gaussian
from benchmark.imports import load_class

if TYPE_CHECKING:
    from benchmark.evaluation.attributes import AttributeProbe

KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SEED = 2020


@dataclass(frozen=True)
class Trait:
    """An attribute whose share among the samples is estimated."""

    probe: "AttributeProbe"
    training: float  # its share among the training images


@dataclass(frozen=True)
class Reference:
    """Real images, with what every comparison needs from them, computed on first use."""

    features: Floats  # (N, F), N at least 2
    validation: Floats  # (N, F), of as many validation images
    sharpness: float  # mean variance of their Laplacian
    trait: Trait | None = None  # if the judge has an attribute

    @cached_property
    def gaussian(self) -> Gaussian:
        return Gaussian(self.features)

    @cached_property
    def validation_gaussian(self) -> Gaussian:
        return Gaussian(self.validation)

    @cached_property
    def subsets(self) -> tuple[Floats, Floats]:
        """KID's subsets of generated and real rows (N, KID_SUBSETS): 1 for members, else 0."""
        count = len(self.features)
        draws, size = np.random.RandomState(KID_SEED), kid_subset_size(count)
        marks = np.zeros((2, count, KID_SUBSETS))
        for subset in range(KID_SUBSETS):
            for side in marks:
                side[draws.choice(count, size, replace=False), subset] = 1
        return marks[0], marks[1]

    @cached_property
    def within(self) -> pairs.Within:
        return pairs.within(self.features, self.subsets[1])

    @cached_property
    def alike(self) -> float:
        """The distance below which two images count as the same."""
        return identities.threshold(self.features)


@dataclass(frozen=True)
class Comparison:
    """Generated images against as many real ones; what several metrics share is computed once.

    Raises ValueError if the counts or widths differ: the distance's bias would differ too.
    """

    features: Floats  # (N, F)
    sharpness: float  # mean variance of their Laplacian
    real: Reference

    def __post_init__(self) -> None:
        if self.features.shape != self.real.features.shape:
            raise ValueError(
                f"{self.features.shape} against {self.real.features.shape}: not comparable"
            )

    @cached_property
    def distance(self) -> float:
        return self.real.gaussian.distance(self.features)

    @cached_property
    def within(self) -> pairs.Within:
        return pairs.within(self.features, self.real.subsets[0])

    @cached_property
    def across(self) -> pairs.Between:
        return pairs.between(
            self.features, self.real.features, self.real.subsets, self.within, self.real.within
        )

    @cached_property
    def kid(self) -> Floats:
        """The kernel distance of each subset (KID_SUBSETS,)."""
        size = kid_subset_size(len(self.features))
        own = self.within.kernel + self.real.within.kernel
        return np.asarray(own / (size * (size - 1)) - 2 * self.across.kernel / size**2)

    @cached_property
    def attribute(self) -> dict[str, float]:
        """The share of the samples with the judge's attribute, its interval and its excess.

        NaN if the judge has no attribute, or its probe is no better than chance.
        """
        trait, unknown = self.real.trait, dict.fromkeys(("share", "low", "high", "excess"), np.nan)
        if trait is None:
            return unknown
        counted = trait.probe.count(self.features)
        if counted.share is None or counted.low is None or counted.high is None:
            return unknown
        excess = counted.share - trait.training
        return {"share": counted.share, "low": counted.low, "high": counted.high, "excess": excess}


@dataclass(frozen=True)
class Metric:
    """One number about generated images, with all the text about it that is used anywhere."""

    name: str  # its column
    compute: Callable[[Comparison], float]
    better: Literal["higher", "lower", ""]  # empty if neither
    unit: str
    version: str  # changes when the same images get other values
    meaning: str
    source: str  # the paper that defines it
    # A claim about one metric is also tested on others of the same kind; quality covers fidelity
    # and variety.
    measures: Literal["quality", "fidelity", "variety", ""] = ""
    domain: str = ""  # training domain of the networks it is meant for; empty: any
    labelled: bool = False  # only for a judge with an attribute

    @property
    def better_is_lower(self) -> bool:
        return self.better == "lower"


_HEUSEL = "Heusel et al. 2017, equation 6 (arXiv 1706.08500)"
_KID = "Bińkowski et al. 2018, section 3 (arXiv 1801.01401)"
_MANIFOLD = "Kynkäänniemi et al. 2019, equations 1 and 2 (arXiv 1904.06991)"
_SQUARED = "squared features"
_PREVALENCE = "Rogan and Gladen 1978; Lang and Reiczigel 2014"
SHARE = "share, 0 to 1"

METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric(
            "distance",
            lambda c: c.distance,
            better="lower",
            unit=_SQUARED,
            version="1",
            meaning="Fréchet distance between the judge's features of samples and of as many real "
            "images; with inception_2015's features it is FID",
            source=_HEUSEL,
            measures="quality",
        ),
        Metric(
            "distance_validation",
            lambda c: c.real.validation_gaussian.distance(c.features),
            better="lower",
            unit=_SQUARED,
            version="1",
            meaning="the same against validation images; only this one chooses a checkpoint",
            source=_HEUSEL,
        ),
        Metric(
            "distance_infinite",
            lambda c: c.real.gaussian.extrapolated(c.features, c.distance),
            better="lower",
            unit=_SQUARED,
            version="1",
            meaning="distance, extrapolated to infinitely many samples",
            source="Chong and Forsyth 2020, section 4 (arXiv 1911.07023)",
        ),
        Metric(
            "kid",
            lambda c: float(c.kid.mean()),
            better="lower",
            unit="",
            version="1",
            meaning="unbiased kernel distance, mean over subsets",
            source=_KID,
            measures="quality",
        ),
        Metric(
            "kid_sd",
            lambda c: float(c.kid.std()),
            better="",
            unit="",
            version="1",
            meaning="standard deviation of kid over its subsets",
            source=_KID,
        ),
        Metric(
            "precision",
            lambda c: c.across.precision,
            better="higher",
            unit=SHARE,
            version="1",
            meaning="samples within the real images' manifold",
            source=_MANIFOLD,
            measures="fidelity",
        ),
        Metric(
            "recall",
            lambda c: c.across.recall,
            better="higher",
            unit=SHARE,
            version="1",
            meaning="real images within the samples' manifold",
            source=_MANIFOLD,
            measures="variety",
        ),
        Metric(
            "density",
            lambda c: c.across.density,
            better="higher",
            unit="",
            version="1",
            meaning="real images' neighbourhoods that a sample lies in, on average, over the "
            "number of neighbours that defines them; may exceed 1",
            source="Naeem et al. 2020, equation 4 (arXiv 2002.09797)",
            measures="fidelity",
        ),
        Metric(
            "coverage",
            lambda c: c.across.coverage,
            better="higher",
            unit=SHARE,
            version="1",
            meaning="real images with a sample in their neighbourhood",
            source="Naeem et al. 2020, equation 5 (arXiv 2002.09797)",
            measures="variety",
        ),
        Metric(
            "sharpness",
            lambda c: c.sharpness / c.real.sharpness,
            better="",
            unit="ratio",
            version="1",
            meaning="the samples' Laplacian variance over the real images'; 1 is equally sharp",
            source="Pech-Pacheco et al. 2000",
        ),
        Metric(
            "spread",
            lambda c: c.within.distance / c.real.within.distance,
            better="",
            unit="ratio",
            version="1",
            meaning="the samples' mean distance from one another over the real images'",
            source="evaluation/metrics.py",
            measures="variety",
        ),
        Metric(
            "sliced_wasserstein",
            lambda c: sliced_wasserstein.sliced_wasserstein(c.features, c.real.features),
            better="lower",
            unit="features",
            version="1",
            meaning="sliced Wasserstein-2 distance between the judge's features, not rescaled",
            source="Bonneel et al. 2015; MIND, Berthet et al. 2026 (arXiv 2605.06797)",
            measures="quality",
        ),
        Metric(
            "vendi",
            lambda c: vendi.vendi_score(c.features),
            better="",
            unit="effective number of images",
            version="1",
            meaning="how many entirely different images would be as diverse as the samples, by the "
            "cosine of their features; compare it with the real images' own score",
            source="Friedman and Dieng 2023, definition 3.1 (arXiv 2210.02410)",
            measures="variety",
        ),
        Metric(
            "identities",
            lambda c: identities.identities(c.features, c.real.alike),
            better="higher",
            unit="identities",
            version="1",
            meaning="number of different faces, by the birthday test: if this many were equally "
            "likely, pairs of them would be alike as often as pairs of samples are; alike means "
            "closer than all but 1 in 1,000 pairs of held-out images, which therefore score 1,000, "
            "and more than that cannot be measured",
            source="Arora and Zhang 2017 (arXiv 1706.08224)",
            measures="variety",
            domain="faces",
        ),
        Metric(
            "attribute_share",
            lambda c: c.attribute["share"],
            better="",
            unit=SHARE,
            version="1",
            meaning="share of samples that have the judge's attribute, by a linear probe, "
            "corrected for its errors on held-out images",
            source=_PREVALENCE,
            labelled=True,
        ),
        Metric(
            "attribute_low",
            lambda c: c.attribute["low"],
            better="",
            unit=SHARE,
            version="1",
            meaning="lower end of its 95 % interval, which allows for the uncertainty of the "
            "probe's error rates",
            source=_PREVALENCE,
            labelled=True,
        ),
        Metric(
            "attribute_high",
            lambda c: c.attribute["high"],
            better="",
            unit=SHARE,
            version="1",
            meaning="upper end of that interval",
            source=_PREVALENCE,
            labelled=True,
        ),
        Metric(
            "attribute_excess",
            lambda c: c.attribute["excess"],
            better="",
            unit="difference of shares",
            version="1",
            meaning="attribute_share minus the share of the training images that have it",
            source="evaluation/attributes.py",
            labelled=True,
        ),
        Metric(
            "attribute_accuracy",
            lambda c: c.real.trait.probe.balanced_accuracy if c.real.trait else np.nan,
            better="",
            unit=SHARE,
            version="1",
            meaning="balanced accuracy of the attribute's probe on held-out images; 0.5 is chance",
            source="evaluation/attributes.py",
            labelled=True,
        ),
    )
}


def computed_by(domain: str, attribute: str | None) -> dict[str, Metric]:
    """The metrics that a judge computes, given its network's domain and its attribute, if any."""
    return {
        name: metric
        for name, metric in METRICS.items()
        if metric.domain in ("", domain) and (attribute is not None or not metric.labelled)
    }


def register(metric: Metric) -> None:
    """Add a metric; every judge created afterwards computes it.

    Raises InputError if its name is taken or unfit for a column, or if it has no version.
    """
    if METRICS.get(metric.name) is metric:
        return
    if metric.name in METRICS:
        raise InputError(f"metric {metric.name}: the name is taken; choose another")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", metric.name) or not metric.version:
        raise InputError(
            f"metric {metric.name!r}: needs a version, and a name of lower-case letters, digits "
            "and underscores"
        )
    METRICS[metric.name] = metric


def load_metric(path: str) -> Metric:
    """Import and register the metric at `package.module:NAME`.

    Raises InputError if there is none or its name is taken.
    """
    metric: Any = load_class(path)
    if not isinstance(metric, Metric):
        raise InputError(f"{path}: a {type(metric).__name__}, not a benchmark Metric")
    register(metric)
    return metric


def parameters(samples: int) -> dict[str, int]:
    """What the values depend on besides features and versions, for this number of samples."""
    return {
        "kid_subsets": KID_SUBSETS,
        "kid_subset_size": kid_subset_size(samples),
        "precision_recall_neighbours": pairs.PRECISION_RECALL_NEIGHBOURS,
        "density_coverage_neighbours": pairs.DENSITY_COVERAGE_NEIGHBOURS,
        "sliced_wasserstein_directions": sliced_wasserstein.DIRECTIONS,
    }


def kid_subset_size(samples: int) -> int:
    """Images in a KID subset: 1,000, but at most half the samples, so that subsets differ."""
    return min(KID_SUBSET_SIZE, samples // 2)
