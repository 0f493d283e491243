"""Which files of a tree are images, and how many others there are, of what kind."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from benchmark.data.images import SUFFIXES

SYSTEM = "hidden or of the system"
NOWHERE = "links that lead nowhere"
TWICE = "links to folders that are read already"
CLOSED = "folders without permission"
SPECIAL = "pipes, sockets or devices"
NO_SUFFIX = "without suffix"
# What systems and tools leave beside people's files, besides all that begins with a full stop
# (._a.jpg, .DS_Store, .ipynb_checkpoints, ...).
_OF_THE_SYSTEM = {
    "__macosx", "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot",
    "$recycle.bin", "system volume information", "lost+found",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__pycache__",
}  # fmt: skip
# For kinds of files that are not read, the command that converts them into what is read.
_MAGICK = "magick mogrify -format png *{kind}"
_CLASS = "a data set class of your own (see the page Add your own)"
_COMMANDS = {
    # Read on their own, but not beside images of the same folder.
    ".zip": "unzip {name}",
    **dict.fromkeys((".tar", ".tgz"), "tar xf {name}"),
    **dict.fromkeys((".7z", ".001"), "7z x {name}"),
    ".rar": "unrar x {name}",
    **dict.fromkeys((".bz2", ".tbz2", ".xz", ".txz"), "tar xf {name}"),
    ".zst": "tar --zstd -xf {name}",
    ".gz": "gunzip {name}",
    **dict.fromkeys((".heic", ".heif", ".psd", ".svg", ".tga", ".exr", ".hdr", ".pcx"), _MAGICK),
    **dict.fromkeys((".pfm", ".xcf", ".eps", ".pdf", ".j2k", ".jxl", ".qoi", ".ras"), _MAGICK),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _MAGICK),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "ffmpeg -i {name} %06d.png"),
    ".arrow": "datasets.load_from_disk(FOLDER).to_parquet('faces.parquet') in Python",
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt", ".mdb"), _CLASS),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".beton", ".rec", ".lmdb", ".idx"), _CLASS),
}


@dataclass(frozen=True)
class Listing:
    """Image files by name, sorted, and how many others there are by kind."""

    names: Sequence[str]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def said(self) -> str:
        """What is left out, in words; empty where nothing is."""
        most = sorted(self.left_out.items(), key=lambda kind: (-kind[1], kind[0]))
        return ", ".join(f"{count} {kind}" for kind, count in most)


def is_of_the_system(name: str) -> bool:
    """Whether a file, or a folder above it, is hidden or left there by a system."""
    parts = PurePosixPath(name).parts if "/" in name else (name,)
    return any(part.startswith(".") or part.lower() in _OF_THE_SYSTEM for part in parts)


def walk(root: Path) -> tuple[list[str], Counter[str]]:
    """Every file below `root` by its path in it, sorted, and what is not entered, counted.

    Links to folders are followed, and no folder is read twice: its own place comes first, then
    links in the order of their names.
    """
    files: list[str] = []
    left_out: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    links: list[str] = []
    waiting = [""]
    while waiting or links:
        if not waiting:
            links.sort(reverse=True)
            waiting.append(links.pop())
        folder = waiting.pop()
        try:
            found = (root / folder).stat()
            if (found.st_dev, found.st_ino) in seen:
                left_out[TWICE] += 1
                continue
            seen.add((found.st_dev, found.st_ino))
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if is_of_the_system(entry.name):
                        left_out[SYSTEM] += 1
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(name)
                    elif entry.is_file(follow_symlinks=False):
                        files.append(name)
                    elif not entry.is_symlink():
                        left_out[SPECIAL] += 1
                    elif (root / name).is_dir():
                        links.append(name)
                    elif (root / name).is_file():
                        files.append(name)
                    else:
                        left_out[NOWHERE] += 1
        except OSError:
            left_out[CLOSED] += 1
    return sorted(files), left_out


def images_among(names: Iterable[str], left_out: Mapping[str, int]) -> Listing:
    """The images among files by their suffixes; the others are counted."""
    images: list[str] = []
    others = Counter({kind: count for kind, count in left_out.items() if count})
    for name in names:
        suffix = suffix_of(name)
        if suffix in SUFFIXES:
            images.append(name)
        else:
            others[suffix or NO_SUFFIX] += 1
    return Listing(images, others)


def suffix_of(name: str) -> str:
    """In lower case; empty where there is none."""
    stem, dot, suffix = name.rpartition("/")[2].lower().rpartition(".")
    return f".{suffix}" if dot and stem else ""


def stem_of(name: str) -> str:
    """The file's name without folder and suffix."""
    last = name.rpartition("/")[2]
    stem, dot, _ = last.rpartition(".")
    return stem if dot and stem else last


def without_suffix(name: str) -> str:
    """The file's name with its folder."""
    folder, slash, _ = name.rpartition("/")
    return f"{folder}{slash}{stem_of(name)}"


def shown(name: str) -> str:
    """A name that can be printed, whatever bytes it has."""
    return name.encode("utf-8", "backslashreplace").decode()


def command(kind: str, name: str | None = None) -> str | None:
    """What converts files of a suffix that is not read, as `.heic`; None where nothing is known."""
    found = _COMMANDS.get(kind)
    return None if found is None else found.format(kind=kind, name=name or f"NAME{kind}")
