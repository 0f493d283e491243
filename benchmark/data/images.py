"""Any photograph that Pillow decodes, as 8-bit RGB: one stated rule for each kind.

RGB and grey of 8 bits are taken as they are. Everything else follows a Rule, and which rule an
image followed enters the fingerprint of its data.
"""

import struct
from enum import IntFlag
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from benchmark.errors import of_system

# To be raised whenever a rule gives an image other pixels.
RULES_VERSION = 2
# Nothing else is even tried: PIL would run Ghostscript on an EPS.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM", "JPEG2000")
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif",
    ".tiff", ".avif", ".ppm", ".pgm", ".pbm", ".jp2",
)  # fmt: skip
BACKGROUND = (255, 255, 255)  # what shows through a transparent pixel: white
# More pixels than any face needs; decoding them would fill the memory.
_MOST_PIXELS = 50_000_000
# What damaged bytes make Pillow raise.
_FAULTS = (
    OSError, SyntaxError, ValueError, RuntimeError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
_ORIENTATION = 0x0112
_SAME = 2  # levels of 255: a profile that moves no colour further is sRGB


class Unreadable(Exception):  # noqa: N818 - a finding, counted, not an error of the program
    """Why an image cannot be taken."""


class Rule(IntFlag):
    """How an image that is not simply 8-bit RGB or grey becomes RGB; several may apply."""

    FORMAT = 1
    PALETTE = 2
    BILEVEL = 4
    DEEP = 8
    CMYK = 16
    PROFILE = 32
    ALPHA = 64


SAID = {
    Rule.FORMAT: "BMP, GIF, TIFF, AVIF, PPM or JPEG 2000: the first image of the file",
    Rule.PALETTE: "palettes: looked up",
    Rule.BILEVEL: "two levels: black and white",
    Rule.DEEP: "16 bits a channel: the higher 8",
    Rule.CMYK: "CMYK: by its colour profile, else R = (1 - C)(1 - K) and so on",
    Rule.PROFILE: "a colour profile other than sRGB: converted to sRGB, perceptual intent",
    Rule.ALPHA: "transparency: composed on white",
}


def decode(content: bytes) -> Image.Image:
    """The photograph, loaded, as RGB; the first where a file holds several.

    It is not turned: see `orientation`. Raises Unreadable where it is damaged, too large or of
    another kind.
    """
    image = _opened(content)
    try:
        followed = _rules(image)
        image.load()
        return _rgb(image, followed)
    except _FAULTS as error:
        raise Unreadable(f"damaged ({of_system(error)})") from None


def rules(content: bytes) -> Rule:
    """The rules that `decode` follows; none for a plain image and for one that is unreadable."""
    try:
        return _rules(_opened(content))
    except Unreadable:
        return Rule(0)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 for an image that is stored as it is meant to be seen."""
    if "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        raise Unreadable("faulty EXIF data") from None


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height by the file's head alone; raises Unreadable where there is none."""
    return _opened(content).size


def _opened(content: bytes) -> Image.Image:
    """The image before its pixels are read."""
    try:
        image = Image.open(BytesIO(content), formats=_known_formats())
    except UnidentifiedImageError:
        raise Unreadable(f"no image of these kinds: {', '.join(FORMATS)}") from None
    except _FAULTS as error:
        raise Unreadable(f"damaged ({of_system(error)})") from None
    if image.width * image.height > _MOST_PIXELS:
        raise Unreadable(f"too large: {image.width} x {image.height} pixels")
    return image


@lru_cache
def _known_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # AVIF is younger than others


def _rules(image: Image.Image) -> Rule:
    """By its head; raises Unreadable where no rule says what its colours are."""
    found, mode = Rule(0), image.mode
    if image.format not in ("JPEG", "MPO", "PNG", "WEBP"):
        found |= Rule.FORMAT
    if mode in ("P", "PA"):
        found |= Rule.PALETTE
    elif mode == "1":
        found |= Rule.BILEVEL
    elif mode.startswith("I;16") or (mode == "I" and image.format != "TIFF"):
        found |= Rule.DEEP  # of grey; Pillow itself takes the higher 8 bits of colours
    elif mode == "CMYK":
        found |= Rule.CMYK
    elif mode not in ("RGB", "L", "RGBA", "RGBa", "RGBX", "LA", "La", "YCbCr"):
        raise Unreadable(f"its pixels are {mode}, whose black and white are not known")
    if any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        found |= Rule.DEEP
    if mode in ("PA", "RGBA", "RGBa", "LA", "La") or (
        "transparency" in image.info and mode in ("P", "RGB", "L", "1")
    ):
        found |= Rule.ALPHA
    if mode != "CMYK" and _to_srgb(image.info.get("icc_profile"), _space(mode)) is not None:
        found |= Rule.PROFILE
    return found


def _space(mode: str) -> str:
    """What the colours of a mode are, apart from depth, palette and transparency."""
    if mode == "CMYK":
        return mode
    return "L" if mode in ("1", "L", "LA", "La") or mode.startswith("I") else "RGB"


def _rgb(image: Image.Image, followed: Rule) -> Image.Image:
    """A loaded image as RGB."""
    if not followed & ~Rule.FORMAT:
        return image if image.mode == "RGB" else image.convert("RGB")
    space, kept = _space(image.mode), dict(image.info)
    opacity: Image.Image | None = None
    if followed & Rule.DEEP and space == "L" and image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if followed & Rule.ALPHA:
        image = image.convert("RGBA")
        opacity = image.getchannel("A")
    image = image.convert(space)
    transform = _to_srgb(kept.get("icc_profile"), space)
    image = image.convert("RGB") if transform is None else transform.apply(image)
    if opacity is not None:
        image.putalpha(opacity)
        under = Image.new("RGBA", image.size, (*BACKGROUND, 255))
        image = Image.alpha_composite(under, image).convert("RGB")
    image.info = {name: kept[name] for name in ("exif",) if name in kept}
    return image


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes pixels of `mode` (RGB, L or CMYK) to sRGB.

    None where they are sRGB already, or the profile is damaged or of other pixels: then it says
    nothing that could be followed, and the pixels are taken as they are.
    """
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}[mode]:
            return None
        found = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
        if mode != "CMYK" and _is_srgb(found, mode):
            return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return found


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    colours = [levels] if mode == "L" else np.meshgrid(levels, levels, levels)
    before = np.stack(colours, axis=-1).reshape(1, -1, len(colours))
    probe = Image.fromarray(before[..., 0] if mode == "L" else before)
    after = np.asarray(transform.apply(probe)).astype(int)
    return bool(np.abs(after - before).max() <= _SAME)
