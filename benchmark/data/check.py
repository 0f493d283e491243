"""What lies in a folder: official CelebA, other faces in its layout, or plain images."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmark.data.celeba.dataset import CelebA, title_of
from benchmark.data.celeba.layout import ALIGNED, ANNOTATIONS, OFFICIAL_MD5, PARTITION, WILD
from benchmark.data.celeba.tables import TableFile, md5, md5_of, tables_within
from benchmark.data.celeba.tree import Tree, find_tree, match
from benchmark.data.containers.archives import PACKED, open_path
from benchmark.data.containers.listing import Listing, command, suffix_of
from benchmark.data.fitness import (
    LEAST_JUDGED,
    grouped,
    only_copies,
    too_few,
    too_many_broken,
    unfit,
    what_to_do,
)
from benchmark.data.folder import FolderOfImages
from benchmark.data.images import SAID
from benchmark.data.photographs import Photographs, Reading
from benchmark.data.selection import in_an_earlier_part
from benchmark.data.settings import (
    AlignedView,
    CelebASettings,
    FolderSettings,
    Split,
    View,
    WildView,
)
from benchmark.data.survey import Track, untracked
from benchmark.errors import InputError

State = Literal["official", "other content", "whole", "unchecked", "missing", "subset", "broken"]
_SIZE = 64  # to which a check decodes images; whether one is readable does not depend on it
Near = Callable[[Photographs], Mapping[str, str]]
# By the images that they are of: views that can be trained on whenever the first can.
_VIEWS: dict[str, tuple[View, list[str]]] = {
    ALIGNED: (AlignedView(name="aligned"), ["aligned", "rotated"]),
    WILD: (WildView(name="wild"), ["wild"]),
}


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
    notes: list[str] = field(default_factory=list)  # how files were interpreted, left out, repaired
    copies: dict[str, str] = field(default_factory=dict)  # image -> the first of the same content
    near_copies: dict[str, str] = field(default_factory=dict)  # image -> what it nearly is
    why_not: list[str] = field(default_factory=list)  # why a view cannot be trained on
    images: dict[Split, int] = field(default_factory=dict)  # of each part
    advice: str = ""  # what to do, in one sentence

    @property
    def usable(self) -> bool:
        """Whether some view can be trained on and nothing that was found is broken."""
        return bool(self.views) and all(item.state != "broken" for item in self.items)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "usable": self.usable}


class _How(NamedTuple):
    """How closely a check looks."""

    deep: bool
    reading: Reading
    near: Near | None


def check(path: Path, deep: bool, track: Track = untracked, near: Near | None = None) -> Report:
    """Look at `path`, or its `celeba/`; with `deep` decode every image.

    `track` may show progress; `near` names held-out images that are nearly images of another part.
    Raises InputError where there is neither that layout nor an image.
    """
    if not path.exists():
        raise InputError(f"{path}: no such folder")
    if path.name in ("", ".."):  # data.folder is a name
        path = path.resolve()
    if path.is_file() and suffix_of(path.name) not in PACKED:
        made = command(suffix_of(path.name), path.name)
        raise InputError(
            f"{path}: neither a folder nor a supported archive ({', '.join(PACKED)})"
            f"{f'; use: {made}' if made else ''}"
        )
    tree = find_tree(path) if path.is_dir() else None
    how = _How(deep, Reading(track=track), near)
    report = _check_plain(path, how) if tree is None else _check_layout(path, tree, how)
    if path.is_file() and tables_within(open_path(path)):
        report.notes.append(
            f"{path.name} has CelebA's tables too: to have its parts and attributes, give bench "
            f"data check, and --data-root, the folder that it lies in, {path.parent}"
        )
    report.advice = _advice(path, report)
    return report


def _check_layout(path: Path, tree: Tree, how: _How) -> Report:
    report = Report(title_of(tree), deep=how.deep)
    names: Sequence[str] | None = None
    wanted: Sequence[str] | None = None
    for file in ANNOTATIONS:
        item, found = _check_table(tree, file, wanted)
        if file == PARTITION and found is not None:
            names, wanted = found, _there(tree, found)
        report.items.append(item)
    for images in _VIEWS:
        if images in tree.images:
            item = _of_images(tree, images, names, how.deep)
            report.items.append(_look(path, tree, item, images, report, how))
        elif images in tree.damaged:
            report.items.append(Item(images, "broken", tree.damaged[images]))
            report.why_not.append(tree.damaged[images])
        else:
            report.items.append(Item(f"{images}/", "missing", "neither the folder nor an archive"))
    return report


def _look(path: Path, tree: Tree, item: Item, images: str, report: Report, how: _How) -> Item:
    """The images of a tree; adds to `report` the views of them that can be trained on."""
    view, called = _VIEWS[images]
    settings = CelebASettings(name="celeba", view=view, size=_SIZE)
    try:
        source = CelebA(settings, path, how.reading)
    except InputError as error:
        report.why_not.append(f"{', '.join(called)}: {error}")
        return item
    item, can = _judge(item, source, report, how)
    report.views += called if can else []
    report.notes += _unread(source.listing)
    return item


def _judge(item: Item, source: Photographs, report: Report, how: _How) -> tuple[Item, bool]:
    """Whether a data set can be trained on, by what `bench run` goes by too."""
    refusal = unfit(source)
    if report.deep and len(source.absent) < len(source):
        item, broken = _decode_all(item, source, report, how)
        refusal = refusal or too_many_broken(source, broken) or only_copies(source)
        _describe(source, report)
    if how.near is not None and refusal is None:
        report.near_copies |= how.near(source)
    report.notes += [note for note in source.notes() if note not in report.notes]
    left_out = source.copies() if report.deep else source.absent
    sizes = {part: len(np.setdiff1d(at, left_out)) for part, at in source.splits().items()}
    report.images = report.images or sizes
    if refusal is not None and refusal not in report.why_not:
        report.why_not.append(refusal)
    return item, refusal is None


def _describe(source: Photographs, report: Report) -> None:
    """Findings from the files' contents: decoding rules, and copies of one another."""
    for rule, count in source.survey.counts().items():
        note = f"{source.place}: {count} images: {SAID[rule]}"
        report.notes += [note] if note not in report.notes else []
    firsts = source.survey.firsts()
    copies = np.flatnonzero(firsts != np.arange(len(firsts))).tolist()
    twice = [index for index in copies if source.name(index) not in report.broken]
    if not twice:
        return
    report.copies |= {source.name(i): source.name(int(firsts[i])) for i in twice}
    across, left_out = in_an_earlier_part(source.splits(), firsts), source.copies()
    says = f"{source.place}: {len(twice)} images are copies of others"
    if len(across) > len(left_out):
        says += f"; {len(across)} of them are held out of a part that has the other, and stay there"
        says += " as published"
    elif len(across):
        says += f"; {len(across)} of them are left out, so that each is in one part only"
    report.notes += [says] if says not in report.notes else []


def _check_table(
    tree: Tree, file: str, wanted: Sequence[str] | None
) -> tuple[Item, Sequence[str] | None]:
    """What a table is, and the images that it names."""
    source = tree.tables.get(file)
    if source is None:
        return Item(file, "missing", f"needed for: {ANNOTATIONS[file].needed_for}"), None
    name = source.where.name if isinstance(source, TableFile) else file
    try:
        names = source.read().names
    except InputError as error:
        return Item(name, "broken", str(error).removeprefix(f"{source.where}")), None
    found = match(wanted or (), names)
    absent = [each for each, there in zip(wanted or (), found, strict=True) if there is None]
    if absent:
        says = f"{len(absent)} images of {PARTITION} are not in it: {absent[0]}, ..."
        return Item(name, "broken", says), None
    official = isinstance(source, TableFile) and md5(source.content()) == OFFICIAL_MD5[file]
    return Item(name, "official" if official else "other content", f"{len(names)} rows"), names


def _there(tree: Tree, names: Sequence[str]) -> list[str]:
    """The images of a table that are there, of one kind or the other."""
    found = [match(names, files.images().names) for files in tree.images.values()]
    rows = zip(names, *found, strict=True)
    return sorted(name for name, *files in rows if any(files) or not found)


def _of_images(tree: Tree, images: str, names: Sequence[str] | None, deep: bool) -> Item:
    """The images, of which a table names `names`."""
    name, files = tree.called(images), tree.images[images]
    there = files.images().names
    found = match(names if names is not None else there, there)
    absent = [each for each, file in zip(names or (), found, strict=False) if file is None]
    if absent:
        says = f"{len(absent)} of {len(found)} images are missing: {sorted(absent)[0]}, ..."
        return Item(name, "subset", says)
    says = f"{len(found)} images"
    if deep and files.path.is_file() and files.path.name in OFFICIAL_MD5:
        official = md5_of(files.path) == OFFICIAL_MD5[files.path.name]
        return Item(name, "official" if official else "other content", says)
    return Item(name, "unchecked", says)


def _check_plain(path: Path, how: _How) -> Report:
    settings = FolderSettings.model_construct(name="folder", folder=path.name, size=_SIZE, crop=1.0)
    try:
        source = FolderOfImages(settings, path.parent, how.reading)
    except InputError as error:
        if path.is_file():
            raise
        raise InputError(
            f"{path}: neither CelebA's layout ({ALIGNED}/, list_*.txt) nor any image in it"
            f"{''.join(f'; {line}' for line in _unread(open_path(path).images()))}"
        ) from error
    report = Report("a plain folder of images", deep=how.deep)
    place = f"{path.name}/" if path.is_dir() else path.name
    item, can = _judge(Item(place, "unchecked", f"{len(source)} images"), source, report, how)
    report.items.append(item)
    report.views = ["folder"] if can else []
    report.notes += _unread(source.listing)
    return report


def _unread(listing: Listing) -> list[str]:
    """How to convert files of kinds that are not read."""
    commands = {f"{count} {kind}": command(kind) for kind, count in listing.left_out.items()}
    return [f"{name}: not read; use: {made}" for name, made in commands.items() if made]


def _decode_all(
    item: Item, source: Photographs, report: Report, how: _How
) -> tuple[Item, list[int]]:
    """Decode every image as training would; faults go to the report. Gives the broken images."""
    there = np.setdiff1d(np.arange(len(source)), source.absent).tolist()
    with ThreadPoolExecutor() as pool:
        faults = how.reading.track(pool.map(source.fault, there), item.name, len(there))
        found = {at: why for at, why in zip(there, faults, strict=True) if why is not None}
    report.broken |= {source.name(at): why for at, why in found.items()}
    if found:
        missing = f"{item.says}; " if item.state == "subset" else ""
        says = f"{missing}{len(found)} of {len(there)} images are broken"
        return Item(item.name, "broken", says), list(found)
    return Item(item.name, "whole" if item.state == "unchecked" else item.state, item.says), []


def _advice(path: Path, report: Report) -> str:
    """What to do, in one sentence."""
    if not report.views:
        return (
            report.why_not[0]
            if report.why_not
            else f"{path} holds no images: put them beside the tables (bench data get celeba "
            "fetches CelebA's)"
        )
    if report.broken:
        why, count = next(iter(grouped(list(report.broken.values())).items()))
        return (
            f"{len(report.broken)} images are broken, {count} of them so: {why}; {what_to_do(why)}"
        )
    faulty = [item for item in report.items if item.state == "broken"]
    if faulty:
        return f"fetch {faulty[0].name} again, or do without the views that need it"
    least: dict[Split, int] = dict.fromkeys(report.images, LEAST_JUDGED)
    needed = too_few(report.images, least)
    sizes = ", ".join(f"{count} {part}" for part, count in report.images.items())
    if needed is not None:
        return (
            f"more images are needed: a judge takes at least {LEAST_JUDGED} of each part, and here "
            f"are {sizes}; about {needed} in all would do"
        )
    if report.views == ["folder"]:
        where = f"--data-root {path.parent} --set data.name=folder --set data.folder={path.name}"
        return f"train on them by {where}"
    return f"train on them by --data-root {path}"
