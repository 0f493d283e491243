"""Images by name and as bytes: folders and archives alike, and every kind of bad file."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.data.files import (
    Archive,
    Folder,
    Unreadable,
    content_digest,
    decode,
    open_files,
    orientation,
)
from benchmark.errors import InputError

CONTENT = {"a.jpg": b"one", "b/c.png": b"two", "empty.txt": b""}


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
    archive = Archive(zipped(tmp_path / "faces.zip", packed))
    folder = Folder(tmp_path / "faces")
    assert archive.names() == folder.names() == sorted(CONTENT)
    for name in (*CONTENT, "none.jpg"):
        assert archive.read(name) == folder.read(name) == CONTENT.get(name)
    assert content_digest(archive, sorted(CONTENT)) == content_digest(folder, sorted(CONTENT))


def test_the_digest_follows_every_byte_name_and_order(tmp_path: Path) -> None:
    def digest(content: dict[str, bytes], names: list[str]) -> bytes:
        path = zipped(tmp_path / "x.zip", content)
        return content_digest(Archive(path), names)

    names = sorted(CONTENT)
    seen = {digest(CONTENT, names), digest(CONTENT, names[::-1]), digest(CONTENT, names[:2])}
    for name in names:
        seen.add(digest({**CONTENT, name: CONTENT[name] + b"\0"}, names))
        seen.add(digest({k: v for k, v in CONTENT.items() if k != name}, names))
    assert len(seen) == 3 + 2 * 3


def test_a_folder_comes_before_an_archive_of_its_name(tmp_path: Path) -> None:
    assert open_files(tmp_path, "faces") is None
    zipped(tmp_path / "faces.zip", CONTENT)
    assert isinstance(open_files(tmp_path, "faces"), Archive)
    (tmp_path / "faces").mkdir()
    assert isinstance(open_files(tmp_path, "faces"), Folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_broken_archive_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.zip: not a whole zip archive .*fetch it again"):
        open_files(tmp_path, "faces")


def test_a_member_that_lost_its_name_is_none(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b"lost", "b": b"here"})
    spoiled = bytearray(path.read_bytes())
    # The name in the directory: after 46 bytes, in whose time of day an "a" may be, too.
    name = spoiled.index(b"PK\x01\x02") + 46
    assert spoiled[name : name + 1] == b"a"
    spoiled[name] = 0
    path.write_bytes(spoiled)
    archive = Archive(path)
    assert archive.names() == ["b"]
    assert archive.read("b") == b"here"


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
        archive = Archive(path)
    except InputError:
        return
    for name in content:
        assert archive.read(name) in (None, content[name])


def image(mode: str, size: tuple[int, int] = (20, 30), kind: str = "PNG", **more: Any) -> bytes:
    file = BytesIO()
    Image.new(mode, size, 77 if mode in ("L", "P") else None).save(file, kind, **more)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """The head of a PNG that says it is `side` wide and high."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (head, b"IDAT" + zlib.compress(b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "missing"),
        (b"", "no image of these kinds"),
        (b"GIF89a", "no image"),
        (image("RGB", kind="BMP"), "no image"),
        (image("RGB", kind="EPS"), "no image"),
        (image("RGB", kind="TIFF"), "no image"),
        (image("RGB", kind="JPEG")[:-80], "damaged"),
        (image("RGB")[:50], "damaged"),
        (image("CMYK", kind="JPEG"), "CMYK"),
        (image("P"), "neither RGB nor grey, but P"),
        (image("RGBA"), "RGBA"),
        (image("LA"), "LA"),
        (image("1"), "1"),
        (image("I;16"), "I;16"),
        (image("RGB", transparency=(0, 0, 0)), "neither RGB"),
        (bomb(8_000), "too large: 8000 x 8000"),
        (bomb(12_000), "damaged"),
        (bomb(60_000), "damaged"),
    ],
)
def test_what_is_no_photograph_says_why(content: bytes | None, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        decode(content)


def test_grey_becomes_colour_and_one_pixel_is_an_image() -> None:
    grey = decode(image("L", kind="JPEG"))
    assert (grey.mode, grey.size) == ("RGB", (20, 30))
    assert (np.asarray(grey) == 77).all()
    assert decode(image("RGB", (1, 1))).size == (1, 1)
    assert decode(image("RGB", kind="WEBP")).mode == "RGB"


def test_orientation_is_read_from_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert orientation(decode(image("RGB", kind="JPEG", exif=exif))) == 6
    assert orientation(decode(image("RGB", kind="JPEG"))) == 1
    assert orientation(decode(image("RGB", kind="JPEG", exif=Image.Exif()))) == 1


@settings(max_examples=150, deadline=None)
@given(rest=st.binary(max_size=80))
def test_any_exif_is_an_orientation_or_unreadable(rest: bytes) -> None:
    with suppress(Unreadable):
        photograph = decode(image("RGB", kind="JPEG", exif=b"Exif\0\0" + rest))
        assert isinstance(orientation(photograph), int)


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(300_000_000)  # a hole: no space is used
    assert Folder(tmp_path).read("huge.jpg") is None
