"""What a finished run's generator knows beyond its figures: `bench probe RUN`.

<run>/probe.json    the numbers, a Probe
<run>/probe/        figures; they hold training images, so they stay in the run directory
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ttest_ind
from torch import Tensor

from benchmark.data.batches import first_positions
from benchmark.data.settings import CelebASettings, Split
from benchmark.data.source import labels_of, open_source
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import attributes, latent, neighbours
from benchmark.evaluation.attributes import Labels, Share
from benchmark.evaluation.features import cached_features, extract
from benchmark.evaluation.latent import Embedding
from benchmark.evaluation.networks import FeatureNetwork, load_network
from benchmark.evaluation.samples import save_grid
from benchmark.files import write_atomic
from benchmark.methods.method import Coded, Method, has_code, has_encoder
from benchmark.runs.directory import RunDirectory
from benchmark.strict import Strict
from benchmark.training import checkpoint
from benchmark.training.determinism import StepDraw, fix
from benchmark.training.loop import new_method, sampler, to_uint8

VERSION = "1"
_CHUNK = 64
_POINTS = 9  # images on a path between two codes, ends included
_STRIPS = 8  # paths shown
_SHOWN, _NEAREST = 8, 5  # samples shown with so many of their nearest training images


class Sizes(Strict):
    """How much is looked at; less is faster. Where the data have fewer images, all of them are."""

    images: int  # embedded, of each of the training and the test part
    steps: int  # of Adam on each
    paths: int  # between random pairs of codes
    samples: int  # compared in features; as many test images
    training: int  # images that they are compared with


class Embedded(Strict):
    """Errors |x - G(z)| of embedded images: mean over pixels, in [-1, 1]'s units, and images."""

    heldout: float
    heldout_sd: float
    training: float
    training_sd: float
    # Held-out less training, with Welch's 95 % interval: above 0 where the generator remembers its
    # training images better than it knows others.
    gap: float
    gap_low: float
    gap_high: float


class Walk(Strict):
    """Paths between random codes, in features: means over the paths."""

    # Over the mean distance of two samples: near 1 where paths are straight.
    length: float
    # The longest step's share of it: 0.125 where all 8 steps are equal, 1 where one jump does it.
    longest_step: float


class Memorisation(Strict):
    """See `evaluation.neighbours.memorisation`."""

    distance_ratio: float
    closer_than_heldout: float


class Probe(Strict):
    """Everything that one probe found."""

    version: str
    step: int
    weights_sha256: str
    features: str
    data: str
    fingerprint: str
    sizes: Sizes
    embedding: Embedded
    linear: Walk
    spherical: Walk
    memorisation: Memorisation
    # By attribute; empty where the data have none, or only images of one kind.
    attributes: dict[str, Share]


@dataclass(frozen=True)
class _Real:
    """Real images of one part, the same for every run."""

    positions: NDArray[np.int64]  # (N,) in the store
    images: NDArray[np.uint8]  # (N, 3, S, S)
    features: Tensor  # (N, F)


@dataclass(frozen=True)
class _Subject:
    """A finished generator, in evaluation mode, and what it is looked at with."""

    method: Coded
    seed: int
    device: torch.device
    network: FeatureNetwork
    folder: Path
    sizes: Sizes

    def codes(self, count: int, stream: str) -> Tensor:
        return self.method.latent(count, StepDraw(self.seed, 0, self.device), stream)

    def images(self, codes: Tensor) -> Tensor:
        """uint8 (N, 3, S, S) of codes (N, Z)."""
        with torch.no_grad():
            parts = [to_uint8(self.method.generate(part)) for part in torch.split(codes, _CHUNK)]
        return torch.cat(parts).cpu()


def probe(
    run: RunDirectory,
    data_root: Path | None,
    cache: Path,
    device: torch.device,
    sizes: Sizes,
    features: str,
    names: tuple[str, ...],
) -> Probe:
    """Probe the last weights of `run` and write its `probe.json` and figures.

    `features` names the feature network, `names` the attributes to count, where the data have any.
    Raises BenchError where the run is not done or is being written, InputError where its method has
    no code, or the data or one of the attributes is missing.
    """
    with run.locked():
        spec, result = run.spec(), run.result()
        if result is None or result.state != "done":
            state = "not finished" if result is None else f"failed ({result.reason})"
            raise BenchError(f"{run.path}: {state}; only a run that is done can be probed")
        fix(spec.training.threads)
        method = new_method(spec, device)
        if checkpoint.read_latest(run.checkpoints, method) is None:
            raise BenchError(f"{run.path}: no sound checkpoint is left; train the run again")
        store = open_store(spec.data, data_root, cache)
        network = load_network(features, device)
        train = _real(store, "train", sizes.training, network, cache)
        test = _real(store, "test", sizes.samples, network, cache)
        images = _samples(method, spec.seed, device, sizes.samples)
        of_samples = extract(network, [images])
        subject = _Subject(
            _coded(method, spec.method.name), spec.seed, device, network, run.path / "probe", sizes
        )
        heldout, errors = _embed(subject, train.images, test.images)
        _strips(subject, heldout)
        scale = float(torch.pdist(of_samples.double()).mean())
        found = Probe(
            version=VERSION,
            step=result.step,
            weights_sha256=checkpoint.weights_digest(method),
            features=features,
            data=store.title,
            fingerprint=store.fingerprint,
            sizes=sizes,
            embedding=errors,
            linear=_walk(subject, latent.linear, scale),
            spherical=_walk(subject, latent.spherical, scale),
            memorisation=_memorisation(subject, images, of_samples, train, test),
            attributes=_shares(_labels(spec.data, data_root, names), train, test, of_samples),
        )
        write_atomic(run.path / "probe.json", found.model_dump_json(indent=2).encode() + b"\n")
    return found


def _coded(method: Method, name: str) -> Coded:
    if not has_code(method):
        raise InputError(
            f"{name} has no latent code (latent and generate), so it has no latent space to probe"
        )
    return method


def _samples(method: Method, seed: int, device: torch.device, count: int) -> Tensor:
    """uint8 (N, 3, S, S): those of the run's evaluations; leaves the method in evaluation mode."""
    draw = sampler(method, seed, "z_eval", device)
    images = [draw(i, min(_CHUNK, count - i)).cpu() for i in range(0, count, _CHUNK)]
    method.eval().requires_grad_(False)  # after the sampler, which leaves it in training mode
    return torch.cat(images)


def _shares(
    labels: dict[str, NDArray[np.bool_]], train: _Real, test: _Real, features: Tensor
) -> dict[str, Share]:
    """Each attribute's share among the samples of `features` (N, F), where it can be learnt."""
    shares = {
        name: attributes.probe(
            *(train.features.numpy(), having[train.positions]),
            *(test.features.numpy(), having[test.positions]),
            samples=features.numpy(),
        )
        for name, having in labels.items()
    }
    return {name: share for name, share in shares.items() if share is not None}


def _real(store: FaceStore, part: Split, count: int, network: FeatureNetwork, cache: Path) -> _Real:
    positions = np.array(first_positions(store.splits[part], count))
    images = store.fixed(positions)
    return _Real(positions, images, cached_features(network, images, cache))


def _embed(
    subject: _Subject, training: NDArray[np.uint8], heldout: NDArray[np.uint8]
) -> tuple[Embedding, Embedded]:
    """The held-out images' embedding, and the errors of both; draws originals over embedded.

    A method that has an encoder embeds by it, any other by optimising z.
    """
    found = []
    for name, images in (("heldout", heldout), ("training", training)):
        images = images[: subject.sizes.images]
        wanted = torch.from_numpy(images).to(subject.device).float() / 127.5 - 1
        embedding = _embedding(subject, wanted)
        pairs = torch.stack([torch.from_numpy(images), to_uint8(embedding.images).cpu()], dim=1)
        save_grid(pairs.flatten(0, 1), 8, subject.folder / f"embedded_{name}.png")
        found.append(embedding)
    unseen, seen = (embedding.errors for embedding in found)
    welch = ttest_ind(unseen, seen, equal_var=False).confidence_interval(0.95)
    errors = Embedded(
        heldout=float(unseen.mean()),
        heldout_sd=float(unseen.std(ddof=1)),
        training=float(seen.mean()),
        training_sd=float(seen.std(ddof=1)),
        gap=float(unseen.mean() - seen.mean()),
        gap_low=float(welch.low),
        gap_high=float(welch.high),
    )
    return found[0], errors


def _embedding(subject: _Subject, wanted: Tensor) -> Embedding:
    generate, encoder = subject.method.generate, subject.method
    if has_encoder(encoder):
        with torch.no_grad():
            codes = encoder.encode(wanted, StepDraw(subject.seed, 0, subject.device))
        return latent.encoded(generate, wanted, codes)
    start = subject.codes(len(wanted), "z_embed")
    return latent.embed(generate, wanted, start, subject.sizes.steps)


def _strips(subject: _Subject, embedding: Embedding) -> None:
    """Draw the paths between embedded held-out images, one a row (BEGAN, section 4.4)."""
    count = min(_STRIPS, len(embedding.codes) // 2)
    first, last = embedding.codes[:count], embedding.codes[count : 2 * count]
    for name, path in (("linear", latent.linear), ("spherical", latent.spherical)):
        rows = path(first, last, _POINTS).transpose(0, 1).flatten(0, 1)
        save_grid(subject.images(rows), _POINTS, subject.folder / f"path_{name}.png")


def _walk(subject: _Subject, path: latent.Path, scale: float) -> Walk:
    codes = path(
        subject.codes(subject.sizes.paths, "z_from"),
        subject.codes(subject.sizes.paths, "z_to"),
        _POINTS,
    )
    features = extract(subject.network, [subject.images(codes.flatten(0, 1))])
    length, longest = latent.path_lengths(features.double().view(*codes.shape[:2], -1).numpy())
    return Walk(
        length=float(length.mean()) / scale if scale > 0 else 0.0,
        longest_step=float(longest.mean()),
    )


def _memorisation(
    subject: _Subject, images: Tensor, features: Tensor, train: _Real, test: _Real
) -> Memorisation:
    """The figure shows samples, each with its nearest training images; the nearest pairs first."""
    near = neighbours.nearest(features, train.features, _NEAREST)
    usual = neighbours.nearest(test.features, train.features, _NEAREST)
    rows = near.distances[:, 0].argsort()[:_SHOWN]
    shown = [torch.cat([images[[i]], _pick(train, near.positions[i])]) for i in rows.tolist()]
    save_grid(torch.cat(shown), 1 + _NEAREST, subject.folder / "neighbours.png")
    ratio, closer = neighbours.memorisation(near, usual)
    return Memorisation(distance_ratio=ratio, closer_than_heldout=closer)


def _pick(real: _Real, rows: Tensor) -> Tensor:
    return torch.from_numpy(real.images[rows.numpy()])


def _labels(data: object, data_root: Path | None, names: tuple[str, ...]) -> dict[str, Labels]:
    """Which images of the store have each attribute; nothing where the data have none at all."""
    source = open_source(data, data_root) if isinstance(data, CelebASettings) else None
    known, values = labels_of(source) if source is not None and names else ((), None)
    if values is None or not known:
        return {}
    for name in names:
        if name not in known:
            raise InputError(f"{name}: no attribute of the data; they have: {', '.join(known)}")
    return {name: values[:, known.index(name)] > 0 for name in names}
