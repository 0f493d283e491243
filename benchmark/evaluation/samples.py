"""Grids of images for people to look at."""

import io
import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmark.files import write_atomic

# White pixels between images and around the grid.
_GUTTER = 2


def save_grid(images: Tensor, columns: int, path: Path) -> None:
    """Write uint8 images (N, 3, S, S), row by row, as one PNG.

    The file holds pixels only: the same images give the same bytes.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 images, not {images.dtype}")
    count, _, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    grid = torch.full(
        (3, rows * (height + _GUTTER) + _GUTTER, columns * (width + _GUTTER) + _GUTTER),
        255,
        dtype=torch.uint8,
    )
    for index, image in enumerate(images.cpu()):
        row, column = divmod(index, columns)
        top, left = _GUTTER + row * (height + _GUTTER), _GUTTER + column * (width + _GUTTER)
        grid[:, top : top + height, left : left + width] = image
    file = io.BytesIO()
    Image.fromarray(grid.permute(1, 2, 0).contiguous().numpy()).save(file, format="PNG")
    write_atomic(path, file.getvalue())
