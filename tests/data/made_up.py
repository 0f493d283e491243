"""Made-up photographs whose every pixel says where it was, with landmarks that are known.

Red is x and green is y, so that the geometry of a view is read back from its pixels.
"""

from math import cos, radians, sin
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNT = 12
MARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y"
MARKS += " leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
# A face of CelebA's own proportions about its eyes' middle: apart 38.3, the mouth 40.9 below.
FACE = np.array([(-19.15, 0), (19.15, 0), (0, 22), (-16, 40.9), (16, 40.9)])


def wild_face(index: int) -> tuple[float, float, float, float]:
    """Eyes' middle (x, y), scale and roll of each made-up face."""
    return 100.0 + index, 90.0 - index, 1.0 + 0.05 * index, -35.0 + 6.0 * index


def wild_landmarks(index: int) -> NDArray[np.int64]:
    """Rounded to whole pixels, as in CelebA."""
    x, y, scale, roll = wild_face(index)
    c, s = cos(radians(roll)), sin(radians(roll))
    turned = FACE @ np.array([[c, s], [-s, c]])
    return np.rint(turned * scale + (x, y)).astype(np.int64)


def table(path: Path, columns: str, rows: list[list[int]]) -> None:
    lines = [f"{i:06d}.jpg {' '.join(map(str, row))}\n" for i, row in enumerate(rows)]
    path.write_text(f"{len(rows)}\n{columns}\n{''.join(lines)}")


def ramp(width: int, height: int, blue: int = 200) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x, y, np.full_like(x, blue)], axis=2).astype(np.uint8))
