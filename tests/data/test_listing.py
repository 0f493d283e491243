"""Which files of a folder are images: nothing of the system's, each once, the others counted."""

import os
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from benchmark.data.check import check
from benchmark.data.containers import listing
from benchmark.data.containers.archives import open_path
from benchmark.data.containers.files import Folder
from benchmark.data.containers.listing import (
    CLOSED,
    NO_SUFFIX,
    NOWHERE,
    SPECIAL,
    SYSTEM,
    TWICE,
    shown,
    stem_of,
    suffix_of,
)
from benchmark.data.settings import FolderSettings
from benchmark.data.source import open_source
from benchmark.data.store import open_store

SETTINGS = FolderSettings(name="folder", folder="faces", size=16)


def photographs(folder: Path, *names: str, start: int = 0) -> None:
    for i, name in enumerate(names, start):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (i % 256, i // 256, 9)).save(folder / name, "PNG")


JUNK = [
    "._a.jpg",
    ".hidden.png",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "__MACOSX/a.jpg",
    "__MACOSX/sub/._a.jpg",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    "sub/@eaDir/b.jpg",
    ".ipynb_checkpoints/a-checkpoint.png",
    ".git/objects/a.png",
    "#recycle/old.jpg",
    "$RECYCLE.BIN/S-1/old.jpg",
    "lost+found/x.jpg",
    "@Recycle/old.jpg",
    "@Recently-Snapshot/GMT-01/a.jpg",
    "#snapshot/a.jpg",
]


@pytest.mark.parametrize("junk", JUNK)
def test_what_a_system_leaves_is_no_image(junk: str, tmp_path: Path) -> None:
    photographs(tmp_path / "faces", "a.jpg", "sub/b.jpg", junk)
    found = Folder(tmp_path / "faces").images()
    assert list(found.names) == ["a.jpg", "sub/b.jpg"]
    assert dict(found.left_out) == {SYSTEM: 1}
    with ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a.jpg", "sub/b.jpg", junk):
            archive.write(tmp_path / "faces" / name, name)
    assert list(open_path(tmp_path / "x.zip").images().names) == ["a.jpg", "sub/b.jpg"]
    report = check(tmp_path / "faces", deep=True)
    assert report.broken == {}
    assert report.items[0].says == "2 images"


def test_a_root_of_a_hidden_name_is_read(tmp_path: Path) -> None:
    photographs(tmp_path / ".data" / "faces", "a.jpg")
    assert list(Folder(tmp_path / ".data" / "faces").images().names) == ["a.jpg"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    photographs(tmp_path / "elsewhere", "x.png", "deep/y.png")
    faces = tmp_path / "faces"
    photographs(faces, "own/a.png", start=9)
    (faces / "b").symlink_to(tmp_path / "elsewhere")
    (faces / "c").symlink_to(tmp_path / "elsewhere")  # a second way to the same
    (faces / "a").symlink_to(faces / "own")  # its own place comes first
    (faces / "own" / "up").symlink_to(faces)  # a cycle
    (faces / "d.png").symlink_to(faces / "own" / "a.png")
    (faces / "nowhere.png").symlink_to(tmp_path / "none.png")
    (faces / "itself.png").symlink_to(faces / "itself.png")
    found = Folder(faces).images()
    assert list(found.names) == ["b/deep/y.png", "b/x.png", "d.png", "own/a.png"]
    assert dict(found.left_out) == {TWICE: 3, NOWHERE: 2}
    assert open_source(SETTINGS, tmp_path).notes() == [f"faces: not read: 3 {TWICE}, 2 {NOWHERE}"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", "a.png")
    os.mkfifo(tmp_path / "faces" / "b.png")
    found = Folder(tmp_path / "faces").images()
    assert list(found.names) == ["a.png"]
    assert dict(found.left_out) == {SPECIAL: 1}


def test_folders_without_permission_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path / "faces", "a.png", "closed/b.png")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(listing.os, "scandir", refuse)
    report = check(tmp_path / "faces", deep=True)
    assert report.items[0].says == "1 images"
    assert f"faces: not read: 1 {CLOSED}" in report.notes


def test_files_of_other_kinds_are_counted_with_the_command(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", "a.png", "b.bmp")
    for name in ("1.heic", "2.HEIC", "clip.mp4", "notes.txt", "README"):
        (tmp_path / "faces" / name).write_bytes(b"x")
    found = Folder(tmp_path / "faces").images()
    assert list(found.names) == ["a.png", "b.bmp"]
    assert dict(found.left_out) == {".heic": 2, ".mp4": 1, ".txt": 1, NO_SUFFIX: 1}
    report = check(tmp_path / "faces", deep=False)
    assert f"faces: not read: 2 .heic, 1 .mp4, 1 .txt, 1 {NO_SUFFIX}" in report.notes
    assert any("2 .heic: not read; " in note and "mogrify" in note for note in report.notes)
    assert any("ffmpeg" in note for note in report.notes)


def test_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path: Path) -> None:
    photographs(tmp_path / "faces", *[f"{i}.png" for i in range(60)])
    (tmp_path / "faces" / "7.png").rename(tmp_path / "faces" / os.fsdecode(b"m\xfcller.png"))
    store = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert sum(len(at) for at in store.splits.values()) == 60
    source = open_source(SETTINGS, tmp_path)
    names = [source.name(i) for i in range(60)]
    assert "faces/m\\udcfcller.png" in names
    "".join(names).encode()
    report = check(tmp_path / "faces", deep=True)
    assert report.views == ["folder"]
    assert shown("m\udcfcller") == "m\\udcfcller"
    assert source.fingerprint() == store.fingerprint


def test_suffixes_and_stems() -> None:
    assert [suffix_of(name) for name in ("a/b.JPG", "x.tar.gz", ".tar", "a.b/c", "a.")] == [
        ".jpg", ".gz", "", "", "."
    ]  # fmt: skip
    assert [stem_of(name) for name in ("a/b.JPG", "a.b/c", ".x")] == ["b", "c", ".x"]


def test_a_folder_of_any_name_can_be_trained_on_as_the_check_says(tmp_path: Path) -> None:
    name = "Meine Gesichter (1), größer & schöner!"
    photographs(tmp_path / name, *[f"{i}.png" for i in range(30)])
    assert check(tmp_path / name, deep=False).views == ["folder"]
    settings = FolderSettings(name="folder", folder=name, size=16)
    assert len(open_source(settings, tmp_path)) == 30
    for outside in ("/etc", "..", "a/../b", "a//b", "", "./a", ".", "a\\b"):
        with pytest.raises(ValueError, match="folder"):
            FolderSettings(name="folder", folder=outside, size=16)


def test_the_order_of_the_listing_is_that_of_the_names(tmp_path: Path) -> None:
    """The order of images decides the order of batches: the same on every file system."""
    names = ["b/1.png", "a.png", "a/2.png", "B.png", "a-1.png", "b.png", "a/10.png"]
    photographs(tmp_path / "faces", *names)
    assert list(Folder(tmp_path / "faces").images().names) == sorted(names)
    assert np.array_equal(
        open_source(SETTINGS, tmp_path).decode(np.arange(7))[0][:, 0, 0, 0],
        [names.index(name) for name in sorted(names)],
    )
