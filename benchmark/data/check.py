"""What lies in a folder: official CelebA, other faces in its layout, or plain images."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from benchmark.data.annotations import read_table
from benchmark.data.celeba import CelebA, title_of
from benchmark.data.files import Archive, Folder, open_files
from benchmark.data.folder import FolderOfImages
from benchmark.data.layout import (
    ALIGNED,
    ANNOTATIONS,
    LANDMARKS_WILD,
    OFFICIAL_MD5,
    PARTITION,
    WILD,
)
from benchmark.data.settings import AlignedView, CelebASettings, FolderSettings, WildView
from benchmark.errors import InputError

State = Literal["official", "other content", "whole", "unchecked", "missing", "broken"]
Track = Callable[[Iterable[str | None], str, int], Iterable[str | None]]
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Item:
    """A file or a set of images."""

    name: str
    state: State
    says: str = ""


@dataclass
class Report:
    """Everything found; `views` are those that can be trained on."""

    title: str
    items: list[Item] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # image -> why
    deep: bool = False

    @property
    def usable(self) -> bool:
        """Whether some view can be trained on and nothing that was found is broken."""
        return bool(self.views) and all(item.state != "broken" for item in self.items)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "usable": self.usable}


class _Images(Protocol):
    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def fault(self, index: int) -> str | None: ...


def check(path: Path, deep: bool, track: Track = lambda found, _name, _count: found) -> Report:
    """Look at `path`, or its `celeba/`; with `deep` decode every image.

    `track` may show progress. Raises InputError where there is neither that layout nor an image.
    """
    for root in (path, path / "celeba"):
        if any((root / name).exists() for name in (*ANNOTATIONS, ALIGNED, WILD, f"{ALIGNED}.zip")):
            return _check_layout(root, deep, track)
    return _check_plain(path, deep, track)


def _check_layout(root: Path, deep: bool, track: Track) -> Report:
    report = Report(title_of(root), deep=deep)
    names: dict[str, set[str]] = {}
    for file in ANNOTATIONS:
        item, found = _check_table(root, file, names.get(PARTITION))
        report.items.append(item)
        if found:
            names[file] = found
    for images, view, needs in (
        (ALIGNED, AlignedView(name="aligned"), ()),
        (WILD, WildView(name="wild"), (LANDMARKS_WILD,)),
    ):
        item = _check_images(root, images, names.get(PARTITION), deep)
        if item.state not in ("missing", "broken") and all(n in names for n in (PARTITION, *needs)):
            if deep:
                source = CelebA(CelebASettings(name="celeba", view=view, size=16), root)
                item = _decode_all(item, source, report, track)
            report.views += ["aligned", "rotated"] if images == ALIGNED else ["wild", "upright"]
        report.items.append(item)
    return report


def _check_table(root: Path, file: str, wanted: set[str] | None) -> tuple[Item, set[str] | None]:
    """What a table is, and the images that it names."""
    kind = ANNOTATIONS[file]
    if not (root / file).is_file():
        return Item(file, "missing", f"needed for: {kind.needed_for}"), None
    try:
        names = set(read_table(root / file, kind.columns, header=kind.header).names)
    except InputError as error:
        return Item(file, "broken", str(error).removeprefix(f"{root / file}")), None
    absent = sorted((wanted or set()) - names)
    if absent:
        says = f"{len(absent)} images of {PARTITION} are not in it: {absent[0]}, ..."
        return Item(file, "broken", says), None
    official = _md5(root / file) == OFFICIAL_MD5[file]
    return Item(file, "official" if official else "other content", f"{len(names)} rows"), names


def _check_images(root: Path, images: str, wanted: set[str] | None, deep: bool) -> Item:
    try:
        files = open_files(root, images)
    except InputError as error:
        return Item(f"{images}.zip", "broken", str(error).removeprefix(f"{root / images}.zip: "))
    if files is None:
        return Item(f"{images}/", "missing", "neither the folder nor the .zip")
    name = f"{images}.zip" if isinstance(files, Archive) else f"{images}/"
    found = set(files.names())
    absent = sorted((wanted or set()) - found)
    if absent:
        says = f"{len(absent)} of {len(wanted or ())} images are missing: {absent[0]}, ..."
        return Item(name, "broken", says)
    says = f"{len(found)} files"
    if isinstance(files, Folder) or not deep:
        return Item(name, "unchecked", says)
    official = _md5(root / name) == OFFICIAL_MD5.get(name)
    return Item(name, "official" if official else "other content", says)


def _check_plain(path: Path, deep: bool, track: Track) -> Report:
    if not path.is_dir():
        raise InputError(f"{path}: no such folder")
    settings = FolderSettings.model_construct(name="folder", folder=path.name, size=16, crop=1.0)
    try:
        source = FolderOfImages(settings, path.parent)
    except InputError:
        raise InputError(
            f"{path}: neither CelebA's layout ({ALIGNED}/, list_*.txt) nor any image in it"
        ) from None
    report = Report("a plain folder of images", views=["folder"], deep=deep)
    item = Item(f"{path.name}/", "unchecked", f"{len(source)} images")
    report.items.append(_decode_all(item, source, report, track) if deep else item)
    return report


def _decode_all(item: Item, source: _Images, report: Report, track: Track) -> Item:
    """Decode every image as training would; faults go to the report."""
    with ThreadPoolExecutor() as pool:
        faults = pool.map(source.fault, range(len(source)))
        found = {
            source.name(index): why
            for index, why in enumerate(track(faults, item.name, len(source)))
            if why is not None
        }
    report.broken |= found
    if found:
        return Item(item.name, "broken", f"{len(found)} of {len(source)} images are broken")
    return Item(item.name, "whole" if item.state == "unchecked" else item.state, item.says)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
