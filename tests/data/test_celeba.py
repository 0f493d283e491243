"""The reader and the store: made-up images in CelebA's layout, and real faces where they are."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.data.annotations import read_table
from benchmark.data.batches import batch_positions
from benchmark.data.celeba import CelebA
from benchmark.data.settings import CelebASettings
from benchmark.data.store import open_store
from benchmark.errors import BenchError, InputError

COUNT = 12


def made_up(root: Path, count: int = COUNT) -> Path:
    """`count` images whose pixel (x, y) is red x, green y, blue the index."""
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:218, 0:178]
    lines = []
    for i in range(count):
        pixels = np.stack([x, y, np.full_like(x, i)], axis=2).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:06d}.jpg", quality=100, subsampling=0)
        lines.append(f"{i:06d}.jpg {0 if i < count - 4 else 1 if i < count - 2 else 2}\n")
    (root / "celeba" / "list_eval_partition.txt").write_text("".join(lines))
    return root


def spec(**changes: object) -> CelebASettings:
    return CelebASettings.model_validate({"name": "celeba", "crop": 128, "size": 64, **changes})


@pytest.mark.parametrize("crop", [108, 128, 140, 160, 178])
def test_crop_is_the_centre_square(crop: int, tmp_path: Path) -> None:
    images, whole = CelebA(spec(crop=crop), made_up(tmp_path)).decode(np.array([3]))
    assert whole.all()
    red, green, blue = images[0].astype(float)
    step = crop / 64
    wanted = (np.arange(64) + 0.5) * step - 0.5
    assert np.abs(red[20, 4:-4] - (89 - crop / 2 + wanted)[4:-4]).max() < 2.5
    assert np.abs(green[4:-4, 20] - (109 - crop / 2 + wanted)[4:-4]).max() < 2.5
    assert np.abs(blue - 3).max() < 3


def test_fingerprint_follows_content_alone(tmp_path: Path) -> None:
    root = made_up(tmp_path / "a")
    first = CelebA(spec(), root).fingerprint()
    moved = (tmp_path / "a").rename(tmp_path / "b")
    for path in moved.rglob("*.jpg"):
        path.touch()
    assert CelebA(spec(), moved).fingerprint() == first
    assert CelebA(spec(), moved / "celeba").fingerprint() == first  # either root will do
    assert CelebA(spec(crop=140), moved).fingerprint() != first
    assert CelebA(spec(size=32), moved).fingerprint() != first
    partition = moved / "celeba" / "list_eval_partition.txt"
    text = partition.read_text()
    partition.write_text(text.replace("000000.jpg 0", "000000.jpg 2"))
    assert CelebA(spec(), moved).fingerprint() != first
    partition.write_text(text)
    image = moved / "celeba" / "img_align_celeba" / "000005.jpg"
    data = bytearray(image.read_bytes())
    data[-3] ^= 1
    image.write_bytes(data)
    assert CelebA(spec(), moved).fingerprint() != first


def test_title_never_claims_celeba(tmp_path: Path) -> None:
    assert CelebA(spec(), made_up(tmp_path)).title == "unknown faces in CelebA's layout"


def _spoil(path: Path, how: str) -> None:
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "missing":
        path.unlink()
    elif how == "text":
        path.write_text("not an image")
    else:
        mode, size = {
            "tiny": ("RGB", (1, 1)),
            "grey": ("L", (178, 218)),
            "cmyk": ("CMYK", (178, 218)),
        }[how]
        Image.new(mode, size).save(path)


@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "text", "tiny", "grey", "cmyk"])
def test_a_broken_image_is_named(how: str, tmp_path: Path) -> None:
    root = made_up(tmp_path)
    _spoil(root / "celeba" / "img_align_celeba" / "000002.jpg", how)
    with pytest.raises(BenchError, match=r"1 of 12 images .*000002\.jpg"):
        open_store(spec(), root, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "stores").glob("*/"))  # no half store


def test_fewer_than_one_in_a_thousand_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.store.BROKEN_LIMIT", 0.1)  # 1 of 12 passes, 2 do not
    root = made_up(tmp_path)
    _spoil(root / "celeba" / "img_align_celeba" / "000002.jpg", "truncated")
    store = open_store(spec(), root, tmp_path / "cache")
    assert store.broken == ("img_align_celeba/000002.jpg",)
    assert 2 not in store.splits["train"]
    assert len(store.splits["train"]) == COUNT - 5
    _spoil(root / "celeba" / "img_align_celeba" / "000003.jpg", "empty")
    with pytest.raises(BenchError, match="2 of 12"):
        open_store(spec(), root, tmp_path / "cache")


def test_store_keeps_the_pixels_and_is_made_once(tmp_path: Path) -> None:
    root = made_up(tmp_path)
    store = open_store(spec(), root, tmp_path / "cache")
    direct, _ = CelebA(spec(), root).decode(np.arange(COUNT))
    assert np.array_equal(store.images, direct)
    assert {part: len(at) for part, at in store.splits.items()} == {
        "train": 8,
        "validation": 2,
        "test": 2,
    }
    path = tmp_path / "cache" / "stores" / store.fingerprint / "images.npy"
    made = path.stat().st_mtime_ns
    assert np.array_equal(open_store(spec(), root, tmp_path / "cache").images, direct)
    assert path.stat().st_mtime_ns == made


def test_a_killed_preparation_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    root = made_up(tmp_path, 600)
    code = (
        "import sys; from pathlib import Path; from benchmark.data.store import open_store;"
        "from benchmark.data.settings import CelebASettings;"
        "open_store(CelebASettings(name='celeba', size=64), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    cache = tmp_path / "cache"
    with subprocess.Popen([sys.executable, "-c", code, str(root), str(cache)]) as process:
        deadline = time.monotonic() + 30
        while not list(cache.glob("stores/*.tmp/images.npy")) and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
    store = open_store(spec(), root, cache)
    direct, _ = CelebA(spec(), root).decode(np.arange(600))
    assert np.array_equal(store.images, direct)
    assert not list(cache.glob("stores/*.tmp"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("000000.jpg\n", "1 integers"),
        ("000000.jpg x\n", "not all integers"),
        ("000000.jpg 0\n000000.jpg 1\n", "twice"),
        ("000000.jpg 7\n", "allowed are 0 train"),
        ("", "no rows"),
    ],
)
def test_a_faulty_partition_is_one_line(text: str, word: str, tmp_path: Path) -> None:
    root = made_up(tmp_path)
    (root / "celeba" / "list_eval_partition.txt").write_text(text)
    with pytest.raises(InputError, match=word) as caught:
        CelebA(spec(), root)
    assert "list_eval_partition.txt" in str(caught.value)


def test_header_faults_name_the_column(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text("2\nMale Young\n000001.jpg 1 1\n000002.jpg -1 1\n")
    table = read_table(path, ("Male",), header=True)
    assert table.columns == ("Male", "Young")
    assert table.values.tolist() == [[1, 1], [-1, 1]]
    with pytest.raises(InputError, match="column Smiling is missing"):
        read_table(path, ("Smiling",), header=True)
    path.write_text("3\nMale Young\n000001.jpg 1 1\n000002.jpg -1 1\n")
    with pytest.raises(InputError, match="3 rows announced, 2 found"):
        read_table(path, ("Male",), header=True)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200), header=st.booleans())
def test_any_text_is_a_table_or_one_clear_error(
    text: str, header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.txt"
    path.write_text(text, encoding="utf-8")
    try:
        table = read_table(path, ("a",), header=header)
    except InputError:
        return
    assert len(table.names) == len(table.values) > 0


def test_batches_come_from_seed_and_step_alone() -> None:
    split = np.arange(100, 150)
    later = batch_positions(split, 3, 40, 16)
    epoch = np.concatenate([batch_positions(split, 3, step, 16) for step in range(3)])
    assert len(set(epoch.tolist())) == 48  # no repeats inside an epoch
    assert set(epoch.tolist()) <= set(split.tolist())
    assert np.array_equal(batch_positions(split, 3, 40, 16), later)
    assert not np.array_equal(batch_positions(split, 3, 3, 16), epoch[:16])  # a fresh permutation
    assert not np.array_equal(batch_positions(split, 4, 40, 16), later)
    with pytest.raises(InputError, match="lower it"):
        batch_positions(split, 3, 0, 51)


def test_real_faces_in_celebas_layout(real_faces: Path, tmp_path: Path) -> None:
    source = CelebA(spec(size=32), real_faces)
    assert source.title == "All-Age-Faces in CelebA's layout"
    assert {part: len(at) for part, at in source.splits().items()} == {
        "train": 7000,
        "validation": 1500,
        "test": 1500,
    }
    images, whole = source.decode(np.arange(0, 10_000, 500))
    assert whole.all()
    assert images.std() > 20
