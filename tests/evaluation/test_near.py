"""Near-copies across parts: another JPEG of a photograph is found, other photographs are not."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import bench
from benchmark.data.settings import FolderSettings
from benchmark.data.source import open_source
from benchmark.evaluation.near import ALIKE, pairs


def test_a_pair_is_the_nearest_of_the_earlier_part() -> None:
    """By hand: unit vectors, of which two are within the cosine."""
    rows = np.array([2, 3, 5, 8, 9])
    angles = {2: 0.0, 3: 0.5, 5: 0.1, 8: 0.55, 9: 1.2}
    features = torch.tensor([[np.cos(angles[row]), np.sin(angles[row])] for row in rows.tolist()])
    found = pairs(features * 7, rows, np.array([5, 8, 9]), np.array([2, 3]))
    assert [(pair.image, pair.nearest) for pair in found] == [(5, 2), (8, 3)]
    assert found[0].cosine == pytest.approx(np.cos(0.1))
    assert np.cos(0.7) < ALIKE
    assert pairs(features, rows, np.array([5]), np.array([], dtype=np.int64)) == []


def scene(index: int) -> Image.Image:
    """Blobs of many colours: no two alike."""
    draw = np.random.default_rng(index)
    small = draw.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((160, 160), Image.Resampling.BICUBIC)


def test_the_check_warns_of_another_jpeg_of_one_photograph(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(40):
        scene(i).save(folder / f"{i:02d}.png")
    parts = open_source(FolderSettings(name="folder", folder="faces", size=16), tmp_path).splits()
    train, test = (int(parts[part][0]) for part in ("train", "test"))
    file = io.BytesIO()
    scene(train).save(file, "JPEG", quality=85)
    (folder / f"{test:02d}.png").write_bytes(file.getvalue())
    run = CliRunner().invoke(bench, ["data", "check", str(folder), "--near"])
    assert run.exit_code == 0, run.output
    assert f"faces/{test:02d}.png: nearly faces/{train:02d}.png" in run.stdout
    assert "warning: 1 held-out images are nearly images of another part" in run.stdout
    assert "a copy of" not in run.stdout
