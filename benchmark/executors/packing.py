"""Which runs share a process as lanes, and how many fit on a GPU.

Lanes are worthwhile if one run leaves a device idle. On a CPU none does: there every run has its
own process, unless lanes are requested.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from benchmark.ablation.cost import device_bytes
from benchmark.errors import BenchError, InputError
from benchmark.executors.executor import Pack
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec

MOST = 16  # lanes of a process by `auto`: its threads take turns at the interpreter
STREAMS = 32  # torch's streams per device; two lanes on one would capture each other's work
# Share of the device's free memory to use. The rest covers errors of the estimate.
SHARE = 0.8
# What a process has on a device before it trains: the context, libraries, kernels.
PROCESS_BYTES = 1_000_000_000
_ASK = """
import sys, torch
device = sys.argv[1].replace("auto", "cuda")
print(torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else "")
"""


@dataclass(frozen=True)
class Lanes:
    """How many runs a process may have: `asked`, or as many as fit into `free` bytes of a GPU."""

    asked: int | None = 1  # None: by memory
    free: int | None = None  # for one process; None where it trains on a CPU

    @classmethod
    def of(cls, asked: int | None, device: str, jobs: int | None) -> Self:
        """`jobs` processes share the GPU, if there is one; by default it is one process's.

        Raises InputError where more are asked for than there can be.
        """
        if asked is not None and asked > STREAMS:
            raise InputError(f"--lanes {asked}: at most {STREAMS} per process; raise --jobs")
        free = free_bytes(device) if asked is None else None
        return cls(asked, None if free is None else free // (jobs or 1))

    def packs(self, runs: Sequence[RunDirectory]) -> list[Pack]:
        """The runs in their order, those that can be lanes of one process together."""
        if self.asked == 1 or (self.asked is None and self.free is None):
            return [(run,) for run in runs]
        alike: dict[str, list[RunDirectory]] = {}
        most: dict[str, int] = {}
        for run in runs:
            spec = run.spec()
            key = architecture(spec)
            alike.setdefault(key, []).append(run)
            most[key] = self.most(spec)
        packs = [pack for key, group in alike.items() for pack in _evenly(group, most[key])]
        order = {run.run_id: at for at, run in enumerate(runs)}
        return sorted(packs, key=lambda pack: order[pack[0].run_id])

    def most(self, spec: RunSpec) -> int:
        """How many runs like this one a process may have."""
        if not can_be_a_lane(spec):
            return 1
        if self.asked is not None:
            return self.asked
        one = device_bytes(spec)
        if self.free is None or one is None:  # an external method: its memory is unknown
            return 1
        return max(1, min(MOST, int((SHARE * self.free - PROCESS_BYTES) // one)))


def can_be_a_lane(spec: RunSpec) -> bool:
    """TF32 is switched for a whole process, which a lane does while it judges and others train."""
    return spec.training.precision != "tf32"


def architecture(spec: RunSpec) -> str:
    """What lanes of one process have in common: faces, batch, threads, precision and networks.

    Runs of one architecture go at one pace. Integers and words may make a shape; a fraction makes
    none, but it may switch a part off by being 0.
    """
    method = _shape(spec.method.model_dump(mode="json"))
    shared = {"batch", "threads", "precision"}
    training = spec.training.model_dump(mode="json", include=shared)
    rest = spec.data.model_dump(mode="json"), training
    return json.dumps([method, rest], sort_keys=True)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    return value != 0 if isinstance(value, float) else value


def _evenly(runs: list[RunDirectory], most: int) -> list[Pack]:
    """As few packs as possible, of similar sizes: the longest determines the total time."""
    count = -(-len(runs) // most)
    bounds = [len(runs) * at // count for at in range(count + 1)]
    return [tuple(runs[low:high]) for low, high in pairwise(bounds)]


def free_bytes(device: str) -> int | None:
    """Of the GPU that `device` would be; None where that is a CPU.

    Asked in a process of its own, which gives back what asking takes of the device. Raises
    BenchError where it does not answer.
    """
    if device == "cpu":
        return None
    ask = [sys.executable, "-P", "-c", _ASK, device]
    done = subprocess.run(ask, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise BenchError(f"--lanes auto: the GPU's free memory is unknown ({last}); give --lanes N")
    return int(done.stdout) if done.stdout.strip() else None
