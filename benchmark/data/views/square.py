"""The one sampler: a square of a photograph, turned or not, resized with antialiasing."""

from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Resample = Literal["bicubic", "nearest"]
Floats = NDArray[np.float64]

_FILTER = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
# A turned square this many times finer than the output is first averaged down, as
# `Image.resize(reducing_gap=3)` does: the work is bounded, the difference below a grey level.
_GAP = 3.0


@dataclass(frozen=True)
class Square:
    """What the network sees of an image, in the image's pixels (the first spans 0 to 1).

    The picture inside it appears turned by `roll` degrees, clockwise as seen. It may reach beyond
    the image, whose edge pixels are then repeated.
    """

    x: float  # centre
    y: float
    side: float
    roll: float = 0.0


@dataclass(frozen=True)
class Squares:
    """One square an image, (N,) each."""

    x: Floats
    y: Floats
    side: Floats
    roll: Floats

    def __getitem__(self, index: int) -> Square:
        return Square(*(float(v[index]) for v in (self.x, self.y, self.side, self.roll)))


def sample(
    image: Image.Image, square: Square, size: int, resample: Resample = "bicubic"
) -> NDArray[np.uint8]:
    """The square of an RGB image as (3, size, size).

    An upright square inside the image is one call of Pillow's `resize(box=)`. Any other is cut out
    with repeated edges; a turned one is interpolated at a whole multiple of `size` not coarser
    than the image, and that is resized. Raises OSError where the file behind `image` is torn.
    """
    turned = square.roll % 360.0 != 0.0
    if turned or not _inside(image, square):
        if resample == "bicubic":
            image, square = _reduced(image, square, size)
        image, square = _enclosed(image, square, size)
    if turned and resample == "bicubic":
        return _turned_finely(image, square, size)
    if turned:
        seen = _turned(image, square, size, Image.Resampling.NEAREST)
    else:
        seen = image.resize((size, size), _FILTER[resample], box=_box(square))
    return np.ascontiguousarray(np.asarray(seen).transpose(2, 0, 1))


def _box(square: Square) -> tuple[float, float, float, float]:
    left, top = square.x - square.side / 2, square.y - square.side / 2
    return left, top, left + square.side, top + square.side


def _inside(image: Image.Image, square: Square) -> bool:
    left, top, right, bottom = _box(square)
    return left >= 0 and top >= 0 and right <= image.width and bottom <= image.height


def _reduced(image: Image.Image, square: Square, size: int) -> tuple[Image.Image, Square]:
    times = int(square.side / (_GAP * size))
    if times < 2:
        return image, square
    smaller = Square(square.x / times, square.y / times, square.side / times, square.roll)
    return image.reduce(times), smaller


def _enclosed(image: Image.Image, square: Square, size: int) -> tuple[Image.Image, Square]:
    """The upright rectangle that holds the square and its filter's reach, edges repeated."""
    angle = radians(square.roll)
    half = square.side / 2 * (abs(cos(angle)) + abs(sin(angle)))
    half += 2 * max(1.0, square.side / size) + 1
    left, top = floor(square.x - half), floor(square.y - half)
    columns = np.arange(left, ceil(square.x + half)).clip(0, image.width - 1)
    rows = np.arange(top, ceil(square.y + half)).clip(0, image.height - 1)
    pixels = np.asarray(image)[rows[:, None], columns[None, :]]
    moved = Square(square.x - left, square.y - top, square.side, square.roll)
    return Image.fromarray(pixels), moved


def _turned_finely(image: Image.Image, square: Square, size: int) -> NDArray[np.uint8]:
    """In floats, rounded once: Pillow's turn of bytes cuts fractions off, half a grey level."""
    finer, bicubic = size * ceil(square.side / size), Image.Resampling.BICUBIC
    pixels = np.asarray(image).astype(np.float32).transpose(2, 0, 1)
    bands = [
        _turned(Image.fromarray(np.ascontiguousarray(band)), square, finer, bicubic).resize(
            (size, size), bicubic
        )
        for band in pixels
    ]
    seen = np.rint(np.stack([np.asarray(band) for band in bands])).clip(0, 255)
    return np.asarray(seen, dtype=np.uint8)


def _turned(
    image: Image.Image, square: Square, size: int, filter_: Image.Resampling
) -> Image.Image:
    step, angle = square.side / size, radians(square.roll)
    # From a pixel of the output, counted from its centre, back through the turn to the image.
    across, down = step * cos(angle), step * sin(angle)
    half = size / 2
    matrix = (
        across, down, square.x - (across + down) * half,
        -down, across, square.y - (across - down) * half,
    )  # fmt: skip
    return image.transform((size, size), Image.Transform.AFFINE, matrix, resample=filter_)
