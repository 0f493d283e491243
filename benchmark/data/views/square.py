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
    than the image, and that is resized. Raises OSError where the file behind `image` is damaged.
    """
    turned = square.roll % 360.0 != 0.0
    if not turned and _inside(image, square):
        return _upright(image, square, size, _FILTER[resample])
    if resample == "nearest":
        return _nearest(image, square, size)
    image, square = _enclosed(*_reduced(image, square, size), size)
    if turned:
        return _turned(image, square, size)
    return _upright(image, square, size, _FILTER[resample])


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
    right, bottom = ceil(square.x + half), ceil(square.y + half)
    moved = Square(square.x - left, square.y - top, square.side, square.roll)
    if left >= 0 and top >= 0 and right <= image.width and bottom <= image.height:
        return image.crop((left, top, right, bottom)), moved
    columns = np.arange(left, right).clip(0, image.width - 1)
    rows = np.arange(top, bottom).clip(0, image.height - 1)
    return Image.fromarray(np.asarray(image).take(rows, axis=0).take(columns, axis=1)), moved


def _upright(
    image: Image.Image, square: Square, size: int, filter_: Image.Resampling
) -> NDArray[np.uint8]:
    seen = image.resize((size, size), filter_, box=_box(square))
    return np.ascontiguousarray(np.asarray(seen).transpose(2, 0, 1))


def _nearest(image: Image.Image, square: Square, size: int) -> NDArray[np.uint8]:
    a, b, x0, c, d, y0 = _back(square, size)
    across = np.arange(size) + 0.5
    down = across[:, None]
    x = np.floor(a * across + b * down + x0).clip(0, image.width - 1).astype(np.int64)
    y = np.floor(c * across + d * down + y0).clip(0, image.height - 1).astype(np.int64)
    return np.ascontiguousarray(np.asarray(image)[y, x].transpose(2, 0, 1))


def _turned(image: Image.Image, square: Square, size: int) -> NDArray[np.uint8]:
    """In floats, rounded once: Pillow's turn of bytes cuts fractions off, half a grey level."""
    finer, bicubic = size * ceil(square.side / size), Image.Resampling.BICUBIC
    matrix = _back(square, finer)
    seen = np.empty((3, size, size), dtype=np.float32)
    for band, plane in zip(image.split(), seen, strict=True):
        turned = band.convert("F").transform(
            (finer, finer), Image.Transform.AFFINE, matrix, resample=bicubic
        )
        plane[:] = np.asarray(turned.resize((size, size), bicubic))
    return np.rint(seen).clip(0, 255).astype(np.uint8)


def _back(square: Square, size: int) -> tuple[float, float, float, float, float, float]:
    """x = a u + b v + c, y = d u + e v + f: from the output (u, v) to the image, as Pillow's."""
    step, angle, half = square.side / size, radians(square.roll), size / 2
    across, down = step * cos(angle), step * sin(angle)
    return (
        across, down, square.x - (across + down) * half,
        -down, across, square.y - (across - down) * half,
    )  # fmt: skip
