"""Checkpoints: written atomically, verified by a checksum in their name; the last two good ones are
kept, and a third while one is being written.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load, save
from torch import Tensor

from benchmark.files import write_atomic
from benchmark.methods.method import Method
from benchmark.runs import digests
from benchmark.runs.weights import is_whole, listed, short_sum
from benchmark.strict import Strict
from benchmark.training.learning_rate import RateState

KEPT = 2
End = Literal["done", "failed"]


class Progress(Strict):
    """What a resumed run needs besides its tensors."""

    step: int
    rate: RateState
    wall_s: float
    cpu_s: float
    # Set in the last checkpoint: a run killed between it and its result has nothing left to do.
    ended: End | None = None
    reason: str | None = None


def weights_digest(method: Method) -> str:
    """SHA-256 over names and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(method.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def _bytes(value: Tensor) -> bytes:
    # As bytes: NumPy has no bfloat16.
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors on the CPU, none sharing memory, as safetensors requires.

    Weights that a method uses in two places are stored under both names.
    """
    found: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, value in tensors.items():
        own = value.detach().cpu().contiguous()
        memory = own.untyped_storage().data_ptr()
        found[name] = own.clone() if memory in taken else own
        taken.add(memory)
    return found


def dump(method: Method, progress: Progress) -> bytes:
    """A checkpoint as bytes: weights, buffers, the optimizers' state and `progress`."""
    tensors = {f"method/{name}": value for name, value in method.state_dict().items()}
    for name, optimizer in method.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = value
    text = torch.tensor(list(progress.model_dump_json().encode()), dtype=torch.uint8)
    return save({**apart(tensors), "progress": text})


def restore(method: Method, data: bytes) -> Progress:
    """Load the output of `dump` into an identically built method."""
    tensors = load(data)
    progress = Progress.model_validate_json(bytes(tensors.pop("progress").tolist()))
    prefix = "method/"
    method.load_state_dict(
        {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    )
    for name, optimizer in method.optimizers.items():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for index, parameter in enumerate(parameters):
            prefix = f"optimizer/{name}/{index}/"
            found = {
                key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)
            }
            # The moments take the parameter's memory format: a different layout would make Adam use
            # another kernel, which may differ in the last bits.
            optimizer.state[parameter] = {
                key: torch.empty_like(parameter, requires_grad=False).copy_(value)
                if value.shape == parameter.shape and key != "step"
                else value
                for key, value in found.items()
            }
    return progress


def write(folder: Path, method: Method, progress: Progress) -> None:
    """Publish a checkpoint, then remove those before the one before it."""
    data = dump(method, progress)
    weights = {name: short_sum(_bytes(value)) for name, value in method.state_dict().items()}
    digests.record(folder, digests.Digests(step=progress.step, tensors=weights))
    path = folder / f"{progress.step:08d}-{short_sum(data)}.safetensors"
    write_atomic(path, data)
    before = [old for old in listed(folder) if old.name[:8] < path.name[:8]]
    # One at or after this step was found damaged when the run resumed from before it.
    for old in set(listed(folder)) - {path, *before[-(KEPT - 1) :]}:
        old.unlink()


def read_latest(folder: Path, method: Method) -> Progress | None:
    """Load the newest sound checkpoint into `method`; None where there is none.

    One whose bytes do not match its name is skipped with a message, and the previous one is used.
    """
    found = listed(folder)
    for path in reversed(found):
        data = path.read_bytes()
        if not is_whole(path, data):
            print(f"{path}: checksum does not match; using the checkpoint before it", flush=True)
            continue
        return restore(method, data)
    if found:
        print(f"{folder}: no checkpoint is whole; starting from step 0", flush=True)
    return None
