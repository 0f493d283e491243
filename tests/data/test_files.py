"""Files by name and as bytes: folders and archives alike."""

import tarfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.containers.archives import Tar, Zip, open_files
from benchmark.data.containers.files import Files, Folder
from benchmark.data.images import Unreadable
from benchmark.data.survey import survey
from benchmark.errors import InputError


def content_digest(files: Files, names: list[str]) -> bytes:
    return survey(files, names).digest(names)


CONTENT = {"a.jpg": b"one", "b/c.png": b"two", "empty.txt": b""}


def read(files: Files, name: str) -> bytes | None:
    try:
        return files.read(name)
    except Unreadable:
        return None


def zipped(path: Path, content: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("prefix", ["", "faces/"])
def test_an_archive_is_the_folder_that_it_unpacks_to(prefix: str, tmp_path: Path) -> None:
    (tmp_path / "faces" / "b").mkdir(parents=True)
    for name, data in CONTENT.items():
        (tmp_path / "faces" / name).write_bytes(data)
    packed = {f"{prefix}{name}": data for name, data in CONTENT.items()}
    if prefix:
        packed["__MACOSX/faces/._a.jpg"] = b"what a Mac adds"
    archive = Zip(zipped(tmp_path / "faces.zip", packed))
    folder = Folder(tmp_path / "faces")
    assert archive.names() == folder.names() == sorted(CONTENT)
    for name in (*CONTENT, "none.jpg"):
        assert read(archive, name) == read(folder, name) == CONTENT.get(name)
    assert content_digest(archive, sorted(CONTENT)) == content_digest(folder, sorted(CONTENT))


def test_the_digest_follows_every_byte_name_and_order(tmp_path: Path) -> None:
    def digest(content: dict[str, bytes], names: list[str]) -> bytes:
        path = zipped(tmp_path / "x.zip", content)
        return content_digest(Zip(path), names)

    names = sorted(CONTENT)
    seen = {digest(CONTENT, names), digest(CONTENT, names[::-1]), digest(CONTENT, names[:2])}
    for name in names:
        seen.add(digest({**CONTENT, name: CONTENT[name] + b"\0"}, names))
        seen.add(digest({k: v for k, v in CONTENT.items() if k != name}, names))
    assert len(seen) == 3 + 2 * 3


def test_a_folder_comes_before_an_archive_of_its_name(tmp_path: Path) -> None:
    assert open_files(tmp_path, "faces") is None
    zipped(tmp_path / "faces.zip", CONTENT)
    assert isinstance(open_files(tmp_path, "faces"), Zip)
    (tmp_path / "faces").mkdir()
    assert isinstance(open_files(tmp_path, "faces"), Folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_broken_archive_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.zip: not a valid zip archive .*fetch it again"):
        open_files(tmp_path, "faces")


def test_a_tar_that_breaks_off_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(3000))
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "a.png")
    whole = (tmp_path / "faces.tar").read_bytes()
    (tmp_path / "faces.tar").write_bytes(whole[:2000])
    with pytest.raises(InputError, match=r"faces\.tar: not a valid tar archive .*fetch it again"):
        open_files(tmp_path, "faces")


def test_a_file_of_two_names_is_two_in_a_tar_too(tmp_path: Path) -> None:
    (tmp_path / "faces" / "b").mkdir(parents=True)
    (tmp_path / "faces" / "b" / "x.jpg").write_bytes(b"one")
    (tmp_path / "faces" / "y.jpg").hardlink_to(tmp_path / "faces" / "b" / "x.jpg")
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        archive.add(tmp_path / "faces", "./faces")
    folder, packed = Folder(tmp_path / "faces"), Tar(tmp_path / "faces.tar")
    assert packed.names() == folder.names() == ["b/x.jpg", "y.jpg"]
    assert read(packed, "y.jpg") == read(packed, "b/x.jpg") == b"one"


def test_a_member_that_lost_its_name_is_none(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b"lost", "b": b"here"})
    spoiled = bytearray(path.read_bytes())
    # The name in the directory: after 46 bytes, in whose time of day an "a" may be, too.
    name = spoiled.index(b"PK\x01\x02") + 46
    assert spoiled[name : name + 1] == b"a"
    spoiled[name] = 0
    path.write_bytes(spoiled)
    archive = Zip(path)
    assert archive.names() == ["b"]
    assert read(archive, "b") == b"here"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_gives_its_content_or_nothing(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The archive's sums tell: never other bytes."""
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    content = {"a": b"some bytes to be packed, packed, packed", "b": bytes(range(200))}
    spoiled = bytearray(zipped(path, content).read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(spoiled) - 1), min_size=1, max_size=4)):
        spoiled[at] = data.draw(st.integers(0, 255))
    path.write_bytes(spoiled)
    try:
        archive = Zip(path)
    except InputError:
        return
    for name in content:
        assert read(archive, name) in (None, content[name])


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(300_000_000)  # a hole: no space is used
    with pytest.raises(Unreadable, match=r"^too large: 300000000 bytes$"):
        Folder(tmp_path).read("huge.jpg")
