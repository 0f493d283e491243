"""One run in this process: what every executor starts as `bench run-one RUN_DIR`.

It trains the run to its end, if unfinished, runs its judges on new snapshots and, if its evaluation
says so, probes it and trains classifiers on its images.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.metrics import METRICS, load_metric
from benchmark.evaluation.samples import save_grid
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.executors.instructions import has, here
from benchmark.imports import method_code
from benchmark.methods import attributes
from benchmark.methods.method import Method
from benchmark.provenance import describe_process, with_earlier
from benchmark.redact import redacted
from benchmark.runs.directory import Result, RunDirectory
from benchmark.runs.evaluations import Evaluations, new_row
from benchmark.runs.probes import is_probed
from benchmark.spec import RunSpec
from benchmark.stopping import on_stop
from benchmark.training import snapshots
from benchmark.training.determinism import ALONE, alone_on, fix
from benchmark.training.loop import Sampler, Stopped, Trainer, new_method, sampler
from benchmark.training.snapshots import Snapshot

GRID = 64, 8  # samples and columns of a grid


@dataclass(frozen=True)
class Where:
    """A run's execution environment; not part of its description."""

    data_root: Path | None
    cache: Path
    device: str = "auto"
    context: Mapping[str, Any] = field(default_factory=dict)  # recorded with the run
    graphs: bool = False  # on a GPU, each step as one CUDA graph
    lanes: int = 1  # runs that this process trains side by side
    allow_slow: bool = False  # bfloat16 on a processor without AMX
    # By whom the sweep that started this process wants the run judged; None: as the run's folder
    # says, which another sweep may have written.
    evaluation: EvaluationSettings | None = None


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one; the choice is recorded with the run."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA device here; use --device cpu")
    device = torch.device(name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise BenchError(f"--device {name}: torch sees no such device; cuda:0 is the first")
    return device


def run_one(run: RunDirectory, where: Where) -> Result:
    """Train and evaluate one run from its current state; raises Stopped when asked to."""
    return train(run, where, stop_signals())


def train(run: RunDirectory, where: Where, signals: Sequence[int]) -> Result:
    """One run in this thread, until there is something in `signals`; then it raises Stopped."""
    with run.locked(), _out_of_memory(run):
        device = pick_device(where.device)
        with _stream(device):
            with ALONE:  # networks are initialised from a generator that all lanes share
                if signals:
                    raise Stopped
                panel = Panel.of(run, where, device)
                result = run.result()
                if result is None:
                    refuse_slow(run.spec(), device.type, where.allow_slow)
                    trainer = _set_up(run, where, device, panel)
            if result is None:
                result = _train(trainer, panel, signals)
            panel.evaluate(lambda: bool(signals))
            panel.probe(where)
            panel.classify(where)
            return result


def refuse_slow(spec: RunSpec, device: str, allow_slow: bool) -> None:
    """Raise InputError for bfloat16 where it is slower than float32, unless that is allowed."""
    if spec.training.precision != "bfloat16" or device != "cpu" or allow_slow or has("AMX"):
        return
    raise InputError(
        "training.precision: bfloat16 trains about five times slower than float32 on a processor "
        f"without AMX ({here()}); give --set training.precision=float32, another machine, or "
        "--allow-slow"
    )


def evaluate_one(run: RunDirectory, where: Where, judges: Sequence[str]) -> None:
    """Let `judges` (by name; none: all) evaluate new snapshots, without training the run.

    It may be training in another process. Where all judges are asked, a run that is done is probed
    too, if its evaluation says so. Raises Stopped when asked to.
    """
    signals = stop_signals()
    with _out_of_memory(run):
        device = pick_device(where.device)
        with _stream(device):
            panel = Panel.of(run, where, device, judges)
            panel.evaluate(lambda: bool(signals))
            if not judges and panel.is_probe_left:
                with run.locked():
                    panel.probe(where)
            if not judges:
                panel.classify(where)


@dataclass(frozen=True)
class Panel:
    """The judges of one run."""

    run: RunDirectory
    settings: EvaluationSettings | None
    store: FaceStore
    judges: Mapping[str, Judge]  # by name
    device: torch.device

    @classmethod
    def of(
        cls, run: RunDirectory, where: Where, device: torch.device, only: Sequence[str] = ()
    ) -> "Panel":
        """The judges of `where.evaluation`, which is written beside the run, or that are named
        there; `only` these, if there are any.

        Raises BenchError where the weights of one are missing or the data are not those of the run,
        InputError where the data have too few images.
        """
        spec, asked = run.spec(), where.evaluation
        settings = run.evaluation() if asked is None else run.write_evaluation(asked)
        fix(spec.training.threads)
        store = open_store(spec.data, where.data_root, where.cache, attributes(spec.method))
        _same_data(run, store)
        for metric in settings.metrics if settings else ():
            load_metric(metric)
        judges = {
            name: Judge.of_data(name, each, spec.data, store, where.data_root, where.cache, device)
            for name, each in (settings.judges if settings else {}).items()
            if not only or name in only
        }
        return cls(run, settings, store, judges, device)

    def evaluate(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Append the missing rows of every snapshot; raises Stopped when asked to stop."""
        every = snapshots.listed(self.run.snapshots)
        last = self.run.result()
        for snapshot in every:
            self.evaluate_snapshot(snapshot, last=last is not None and snapshot.step == last.step)
            if should_stop():
                raise Stopped

    def evaluate_snapshot(self, snapshot: Snapshot, *, last: bool) -> None:
        """Append the missing rows of one snapshot, and its grid if it has none.

        `last`: of a run that has ended, whose further draws are evaluated too.
        """
        draw_of = _draws(self.run.spec(), snapshot, self.device)
        grid = self.run.samples / f"{snapshot.step:08d}.png"
        if not grid.exists():
            save_grid(draw_of(0)(0, GRID[0]), GRID[1], grid)
        for name, judge in self.judges.items():
            assert self.settings is not None
            if self.settings.judges[name].snapshots == "last" and not last:
                continue
            record = judge.record()
            rows = Evaluations(self.run.path, judge.features, judge.digest)
            rows.write_record(record)
            for draw in range(1 + (self.settings.repeats if last else 0)):
                at = snapshot.digest, record.reference, snapshot.step, draw
                names = rows.missing(*at, judge.versions)
                if not names:
                    continue
                with alone_on(self.device):
                    values = judge.evaluate(draw_of(draw), names)
                versions = {each: judge.versions[each] for each in values}
                rows.append(new_row(snapshot.step, draw, *at[:2], versions, values))

    @property
    def is_probe_left(self) -> bool:
        """Whether the run is done, and its evaluation asks for a probe that is missing."""
        result = self.run.result()
        if self.settings is None or self.settings.probe is None or result is None:
            return False
        versions = {name: metric.version for name, metric in METRICS.items()}
        networks = {name: judge.network_version for name, judge in self.judges.items()}
        return result.state == "done" and not is_probed(self.run, self.settings, versions, networks)

    def probe(self, where: Where) -> None:
        """Probe the run, which this process holds, if that is left to do."""
        if not self.is_probe_left:
            return
        from benchmark.probe.look import probe  # it imports scikit-learn and SciPy

        assert self.settings is not None
        assert self.settings.probe is not None
        with alone_on(self.device):
            probe(
                self.run,
                where.data_root,
                where.cache,
                self.device,
                self.settings.probe,
                self.settings.judges,
            )

    def classify(self, where: Where) -> None:
        """Train classifiers on this run's pair, if its evaluation says so and both are done: the
        run that ends last does it."""
        settings = self.settings.classify if self.settings else None
        if settings is None or self.run.result() is None:
            return
        from benchmark.classify import classify

        with alone_on(self.device):
            classify(self.run, settings, where.data_root, where.cache, self.device)


def _draws(spec: RunSpec, snapshot: Snapshot, device: torch.device) -> Callable[[int], Sampler]:
    """Draws of samples by number from a snapshot, whose weights are loaded when first needed.

    Every evaluation uses draw 0; further draws use other codes.
    """

    @cache
    def loaded() -> Method:
        with ALONE:
            method = new_method(spec, device)
        snapshot.load_into(method)
        return method

    def draw(number: int) -> Sampler:
        stream = "z_eval" if number == 0 else f"z_eval_{number}"
        return sampler(loaded(), spec.seed, stream, device)

    return draw


def stop_signals() -> list[int]:
    """Signals to stop, as they come. For the main thread."""
    received: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        received.append(number)

    on_stop(on_signal)
    return received


def _train(trainer: Trainer, panel: Panel, signals: Sequence[int]) -> Result:
    def judge(snapshot: Snapshot) -> None:
        try:
            panel.evaluate_snapshot(snapshot, last=False)
        except BenchError as error:  # tried again, and reported, once the run has ended
            print(f"step {snapshot.step} was not judged: {error}", flush=True)

    return trainer.train(lambda: bool(signals), judge)


def _stream(device: torch.device) -> AbstractContextManager[object]:
    """On a GPU all of a run is done on a stream of its own, which can be captured."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch gives it no types
    return torch.cuda.stream(stream)


def _set_up(run: RunDirectory, where: Where, device: torch.device, panel: Panel) -> Trainer:
    """The trainer of a run, and its provenance, which is written."""
    spec, store = run.spec(), panel.store
    # The process's time would be that of all lanes; in one, the run's is its own thread's.
    clock = time.process_time if where.lanes == 1 else time.thread_time
    every = panel.settings.every if panel.settings else None
    trainer = Trainer(run, store, device, every=every, clock=clock, graphs=where.graphs)
    record = {
        **describe_process(device, spec.training.precision),
        **redacted(dict(where.context)),
        **({"lanes": where.lanes} if where.lanes > 1 else {}),
        "parameters": sum(p.numel() for p in trainer.method.parameters()),
        "method_code": method_code(spec.method.name),
        "data": {
            "title": store.title,
            "subject": store.subject,
            "fingerprint": store.fingerprint,
            "labels_sha256": store.labels_sha256,
            "broken": list(store.broken),
            "images": {part: len(at) for part, at in store.splits.items()},
        },
        "store": store.name,
    }
    run.write_provenance(with_earlier(record, run.provenance()))
    return trainer


@contextmanager
def _out_of_memory(run: RunDirectory) -> Iterator[None]:
    """Raise BenchError where memory runs out, in whichever library."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            words in str(error).lower() for words in ("allocate memory", "out of memory")
        ):
            raise
        raise BenchError(
            f"{run.run_id}: out of memory ({first[:100]}); it is safe up to its last checkpoint: "
            "start fewer runs at once with --jobs and --lanes, or use a machine with more"
        ) from None


def _same_data(run: RunDirectory, store: FaceStore) -> None:
    provenance = run.provenance()
    if provenance is None:
        return
    then = provenance["data"]
    if then["labels_sha256"] != store.labels_sha256:
        raise BenchError(
            f"{run.path}: begun with other labels; give the same data or another --runs folder"
        )
    if then["fingerprint"] != store.fingerprint:
        raise BenchError(
            f"{run.path}: begun on {then['title']} "
            f"({then['fingerprint'][:12]}), but the data here are {store.title} "
            f"({store.fingerprint[:12]}); give the same data or another --runs folder"
        )
