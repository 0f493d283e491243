"""Drawn faces to show beside generated ones; photographs of people are never copied."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.settings import FacesSettings
from benchmark.files import write_atomic
from benchmark.results.schema import SetupRecord
from benchmark.tiles import tiled

FOLDER = "drawn"
"""Folder in results: N.png has faces of set-up N, if these are drawn."""
ROWS, COLUMNS = 2, 8


def write_drawn(folder: Path, setups: Sequence[SetupRecord]) -> None:
    """Write the first test images of each set-up with procedural data; other files are removed.

    No file is written where every visit rotates a face anew: then it has no single image.
    """
    wanted = set()
    for at, setup in enumerate(setups):
        if setup.data.settings.get("name") != "faces":
            continue
        from benchmark.data.faces.dataset import ProceduralFaces

        source = ProceduralFaces(FacesSettings.model_validate(setup.data.settings))
        if source.visits is None:
            path = folder / FOLDER / f"{at}.png"
            images, _ = source.decode(source.splits()["test"][: ROWS * COLUMNS])
            write_atomic(path, _grid(images))
            wanted.add(path)
    for path in (folder / FOLDER).glob("*.png"):
        if path not in wanted:
            path.unlink()


def _grid(images: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(tiled(images, COLUMNS)).save(file, format="PNG", optimize=True)
    return file.getvalue()
