"""Which part each of CelebA's images is in: by its authors, by shards' names, or drawn."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba.layout import CUTS, IDENTITIES, PARTITION
from benchmark.data.celeba.tables import as_authors_write
from benchmark.data.celeba.tree import Tree, match
from benchmark.data.containers.listing import stem_of
from benchmark.data.selection import drawn_by_name
from benchmark.data.settings import Split
from benchmark.errors import InputError

# In the order of CelebA's own partition file.
PARTS: tuple[Split, ...] = ("train", "validation", "test")
_DIGITS = 6


@dataclass(frozen=True)
class Partition:
    """Images in the order of their names, and the part of each, (N,)."""

    names: Sequence[str]
    parts: NDArray[np.int64]
    sum: bytes  # SHA-256 of what decides it
    said_in: str  # where the images are named
    said: str = ""  # in words, where it is not the authors' file
    drawn: bool = False  # by us: nobody else has these parts


def find_parts(tree: Tree, images: str, files: Sequence[str]) -> Partition:
    """The parts of the images of a tree; `files` are those that are there.

    Raises InputError where there is neither a partition nor an image, or the partition is faulty.
    """
    if PARTITION in tree.tables:
        return _from_table(tree)
    if not files:
        raise InputError(
            f"{tree.root / PARTITION}: missing, and no image in {tree.called(images)}; give "
            "--data-root the folder that holds both"
        )
    names, paths = _called(files)
    by_name = tree.named_parts(paths)
    if by_name is not None:
        said = f"no {PARTITION}: parts by the names of the files that hold the images"
        return _made(names, by_name, tree.called(images), said)
    numbers = _numbers(names)
    if numbers is not None:
        parts = np.searchsorted(np.array(CUTS), numbers)
        if set(parts.tolist()) == {0, 1, 2}:
            said = f"no {PARTITION}: parts by CelebA's own numbers (training to {CUTS[0]}, "
            said += f"validation to {CUTS[1]}, test to {CUTS[2]})"
            return _made(names, parts, tree.called(images), said)
    people = _people(tree, names)
    parts = np.zeros(len(names), dtype=np.int64)
    for part, at in enumerate(drawn_by_name(people or [stem_of(name) for name in names]).values()):
        parts[at] = part
    said = f"no {PARTITION}: parts drawn by {'person' if people else 'name'}, 80 % training, "
    said += "10 % validation, 10 % test"
    return _made(names, parts, tree.called(images), said, drawn=True)


def _people(tree: Tree, names: Sequence[str]) -> list[str]:
    """Who is in each image, by its own name where that is not known; empty without identities.

    Nobody may be in two parts, or held-out faces would be known ones.
    """
    if IDENTITIES not in tree.tables:
        return []
    table = tree.tables[IDENTITIES].read()
    person = dict(zip(table.names, table.values[:, 0].tolist(), strict=True))
    found = match(names, table.names)
    return [
        f"person {person[row]}" if row is not None else stem_of(name)
        for name, row in zip(names, found, strict=True)
    ]


def _from_table(tree: Tree) -> Partition:
    source = tree.tables[PARTITION]
    table = source.read()
    order = np.argsort(table.names)
    names = [table.names[i] for i in order]
    parts = table.values[order, 0]
    wrong = np.flatnonzero((parts < 0) | (parts > 2))
    if len(wrong):
        raise InputError(
            f"{source.where}: {names[wrong[0]]} is in part {parts[wrong[0]]}; allowed are 0 train, "
            "1 validation, 2 test"
        )
    return Partition(names, parts, source.sum(), source.where.name)


def _made(
    names: Sequence[str], parts: NDArray[np.int64], said_in: str, said: str, *, drawn: bool = False
) -> Partition:
    digest = hashlib.sha256(as_authors_write(names, parts)).digest()
    return Partition(names, parts, digest, said_in, said, drawn)


def _called(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names without their folders, where that leaves them apart, sorted; and the files of these."""
    short = [file.rpartition("/")[2] for file in files]
    named = short if len(set(short)) == len(short) else files
    pairs = sorted(zip(named, files, strict=True))
    return [name for name, _ in pairs], [file for _, file in pairs]


def _numbers(names: Sequence[str]) -> NDArray[np.int64] | None:
    """CelebA's own numbers, where every name is one."""
    stems = [stem_of(name) for name in names]
    if not all(len(stem) == _DIGITS and stem.isdecimal() for stem in stems):
        return None
    numbers = np.array([int(stem) for stem in stems], dtype=np.int64)
    return numbers if numbers.min() >= 1 and numbers.max() <= CUTS[-1] else None
