"""The value of generated images to a classifier: `evaluation.classify`.

In a pair of runs, one generator was trained on images with an attribute, the other on those
without. A single run will do if its method was trained on both with labels and samples by label;
its other labels are then drawn from the training images of the class. Small classifiers of the
attribute are trained on real images alone, on augmented real images (mirrored and rotated), on
equally many real and generated ones together, and on generated ones alone (Ravuri and Vinyals 2019,
arXiv 1905.10887: the classification accuracy score). All are tested on held-out real images and
trained for the same number of steps. Classes are balanced: half of the training images have the
attribute.

A classifier's seed derives from its generators' seed, so that the spread over generators' seeds
includes that over classifiers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from benchmark.classes import of_both
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError
from benchmark.evaluation.classifier import balanced_accuracy, trained
from benchmark.evaluation.features import name_of
from benchmark.evaluation.settings import CLASSIFIER_VERSION, ClassifySettings
from benchmark.files import cached, write_atomic
from benchmark.methods import attributes
from benchmark.runs import classified
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import digest_of
from benchmark.seeds import derive
from benchmark.training import snapshots
from benchmark.training.determinism import fix
from benchmark.training.loop import new_method, sampler

_CHUNK = 64
Scores = Mapping[str, list[float]]  # by regime, one balanced accuracy per classifier's seed


@dataclass(frozen=True)
class _Images:
    """Images of each class: uint8 (N, 3, S, S)."""

    having: Tensor
    others: Tensor

    @property
    def most(self) -> int:
        """Size of the largest balanced set."""
        return 2 * min(len(self.having), len(self.others))

    def some(self, count: int, seed: int) -> "_Images":
        """Half of `count` from each class, drawn without replacement."""
        draws = torch.Generator().manual_seed(seed)
        having, others = (
            part[torch.randperm(len(part), generator=draws)[: count // 2].to(part.device)]
            for part in (self.having, self.others)
        )
        return _Images(having, others)

    def joined(self, more: "_Images") -> "_Images":
        return _Images(torch.cat([self.having, more.having]), torch.cat([self.others, more.others]))

    def labelled(self) -> tuple[Tensor, Tensor]:
        images = torch.cat([self.having, self.others])
        labels = torch.zeros(len(images), dtype=torch.uint8, device=images.device)
        labels[: len(self.having)] = 1
        return images, labels


def classify(
    run: RunDirectory,
    settings: ClassifySettings,
    data_root: Path | None,
    cache: Path,
    device: torch.device,
) -> None:
    """Write the results still missing for the pair that includes `run`, or for `run` alone.

    Raises BenchError if a snapshot is missing or the cache cannot be written, InputError if the
    data are missing.
    """
    generators = classified.generators_of(run, settings)
    if not generators:
        return
    first = generators[0]
    with FileLock(first.path / "classified.lock"):  # both runs may end at once
        made_of = classified.made_of(generators, settings)
        if made_of is None or not classified.left(first, settings):
            return
        spec = first.spec()
        fix(spec.training.threads)
        names, key = (settings.attribute,), "evaluation.classify.attribute"
        data = of_both(spec, settings.attribute).data
        store = open_store(data, data_root, cache, names, asked=key)
        real, heldout = _real(store, "train", device), _real(store, "test", device).labelled()
        count = real.most // 2
        if len(generators) == 1:
            labelled = open_store(spec.data, data_root, cache, attributes(spec.method))
            labels = _labels(labelled, settings.attribute, count, spec.seed)
            images = _generate(first, 2 * count, device, labels)
            generated = _Images(images[:count], images[count:])
        else:
            generated = _Images(*(_generate(each, count, device) for each in generators))
        bench = _Bench(settings, spec.seed, real, heldout)
        scores = {**_cached_real_scores(bench, store, cache), **bench.generated_scores(generated)}
        record = {"made_of": made_of, "data": store.fingerprint, "scores": scores}
        classified.write(first, {**record, "numbers": summary(scores, settings)})


@dataclass(frozen=True)
class _Bench:
    """Trains and tests the classifiers."""

    settings: ClassifySettings
    seed: int  # of the generators
    real: _Images
    heldout: tuple[Tensor, Tensor]

    def seeds(self) -> list[int]:
        return [derive(self.seed, "classifier", index) for index in range(self.settings.seeds)]

    def sizes(self) -> dict[str, int]:
        """Numbers of real images to train on, keyed by the ending of their columns' names."""
        return {str(n): self.real.most if n == "all" else n for n in self.settings.real}

    def real_scores(self) -> dict[str, list[float]]:
        scores: dict[str, list[float]] = {}
        for name, count in self.sizes().items():
            for regime, augmented in (("real", False), ("augmented", True)):
                scores[f"{regime}_{name}"] = [
                    self._score(self.real.some(count, seed), seed, augmented=augmented)
                    for seed in self.seeds()
                ]
        return scores

    def generated_scores(self, generated: _Images) -> dict[str, list[float]]:
        scores = {
            f"generated_{name}": [
                self._score(self.real.some(count, seed).joined(generated.some(count, seed)), seed)
                for seed in self.seeds()
            ]
            for name, count in self.sizes().items()
        }
        *_, largest = self.sizes().values()
        alone = [self._score(generated.some(largest, seed), seed) for seed in self.seeds()]
        return {**scores, "generated_alone": alone}

    def _score(self, images: _Images, seed: int, *, augmented: bool = False) -> float:
        network = trained(*images.labelled(), seed, self.settings.steps, augmented=augmented)
        return balanced_accuracy(network, *self.heldout)


def summary(scores: Scores, settings: ClassifySettings) -> dict[str, float]:
    """Means over classifiers' seeds, and the differences between regimes."""
    means = {name: float(np.mean(each)) for name, each in scores.items()}
    gains = {}
    for size in map(str, settings.real):
        real, augmented, generated = (
            means[f"{regime}_{size}"] for regime in ("real", "augmented", "generated")
        )
        gains[f"gain_augmented_{size}"] = augmented - real
        gains[f"gain_generated_{size}"] = generated - real
        gains[f"gain_over_augmented_{size}"] = generated - augmented
    largest = str(settings.real[-1])
    return {
        **means,
        **gains,
        "shortfall": means[f"real_{largest}"] - means["generated_alone"],
        "classifier_sd": float(np.sqrt(np.mean([np.var(each, ddof=1) for each in scores.values()])))
        if settings.seeds > 1
        else 0.0,
    }


def _real(store: FaceStore, part: Any, device: torch.device) -> _Images:
    assert store.labels is not None
    positions: NDArray[np.int64] = store.splits[part]
    having = store.labels[positions, 0] > 0
    if having.all() or not having.any():
        raise BenchError(
            f"{store.title}: all {part} images are of one class, so there is nothing to tell apart"
        )
    classes = (store.fixed(positions[rows]) for rows in (having, ~having))
    return _Images(*(torch.from_numpy(images).to(device) for images in classes))


def _labels(store: FaceStore, attribute: str, count: int, seed: int) -> NDArray[np.uint8]:
    """Labels (2 count, A) of `count` training images with the attribute, then of `count` without.

    Images are drawn with replacement, so that the other labels are as common, and occur together as
    often, as in the class.
    """
    assert store.labels is not None
    rows = store.labels[store.splits["train"]]
    having = rows[:, store.attributes.index(attribute)] > 0
    draws = np.random.default_rng(derive(seed, "labels_classify"))
    return np.concatenate([draws.choice(rows[part], count) for part in (having, ~having)])


def _generate(
    run: RunDirectory, count: int, device: torch.device, labels: NDArray[np.uint8] | None = None
) -> Tensor:
    """Images, uint8 (count, 3, S, S), from a run's last snapshot, with these labels if given."""
    spec, result = run.spec(), run.result()
    by_step = {each.step: each for each in snapshots.listed(run.snapshots)}
    if result is None or result.step not in by_step:
        raise BenchError(f"{run.path}: there is no snapshot of its last step; train the run again")
    method = new_method(spec, device)
    by_step[result.step].load_into(method)
    draw = sampler(method, spec.seed, "z_classify", device, labels)
    return torch.cat([draw(start, min(_CHUNK, count - start)) for start in range(0, count, _CHUNK)])


def _cached_real_scores(bench: _Bench, store: FaceStore, cache: Path) -> dict[str, list[float]]:
    """The scores of training on real images alone.

    They are computed once and shared by all methods' pairs with the same seed.
    """
    key = digest_of(
        [
            {
                "version": CLASSIFIER_VERSION,
                "settings": bench.settings.model_dump(mode="json"),
                "seed": bench.seed,
                "data": store.fingerprint,
                "labels": store.labels_sha256,
                "device": name_of(bench.real.having.device),
                "instructions": torch.backends.cpu.get_cpu_capability(),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            }
        ]
    )
    path = cache / "classifiers" / f"{key}.json"
    with cached(path, "the scores of real images"):
        scores = _read(path)
        if scores is None:
            scores = bench.real_scores()
            write_atomic(path, json.dumps(scores, indent=2).encode() + b"\n")
    return scores


def _read(path: Path) -> dict[str, list[float]] | None:
    """The cached scores; None if the file is missing or damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
