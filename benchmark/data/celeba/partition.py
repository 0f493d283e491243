"""Which part each of CelebA's images is in: by its authors, or by folders' or shards' names."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba.layout import PARTITION
from benchmark.data.celeba.tables import as_authors_write
from benchmark.data.celeba.tree import Tree, named_parts
from benchmark.data.settings import Split
from benchmark.errors import InputError

# In the order of CelebA's own partition file.
PARTS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Partition:
    """Images in the order of their names, and the part of each, (N,)."""

    names: Sequence[str]
    parts: NDArray[np.int64]
    sum: bytes  # SHA-256 of what decides it
    said_in: str  # where the images are named
    said: str = ""  # in words, where it is not the authors' file


def find_parts(tree: Tree, images: str, files: Sequence[str]) -> Partition:
    """The parts of the images of a tree; `files` are those that are there.

    Raises InputError where nothing says the parts, or the partition is faulty.
    """
    if PARTITION in tree.tables:
        return _from_table(tree)
    names, paths = _called(files)
    parts = named_parts(paths)
    if parts is None:
        raise InputError(
            f"{tree.root / PARTITION}: missing, and {tree.called(images)} has no folders or shards "
            "called train, validation and test; fetch it (bench data get celeba does), give "
            "--data-root the folder that holds both, or train by --set data.name=folder"
        )
    digest = hashlib.sha256(as_authors_write(names, parts)).digest()
    said = f"no {PARTITION}: parts by the names of the files that hold the images"
    return Partition(names, parts, digest, tree.called(images), said)


def _from_table(tree: Tree) -> Partition:
    source = tree.tables[PARTITION]
    table = source.read()
    order = np.argsort(table.names)
    names = [table.names[i] for i in order]
    parts = table.column("partition")[order]
    wrong = np.flatnonzero((parts < 0) | (parts > 2))
    if len(wrong):
        raise InputError(
            f"{source.where}: {names[wrong[0]]} is in part {parts[wrong[0]]}; allowed are 0 train, "
            "1 validation, 2 test"
        )
    return Partition(names, parts, source.sum(), source.where.name)


def _called(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names without their folders, where that leaves them apart, sorted; and the files of these."""
    short = [file.rpartition("/")[2] for file in files]
    named = short if len(set(short)) == len(short) else files
    pairs = sorted(zip(named, files, strict=True))
    return [name for name, _ in pairs], [file for _, file in pairs]
