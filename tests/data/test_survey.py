"""Files are read once: what has not changed since is not read again, and copies are found."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data import survey as survey_module
from benchmark.data.celeba.dataset import CelebA
from benchmark.data.check import check
from benchmark.data.containers.files import Folder
from benchmark.data.images import Rule
from benchmark.data.settings import CelebASettings, FolderSettings
from benchmark.data.source import open_source
from benchmark.data.store import open_store
from benchmark.data.survey import survey
from benchmark.errors import InputError
from tests.data.made_up import ramp

SETTINGS = FolderSettings(name="folder", folder="faces", size=16)
LONG_AGO = time.time() - 3600


class Watched(Folder):
    """A folder that says which files were read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read_names: list[str] = []

    def read(self, name: str) -> bytes:
        self.read_names.append(name)
        return super().read(name)


def settle(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(6):
        Image.new("RGB" if i else "RGBA", (20, 20), (i, 0, 0)).save(folder / f"{i}.png")
    settle(folder)
    # The time of change of an inode cannot be set, so here it does not count as recent.
    monkeypatch.setattr(survey_module, "_SETTLED_NS", -(10**12))
    return folder


def read_by(faces: Path, cache: Path, names: list[str] | None = None) -> list[str]:
    files = Watched(faces)
    survey(files, names or [*files.images().names], cache)
    return sorted(files.read_names)


def test_unchanged_files_are_not_read_again(faces: Path, tmp_path: Path) -> None:
    cache, names = tmp_path / "cache", [f"{i}.png" for i in range(6)]
    files = Folder(faces)
    first = survey(files, names)
    assert read_by(faces, cache) == names
    assert read_by(faces, cache) == []
    again = survey(files, names, cache)
    assert np.array_equal(first.sums, again.sums)
    assert first.digest(names) == again.digest(names)
    assert again.counts() == {Rule.ALPHA: 1}
    assert read_by(faces, cache, ["4.png", "2.png"]) == []
    assert survey(files, ["4.png", "2.png"], cache).digest(names[:2]) == survey(
        files, ["4.png", "2.png"]
    ).digest(names[:2])


@pytest.mark.parametrize("change", ["content", "time", "inode", "size", "new"])
def test_a_file_that_changed_is_read_again_and_no_other(
    change: str, faces: Path, tmp_path: Path
) -> None:
    cache, path = tmp_path / "cache", faces / "3.png"
    before = survey(Folder(faces), ["3.png"]).sums.copy()
    read_by(faces, cache)
    content = path.read_bytes()
    if change == "content":  # of the same length, its time put back: the inode's own time tells
        path.write_bytes(content[:-1] + b"\0")
        os.utime(path, (LONG_AGO, LONG_AGO))
    elif change == "time":
        path.touch()
    elif change == "inode":
        path.rename(faces / "old")
        path.write_bytes(content)
        (faces / "old").unlink()
    elif change == "size":
        path.write_bytes(content + b"\0")
    else:
        path = faces / "new.png"
        path.write_bytes(content[:-1] + b"\1")
    assert read_by(faces, cache) == [path.name]
    after = survey(Folder(faces), [path.name], cache).sums
    assert np.array_equal(before, after) == (change in ("time", "inode"))


def test_a_file_that_is_being_written_is_read_again(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a tick of the clock a second change shows in nothing but the content."""
    monkeypatch.setattr(survey_module, "_SETTLED_NS", 2 * 10**9)
    names = [f"{i}.png" for i in range(6)]
    assert read_by(faces, tmp_path / "cache") == names
    assert read_by(faces, tmp_path / "cache") == names


@pytest.mark.parametrize("spoil", [b"", b"PK", b"no archive"])
def test_a_damaged_cache_is_only_slower(spoil: bytes, faces: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    read_by(faces, cache)
    (kept,) = (cache / "sums").iterdir()
    kept.write_bytes(spoil)
    assert len(read_by(faces, cache)) == 6
    assert read_by(faces, cache) == []


def test_a_cache_that_cannot_be_written_is_only_slower(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert len(read_by(faces, tmp_path / "cache")) == 6


def test_a_second_run_reads_no_image_but_a_few(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6, 60):
        Image.new("RGB", (20, 20), (i, 0, 0)).save(faces / f"{i}.png")
    settle(faces)
    first = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    read: list[str] = []
    whole = Folder.read
    monkeypatch.setattr(
        Folder, "read", lambda self, name: [read.append(name), whole(self, name)][1]
    )
    second = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert second.fingerprint == first.fingerprint
    assert len(read) == 16  # whose pixels enter the fingerprint


# ---- copies -------------------------------------------------------------------------------------


def copies(folder: Path, count: int, different: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (20, 20), (i % different, 7, 0)).save(folder / f"{i:03d}.png")


def test_copies_are_kept_in_one_part(tmp_path: Path) -> None:
    copies(tmp_path / "faces", 600, 250)
    source = open_source(SETTINGS, tmp_path)
    store = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    seen: dict[str, set[int]] = {
        part: set(store.images[at, 0, 0, 0].tolist()) for part, at in store.splits.items()
    }
    assert seen["train"].isdisjoint(seen["validation"] | seen["test"])
    assert seen["validation"].isdisjoint(seen["test"])
    assert min(map(len, seen.values())) > 0
    # Training keeps all of its images, copies of one another too.
    assert store.splits["train"].tolist() == source.splits()["train"].tolist()
    lost = sum(len(at) for at in source.splits().values()) - sum(
        len(at) for at in store.splits.values()
    )
    assert lost == len(source.copies()) > 50
    report = check(tmp_path / "faces", deep=True)
    assert len(report.copies) == 350
    assert report.copies["faces/250.png"] == "faces/000.png"
    assert any(f"350 images are copies of others; {lost} of them" in n for n in report.notes)
    assert report.images == {part: len(at) for part, at in store.splits.items()}


def test_six_hundred_files_of_five_images_are_not_trained_on(tmp_path: Path) -> None:
    copies(tmp_path / "faces", 600, 5)
    report = check(tmp_path / "faces", deep=True)
    assert report.views == []
    assert not report.usable
    assert "images are all copies of images of another part" in report.advice
    with pytest.raises(InputError) as caught:
        open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert str(caught.value) == report.advice


def test_the_fingerprint_follows_which_copies_are_left_out(tmp_path: Path) -> None:
    """Without copies it is what it was before they were looked for."""
    copies(tmp_path / "a" / "faces", 60, 60)
    copies(tmp_path / "b" / "faces", 60, 20)
    import hashlib

    for root, same in ((tmp_path / "a", True), (tmp_path / "b", False)):
        source = open_source(SETTINGS, root)
        text = f"{source.pixels()}/{SETTINGS.model_dump_json()}".encode()
        assert (source.fingerprint() == hashlib.sha256(text).hexdigest()) == same


@pytest.mark.parametrize(("twice", "kept"), [(1, True), (4, False)])
def test_a_few_copies_stay_where_a_published_partition_has_them(
    twice: int, kept: bool, tmp_path: Path
) -> None:
    """1 of 40 held-out images, or 4."""
    (tmp_path / "img_align_celeba").mkdir()
    for i in range(100):
        picture = ramp(178, 218, blue=i if i < 100 - twice else 0)
        picture.save(tmp_path / "img_align_celeba" / f"{i:06d}.jpg", "PNG")
    lines = [f"{i:06d}.jpg {0 if i < 60 else 1 if i < 80 else 2}\n" for i in range(100)]
    (tmp_path / "list_eval_partition.txt").write_text("".join(lines))
    source = CelebA(CelebASettings(name="celeba", size=16), tmp_path)
    assert len(source.copies()) == (0 if kept else twice)
    report = check(tmp_path, deep=True)
    assert len(report.copies) == twice
    says = "stay there as published" if kept else "are left out"
    assert any(says in note for note in report.notes)
    assert report.views == ["aligned", "rotated"]


def test_few_images_are_whole_and_too_few(tmp_path: Path) -> None:
    copies(tmp_path / "faces", 2, 2)
    report = check(tmp_path / "faces", deep=True)
    assert report.views == ["folder"]
    assert report.advice.startswith("more images are needed: a judge takes at least 50 of each")
    with pytest.raises(InputError, match="no such folder"):
        check(tmp_path / "none", deep=True)
