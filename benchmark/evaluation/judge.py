"""Judge generated images against held-out ones: a feature network, real images and metrics."""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.batches import first_positions
from benchmark.data.settings import DataSettings, Split
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import metrics
from benchmark.evaluation.attributes import AttributeProbe, Labels
from benchmark.evaluation.features import cached_features, content_key, extract
from benchmark.evaluation.metrics import Comparison, Reference, Trait, computed_by
from benchmark.evaluation.networks import describe, load_network
from benchmark.evaluation.settings import JudgeSettings
from benchmark.evaluation.sharpness import Watched, laplacian_variance
from benchmark.files import cached, write_atomic
from benchmark.runs.evaluations import JudgeRecord, digest_of

Images = NDArray[np.uint8]  # (N, 3, S, S)

# Generated images requested at a time: fixed, because a run's codes may depend on it.
_CHUNK = 64
# Least Youden's J of an attribute's probe: below it the correction yields only noise.
_LEAST_YOUDEN = 0.2


class Judge:
    """One judge of one data set: the same real images for every run and seed."""

    def __init__(
        self,
        name: str,
        settings: JudgeSettings,
        store: FaceStore,
        reference: FaceStore,
        cache: Path,
        device: torch.device,
    ) -> None:
        """Load the network and the real images' features, computed unless they are in `cache`.

        `store` is the training data and `reference` what samples are compared with: the same or
        another view of it. `name` is the judge's name in the ablation file. If the judge has an
        attribute, both stores need its labels. Raises InputError if a part of the data has too few
        images or they are all alike, or if the features do not predict the attribute; BenchError
        if the network's weights cannot be loaded.
        """
        self.name, self.features = name, settings.features
        self.reference_fingerprint = reference.fingerprint
        self._other_store = reference.name if settings.reference_view is not None else None
        self._settings, self._store, self._cache = settings, store, cache
        real = self._images(reference, settings.reference)
        validation = self._images(reference, "validation")
        sharpness = _sharpness(real)
        if sharpness == 0 or bool((real == real[0]).all()):
            raise self._unusable(reference, "images are blank or all alike")
        self._network = load_network(settings.features, device)
        self._metrics = computed_by(self._network.domain, settings.attribute)
        features, validation_features = self._features(real), self._features(validation)
        trait = self._trait(reference, features, validation_features)
        self._real = Reference(features, validation_features, sharpness, trait)
        if bool((self._real.features == self._real.features[0]).all()):
            raise self._unusable(reference, f"images all have the same features by {self.features}")
        self._compared_with = [content_key(self._network, each) for each in (real, validation)]

    @classmethod
    def of_data(
        cls,
        name: str,
        settings: JudgeSettings,
        data: DataSettings,
        store: FaceStore,
        data_root: Path | None,
        cache: Path,
        device: torch.device,
    ) -> "Judge":
        """The judge of `data`, whose `store` is open; opens whatever else it needs.

        Raises what the constructor raises, and InputError if the data lack the attribute.
        """
        view, attribute = settings.reference_view, settings.attribute
        compared = data if view is None else data.model_copy(update={"view": view})
        labels, key = (attribute,) if attribute else (), f"evaluation.judges.{name}.attribute"
        if labels:
            store = open_store(data, data_root, cache, labels, asked=key)
        reference = store
        if compared != data:
            reference = open_store(compared, data_root, cache, labels, asked=key)
        return cls(name, settings, store, reference, cache, device)

    @property
    def network_version(self) -> str:
        return self._network.version

    @property
    def versions(self) -> dict[str, str]:
        """The version of every metric, keyed by name."""
        return {name: metric.version for name, metric in self._metrics.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that determines the values but the data and the metrics' versions."""
        return digest_of(self._identity.values())

    @cached_property
    def _identity(self) -> dict[str, dict[str, Any]]:
        samples, network = self._settings.samples, describe(self._network)
        # With no more samples than features the covariance is singular, and the distance mostly
        # bias.
        more: dict[str, Any] = {"samples_per_feature": samples / self._network.width}
        if self._settings.attribute is not None:
            more["labels_sha256"] = self._store.labels_sha256
        return {
            "settings": self._settings.identity(),
            "network": network,
            "parameters": {**metrics.parameters(samples), **more},
        }

    def record(self) -> JudgeRecord:
        """The judge's record, with the scores of real images: computed once and cached.

        Raises InputError if there are too few training images, BenchError if the cache cannot be
        written.
        """
        return self._record

    @cached_property
    def _record(self) -> JudgeRecord:
        return JudgeRecord(
            digest=self.digest,
            **self._identity,
            reference=self.reference_fingerprint,
            store=self._other_store,
            floor=self._floors(),
            made=time.time(),
        )

    def evaluate(
        self, sample: Callable[[int, int], Tensor], names: Sequence[str] | None = None
    ) -> dict[str, float]:
        """Compute the metrics with these names, or all, in the registry's order.

        `sample(start, count)` returns images start to start + count of this evaluation, uint8
        (count, 3, S, S) on any device. Raises InputError if a name is unknown or a feature is not
        finite, BenchError if a metric is not finite.
        """
        count = self._settings.samples
        images = Watched(sample(i, min(_CHUNK, count - i)) for i in range(0, count, _CHUNK))
        features = extract(self._network, images).double().numpy()
        return self._compute(features, images.mean, names)

    def _compute(
        self, features: NDArray[np.float64], sharpness: float, names: Sequence[str] | None
    ) -> dict[str, float]:
        unknown = set(names or ()) - set(self._metrics)
        if unknown:
            raise InputError(f"judge {self.name}: there is no metric {', '.join(sorted(unknown))}")
        comparison = Comparison(features, sharpness, self._real)
        chosen = [name for name in self._metrics if names is None or name in names]
        values = {name: float(self._metrics[name].compute(comparison)) for name in chosen}
        for name, value in values.items():
            if not math.isfinite(value):
                raise BenchError(f"judge {self.name}: the metric {name} gives {value}")
        return values

    def _floors(self) -> dict[str, dict[str, float]]:
        """The scores of a perfect generator and of a blurred one, with training images as samples.

        "real" takes them as they are; "blurred" halves them by averaging 2 x 2 pixels and enlarges
        them bilinearly.
        """
        images = self._images(self._store, "train")
        return {"real": self._floor(images), "blurred": self._floor(_blurred(images))}

    def _floor(self, images: Images) -> dict[str, float]:
        """The metrics of `images`, from the content-addressed cache if the versions match."""
        contents = {"images": [content_key(self._network, images), *self._compared_with]}
        trait = self._real.trait
        if trait is not None:  # the same images may be judged for another attribute
            attribute = self._settings.attribute, self._store.labels_sha256, trait.training
            contents["attribute"] = list(map(str, attribute))
        key = digest_of([contents])
        path = self._cache / "floors" / f"{key}.json"
        with cached(path, "the real images' figures"):
            known = _read_floor(path)
            missing = [
                name
                for name, version in self.versions.items()
                if known.get(name, ("",))[0] != version
            ]
            if missing:
                values = self._compute(self._features(images), _sharpness(images), missing)
                known |= {name: (self.versions[name], values[name]) for name in missing}
                write_atomic(path, json.dumps(known, indent=2).encode() + b"\n")
        return {name: known[name][1] for name in self.versions}

    def _features(self, images: Images) -> NDArray[np.float64]:
        return np.asarray(cached_features(self._network, images, self._cache).double().numpy())

    def _trait(
        self, reference: FaceStore, real: NDArray[np.float64], validation: NDArray[np.float64]
    ) -> Trait | None:
        """The judge's attribute, with a probe that is checked on the test images.

        The probe is fitted on the validation images, which no generator has seen. Raises InputError
        if it does not learn the attribute.
        """
        name = self._settings.attribute
        if name is None:
            return None
        fitted = AttributeProbe.fit(
            validation,
            self._has_attribute(reference, self._positions(reference, "validation")),
            real,
            self._has_attribute(reference, self._positions(reference, self._settings.reference)),
        )
        if fitted is None or fitted.youden < _LEAST_YOUDEN:
            reason = f"Youden's J {fitted.youden:.2f}" if fitted else "all have it, or none"
            raise InputError(
                f"evaluation.judges.{self.name}.attribute: {self.features} cannot tell {name} on "
                f"the held-out images of {reference.title} ({reason}); choose another attribute or "
                "other features"
            )
        training = self._has_attribute(self._store, self._store.splits["train"])
        return Trait(fitted, float(training.mean()))

    def _has_attribute(self, store: FaceStore, positions: NDArray[np.int64]) -> Labels:
        assert store.labels is not None
        column = store.attributes.index(str(self._settings.attribute))
        return np.asarray(store.labels[positions, column] > 0)

    def _images(self, store: FaceStore, part: Split) -> Images:
        """As many images of `part` as there are samples; raises what `_positions` raises."""
        return store.fixed(self._positions(store, part))

    def _positions(self, store: FaceStore, part: Split) -> NDArray[np.int64]:
        """Positions of as many images of `part` as there are samples, the same for every run.

        Raises InputError, naming the setting, if there are fewer.
        """
        positions, count = store.splits[part], self._settings.samples
        if len(positions) < count:
            raise InputError(
                f"evaluation.judges.{self.name}.samples: {count} is more than the "
                f"{len(positions)} {part} images of {store.title}; set it to {len(positions)} or "
                "less"
            )
        return np.array(first_positions(positions, count))

    def _unusable(self, reference: FaceStore, why: str) -> InputError:
        return InputError(
            f"{reference.title}: the {self._settings.reference} {why}, so nothing can be judged "
            "against them; look at the data"
        )


def _sharpness(images: Images) -> float:
    parts = torch.split(torch.from_numpy(images), _CHUNK)
    return float(torch.cat([laplacian_variance(part) for part in parts]).mean())


def _blurred(images: Images) -> Images:
    """Halved by averaging 2 x 2 pixels and enlarged bilinearly; sizes are even."""
    parts = []
    for part in torch.split(torch.from_numpy(images), _CHUNK):
        halved = torch.nn.functional.avg_pool2d(part.float(), 2)
        enlarged = torch.nn.functional.interpolate(halved, scale_factor=2, mode="bilinear")
        parts.append(enlarged.round().to(torch.uint8))
    return np.asarray(torch.cat(parts).numpy())


def _read_floor(path: Path) -> dict[str, tuple[str, float]]:
    """Each metric's version and value; empty if the file is missing or damaged."""
    try:
        read = json.loads(path.read_bytes())
        return {str(name): (str(version), float(value)) for name, (version, value) in read.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
