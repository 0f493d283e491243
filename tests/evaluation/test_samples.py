"""Image grids."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.evaluation.samples import save_grid


def some_images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 255, (count, 3, 16, 16), generator=generator).to(torch.uint8)


def test_every_image_lies_in_its_cell(tmp_path: Path) -> None:
    images = some_images(5)
    save_grid(images, 3, tmp_path / "samples" / "grid.png")
    with Image.open(tmp_path / "samples" / "grid.png") as image:
        grid = np.array(image)
    assert grid.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    for index, wanted in enumerate(images):
        top, left = 2 + 18 * (index // 3), 2 + 18 * (index % 3)
        cell = grid[top : top + 16, left : left + 16]
        assert np.array_equal(cell, wanted.permute(1, 2, 0).numpy())
    assert (grid[20:, 38:] == 255).all()  # the cell that no image fills
    assert (grid[18:20] == 255).all()
    assert (grid[:, 18:20] == 255).all()


def test_fewer_images_than_columns(tmp_path: Path) -> None:
    save_grid(some_images(2), 8, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (2 * 18 + 2, 18 + 2)


def test_same_pixels_same_bytes_and_nothing_left_behind(tmp_path: Path) -> None:
    for name in ("one.png", "two.png", "one.png"):
        save_grid(some_images(4), 2, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "two.png"]
    with Image.open(tmp_path / "one.png") as image:
        assert image.info == {}


def test_not_uint8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        save_grid(torch.zeros(1, 3, 8, 8), 1, tmp_path / "grid.png")
