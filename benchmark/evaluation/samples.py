"""Grids of images for people to look at."""

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmark.files import write_atomic
from benchmark.tiles import tiled


def save_grid(images: Tensor, columns: int, path: Path) -> None:
    """Write uint8 images (N, 3, S, S), row by row, as one PNG.

    The file holds pixels only: the same images give the same bytes.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 images, not {images.dtype}")
    grid = tiled(images.cpu().numpy(), min(columns, len(images)))
    file = io.BytesIO()
    Image.fromarray(grid).save(file, format="PNG")
    write_atomic(path, file.getvalue())
