"""Snapshots: the generator's weights at selected steps, so that a run can be judged at any time.

A method declares what it needs for sampling (`Method.sampled_by`). Writing a snapshot changes
nothing in the method and draws no random number.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from benchmark.errors import BenchError
from benchmark.files import write_atomic
from benchmark.methods.method import Method
from benchmark.runs import weights
from benchmark.training.checkpoint import apart


@dataclass(frozen=True)
class Snapshot:
    """One file of generator's weights."""

    path: Path

    @property
    def step(self) -> int:
        return int(self.path.name[:8])

    @property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256 of the file."""
        return self.path.stem.partition("-")[2]

    def load_into(self, method: Method) -> None:
        """Load these weights into `method`.

        Raises BenchError if the file is missing, its checksum is wrong or it belongs to another
        method.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise BenchError(f"{self.path}: missing") from None
        if not weights.is_whole(self.path, data):
            raise BenchError(
                f"{self.path}: its checksum does not match its name; `bench doctor --fix` removes "
                "it, and the other snapshots can still be judged"
            )
        own = tensors(method)
        found = load(data)
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in found.items()}:
            raise BenchError(f"{self.path}: not the weights of this run's generator")
        method.load_state_dict(found, strict=False)


def write(folder: Path, step: int, method: Method) -> Snapshot:
    """Save the generator's weights at `step`, replacing a snapshot of the same step with another
    checksum."""
    data = save(apart(tensors(method)))
    path = folder / f"{step:08d}-{weights.short_sum(data)}.safetensors"
    if not path.exists():
        write_atomic(path, data)
    for old in folder.glob(f"{step:08d}-*.safetensors"):
        if old != path:
            old.unlink()
    return Snapshot(path)


def listed(folder: Path) -> list[Snapshot]:
    """All snapshots in `folder`, by step."""
    return [Snapshot(path) for path in weights.listed(folder)]


def tensors(method: Method) -> dict[str, Tensor]:
    """The parameters and buffers that `method` samples with, by name."""
    return {
        name: value
        for name, value in method.state_dict().items()
        if name in method.sampled_by
        or name.startswith(tuple(f"{each}." for each in method.sampled_by))
    }
