"""The reader of CelebA's layout: made-up images, and real faces where they are."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.data.celeba import dataset as celeba
from benchmark.data.celeba.annotations import LANDMARKS, read_table
from benchmark.data.celeba.dataset import CelebA
from benchmark.data.celeba.tables import md5
from benchmark.data.settings import CelebASettings
from benchmark.data.store import open_store
from benchmark.errors import BenchError, InputError

COUNT = 12
PARTITION = "list_eval_partition.txt"
UNKNOWN = "unknown faces in CelebA's layout"


def made_up(root: Path, count: int = COUNT, kind: str = "JPEG") -> Path:
    """`count` images whose pixel (x, y) is red x, green y, blue the index."""
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:218, 0:178]
    for i in range(count):
        pixels = np.stack([x, y, np.full_like(x, i)], axis=2).astype(np.uint8)
        quality = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
        Image.fromarray(pixels).save(folder / f"{i:06d}.jpg", kind, **quality)
    lines = [f"{i:06d}.jpg {max(0, (i - count + 6) // 2)}\n" for i in range(count)]
    (root / "celeba" / PARTITION).write_text("".join(lines))
    return root


def spec(crop: int = 128, **changes: object) -> CelebASettings:
    view = {"name": "aligned", "crop": crop}
    return CelebASettings.model_validate({"name": "celeba", "view": view, "size": 64, **changes})


def image_of(root: Path, index: int) -> Path:
    return root / "celeba" / "img_align_celeba" / f"{index:06d}.jpg"


@pytest.mark.parametrize("crop", [108, 128, 140, 160, 178])
@pytest.mark.parametrize("size", [32, 64])
def test_crop_is_the_centre_square(crop: int, size: int, tmp_path: Path) -> None:
    """Lossless ramps: every pixel says where it was, to the rounding of 8 bits."""
    images, whole = CelebA(spec(crop=crop, size=size), made_up(tmp_path, 4, "PNG")).decode(
        np.array([3, 1])
    )
    assert whole.all()
    red, green, blue = images[0].astype(float)
    # Pixel i of the square's side covers [i, i + 1] * crop / size; pixel x's centre is x + 1/2.
    at = (np.arange(size) + 0.5) * crop / size - 0.5
    inner = slice(4, -4)  # a ramp bends where the filter meets the image's edge
    assert np.abs(red[:, inner] - (89 - crop / 2 + at)[None, inner]).max() <= 0.5 + 1e-6
    assert np.abs(green[inner] - (109 - crop / 2 + at)[inner, None]).max() <= 0.5 + 1e-6
    assert (blue == 3).all()
    assert (images[1][2] == 1).all()


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    """Stripes one pixel wide become their mean, not stripes of another width."""
    root = made_up(tmp_path, 1)
    stripes = np.zeros((218, 178, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(image_of(root, 0), "PNG")
    image = CelebA(spec(size=32), root).decode(np.array([0]))[0][0]
    assert np.abs(image[:, :, 4:-4].astype(float) - 127.5).max() < 3


def test_decoding_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = CelebA(spec(), made_up(tmp_path))
    order = np.array([5, 0, 11, 5])
    one, _ = source.decode(np.arange(COUNT))
    two, _ = source.decode(order)
    assert np.array_equal(one[order], two)


def test_splits_are_the_partition_files(tmp_path: Path) -> None:
    source = CelebA(spec(), made_up(tmp_path))
    wanted = {"train": [*range(8)], "validation": [8, 9], "test": [10, 11]}
    assert {part: at.tolist() for part, at in source.splits().items()} == wanted
    path = tmp_path / "celeba" / PARTITION
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    turned = CelebA(spec(), tmp_path)  # the order of images is that of their names
    assert {part: at.tolist() for part, at in turned.splits().items()} == wanted


def test_fingerprint_follows_content_alone(tmp_path: Path) -> None:
    root = made_up(tmp_path / "a")
    first = CelebA(spec(), root).fingerprint()
    moved = (tmp_path / "a").rename(tmp_path / "b")
    for path in moved.rglob("*.jpg"):
        path.touch()
    assert CelebA(spec(), moved).fingerprint() == first
    assert CelebA(spec(), moved / "celeba").fingerprint() == first  # either root will do
    (moved / "celeba" / "list_attr_celeba.txt").write_text("not used by this view")
    assert CelebA(spec(), moved).fingerprint() == first


def test_fingerprint_follows_every_setting_and_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made_up(tmp_path)
    prints = [CelebA(spec(**change), root).fingerprint() for change in CHANGES]  # type: ignore[arg-type]
    monkeypatch.setattr(celeba, "READER_VERSION", celeba.READER_VERSION + 1)
    prints.append(CelebA(spec(), root).fingerprint())
    assert len(set(prints)) == len(CHANGES) + 1


CHANGES: list[dict[str, object]] = [
    {}, {"crop": 140}, {"crop": 178}, {"size": 32}, {"resample": "nearest"}
]  # fmt: skip


def test_fingerprint_follows_every_file(tmp_path: Path) -> None:
    root = made_up(tmp_path, 3)
    prints = {CelebA(spec(), root).fingerprint()}
    paths = [image_of(root, 0), image_of(root, 2), root / "celeba" / PARTITION]
    for path in paths:
        data = path.read_bytes()
        for at in (0, len(data) // 2, len(data) - 1) if path.suffix == ".jpg" else (11,):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            prints.add(CelebA(spec(), root).fingerprint())
        path.write_bytes(data)
    image_of(root, 1).unlink()
    prints.add(CelebA(spec(), root).fingerprint())
    image_of(root, 1).write_bytes(image_of(root, 0).read_bytes())
    prints.add(CelebA(spec(), root).fingerprint())
    assert len(prints) == 1 + 3 + 3 + 1 + 2


def test_fingerprint_is_the_one_of_the_committed_results(tmp_path: Path) -> None:
    """If this fails, every finished run on photographs is cut off from its data: mean it."""
    folder = tmp_path / "img_align_celeba"
    folder.mkdir()
    (folder / "000001.jpg").write_bytes(b"one")
    (folder / "000002.jpg").write_bytes(b"two")
    (tmp_path / PARTITION).write_text("000001.jpg 0\n000002.jpg 2\n")
    wanted = "cb48388512f83b99f6b7ac3931a57ad676cdfd72324b6e267995e551c8ffd5bf"
    assert CelebA(spec(size=32), tmp_path).fingerprint() == wanted


def test_title_is_known_only_by_partition_and_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made_up(tmp_path)
    assert CelebA(spec(), root).title == UNKNOWN
    landmarks = root / "celeba" / "list_landmarks_align_celeba.txt"
    landmarks.write_text("1\n")
    parts, known = ((root / "celeba" / PARTITION).read_bytes(), landmarks.read_bytes())
    monkeypatch.setitem(celeba._KNOWN, md5(parts), ("made-up faces", md5(known), []))
    assert CelebA(spec(), root).title == "made-up faces"
    landmarks.write_text("2\n")
    assert CelebA(spec(), root).title == UNKNOWN
    landmarks.unlink()
    assert CelebA(spec(), root).title == UNKNOWN


def test_the_same_numbering_is_not_the_same_faces(tmp_path: Path) -> None:
    """The partition of 10,000 faces by 7,000, 1,500 and 1,500 looks alike for all of them."""
    (tmp_path / "img_align_celeba").mkdir()
    parts = [0] * 7000 + [1] * 1500 + [2] * 1500
    lines = [f"{i:06d}.jpg {part}\n" for i, part in enumerate(parts, 1)]
    (tmp_path / PARTITION).write_text("".join(lines))
    assert md5((tmp_path / PARTITION).read_bytes()) in celeba._KNOWN
    assert CelebA(spec(), tmp_path).title == UNKNOWN


def bomb(side: int) -> bytes:
    """The head of a PNG that says it is `side` wide and high."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def saved(path: Path, mode: str, size: tuple[int, int], kind: str = "JPEG") -> None:
    Image.new(mode, size).save(path, kind)


SPOIL = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "half gone": lambda path: path.write_bytes(path.read_bytes()[:12_000]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "text": lambda path: path.write_text("not an image"),
    "1 x 1": lambda path: saved(path, "RGB", (1, 1)),
    "in the wild": lambda path: saved(path, "RGB", (150, 200)),
    "turned": lambda path: saved(path, "RGB", (218, 178)),
    "resized": lambda path: saved(path, "P", (64, 64), "PNG"),
    "PostScript": lambda path: saved(path, "RGB", (178, 218), "EPS"),
    "large": lambda path: path.write_bytes(bomb(10_000)),
    "enormous": lambda path: path.write_bytes(bomb(60_000)),
}


@pytest.mark.parametrize("how", SPOIL)
def test_an_image_that_is_not_whole_is_flagged(how: str, tmp_path: Path) -> None:
    root = made_up(tmp_path, 3)
    SPOIL[how](image_of(root, 1))
    source = CelebA(spec(), root)
    images, whole = source.decode(np.arange(3))
    assert whole.tolist() == [True, False, True]
    assert not images[1].any()
    assert len(source.fingerprint()) == 64


def test_a_broken_image_is_named_by_the_store(tmp_path: Path) -> None:
    root = made_up(tmp_path)
    SPOIL["truncated"](image_of(root, 2))
    with pytest.raises(BenchError, match=r"^1 of 12 images .*: img_align_celeba/000002\.jpg; "):
        open_store(spec(), root, tmp_path / "cache")


def test_a_name_that_no_file_can_have_is_a_broken_image(tmp_path: Path) -> None:
    root = made_up(tmp_path, 2)
    with (root / "celeba" / PARTITION).open("a") as file:
        file.write("x\0.jpg 0\n")
    source = CelebA(spec(), root)
    assert source.decode(np.arange(3))[1].tolist() == [True, True, False]
    assert len(source.fingerprint()) == 64


@pytest.fixture(scope="module")
def one_face(tmp_path_factory: pytest.TempPathFactory) -> tuple[CelebA, Path, bytes]:
    root = made_up(tmp_path_factory.mktemp("one"), 1)
    path = image_of(root, 0)
    return CelebA(spec(size=16), root), path, path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_pixels_or_a_broken_image(
    data: st.DataObject, one_face: tuple[CelebA, Path, bytes]
) -> None:
    source, path, whole = one_face
    spoiled = bytearray(whole)
    places = st.integers(0, 700) | st.integers(0, len(whole) - 1)  # the head is 600 bytes long
    for at in data.draw(st.lists(places, min_size=1, max_size=8)):
        spoiled[at] = data.draw(st.integers(0, 255))
    path.write_bytes(spoiled[: data.draw(st.just(len(whole)) | st.integers(0, len(whole)))])
    images, flags = source.decode(np.array([0]))
    assert images.shape == (1, 3, 16, 16)
    assert flags[0] or not images.any()


def test_a_missing_folder_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--data-root DIR .*BENCH_DATA.* img_align_celeba/"):
        CelebA(spec(), None)
    for root, says in (
        (tmp_path, r"no img_align_celeba/ or .*\.zip here .*--data-root"),
        (tmp_path / "nowhere", r"nowhere: no such folder; give --data-root"),
    ):
        with pytest.raises(InputError, match=says) as caught:
            CelebA(spec(), root)
        assert str(root) in str(caught.value)
    (tmp_path / "img_align_celeba").mkdir()
    with pytest.raises(InputError, match=rf"{PARTITION}: missing"):
        CelebA(spec(), tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("000000.jpg\n", r":1: expected a file name and 1 integers, found '000000\.jpg'"),
        ("000000.jpg 0\n000001.jpg 0 1\n", ":2: expected a file name and 1 integers"),
        ("000000.jpg 0\n\n000001.jpg 0\n", ":2: expected a file name and 1 integers, found ''"),
        ("000000.jpg x\n", ":1: not all integers"),
        ("000000.jpg 0.5\n", ":1: not all integers"),
        ("000000.jpg 99999999999999999999\n", ":1: not all integers"),
        ("000000.jpg 0\n000000.jpg 1\n", r":2: 000000\.jpg occurs twice"),
        ("000000.jpg 7\n", r": 000000\.jpg is in part 7; allowed are 0 train"),
        ("000000.jpg -1\n", r": 000000\.jpg is in part -1; allowed are 0 train"),
        ("", ": no rows"),
    ],
)
def test_a_faulty_partition_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    root = made_up(tmp_path, 1)
    (root / "celeba" / PARTITION).write_text(text)
    with pytest.raises(InputError, match=PARTITION + says) as caught:
        CelebA(spec(), root)
    assert "\n" not in str(caught.value)


def test_a_partition_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    root = made_up(tmp_path, 1)
    (root / "celeba" / PARTITION).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=rf"{PARTITION}: not readable as text"):
        CelebA(spec(), root)


def test_tables_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("2\nMale Young \n000001.jpg  1  1\n000002.jpg -1  1 \n")
    table = read_table(path, ("Male",), header=True)
    assert (table.names, table.columns) == (("000001.jpg", "000002.jpg"), ("Male", "Young"))
    assert table.values.tolist() == [[1, 1], [-1, 1]]
    path.write_text("1\nimage_id x_1 y_1 width height\n000001.jpg 95 71 226 313\n")
    table = read_table(path, ("width",), header=True)
    assert table.columns == ("x_1", "y_1", "width", "height")
    path.write_text("000001.jpg 2880\r\n000002.jpg 2937\r\n")
    table = read_table(path, ("identity",), header=False)
    assert table.values.tolist() == [[2880], [2937]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: expected the number of rows"),
        ("Male Young\n000001.jpg 1 1\n", ":1: expected the number of rows"),
        ("1\nMale Young\n000001.jpg 1 1\n", ":2: column Smiling is missing; found: Male Young"),
        ("2\nSmiling\n000001.jpg 1\n", ":1: 2 rows announced, 1 found"),
        ("1\nSmiling\n000001.jpg 1\n000002.jpg 1\n", ":1: 1 rows announced, 2 found"),
        ("2\nSmiling\n000001.jpg 1\n000001.jpg 1\n", r":4: 000001\.jpg occurs twice"),
        ("1\nSmiling Male\n000001.jpg 1\n", ":3: expected a file name and 2 integers"),
        ("1\nSmiling\n000001.jpg yes\n", ":3: not all integers"),
        ("0\nSmiling\n", ": no rows"),
    ],
)
def test_a_faulty_table_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=path.name + says) as caught:
        read_table(path, ("Smiling",), header=True)
    assert "\n" not in str(caught.value)


# Lines that are nearly right get further into the reader than any text does.
_FIELD = st.sampled_from(["0", "1", "-1", "7", "x", "0.5", "1e3", "", "1" * 30, "\u0661", "\0"])
_NAME = st.sampled_from(["000001.jpg", "000002.jpg", "a", "", "\0", "\u2028"])
_LINE = st.builds(
    lambda name, fields: " ".join([name, *fields]), _NAME, st.lists(_FIELD, max_size=3)
)
_HEAD = st.sampled_from(
    ["0\na", "1\na", "2\na b", "2\nb", "2\nimage_id a", "\u00b2\na", "-1\na", "x", ""]
)
_NEARLY = st.builds(
    lambda head, lines: "\n".join([head, *lines]), _HEAD, st.lists(_LINE, max_size=4)
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=60) | (st.text(max_size=100) | _NEARLY).map(str.encode),
    header=st.booleans(),
)
def test_any_file_is_a_table_or_one_clear_error(
    content: bytes, header: bool, tmp_path: Path
) -> None:
    path = tmp_path / "fuzz.txt"
    path.write_bytes(content)
    try:
        table = read_table(path, ("a",), header=header)
    except InputError as error:
        said = str(error)
    else:
        said = None
    if said is not None:
        assert said.startswith(str(path))
        return
    assert table.values.shape == (len(set(table.names)), len(table.columns))
    assert len(table.names) > 0
    assert "a" in table.columns


def test_real_faces_in_celebas_layout(real_faces: Path) -> None:
    source = CelebA(spec(size=32), real_faces)
    assert source.title == "All-Age-Faces in CelebA's layout"
    sizes = {part: len(at) for part, at in source.splits().items()}
    assert sizes == {"train": 7000, "validation": 1500, "test": 1500}
    # If this changes, finished runs on these faces are cut off from them: mean it.
    assert source.fingerprint().startswith("7faca3a90839")
    images, whole = source.decode(np.arange(0, 10_000, 500))
    assert whole.all()
    assert images.std() > 20


def test_real_annotations_agree(real_faces: Path) -> None:
    """All of CelebA's tables are read, and name the same images."""
    folder = real_faces / "celeba"
    tables = [
        read_table(folder / PARTITION, ("partition",), header=False),
        read_table(folder / "identity_CelebA.txt", ("identity",), header=False),
        read_table(folder / "list_attr_celeba.txt", ("Male", "Young"), header=True),
        read_table(folder / "list_bbox_celeba.txt", ("x_1", "y_1", "width", "height"), header=True),
        read_table(folder / "list_landmarks_align_celeba.txt", LANDMARKS, header=True),
        read_table(folder / "list_landmarks_celeba.txt", LANDMARKS, header=True),
    ]
    assert {table.names for table in tables} == {tables[0].names}
    eyes = tables[4].values[:, [1, 3]]
    assert abs(float(eyes.mean()) - 112) < 1  # CelebA's canonical height of the eyes
