"""Plain folders of images, and data sets from outside the package."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from benchmark.data.settings import DataSettings
from benchmark.data.source import FaceSource, open_source
from benchmark.data.store import open_store
from benchmark.errors import InputError


def spec(**values: Any) -> DataSettings:
    return TypeAdapter[DataSettings](DataSettings).validate_python(values)


def folder(root: Path, **changes: Any) -> FaceSource:
    return open_source(spec(**{"name": "folder", "folder": "ffhq", "size": 16, **changes}), root)


@pytest.fixture
def ffhq(tmp_path: Path) -> Path:
    """Ten wide images, left half red and right half blue, in two folders, and a text file."""
    for i in range(10):
        place = tmp_path / "ffhq" / f"{i // 5}"
        place.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (64, 32), (0, 0, 255))
        image.paste((255, i, 0), (0, 0, 32, 32))
        image.save(place / f"{i:02d}.png")
    (tmp_path / "ffhq" / "LICENSE.txt").write_text("not an image")
    return tmp_path


def test_a_folder_is_its_images_centre_squares(ffhq: Path) -> None:
    source = folder(ffhq)
    assert (len(source), source.title) == (10, "images of ffhq")
    assert source.name(7) == "ffhq/1/07.png"
    images, whole = source.decode(np.array([3, 9]))
    assert whole.all()
    assert images.shape == (2, 3, 16, 16)
    # The centre square is 32 wide: red to its middle, then blue.
    assert (images[0, :, :, :7] == np.array([255, 3, 0])[:, None, None]).all()
    assert (images[0, :, :, 9:] == np.array([0, 0, 255])[:, None, None]).all()
    half = folder(ffhq, crop=0.5).decode(np.array([3]))[0][0]
    assert (half[:, :, :6] == np.array([255, 3, 0])[:, None, None]).all()


def test_parts_are_drawn_by_name_and_stay(ffhq: Path) -> None:
    for i in range(300):
        Image.new("RGB", (8, 8)).save(ffhq / "ffhq" / f"more-{i}.png")
    source: Any = folder(ffhq)
    parts = source.splits()
    sizes = {part: len(at) for part, at in parts.items()}
    assert sum(sizes.values()) == len(source) == 310
    assert 220 < sizes["train"] < 275
    assert min(sizes["validation"], sizes["test"]) > 15
    of = {source.name(i): part for part, at in parts.items() for i in at.tolist()}
    (ffhq / "ffhq" / "more-0.png").unlink()
    fewer: Any = folder(ffhq)
    still = {fewer.name(i): part for part, at in fewer.splits().items() for i in at.tolist()}
    assert still.items() < of.items()


def test_a_turned_photograph_is_turned_upright(ffhq: Path) -> None:
    """Stored lying down, marked as such: red is again on the left."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a right angle
    with Image.open(ffhq / "ffhq" / "0" / "03.png") as image:
        lying = image.transpose(Image.Transpose.ROTATE_90)
        assert lying.size == (32, 64)
        lying.save(ffhq / "ffhq" / "0" / "03.png", exif=exif)
    image = folder(ffhq).decode(np.array([3]))[0][0]
    assert (image[:, :, :7] == np.array([255, 3, 0])[:, None, None]).all()


def test_a_broken_image_is_flagged_and_black(ffhq: Path) -> None:
    path = ffhq / "ffhq" / "0" / "02.png"
    path.write_bytes(path.read_bytes()[:50])
    images, whole = folder(ffhq).decode(np.arange(10))
    assert whole.tolist() == [i != 2 for i in range(10)]
    assert not images[2].any()


def test_the_fingerprint_follows_names_content_and_settings(ffhq: Path, tmp_path: Path) -> None:
    seen = {folder(ffhq).fingerprint()}
    assert len(seen | {folder(ffhq).fingerprint()}) == 1
    seen |= {folder(ffhq, size=32).fingerprint(), folder(ffhq, crop=0.9).fingerprint()}
    path = ffhq / "ffhq" / "1" / "09.png"
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    seen.add(folder(ffhq).fingerprint())
    path.write_bytes(content)
    path.rename(path.with_name("10.png"))
    seen.add(folder(ffhq).fingerprint())
    assert len(seen) == 5
    (ffhq / "ffhq" / "LICENSE.txt").write_text("another text")
    assert folder(ffhq).fingerprint() in seen


def test_an_archive_is_the_same_data_as_the_folder(ffhq: Path, tmp_path: Path) -> None:
    unpacked = folder(ffhq)
    with ZipFile(ffhq / "packed.zip", "w") as archive:
        for path in (ffhq / "ffhq").rglob("*.png"):
            archive.write(path, path.relative_to(ffhq))
    (ffhq / "elsewhere").mkdir()
    (ffhq / "packed.zip").rename(ffhq / "elsewhere" / "ffhq.zip")
    packed = folder(ffhq / "elsewhere")
    assert packed.fingerprint() == unpacked.fingerprint()
    assert np.array_equal(packed.decode(np.arange(10))[0], unpacked.decode(np.arange(10))[0])


def test_what_is_not_there_is_one_line(ffhq: Path) -> None:
    with pytest.raises(InputError, match=r"--data-root"):
        open_source(spec(name="folder", folder="ffhq"), None)
    with pytest.raises(InputError, match=r"none: no such folder or \.zip"):
        folder(ffhq, folder="none")
    (ffhq / "bare").mkdir()
    with pytest.raises(InputError, match=r"bare: no images \(\.jpg"):
        folder(ffhq, folder="bare")


class Squares:
    """A data set of single-coloured squares."""

    title = "squares"

    def __init__(self, size: int, data_root: Path | None, count: int = 40, shape: int = 3) -> None:
        self.size, self.count, self.shape = size, count, shape

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        return f"squares {self.count}"

    def splits(self) -> dict[str, list[int]]:
        return {"train": [*range(30)], "validation": [30], "test": [*range(31, self.count)]}

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        values = np.broadcast_to(
            indices[:, None, None, None], (len(indices), self.shape, self.size, self.size)
        )
        return values.astype(np.uint8), np.ones(len(indices), dtype=np.bool_)

    def name(self, index: int) -> str:
        return f"square {index}"


class Nothing:
    def __init__(self, size: int, data_root: Path | None) -> None:
        pass


HERE = "tests.data.test_folder"


def test_a_class_from_outside_is_a_data_set(tmp_path: Path) -> None:
    settings = spec(name=f"{HERE}:Squares", size=16, options={"count": 50})
    store = open_store(settings, None, tmp_path)
    assert (store.title, len(store.images)) == ("squares", 50)
    batch = store.batch(np.array([7, 45]), 0, 1)
    assert batch.shape == (2, 3, 16, 16)
    assert batch[:, 0, 0, 0].tolist() == [7, 45]
    assert store.splits["validation"].tolist() == [30]
    more = open_source(spec(name=f"{HERE}:Squares", size=16, options={"count": 51}), None)
    assert more.fingerprint() != store.fingerprint


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": f"{HERE}:None_"}, "there is no None_ in"),
        ({"name": "no.such.module:X"}, "cannot be imported"),
        ({"name": f"{HERE}:Nothing"}, "has no title; a data set offers"),
        ({"name": f"{HERE}:Squares", "options": {"color": 1}}, "cannot be built with .*color"),
    ],
)
def test_a_class_that_is_no_data_set_is_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_source(spec(**values), None)


def test_a_class_with_other_shapes_is_one_line(tmp_path: Path) -> None:
    settings = spec(name=f"{HERE}:Squares", size=16, options={"shape": 1})
    with pytest.raises(InputError, match=r"decodes to uint8 \(40, 1, 16, 16\); expected"):
        open_store(settings, None, tmp_path)
