"""Every kind of image becomes RGB by the rule that is stated, or says why it does not."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from benchmark.data.images import Rule, Unreadable, decode, orientation, rules, size_of


def saved(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def plain(mode: str, colour: Any = None, kind: str = "PNG", **more: Any) -> bytes:
    if colour is None:
        colour = 77 if mode in ("L", "P") else 0
    return saved(Image.new(mode, (20, 30), colour), kind, **more)


def bomb(side: int) -> bytes:
    """The head of a PNG that says it is `side` wide and high."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (head, b"IDAT" + zlib.compress(b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def noise(size: tuple[int, int] = (60, 80)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no image of these kinds"),
        (b"GIF89a", "damaged|no image"),
        (plain("RGB", kind="EPS"), "no image"),
        (plain("RGB", kind="JPEG")[:-80], "damaged"),
        (plain("RGB")[:50], "damaged"),
        (plain("F", 0.5, kind="TIFF"), "its pixels are F, whose black and white are not known"),
        (plain("I", 7, kind="TIFF"), "its pixels are I"),
        (bomb(7_500), "too large: 7500 x 7500"),
        (bomb(12_000), "damaged"),
        (bomb(60_000), "damaged"),
    ],
)
def test_what_is_no_photograph_says_why(content: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        decode(content)
    assert rules(content) == Rule(0)


HALF = (200, 100, 0, 128)  # 128 / 255 of it over white


def deep_png(kind: int, pixel: tuple[int, ...]) -> bytes:
    """20 x 30 pixels of 16 bits a channel, which Pillow does not write but for grey."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    head = (20).to_bytes(4) + (30).to_bytes(4) + bytes([16, kind, 0, 0, 0])
    rows = (b"\0" + 20 * b"".join(value.to_bytes(2) for value in pixel)) * 30
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "followed", "seen"),
    [
        (plain("L", 77, "JPEG"), Rule(0), (77, 77, 77)),
        (plain("RGB", (10, 20, 30)), Rule(0), (10, 20, 30)),
        (plain("RGB", (10, 20, 30), "WEBP", lossless=True), Rule(0), (10, 20, 30)),
        (plain("RGB", (10, 20, 30), "BMP"), Rule.FORMAT, (10, 20, 30)),
        (plain("RGB", (10, 20, 30), "TIFF"), Rule.FORMAT, (10, 20, 30)),
        (plain("RGB", (10, 20, 30), "PPM"), Rule.FORMAT, (10, 20, 30)),
        (plain("P", 3, "GIF"), Rule.FORMAT | Rule.PALETTE, None),
        (plain("RGBA", HALF), Rule.ALPHA, (227, 177, 127)),
        (plain("RGBA", (9, 9, 9, 0)), Rule.ALPHA, (255, 255, 255)),
        (plain("LA", (100, 51)), Rule.ALPHA, (224, 224, 224)),
        (plain("RGB", (1, 2, 3), transparency=(1, 2, 3)), Rule.ALPHA, (255, 255, 255)),
        (plain("RGB", (1, 2, 3), transparency=(0, 0, 0)), Rule.ALPHA, (1, 2, 3)),
        (plain("L", 7, transparency=7), Rule.ALPHA, (255, 255, 255)),
        (plain("1", 1), Rule.BILEVEL, (255, 255, 255)),
        (plain("1", 0), Rule.BILEVEL, (0, 0, 0)),
        (plain("I;16", 0x1234), Rule.DEEP, (0x12, 0x12, 0x12)),
        (plain("I;16", 0xFFFF), Rule.DEEP, (255, 255, 255)),
        (deep_png(2, (0x12FF, 0x3400, 0xFFFF)), Rule.DEEP, (0x12, 0x34, 0xFF)),
        (deep_png(6, (0x12FF, 0x3400, 0, 0)), Rule.DEEP | Rule.ALPHA, (255, 255, 255)),
        (deep_png(4, (0x12FF, 0xFFFF)), Rule.DEEP | Rule.ALPHA, (0x12, 0x12, 0x12)),
        (plain("CMYK", (0, 0, 0, 0), "JPEG"), Rule.CMYK, (255, 255, 255)),
        (plain("CMYK", (51, 102, 0, 51), "TIFF"), Rule.CMYK | Rule.FORMAT, (163, 122, 204)),
    ],
)
def test_every_kind_has_its_rule(
    content: bytes, followed: Rule, seen: tuple[int, int, int] | None
) -> None:
    image = decode(content)
    assert (image.mode, image.size) == ("RGB", (20, 30))
    assert rules(content) == followed
    if seen is not None:
        assert np.abs(np.asarray(image).astype(int) - seen).max() <= 1
    assert size_of(content) == (20, 30)


def test_a_palette_is_looked_up_and_may_be_transparent() -> None:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30, 200, 0, 0])
    image.putpixel((3, 1), 2)
    pixels = np.asarray(decode(saved(image)))
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[1, 3].tolist() == [200, 0, 0]
    clear = saved(image, transparency=1)
    assert rules(clear) == Rule.PALETTE | Rule.ALPHA
    assert np.asarray(decode(clear))[0, 0].tolist() == [255, 255, 255]


def test_the_first_of_several_images_is_taken() -> None:
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    for kind in ("GIF", "TIFF", "MPO", "PNG", "WEBP"):
        content = saved(first, kind, save_all=True, append_images=[second])
        pixel = np.asarray(decode(content))[4, 4]
        assert np.abs(pixel.astype(int) - (254, 0, 0)).max() <= 3, kind
    assert rules(saved(first, "MPO", save_all=True, append_images=[second])) == Rule(0)


@pytest.mark.skipif("AVIF" not in Image.registered_extensions().values(), reason="no AVIF here")
def test_avif_is_read() -> None:
    content = plain("RGB", (100, 150, 200), "AVIF", quality=100)
    assert np.abs(np.asarray(decode(content)).astype(int) - (100, 150, 200)).max() <= 3
    assert rules(content) == Rule.FORMAT


def profile(matrix: list[tuple[float, float, float]], gamma: float) -> bytes:
    """An ICC profile (version 2) of three primaries in XYZ and a gamma."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {
        b"desc": text + bytes(-len(text) % 4), b"cprt": b"text\0\0\0\0test\0\0\0\0",
        b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"rXYZ": xyz(matrix[0]), b"gXYZ": xyz(matrix[1]),
        b"bXYZ": xyz(matrix[2]), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value
    head = struct.pack(">I4sI", at + len(data), b"lcms", 0x02100000) + b"mntrRGB XYZ "
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]


def test_a_wider_colour_profile_is_followed() -> None:
    """Adobe RGB against the colour sciences' own formulas."""
    colour = np.array([100, 150, 200])
    linear = (colour / 255) ** 2.19921875
    there = np.linalg.solve(np.array(SRGB).T, np.array(ADOBE).T @ linear)
    wanted = 255 * np.where(there <= 0.0031308, 12.92 * there, 1.055 * there ** (1 / 2.4) - 0.055)
    assert np.abs(wanted - colour).max() > 8  # it is another colour
    adobe = profile(ADOBE, 2.19921875)
    content = plain("RGB", tuple(colour.tolist()), icc_profile=adobe)
    assert rules(content) == Rule.PROFILE
    assert np.abs(np.asarray(decode(content))[5, 5] - wanted).max() <= 1.5
    clear = plain("RGBA", (*colour.tolist(), 255), icc_profile=adobe)
    assert rules(clear) == Rule.PROFILE | Rule.ALPHA
    assert np.array_equal(np.asarray(decode(clear)), np.asarray(decode(content)))


@pytest.mark.parametrize(
    "kept",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        b"no profile at all",
        profile(ADOBE, 2.2)[:200],
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_srgb_and_a_damaged_profile_change_nothing(kept: bytes, mode: str) -> None:
    colour = (100, 150, 200) if mode == "RGB" else 100
    for kind in ("PNG", "JPEG"):
        content = plain(mode, colour, kind, icc_profile=kept)
        without = plain(mode, colour, kind)
        assert rules(content) == Rule(0)
        assert np.array_equal(np.asarray(decode(content)), np.asarray(decode(without)))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 1.1])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_breaks_off_is_damaged(share: float, progressive: bool) -> None:
    whole = saved(noise((200, 400)), "JPEG", progressive=progressive)
    with pytest.raises(Unreadable, match="damaged"):
        decode(whole[: int(len(whole) * share * 0.9)])


def test_a_jpeg_with_something_behind_its_end_is_plain() -> None:
    assert rules(saved(noise(), "JPEG") + b"\0" * 100) == Rule(0)


def test_plain_images_follow_no_rule() -> None:
    some = noise((16, 16))
    for kind, modes in (("JPEG", "RGB L CMYK"), ("PNG", "RGB L RGBA P 1 LA")):
        for mode in modes.split():
            content = saved(some.convert(mode), kind)
            assert bool(rules(content)) == (mode not in ("RGB", "L")), (kind, mode)
    assert rules(saved(some, "JPEG", progressive=True)) == Rule(0)


def test_orientation_is_read_from_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, kind in (("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG")):
        assert orientation(decode(plain(mode, kind=kind, exif=exif))) == 6
    assert orientation(decode(plain("RGB", kind="JPEG"))) == 1
    assert orientation(decode(plain("RGB", kind="JPEG", exif=Image.Exif()))) == 1


@settings(max_examples=150, deadline=None)
@given(rest=st.binary(max_size=80))
def test_any_exif_is_an_orientation_or_unreadable(rest: bytes) -> None:
    with suppress(Unreadable):
        photograph = decode(plain("RGB", kind="JPEG", exif=b"Exif\0\0" + rest))
        assert isinstance(orientation(photograph), int)


_WHOLE = [
    plain("RGB", (9, 80, 7), kind)
    for kind in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP", "JPEG2000", "AVIF")
    if kind in Image.registered_extensions().values()
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged TIFF tags
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_an_image_or_unreadable(data: st.DataObject) -> None:
    spoiled = bytearray(data.draw(st.sampled_from(_WHOLE)))
    for at in data.draw(st.lists(st.integers(0, len(spoiled) - 1), min_size=1, max_size=6)):
        spoiled[at] = data.draw(st.integers(0, 255))
    content = bytes(spoiled[: data.draw(st.integers(0, len(spoiled)) | st.just(len(spoiled)))])
    with suppress(Unreadable):
        assert decode(content).mode == "RGB"
    assert isinstance(rules(content), Rule)
