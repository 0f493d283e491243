"""Grids of samples as PNG files."""

import io
from pathlib import Path

from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from benchmark.runs import write_atomic


def save_grid(images: Tensor, columns: int, path: Path) -> None:
    """uint8 images (N, 3, S, S) as a PNG with a two-pixel white gutter; same pixels, same bytes."""
    grid = make_grid(images.cpu(), nrow=columns, padding=2, pad_value=255)
    file = io.BytesIO()
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(file, "PNG")
    write_atomic(path, file.getvalue())
