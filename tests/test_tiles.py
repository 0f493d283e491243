"""Grids of images."""

import numpy as np

from benchmark.tiles import GUTTER, tiled


def test_images_lie_row_by_row_in_white() -> None:
    images = np.arange(5 * 3 * 4 * 6, dtype=np.uint8).reshape(5, 3, 4, 6) % 200
    grid = tiled(images, 3)
    assert grid.shape == (2 * (4 + GUTTER) + GUTTER, 3 * (6 + GUTTER) + GUTTER, 3)
    expected = np.full_like(grid, 255)
    for at, image in enumerate(images):
        top, left = 2 + 6 * (at // 3), 2 + 8 * (at % 3)
        expected[top : top + 4, left : left + 6] = image.transpose(1, 2, 0)
    np.testing.assert_array_equal(grid, expected)  # a place that no image fills is white
