"""One run in this process: what every executor starts as `bench run-one RUN_DIR`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmark.data.store import FaceStore, open_store
from benchmark.errors import EXIT_STOPPED, BenchError
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.samples import save_grid
from benchmark.provenance import EnergyMeter, describe_process, method_code, with_earlier
from benchmark.redact import redacted
from benchmark.runs.directory import Result, RunDirectory
from benchmark.training.devices import Group, Rank, group
from benchmark.training.loop import Sampler, Stopped, Trainer, follow

GRID = 64, 8  # samples and columns of a grid


def pick_device(name: str, rank: Rank | None = None) -> torch.device:
    """ "auto" is CUDA where there is one; the choice is recorded with the run.

    The processes of a run have a GPU each, in their order.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA device here; use --device cpu")
    if rank is None or name == "cpu":
        return torch.device(name)
    if rank.count > torch.cuda.device_count():
        raise BenchError(
            f"training.devices: {rank.count}, but torch sees {torch.cuda.device_count()} here"
        )
    return torch.device("cuda", rank.number)


def run_one(
    run: RunDirectory,
    data_root: Path | None,
    cache: Path,
    device_name: str,
    context: dict[str, Any],
    rank: Rank | None = None,
) -> Result | None:
    """Train and evaluate one run from wherever it stands; raises Stopped on SIGTERM or SIGINT.

    `rank`: this process among those of a run on several devices. Only the first has the result.
    """
    if rank is None:
        return _run(run, data_root, cache, device_name, context)
    with _memory_in_words(run), group(rank, pick_device(device_name, rank)) as processes:
        if processes.leads:
            return _run(run, data_root, cache, device_name, context, processes)
        _told_to_stop()  # but it is the leader that obeys, for all
        if processes.waits():
            follow(run, open_store(run.spec().data, data_root, cache), processes)
        return None


def _run(
    run: RunDirectory,
    data_root: Path | None,
    cache: Path,
    device_name: str,
    context: dict[str, Any],
    processes: Group | None = None,
) -> Result:
    stop = _told_to_stop()
    with run.locked(), _memory_in_words(run):
        found = run.result()
        if found is not None:
            return found
        spec = run.spec()
        device = processes.device if processes else pick_device(device_name)
        store = open_store(spec.data, data_root, cache)
        _same_data(run, store)
        trainer = Trainer(run, store, device, processes)
        seen = spec.reference_data
        reference = store if seen == spec.data else open_store(seen, data_root, cache)
        judge = _Judge(run, Evaluator(spec.evaluation, store, cache, device, reference))
        record = {
            **describe_process(device),
            **redacted(context),
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
        meter = EnergyMeter()
        try:
            return trainer.train(judge, lambda: bool(stop))
        finally:
            if (joules := meter.joules()) is not None:
                run.write_provenance({**record, "energy_j": joules})


def _told_to_stop() -> list[int]:
    """Signals to stop, as they come."""
    told: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        told.append(number)

    # Slurm warns by SIGUSR2, on some clusters every process of a job.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, on_signal)
    return told


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
            "start fewer runs at once with --jobs, or take a machine with more"
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


__all__ = ["EXIT_STOPPED", "Stopped", "pick_device", "run_one"]
