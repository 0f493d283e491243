"""Digests of the weights at every checkpoint, kept when the checkpoint itself is gone.

    checkpoints/digests.jsonl    a line per checkpoint, in order of step

They let two runs be compared step by step without keeping their weights.
"""

from pathlib import Path

from pydantic import ValidationError

from benchmark.errors import BenchError
from benchmark.files import write_atomic
from benchmark.strict import Strict

NAME = "digests.jsonl"


class Digests(Strict):
    """The weights at one step: 16 digits of each tensor's SHA-256, in the order of the method."""

    step: int
    tensors: dict[str, str]


def record(folder: Path, found: Digests) -> None:
    """Add a line, after removing lines of this step and beyond, left from before a resumption."""
    kept = [each for each in read(folder) if each.step < found.step]
    text = "".join(each.model_dump_json() + "\n" for each in [*kept, found])
    write_atomic(folder / NAME, text.encode())


def read(folder: Path) -> list[Digests]:
    """All lines, if there are any; raises BenchError where the file is damaged."""
    path = folder / NAME
    if not path.exists():
        return []
    try:
        return [Digests.model_validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError:
        raise BenchError(f"{path}: damaged; `bench doctor --fix` removes it") from None
