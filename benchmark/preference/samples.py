"""The samples of an ablation one by one, from the grids in its results folder."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.results.places import samples_of
from benchmark.results.tables import Tables, readable
from benchmark.tiles import GUTTER


@dataclass(frozen=True)
class Sample:
    """One generated image; `name` is a hash of its pixels, which does not reveal its cell."""

    name: str
    cell: str
    seed: int
    pixels: NDArray[np.uint8] = field(compare=False)  # (S, S, 3)

    @property
    def png(self) -> bytes:
        """A PNG of the pixels, without metadata."""
        file = io.BytesIO()
        Image.fromarray(self.pixels).save(file, format="PNG", optimize=True)
        return file.getvalue()


def samples(results: Tables) -> Mapping[str, Sample]:
    """The samples of every finished run, keyed by name, without images that two cells share."""
    by_name: dict[str, Sample] = {}
    shared: set[str] = set()
    for cell in results.cells:
        size = int(cell.setup.data.settings["size"])
        for run in cell.done:
            path = samples_of(results.folder, run["run_id"])
            if not path.is_file():
                continue
            with readable(path), Image.open(path) as file:
                grid = np.asarray(file.convert("RGB"))
            for pixels in _tiles(grid, size):
                name = hashlib.sha256(f"{size} ".encode() + pixels.tobytes()).hexdigest()[:16]
                if name in by_name and by_name[name].cell != cell.title:
                    shared.add(name)
                by_name.setdefault(name, Sample(name, cell.title, int(run["seed"]), pixels))
    return {name: each for name, each in by_name.items() if name not in shared}


def _tiles(grid: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    """The images of a grid, row by row; the white tiles of an incomplete row are left out."""
    step = size + GUTTER
    tiles = [
        np.ascontiguousarray(grid[top : top + size, left : left + size])
        for top in range(GUTTER, grid.shape[0] - size, step)
        for left in range(GUTTER, grid.shape[1] - size, step)
    ]
    return [each for each in tiles if not (each == 255).all()]
