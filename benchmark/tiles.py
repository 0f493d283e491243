"""Images laid out in a grid, as it is written, read and cropped in several rooms."""

import numpy as np
from numpy.typing import NDArray

GUTTER = 2
"""White pixels between images and around the grid."""


def tiled(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """uint8 images (N, 3, height, width), row by row, as one picture (height, width, 3)."""
    count, _, height, width = images.shape
    down, across = height + GUTTER, width + GUTTER
    rows = -(-count // columns)
    grid = np.full((rows * down + GUTTER, columns * across + GUTTER, 3), 255, dtype=np.uint8)
    for at, image in enumerate(images):
        row, column = divmod(at, columns)
        top, left = GUTTER + row * down, GUTTER + column * across
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid
