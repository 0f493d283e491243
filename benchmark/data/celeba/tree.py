"""Where CelebA's images and tables lie, in whichever form somebody holds them.

The authors' drive as it is downloaded (Anno/, Eval/, Img/), Kaggle's (.csv, a folder within a
folder of one name), PNG, archives, Hugging Face's Parquet, webdataset's shards, or other names.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba.layout import ALIGNED, LANDMARKS_WILD, WILD
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
from benchmark.data.containers.listing import command, is_of_the_system, stem_of, suffix_of
from benchmark.data.images import SUFFIXES, Unreadable, size_of
from benchmark.data.views import aligned
from benchmark.errors import InputError

_DEPTH = 3  # folders below the root that are looked into
_MOST_FOLDERS = 2000  # in all: a wrong root may be a whole disk
_SIGNS = ("anno", "annotations", "eval", "img")  # folders of the authors' drive
_NUMBERED = re.compile(r"\d{6}")
_PARTS = (
    re.compile(r"(?:^|[^a-z])train(?:ing)?(?:[^a-z]|$)"),
    re.compile(r"(?:^|[^a-z])val(?:id|idation)?(?:[^a-z]|$)"),
    re.compile(r"(?:^|[^a-z])test(?:ing)?(?:[^a-z]|$)"),
)


@dataclass(frozen=True)
class Tree:
    """Images and tables."""

    root: Path
    images: Mapping[str, Files] = field(default_factory=dict)  # by ALIGNED and WILD
    tables: Mapping[str, TableSource] = field(default_factory=dict)  # by the authors' names
    damaged: Mapping[str, str] = field(default_factory=dict)  # images -> why they cannot be opened
    packed: Mapping[str, str] = field(default_factory=dict)  # images -> what unpacks them
    unread: Sequence[Path] = ()  # files of kinds that are not read, but could be made readable
    # Without a table and under another name, images may as well be those of a plain folder.
    by_looks: bool = False

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

    def named_parts(self, files: Sequence[str]) -> NDArray[np.int64] | None:
        """The part of each image by the name of its folder or shard, (N,); None unless each has
        one and all three are named."""
        found = np.array([_part_named(file) for file in files], dtype=np.int64)
        return found if set(found.tolist()) == {0, 1, 2} else None


def find_tree(root: Path, images: str | None = None) -> Tree | None:
    """The tree at `root`, its `celeba/` or another folder in it that is called so.

    The first that has these `images` (by default any), or else the first that has any table. None
    where nothing looks like CelebA. Raises InputError where an archive is not whole.
    """
    without_images: Tree | None = None
    for place in _candidates(root):
        tree = _tree(place)
        if images in tree.images or (images is None and tree.images):
            return tree
        if without_images is None and (tree.images or tree.tables or tree.damaged or tree.packed):
            without_images = tree
    return without_images


def _candidates(root: Path) -> Iterator[Path]:
    """Places to look at, the likeliest first; each once."""
    usual = [root, root / "celeba"]
    others = [
        root / name
        for name, is_folder in _entries(root)
        if is_folder and "celeba" in name.lower() and _images_of(name) is None
    ]
    direct = [
        place
        for place in usual
        if any(
            (place / name).is_dir() or (place / f"{name}.zip").is_file() for name in (ALIGNED, WILD)
        )
    ]
    signed = [place for place in (*usual, *others) if _has_sign(place)]
    yield from dict.fromkeys([*direct, *signed, root])


def _has_sign(place: Path) -> bool:
    return any(
        _images_of(stem_of(name)) is not None
        or table_called(name) is not None
        or (is_folder and name.lower() in _SIGNS)
        for name, is_folder in _entries(place)
    )


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
    unread: list[Path] = field(default_factory=list)


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
                if images is not None and (is_folder or suffix in PACKED or command(suffix)):
                    found.images.setdefault(images, []).append(path)
                elif is_folder:
                    below.append(path)
                elif (table := table_called(name)) is not None:
                    found.tables.setdefault(table, []).append(path)
                elif suffix in PACKED:
                    found.packed.append(path)
                elif command(suffix) is not None:
                    found.unread.append(path)
                holds_images |= not is_folder and suffix in SUFFIXES
            if holds_images:
                found.folders.append(folder)
        level = below
    return found


def _tree(root: Path) -> Tree:
    found = _search(root)
    images: dict[str, Files] = {}
    damaged: dict[str, str] = {}
    packed: dict[str, str] = {}
    for kind, paths in found.images.items():
        # The authors' own name first, and a folder before an archive.
        for path in sorted(paths, key=lambda p: (stem_of(p.name).lower() != kind, p.is_file())):
            try:
                unread = _unread(path)
                files = None if unread else open_path(path)
            except InputError as error:
                damaged.setdefault(kind, str(error))
                continue
            if files is None:
                packed.setdefault(kind, unread)
            elif kind not in images or (not images[kind].images().names and files.images().names):
                images[kind] = files
    tables: dict[str, TableSource] = {
        file: TableFile(file, min(paths, key=rank)) for file, paths in found.tables.items()
    }
    by_looks = False
    if not images and not damaged and not packed:
        try:
            others = _other_images(root, found)
        except InputError as error:
            others, damaged = None, {ALIGNED: str(error)}
        if isinstance(others, Shards) and not tables:
            tables = tables_within(others)
        looks = None if others is None else _kind_by_looks(others, tables)
        if others is not None and looks is not None:
            images[looks], by_looks = others, not tables
            if isinstance(others, Shards):
                tables |= tables_of_columns(others)
    for files in images.values() if not tables else ():
        tables |= tables_within(files)
    return Tree(root, images, tables, damaged, packed, found.unread, by_looks)


def _unread(path: Path) -> str:
    """What makes readable the only things that are at `path`; empty where there are others."""
    if not path.is_dir():
        files = [path.name]
    else:
        files = [] if (folder := Folder(path)).images().names else folder.names()
    if any(suffix_of(name) in PACKED for name in files):
        return ""
    made = next((made for name in files if (made := command(suffix_of(name), name))), None)
    place = path if path.is_dir() else path.parent
    return f"{path}: no image that can be read; unpack it: cd '{place}' && {made}" if made else ""


def _other_images(root: Path, found: _Found) -> Files | None:
    """Images under another name: the one folder that has any, shards, or beside tables all."""
    if len(found.folders) == 1:
        return Folder(found.folders[0])
    if found.folders:
        return Folder(root) if found.tables else None
    names = [path.relative_to(root).as_posix() for path in found.packed]
    return Shards.of(root, names)


def _kind_by_looks(files: Files, tables: Mapping[str, TableSource]) -> str | None:
    """Aligned images are 178 x 218; any others are taken for CelebA's only beside a table."""
    names = files.images().names
    try:
        size = size_of(files.read(names[0])) if names else (0, 0)
    except Unreadable:
        size = 0, 0
    numbered = isinstance(files, Shards) or all(
        _NUMBERED.fullmatch(stem_of(name)) for name in (names[:1], names[-1:]) for name in name
    )
    if size == (aligned.WIDTH, aligned.HEIGHT) and (numbered or tables):
        return ALIGNED
    if not tables or not names:
        return None
    return WILD if LANDMARKS_WILD in tables and not _all_alike(files, size) else ALIGNED


def _all_alike(files: Files, size: tuple[int, int]) -> bool:
    """Whether a few images are all of one size, as cropped or resized ones are."""
    try:
        return all(size_of(files.read(name)) == size for name in files.images().names[:8])
    except Unreadable:
        return False


def _part_named(name: str) -> int:
    folder = name.rpartition("/")[0].lower()
    return next((part for part, named in enumerate(_PARTS) if named.search(folder)), -1)


def match(names: Sequence[str], files: Sequence[str]) -> Sequence[str | None]:
    """The file of each image, None where there is none.

    Images are found by name, whatever their folder and suffix: 000001.jpg is a/b/000001.png too. Of
    several the one of the same name comes first, then the least deep.
    """
    there = set(files)
    if there.issuperset(names):
        return names
    by_stem = _by(stem_of, files)
    found = [name if name in there else by_stem.get(stem_of(name)) for name in names]
    if not any(found):  # 1.jpg and 000001.jpg
        by_number = _by(_number_of, [name for name in files if stem_of(name).isdecimal()])
        found = [by_number.get(_number_of(name)) for name in names]
    return found


def _by(key: Callable[[str], str], files: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(files, key=lambda file: (file.count("/"), file)):
        found.setdefault(key(file), file)
    return found


def _number_of(name: str) -> str:
    return stem_of(name).lstrip("0")
