"""Where CelebA's images and tables lie, in whichever form somebody holds them.

The authors' drive as it is downloaded (Anno/, Eval/, Img/), Kaggle's (.csv, a folder within a
folder of one name), PNG, archives, Hugging Face's Parquet, webdataset's shards, or other names.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba.layout import ALIGNED, PARTITION, WILD
from benchmark.data.celeba.tables import (
    TableFile,
    TableSource,
    rank,
    table_called,
    tables_of_columns,
    tables_within,
)
from benchmark.data.containers.archives import PACKED, Shards, open_path
from benchmark.data.containers.files import Files, Folder
from benchmark.data.containers.listing import (
    is_of_the_system,
    stem_of,
    suffix_of,
    without_suffix,
)
from benchmark.data.images import SUFFIXES, Unreadable, size_of
from benchmark.data.views import aligned
from benchmark.errors import InputError

_DEPTH = 3  # folders below the root that are looked into
_MOST_FOLDERS = 2000  # in all: a wrong root may be a whole disk
_PARTS = [
    re.compile(rf"(?:^|[^a-z]){part}(?:[^a-z]|$)")
    for part in ("train(?:ing)?", "val(?:id|idation)?", "test(?:ing)?")
]


@dataclass(frozen=True)
class Tree:
    """Images and tables."""

    root: Path
    images: Mapping[str, Files] = field(default_factory=dict)  # by ALIGNED and WILD
    tables: Mapping[str, TableSource] = field(default_factory=dict)  # by the authors' names
    damaged: Mapping[str, str] = field(default_factory=dict)  # images -> why they cannot be opened

    def called(self, images: str) -> str:
        """What messages call the images: their place in the root."""
        path = self.images[images].path
        place = path.relative_to(self.root).as_posix() if path != self.root else path.name
        return f"{place}/" if path.is_dir() else place

    def taken(self) -> list[str]:
        """What lies elsewhere, or is called otherwise, than in the authors' layout."""
        said = []
        for kind, files in self.images.items():
            if files.path not in {self.root / kind, self.root / f"{kind}.zip"}:
                said.append(f"{self.called(kind)} taken for {kind}/")
        for file, table in self.tables.items():
            place = table.where.relative_to(self.root).as_posix()
            if place != file:
                place = "columns of the images' files" if place == "." else place
                said.append(f"{place} taken for {file}")
        return said


def find_tree(root: Path, images: str | None = None) -> Tree | None:
    """The tree at `root` or its `celeba/`.

    The first that has these `images` (by default any), or else the first that has any table. None
    where nothing looks like CelebA. Raises InputError where an archive is not whole.
    """
    without_images: Tree | None = None
    direct = any(
        (root / f"{name}{end}").exists() for name in (ALIGNED, WILD) for end in ("", ".zip")
    )
    for place in (root, root / "celeba") if direct else (root / "celeba", root):
        tree = _tree(place)
        if images in tree.images or (images is None and tree.images):
            return tree
        if without_images is None and (tree.images or tree.tables or tree.damaged):
            without_images = tree
    return without_images


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Names in a folder, sorted, and whether each is a folder too; none that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            found = [(each.name, each.is_dir()) for each in entries]
    except OSError:
        return []
    return sorted(each for each in found if not is_of_the_system(each[0]))


def _images_of(stem: str) -> str | None:
    """Which images a folder or archive of this name holds."""
    for images in (ALIGNED, WILD):
        if stem.lower().startswith(images):
            return images
    return None


@dataclass
class _Found:
    """What a search has come upon, the shallowest first."""

    images: dict[str, list[Path]] = field(default_factory=dict)
    tables: dict[str, list[Path]] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)  # others that hold images themselves
    packed: list[Path] = field(default_factory=list)  # archives of another name


def _search(root: Path) -> _Found:
    found, level = _Found(), [root]
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level[:_MOST_FOLDERS]:
            holds_images = False
            for name, is_folder in _entries(folder):
                path, suffix = folder / name, suffix_of(name)
                stem = name if is_folder else name[: len(name) - len(suffix)]
                images = _images_of(stem)
                if images is not None and (is_folder or suffix in PACKED):
                    found.images.setdefault(images, []).append(path)
                elif is_folder:
                    below.append(path)
                elif (table := table_called(name)) is not None:
                    found.tables.setdefault(table, []).append(path)
                elif suffix in PACKED:
                    found.packed.append(path)
                holds_images |= not is_folder and suffix in SUFFIXES
            if holds_images:
                found.folders.append(folder)
        level = below
    return found


def _tree(root: Path) -> Tree:
    found = _search(root)
    images: dict[str, Files] = {}
    damaged: dict[str, str] = {}
    for kind, paths in found.images.items():
        # The authors' own name first, and a folder before an archive.
        for path in sorted(paths, key=lambda p: (stem_of(p.name).lower() != kind, p.is_file())):
            try:
                files = open_path(path)
            except InputError as error:
                damaged.setdefault(kind, str(error))
                continue
            if kind not in images or (not images[kind].images().names and files.images().names):
                images[kind] = files
    tables: dict[str, TableSource] = {
        file: TableFile(file, min(paths, key=rank)) for file, paths in found.tables.items()
    }
    if not images and not damaged:
        try:
            others = _other_images(root, found)
        except InputError as error:
            others, damaged = None, {ALIGNED: str(error)}
        if others is not None and _is_aligned(others):
            if isinstance(others, Shards):
                tables = {**tables_of_columns(others), **(tables or tables_within(others))}
            if PARTITION in tables or named_parts(others.images().names) is not None:
                images[ALIGNED] = others
    return Tree(root, images, tables, damaged)


def _other_images(root: Path, found: _Found) -> Files | None:
    """Images under another name: in folders beside tables, or in shards."""
    if found.folders:
        folder = found.folders[0] if len(found.folders) == 1 else root
        return Folder(folder) if found.tables else None
    return Shards.of(root, [path.relative_to(root).as_posix() for path in found.packed])


def _is_aligned(files: Files) -> bool:
    try:
        return size_of(files.read(files.images().names[0])) == (aligned.WIDTH, aligned.HEIGHT)
    except (IndexError, Unreadable):
        return False


def named_parts(files: Sequence[str]) -> NDArray[np.int64] | None:
    """The part of each image by the name of its folder or shard, (N,); None unless each has one and
    all three are named."""
    found = np.array([_part_named(file) for file in files], dtype=np.int64)
    return found if set(found.tolist()) == {0, 1, 2} else None


def _part_named(name: str) -> int:
    folder = name.rpartition("/")[0].lower()
    return next((part for part, named in enumerate(_PARTS) if named.search(folder)), -1)


def match(names: Sequence[str], files: Sequence[str]) -> Sequence[str | None]:
    """The file of each image, None where there is none.

    Images are found by name, whatever their folder and suffix: 000001.jpg is a/b/000001.png too. Of
    several the one of the same name comes first, then the least deep. Where images of several
    folders share a name, as 0001.jpg of every person, only the suffix may differ.
    """
    there = set(files)
    if there.issuperset(names):
        return names
    found = {name: name for name in names if name in there}
    ordered = sorted(files, key=lambda file: (file.count("/"), file))
    for called in stem_of, without_suffix:
        by_call: dict[str, str] = {}
        for file in ordered:
            by_call.setdefault(called(file), file)
        calls = Counter(map(called, names))
        for name in names:
            call = called(name)
            if name not in found and calls[call] == 1 and call in by_call:
                found[name] = by_call[call]
    return [found.get(name) for name in names]
