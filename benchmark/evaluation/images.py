"""Read generated images from any source: a folder, an archive or an .npz file."""

from collections.abc import Callable
from heapq import nsmallest
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmark.data.containers.archives import PACKED, open_path
from benchmark.data.containers.listing import suffix_of
from benchmark.data.images import Unreadable, decode, orientation
from benchmark.data.views.square import Square, sample
from benchmark.errors import InputError, of_system
from benchmark.seeds import derive

_SMALLEST = 8  # pixels of the shorter side
_NAMED = 3  # unusable images that a message names


class ReadImages(NamedTuple):
    """Images in the form that a judge expects, and those that could not be used."""

    images: NDArray[np.uint8]  # (N, 3, S, S), in order of name
    unusable: tuple[str, ...]  # "name: why"


def read_images(path: Path, size: int, count: int | None = None) -> ReadImages:
    """The centre square of every image in `path`, or of `count` of them, as (N, 3, size, size).

    Images are resized by Pillow's bicubic filter with antialiasing; other files are ignored. If
    there are more than `count`, a hash of their names chooses, so that the choice is always the
    same and every class folder is represented. An .npz holds uint8 (N, H, W, 3) or (N, 3, H, W)
    as `arr_0` or else as its first array.

    Broken images, and those with a side of fewer than 8 pixels, are left out and named. Raises
    InputError if there is no such folder or file, or fewer usable images than `count`.
    """
    names, load = _opened(path)
    order = nsmallest(len(names), names, key=lambda name: derive(0, f"images/{name}"))
    images: dict[str, NDArray[np.uint8]] = {}
    unusable: dict[str, str] = {}
    for name in order:
        if len(images) == count:
            break
        try:
            images[name] = _square(load(name), size)
        except Unreadable as why:
            unusable[name] = f"{name}: {why}"
    left_out = tuple(unusable[name] for name in sorted(unusable))
    if len(images) < max(count or 0, 1):
        raise InputError(_too_few(path, len(images), count, left_out))
    return ReadImages(np.stack([images[name] for name in sorted(images)]), left_out)


def _too_few(path: Path, usable: int, count: int | None, unusable: tuple[str, ...]) -> str:
    needed = f"{count} are needed" if count else "at least one is needed"
    named = "; ".join(unusable[:_NAMED]) + ("; ..." if len(unusable) > _NAMED else "")
    left_out = f" ({len(unusable)} unusable: {named})" if unusable else ""
    return f"{path}: {usable} usable images{left_out}, but {needed}"


def _opened(path: Path) -> tuple[list[str], Callable[[str], Image.Image]]:
    """Names of the images in `path`, and how to load one of them."""
    if path.suffix == ".npz" and path.is_file():
        return _array(path)
    if not path.is_dir() and not (path.is_file() and suffix_of(path.name) in PACKED):
        raise InputError(f"{path}: not a folder, .zip, .npz, .tar or .parquet of images")
    files = open_path(path)

    def load(name: str) -> Image.Image:
        image = decode(files.read(name))
        return image if orientation(image) == 1 else ImageOps.exif_transpose(image)

    return list(files.images().names), load


def _array(path: Path) -> tuple[list[str], Callable[[str], Image.Image]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = list(arrays)
            array: NDArray[Any] = (
                arrays["arr_0" if "arr_0" in names else names[0]] if names else np.empty(0)
            )
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: not a complete .npz file ({of_system(error)})") from None
    if array.dtype != np.uint8 or array.ndim != 4 or 3 not in (array.shape[1], array.shape[3]):
        raise InputError(
            f"{path}: holds {array.dtype} {array.shape}; images are uint8 (N, H, W, 3) or "
            "(N, 3, H, W)"
        )
    if array.shape[3] != 3:
        array = array.transpose(0, 2, 3, 1)
    rows = {f"{row:08d}": row for row in range(len(array))}
    return list(rows), lambda name: Image.fromarray(np.ascontiguousarray(array[rows[name]]))


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    side = min(image.size)
    if side < _SMALLEST:
        raise Unreadable(f"too small: {image.width} x {image.height} pixels")
    return sample(image, Square(image.width / 2, image.height / 2, side), size)
