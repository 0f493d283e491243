"""One run in this process: what every executor starts as `bench run-one RUN_DIR`."""

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.samples import save_grid
from benchmark.provenance import EnergyMeter, describe_process, method_code, with_earlier
from benchmark.redact import redacted
from benchmark.runs.directory import Result, RunDirectory
from benchmark.training.determinism import ALONE
from benchmark.training.loop import Sampler, Stopped, Trainer

GRID = 64, 8  # samples and columns of a grid


@dataclass(frozen=True)
class Where:
    """What a run finds around it; none of it is part of its description."""

    data_root: Path | None
    cache: Path
    device: str = "auto"
    context: Mapping[str, Any] = field(default_factory=dict)  # recorded with the run
    graphs: bool = False  # on a GPU, each step as one CUDA graph
    lanes: int = 1  # runs that this process trains side by side


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one; the choice is recorded with the run."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return torch.device(name)


def run_one(run: RunDirectory, where: Where) -> Result:
    """Train and evaluate one run from wherever it stands; raises Stopped on SIGTERM or SIGINT."""
    return train(run, where, told_to_stop())


def train(run: RunDirectory, where: Where, told: Sequence[int]) -> Result:
    """One run in this thread, until there is something in `told`; then it raises Stopped."""
    with run.locked(), _memory_in_words(run):
        found = run.result()
        if found is not None:
            return found
        device = pick_device(where.device)
        with _stream(device):
            with ALONE:  # networks are initialised from a generator that all lanes share
                if told:
                    raise Stopped
                trainer, judge, record = _set_up(run, where, device)
            meter = EnergyMeter()
            try:
                return trainer.train(judge, lambda: bool(told))
            finally:
                if (joules := meter.joules()) is not None:
                    run.write_provenance({**record, "energy_j": joules})


def told_to_stop() -> list[int]:
    """Signals to stop, as they come. For the main thread."""
    told: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        told.append(number)

    # Slurm warns by SIGUSR2, on some clusters every process of a job.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, on_signal)
    return told


def _stream(device: torch.device) -> AbstractContextManager[object]:
    """On a GPU all of a run is done on a stream of its own, which can be captured."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch gives it no types
    return torch.cuda.stream(stream)


def _set_up(
    run: RunDirectory, where: Where, device: torch.device
) -> tuple[Trainer, "_Judge", dict[str, Any]]:
    """All that a run needs, and its provenance, which is written."""
    spec = run.spec()
    store = open_store(spec.data, where.data_root, where.cache)
    _same_data(run, store)
    # The process's time would be that of all lanes; in one, the run's is its own thread's.
    clock = time.process_time if where.lanes == 1 else time.thread_time
    trainer = Trainer(run, store, device, clock=clock, graphs=where.graphs)
    seen = spec.reference_data
    reference = store if seen == spec.data else open_store(seen, where.data_root, where.cache)
    judge = _Judge(run, Evaluator(spec.evaluation, store, where.cache, device, reference))
    record = {
        **describe_process(device),
        **redacted(dict(where.context)),
        **({"lanes": where.lanes} if where.lanes > 1 else {}),
        "energy_j": None,
        "parameters": sum(p.numel() for p in trainer.method.parameters()),
        "method_code": method_code(spec.method),
        "data": {
            "title": store.title,
            "fingerprint": store.fingerprint,
            "broken": list(store.broken),
            "images": {part: len(at) for part, at in store.splits.items()},
        },
        "stores": sorted({_store_name(store), _store_name(reference)}),
        "evaluation": judge.evaluator.describe(),
        "floor": judge.evaluator.floor(),
    }
    record = with_earlier(record, run.provenance())
    run.write_provenance(record)
    return trainer, judge, record


@contextmanager
def _memory_in_words(run: RunDirectory) -> Iterator[None]:
    """Raise BenchError where memory runs out, in whichever library."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            said in str(error).lower() for said in ("allocate memory", "out of memory")
        ):
            raise
        raise BenchError(
            f"{run.run_id}: out of memory ({first[:100]}); it is safe up to its last checkpoint: "
            "start fewer runs at once with --jobs and --lanes, or take a machine with more"
        ) from None


class _Judge:
    """The evaluator, and a grid of samples for people."""

    def __init__(self, run: RunDirectory, evaluator: Evaluator) -> None:
        self._run, self.evaluator = run, evaluator
        self.heldout = evaluator.heldout

    def evaluate(self, sample: Sampler) -> dict[str, float]:
        return self.evaluator.evaluate(sample)

    def draw(self, step: int, sample: Sampler) -> None:
        save_grid(sample(0, GRID[0]), GRID[1], self._run.samples / f"{step:08d}.png")


def _store_name(store: FaceStore) -> str:
    """What the store is called in the cache, so that `bench gc` keeps it."""
    images = store.images
    return Path(str(images.filename)).parent.name if isinstance(images, np.memmap) else ""


def _same_data(run: RunDirectory, store: FaceStore) -> None:
    provenance = run.provenance()
    if provenance and provenance["data"]["fingerprint"] != store.fingerprint:
        raise BenchError(
            f"{run.path}: begun on {provenance['data']['title']} "
            f"({provenance['data']['fingerprint'][:12]}), but the data here are {store.title} "
            f"({store.fingerprint[:12]}); give the same data or another --runs folder"
        )
