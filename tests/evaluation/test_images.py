"""Samples from outside: folders, archives and arrays, good, bad and mixed."""

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import InputError
from benchmark.evaluation.images import read_images


def picture(seed: int, height: int = 16, width: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


CONTENT = {f"{name}.png": png(picture(seed)) for seed, name in enumerate("dbace")}
JUNK = {
    "notes.txt": b"not an image",
    ".hidden.png": CONTENT["a.png"],
    "__MACOSX/._a.png": b"junk",
    "list.csv": b"1,2",
}


@pytest.fixture(params=["folder", "zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Five images of 16 px among other files."""
    return pack(tmp_path, str(request.param), CONTENT | JUNK)


def pack(root: Path, kind: str, files: dict[str, bytes]) -> Path:
    if kind == "zip":
        with ZipFile(root / "samples.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return root / "samples.zip"
    for name, content in files.items():
        path = root / "samples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root / "samples"


def test_images_come_in_order_of_their_names(place: Path) -> None:
    read = read_images(place, 16)
    assert read.unusable == ()
    assert read.images.dtype == np.uint8
    expected = [picture("dbace".index(name)).transpose(2, 0, 1) for name in "abcde"]
    assert np.array_equal(read.images, np.stack(expected))


def test_of_too_many_the_same_ones_are_taken(place: Path) -> None:
    every, three = read_images(place, 16).images, read_images(place, 16, 3).images
    rows = [next(i for i, each in enumerate(every) if (each == one).all()) for one in three]
    assert rows == sorted(rows)
    assert np.array_equal(read_images(place, 16, 3).images, three)


def test_every_class_has_its_share(tmp_path: Path) -> None:
    """Folders of classes, of which the first alone has more images than are needed."""
    for folder in (0, 1):
        for index in range(60):
            path = tmp_path / f"class{folder}" / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(np.full((8, 8, 3), 200 * folder, np.uint8)))
    images = read_images(tmp_path, 8, 50).images
    assert 15 < (images > 0).all((1, 2, 3)).sum() < 35


def test_the_centre_square_is_resized_with_antialiasing(tmp_path: Path) -> None:
    pixels = picture(1, height=20, width=34)
    (tmp_path / "a.png").write_bytes(png(pixels))
    resized = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BICUBIC, (7, 0, 27, 20))
    expected = np.asarray(resized).transpose(2, 0, 1)
    assert np.array_equal(read_images(tmp_path, 8).images[0], expected)


def test_grey_images_become_colour(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(picture(1)[:, :, 0]))
    image = read_images(tmp_path, 16).images[0]
    assert np.array_equal(image, np.broadcast_to(picture(1)[:, :, 0], (3, 16, 16)))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_unusable_images_are_counted_and_named(tmp_path: Path, kind: str) -> None:
    bad = {
        "broken.png": CONTENT["a.png"][:60],
        "empty.png": b"",
        "text.jpg": b"not a photograph",
        "tiny.png": png(picture(1, height=7, width=30)),
        "cut.jpg": png(picture(1))[:30],
    }
    place = pack(tmp_path, kind, CONTENT | bad)
    read = read_images(place, 16)
    assert len(read.images) == 5
    assert [each.partition(":")[0] for each in read.unusable] == sorted(bad)
    assert "tiny.png: too small: 30 x 7 pixels" in read.unusable
    with pytest.raises(InputError) as caught:
        read_images(place, 16, 6)
    message = str(caught.value)
    assert message.startswith(f"{place}: 5 usable images (5 unusable: broken.png: ")
    assert message.endswith("; ...), but 6 are needed")
    assert "\n" not in message


def test_as_many_as_are_asked_for_though_some_are_broken(tmp_path: Path) -> None:
    broken = {f"x{index}.png": b"" for index in range(20)}
    assert len(read_images(pack(tmp_path, "folder", CONTENT | broken), 16, 5).images) == 5


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("key", ["arr_0", "images"])
def test_arrays(tmp_path: Path, layout: str, key: str) -> None:
    array = np.stack([picture(seed) for seed in range(12)])
    stored = array if layout == "NHWC" else array.transpose(0, 3, 1, 2)
    np.savez(tmp_path / "samples.npz", **{key: stored})
    read = read_images(tmp_path / "samples.npz", 16)
    assert np.array_equal(read.images, array.transpose(0, 3, 1, 2))
    assert read_images(tmp_path / "samples.npz", 8, 5).images.shape == (5, 3, 8, 8)
    with pytest.raises(InputError, match="12 usable images, but 13 are needed"):
        read_images(tmp_path / "samples.npz", 16, 13)


def test_guided_diffusions_labels_are_ignored(tmp_path: Path) -> None:
    array = np.stack([picture(seed) for seed in range(3)])
    np.savez(tmp_path / "samples.npz", array, np.arange(3))
    assert len(read_images(tmp_path / "samples.npz", 16).images) == 3


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 8), np.uint8), np.zeros(0)],
    ids=["floats", "three axes", "nothing"],
)
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray[np.uint8]) -> None:
    np.savez(tmp_path / "samples.npz", array)
    with pytest.raises(InputError, match=r"samples.npz: holds .*; images are uint8"):
        read_images(tmp_path / "samples.npz", 16)


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    np.savez(path, np.stack([picture(seed) for seed in range(3)]))
    for content in (path.read_bytes()[:-30], b"", b"text", path.read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a complete \.npz file") as caught:
            read_images(path, 16)
        assert "\n" not in str(caught.value)
    np.savez(path, np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"not a complete \.npz file"):
        read_images(path, 16)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip", "nowhere.npz", "one.png"])
def test_other_places_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "one.png").write_bytes(CONTENT["a.png"])
    with pytest.raises(
        InputError, match=f"{name}: not a folder, .zip, .npz, .tar or .parquet of images"
    ):
        read_images(tmp_path / name, 16)


def test_a_place_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="0 usable images, but at least one is needed"):
        read_images(tmp_path, 16)
    (tmp_path / "samples.zip").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"samples\.zip: not a valid zip archive"):
        read_images(tmp_path / "samples.zip", 16)
