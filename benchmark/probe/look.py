"""Probe a finished run: from its folder to its Probe.

<run>/probe.json    the numbers, a Probe
<run>/probe/        figures; they show real images, so only the strips leave the run directory
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.batches import first_positions
from benchmark.data.settings import FacesSettings, Split
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation import attributes, latent, neighbours
from benchmark.evaluation.attributes import Share
from benchmark.evaluation.features import cached_features, extract
from benchmark.evaluation.metrics import METRICS
from benchmark.evaluation.networks import FeatureNetwork, describe, load_network
from benchmark.evaluation.samples import save_grid
from benchmark.evaluation.settings import (
    FACE_FEATURES,
    PROBE_VERSION,
    JudgeSettings,
    ProbeSettings,
)
from benchmark.files import write_atomic
from benchmark.methods.method import Coded, Method, has_code, has_encoder
from benchmark.precision import full_precision
from benchmark.probe.embedding import (
    CHUNK,
    PRIOR,
    EmbeddedImages,
    Pixels,
    Subject,
    Targets,
    all_pairs,
    draw,
    find,
    gap,
)
from benchmark.probe.judge_view import JudgeView, Real
from benchmark.probe.record import Embedded, Identity, Memorisation, Probe, Sizes
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.training import checkpoint, snapshots
from benchmark.training.determinism import ALONE, fix
from benchmark.training.loop import new_method, sampler
from benchmark.training.rehearsal import build_alone

_LEAST_MIDDLES = 20  # midpoints for which the metrics are computed
_SHOWN, _NEAREST = 8, 5  # samples shown, each with this many of its nearest training images


@full_precision()
def probe(
    run: RunDirectory,
    data_root: Path | None,
    cache: Path,
    device: torch.device,
    settings: ProbeSettings,
    judges: Mapping[str, JudgeSettings],
) -> Probe:
    """Probe the last weights of `run` by `judges` and write its `probe.json` and figures.

    The caller must hold the run's lock (`run.locked()`). Raises BenchError if the run is not done,
    InputError if its method has no code, or if the data or one of the attributes is missing.
    """
    spec, result = run.spec(), run.result()
    if result is None or result.state != "done":
        state = "not finished" if result is None else f"failed ({result.reason})"
        raise BenchError(f"{run.path}: {state}; only a run that is done can be probed")
    fix(spec.training.threads)
    method = new_method(spec, device)
    _load_last(run, result, method)
    subject = Subject(_coded(method, spec), spec.seed, device)
    key = "probe.attributes"
    store = open_store(spec.data, data_root, cache, settings.attributes, asked=key)
    with ALONE:  # networks draw initial weights from a generator that all lanes share
        networks = {name: load_network(each.features, device) for name, each in judges.items()}
    samples = _samples(method, spec.seed, device, settings.samples)
    parts = _Parts(store, settings)
    embedded = list(find(subject, parts.targets, settings.steps, parts.middles))
    if not embedded:
        raise InputError(
            f"{spec.method.name} has no encoder, and its samples have no gradient by which a code "
            "could be searched for, so no image can be embedded"
        )
    folder = run.path / "probe"
    for each, suffix in zip(embedded, ("", "_searched"), strict=False):
        draw(each, parts.targets, folder, suffix, show_ends=isinstance(spec.data, FacesSettings))
    views = {}
    for name, judge in judges.items():
        view = judge.reference_view
        compared = spec.data if view is None else spec.data.model_copy(update={"view": view})
        reference = store if compared == spec.data else open_store(compared, data_root, cache)
        views[name] = JudgeView(networks[name], parts.real(reference, judge), cache)
    faces, no_identity = _face_network(store, networks, device)
    results = [_embedded(subject, each, parts, faces, cache) for each in embedded]
    first = next(iter(views.values()))
    features = extract(first.network, [samples])
    probed = Probe(
        version=PROBE_VERSION,
        step=result.step,
        weights_sha256=result.weights_sha256,
        data=store.title,
        fingerprint=store.fingerprint,
        sizes=Sizes(**settings.sizes()),
        middles=parts.middles,
        judged_by={
            name: {"settings": each.identity(), "network": describe(networks[name])}
            for name, each in judges.items()
        },
        versions={name: each.version for name, each in METRICS.items()},
        way=embedded[0].way,
        embedded=results[0],
        searched=results[1] if len(results) > 1 else None,
        judges={name: view.evaluate(embedded, samples) for name, view in views.items()},
        no_identity=no_identity,
        memorisation=_memorisation(first, samples, features, parts, folder),
        asked_attributes=list(settings.attributes),
        attributes=_shares(store, parts, first, features),
    )
    content = probed.model_dump_json(indent=2).encode() + b"\n"
    write_atomic(run.path / "probe.json", content)
    return probed


def _load_last(run: RunDirectory, result: Result, method: Method) -> None:
    """Load the weights that the run ended with into `method`.

    An archive without checkpoints has only the generator's, which will do if there is no encoder.
    """
    latest = checkpoint.read_latest(run.checkpoints, method)
    if latest is not None and latest.step == result.step:
        return
    last = snapshots.listed(run.snapshots)[-1:]
    if has_encoder(method) or not last or last[0].step != result.step:
        raise BenchError(
            f"{run.path}: there is no intact checkpoint of its last step; train the run again"
        )
    last[0].load_into(method)


class _Parts:
    """Real images of the data, the same for every run."""

    def __init__(self, store: FaceStore, settings: ProbeSettings) -> None:
        count, self._samples = settings.images, settings.samples
        self.train_positions = _positions(store, "train", settings.training)
        self.test_positions = _positions(store, "test", settings.samples)
        self.train = store.fixed(self.train_positions)
        self.test = store.fixed(self.test_positions)
        fewest = min(len(self.test), len(self.train), len(store.splits["validation"]))
        pairs = len(all_pairs(count, settings.samples))
        # Midpoints are compared with equally many images, none of them embedded.
        self.middles = min(pairs, fewest - count, len(self.test))
        if self.middles < _LEAST_MIDDLES:
            raise InputError(
                f"probe.images: {count} of {fewest} images leave too few to compare with; "
                f"set it to {(fewest - _LEAST_MIDDLES) // 2 * 2} or less"
            )
        self.targets = Targets(self.test[:count], self.train[:count])

    def real(self, reference: FaceStore, judge: JudgeSettings) -> Real:
        """What a judge compares with; `reference` is the store, or another view of it.

        Raises InputError if that view lacks images.
        """
        count = len(self.targets.heldout)
        rows = slice(count, count + self.middles)
        test = _positions(reference, "test", self._samples)
        test = test[~np.isin(test, self.test_positions[:count])][: self.middles]
        validation = _positions(reference, "validation", rows.stop)[rows]
        if min(len(test), len(validation)) < self.middles:
            raise InputError(
                f"{reference.title}: the judge's view lacks images, so fewer than {self.middles} "
                "are left to compare with; set probe.images lower"
            )
        return Real(
            targets=self.targets,
            heldout=self.test,
            reference=reference.fixed(test if judge.reference == "test" else validation),
            validation=reference.fixed(validation),
            training=self.train[rows],
        )


def _positions(store: FaceStore, part: Split, count: int) -> NDArray[np.int64]:
    return np.array(first_positions(store.splits[part], count), dtype=np.int64)


def _coded(method: Method, spec: RunSpec) -> Coded:
    if not has_code(method):
        raise InputError(
            f"{spec.method.name} has no latent code (latent and generate), so it has no latent "
            "space to probe"
        )
    return method


def refuse_codeless(specs: Sequence[RunSpec]) -> None:
    """Raise InputError for the first spec whose method, with its settings, has no code."""
    distinct = {f"{each.method.model_dump_json()} {each.data.size}": each for each in specs}
    for spec in distinct.values():
        _coded(build_alone(spec), spec)


def _samples(method: Method, seed: int, device: torch.device, count: int) -> Tensor:
    """The samples of the run's evaluations, uint8 (N, 3, S, S).

    Leaves the method in evaluation mode.
    """
    sample = sampler(method, seed, "z_eval", device)
    images = [sample(i, min(CHUNK, count - i)).cpu() for i in range(0, count, CHUNK)]
    method.eval().requires_grad_(False)  # after the sampler, which leaves it in training mode
    return torch.cat(images)


def _face_network(
    store: FaceStore, networks: Mapping[str, FeatureNetwork], device: torch.device
) -> tuple[FeatureNetwork | None, str]:
    """The network that recognises faces, or None and why there is none."""
    for each in networks.values():
        if each.name == FACE_FEATURES:
            return each, ""
    if store.subject != "faces":
        return None, f"the images are {store.subject}, not faces"
    try:
        with ALONE:
            return load_network(FACE_FEATURES, device), ""
    except BenchError as error:
        return None, str(error)


def _embedded(
    subject: Subject,
    embedded: EmbeddedImages,
    parts: _Parts,
    faces: FeatureNetwork | None,
    cache: Path,
) -> Embedded:
    embedding, count = embedded.embedding, embedded.count
    errors = embedding.errors
    return Embedded(
        pixels=gap(errors[:count], errors[count : 2 * count]),
        outside=latent.outside(embedding.codes[:count], subject.codes(PRIOR, "z_range")),
        steps=float(embedding.steps.mean()),
        unsettled=int((~embedding.settled).sum()),
        mirror_asymmetry=embedded.mirror_asymmetry,
        identity=None if faces is None else _identity(faces, embedded, parts.test, cache),
    )


def _identity(
    faces: FeatureNetwork, embedded: EmbeddedImages, test: Pixels, cache: Path
) -> Identity:
    """Whether the nearest of `test`, whose first images were embedded, is the embedded one."""
    rebuilt = extract(faces, [embedded.heldout]).double()
    distances = torch.cdist(rebuilt, cached_features(faces, test, cache).double())
    own = distances[:, : embedded.count].diagonal()
    return Identity(
        kept=float((own <= distances.amin(1)).double().mean()), distance=float(own.mean())
    )


def _shares(store: FaceStore, parts: _Parts, view: JudgeView, features: Tensor) -> dict[str, Share]:
    """Each attribute's share among samples with `features` (N, F), if it can be learnt."""
    if store.labels is None:
        return {}
    shares = {
        name: attributes.probe(
            *(view.real_features(parts.train).numpy(), having[parts.train_positions]),
            *(view.real_features(parts.test).numpy(), having[parts.test_positions]),
            samples=features.numpy(),
        )
        for name, having in zip(store.attributes, (store.labels > 0).T, strict=True)
    }
    return {name: share for name, share in shares.items() if share is not None}


def _memorisation(
    view: JudgeView, images: Tensor, features: Tensor, parts: _Parts, folder: Path
) -> Memorisation:
    """Measure memorisation, and draw a figure of it.

    The figure shows samples, each with its nearest training images; the nearest pairs come first.
    """
    training = view.real_features(parts.train)
    samples = neighbours.nearest(features, training, _NEAREST)
    heldout = neighbours.nearest(view.real_features(parts.test), training, _NEAREST)
    rows = samples.distances[:, 0].argsort()[:_SHOWN]
    pixels = torch.from_numpy(parts.train)
    shown = [torch.cat([images[[i]], pixels[samples.positions[i]]]) for i in rows.tolist()]
    save_grid(torch.cat(shown), 1 + _NEAREST, folder / "neighbours.png")
    trained = {image.tobytes() for image in parts.train}
    unseen = torch.tensor([image.tobytes() not in trained for image in parts.test])
    ratio, closer = neighbours.memorisation(samples, heldout, unseen)
    return Memorisation(distance_ratio=ratio, closer_than_unseen=closer)
