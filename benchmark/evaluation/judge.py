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
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.batches import first_positions
from benchmark.data.settings import Split
from benchmark.data.store import FaceStore
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import metrics
from benchmark.evaluation.features import cached_features, content_key, extract
from benchmark.evaluation.metrics import METRICS, Comparison, Reference
from benchmark.evaluation.networks import describe, load_network
from benchmark.evaluation.settings import JudgeSettings
from benchmark.evaluation.sharpness import Watched, laplacian_variance
from benchmark.files import write_atomic
from benchmark.runs.evaluations import JudgeRecord, digest_of

Images = NDArray[np.uint8]  # (N, 3, S, S)

# Generated images asked for at a time: fixed, because the codes of a run may depend on it.
_CHUNK = 64


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

        `store` is trained on, `reference` compared with: the same or another view of it; `name` is
        the judge's in the ablation file. Raises InputError where a part of the data has too few
        images or they are all alike, BenchError where the network's weights cannot be had.
        """
        self.name, self.features = name, settings.features
        self.reference_fingerprint = reference.fingerprint
        self._settings, self._store, self._cache = settings, store, cache
        self._metrics = dict(METRICS)
        real = self._images(reference, settings.reference)
        validation = self._images(reference, "validation")
        sharpness = _sharpness(real)
        if sharpness == 0 or bool((real == real[0]).all()):
            raise self._unusable(reference, "images are blank or all alike")
        self._network = load_network(settings.features, device)
        self._real = Reference(self._features(real), self._features(validation), sharpness)
        if bool((self._real.features == self._real.features[0]).all()):
            raise self._unusable(reference, f"images all have the same features by {self.features}")
        self._compared_with = [content_key(self._network, each) for each in (real, validation)]

    @property
    def network_version(self) -> str:
        return self._network.version

    @property
    def versions(self) -> dict[str, str]:
        """The version of every metric, by name."""
        return {name: metric.version for name, metric in self._metrics.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what decides the figures, but for the data and the metrics' versions."""
        return digest_of(self._identity.values())

    @cached_property
    def _identity(self) -> dict[str, dict[str, Any]]:
        samples, network = self._settings.samples, describe(self._network)
        # A covariance of no more samples than features is singular: the distance is mostly bias.
        ratio = {"samples_per_feature": samples / self._network.width}
        return {
            "settings": self._settings.identity(),
            "network": network,
            "parameters": {**metrics.parameters(samples), **ratio},
        }

    def record(self) -> JudgeRecord:
        """The judge, with what real images score: computed once and kept in the cache.

        Raises InputError where there are too few training images, BenchError where the cache cannot
        be written.
        """
        return self._record

    @cached_property
    def _record(self) -> JudgeRecord:
        return JudgeRecord(
            digest=self.digest,
            **self._identity,
            reference=self.reference_fingerprint,
            floor=self._floors(),
            made=time.time(),
        )

    def evaluate(
        self, sample: Callable[[int, int], Tensor], names: Sequence[str] | None = None
    ) -> dict[str, float]:
        """The metrics of these names, or all, in the registry's order.

        `sample(start, count)` gives images start to start + count of this evaluation, uint8
        (count, 3, S, S) on any device. Raises InputError where a name is unknown or a feature not
        finite, BenchError where a metric is not finite.
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
        wanted = [name for name in self._metrics if names is None or name in names]
        values = {name: float(self._metrics[name].compute(comparison)) for name in wanted}
        for name, value in values.items():
            if not math.isfinite(value):
                raise BenchError(f"judge {self.name}: the metric {name} gives {value}")
        return values

    def _floors(self) -> dict[str, dict[str, float]]:
        """What a perfect generator would score, and what a blurred one would.

        "real": as many training images. "blurred": the same, halved by averaging 2 x 2 pixels and
        enlarged bilinearly.
        """
        images = self._images(self._store, "train")
        return {"real": self._floor(images), "blurred": self._floor(_blurred(images))}

    def _floor(self, images: Images) -> dict[str, float]:
        """Their metrics, from the cache by content where their versions are these."""
        key = digest_of([{"images": [content_key(self._network, images), *self._compared_with]}])
        path = self._cache / "floors" / f"{key}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
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
        except OSError as error:
            raise BenchError(
                f"{path.parent}: cannot keep the real images' figures there ({error.strerror}); "
                "free some space or choose another cache folder"
            ) from None
        return {name: known[name][1] for name in self.versions}

    def _features(self, images: Images) -> NDArray[np.float64]:
        return np.asarray(cached_features(self._network, images, self._cache).double().numpy())

    def _images(self, store: FaceStore, part: Split) -> Images:
        """As many images of `part` as there are samples, the same for every run and seed.

        Raises InputError, naming the setting, where there are fewer.
        """
        positions, count = store.splits[part], self._settings.samples
        if len(positions) < count:
            raise InputError(
                f"evaluation.judges.{self.name}.samples: {count} is more than the "
                f"{len(positions)} {part} images of {store.title}; set it to {len(positions)} or "
                "less"
            )
        return store.fixed(np.array(first_positions(positions, count)))

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
    """Metrics with their versions; none where the file is missing or damaged."""
    try:
        read = json.loads(path.read_bytes())
        return {str(name): (str(version), float(value)) for name, (version, value) in read.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
