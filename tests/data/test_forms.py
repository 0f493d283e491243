"""The forms in which people hold CelebA: each is the same data as the authors' layout."""

import io
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from benchmark.data.celeba import dataset as celeba
from benchmark.data.celeba.annotations import read_table
from benchmark.data.celeba.dataset import CelebA, title_of
from benchmark.data.celeba.layout import (
    LANDMARKS_ALIGNED,
    OFFICIAL_MD5,
    PARTITION,
)
from benchmark.data.celeba.tables import as_authors_write, md5
from benchmark.data.celeba.tree import find_tree
from benchmark.data.check import check
from benchmark.data.settings import CelebASettings, FolderSettings
from benchmark.data.source import labels_of, open_source
from benchmark.data.store import open_store
from benchmark.errors import InputError
from tests.data.made_up import MARKS, ramp

COUNT = 20
SETTINGS = CelebASettings(name="celeba", size=16)
PARTS = [0] * 12 + [1] * 4 + [2] * 4
IMAGES = "img_align_celeba"
TABLES = {
    "list_eval_partition": ("partition", [[part] for part in PARTS], False),
    "list_attr_celeba": ("Male Young", [[1, -1], [-1, 1]] * (COUNT // 2), True),
    "identity_CelebA": ("identity", [[i // 2] for i in range(COUNT)], False),
    "list_landmarks_align_celeba": (MARKS, [[60 + i] * 10 for i in range(COUNT)], True),
    "list_landmarks_celeba": (MARKS, [[80 + i] * 10 for i in range(COUNT)], True),
}


def picture(index: int) -> Image.Image:
    return ramp(178, 218, blue=index)


@cache
def content(index: int) -> bytes:
    file = io.BytesIO()
    picture(index).save(file, "PNG")
    return file.getvalue()


def rows(table: str) -> list[list[str]]:
    return [[f"{i:06d}.jpg", *map(str, values)] for i, values in enumerate(TABLES[table][1], 1)]


def authors_text(table: str) -> str:
    columns, _, header = TABLES[table]
    head = f"{COUNT}\n{columns}\n" if header else ""
    return head + "".join(f"{' '.join(row)}\n" for row in rows(table))


def csv_text(table: str, separator: str = ",", header: bool = True) -> str:
    head = separator.join(["image_id", *TABLES[table][0].split()]) + "\n" if header else ""
    return head + "".join(f"{separator.join(row)}\n" for row in rows(table))


def write_images(folder: Path, suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(1, COUNT + 1):
        (folder / f"{i:06d}{suffix}").write_bytes(content(i))


def write_tables(folder: Path, *tables: str, suffix: str = ".txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables or TABLES:
        text = authors_text(table) if suffix == ".txt" else csv_text(table)
        (folder / f"{table}{suffix}").write_text(text)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' layout; only to be read."""
    root = tmp_path_factory.mktemp("usual")
    write_images(root / IMAGES)
    write_tables(root)
    return root


def zipped(path: Path, prefix: str = "", beside: tuple[str, ...] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for name in beside:
            archive.writestr(name, "x")
        for i in range(1, COUNT + 1):
            archive.writestr(f"{prefix}{i:06d}.jpg", content(i))


def tarred(path: Path, prefix: str = "") -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for i in range(1, COUNT + 1):
            info = tarfile.TarInfo(f"{prefix}{i:06d}.jpg")
            info.size = len(content(i))
            archive.addfile(info, io.BytesIO(content(i)))
    path.write_bytes(file.getvalue())


def kaggle(root: Path) -> None:
    write_images(root / IMAGES / IMAGES)
    write_tables(root, suffix=".csv")


def kaggle_in_a_folder_of_its_name(root: Path) -> None:
    kaggle(root / "CelebA-dataset")


def drive(root: Path) -> None:
    write_tables(root / "Anno", *[name for name in TABLES if "eval" not in name])
    write_tables(root / "Eval", "list_eval_partition")
    zipped(root / "Img" / f"{IMAGES}.zip", f"{IMAGES}/")


def drive_unpacked(root: Path) -> None:
    write_tables(root / "celeba" / "Anno", *[name for name in TABLES if "eval" not in name])
    write_tables(root / "celeba" / "Eval", "list_eval_partition")
    write_images(root / "celeba" / "Img" / IMAGES)


def with_suffix(suffix: str) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        write_images(root / IMAGES, suffix)
        write_tables(root)

    return build


def png_folder(root: Path) -> None:
    write_images(root / f"{IMAGES}_png", ".png")
    write_tables(root)


def whole_in_one(name: str, top: str, suffix: str) -> Callable[[Path], None]:
    """Everything in one archive, as Kaggle's archive.zip is."""

    def build(root: Path) -> None:
        within = root / "packing"
        write_images(within / IMAGES)
        write_tables(within, suffix=suffix)
        if name.endswith(".zip"):
            with ZipFile(root / name, "w") as archive:
                for path in within.rglob("*.*"):
                    archive.write(path, f"{top}{path.relative_to(within)}")
        else:
            with tarfile.open(root / name, "w") as packed:
                packed.add(within, top)
        shutil.rmtree(within)

    return build


def packed(name: str, prefix: str) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        write_tables(root)
        zipped(root / name, prefix) if name.endswith(".zip") else tarred(root / name, prefix)

    return build


def shards_of_a_folder(root: Path) -> None:
    write_images(root / IMAGES / "000")
    write_tables(root)
    (root / IMAGES / "001").mkdir()
    for i in range(1, COUNT // 2):
        (root / IMAGES / "000" / f"{i:06d}.jpg").rename(root / IMAGES / "001" / f"{i:06d}.jpg")


def other_names(root: Path) -> None:
    write_images(root / "faces" / "all")
    write_tables(root / "labels", suffix=".csv")


FORMS: dict[str, Callable[[Path], None]] = {
    "kaggle": kaggle,
    "kaggle in a folder": kaggle_in_a_folder_of_its_name,
    "drive": drive,
    "drive unpacked": drive_unpacked,
    "png": png_folder,
    ".JPG": with_suffix(".JPG"),
    ".jpeg": with_suffix(".jpeg"),
    ".png": with_suffix(".png"),
    "zip": packed(f"{IMAGES}.zip", ""),
    "zip with another folder": packed(f"{IMAGES}.zip", "export/aligned/"),
    "tar": packed(f"{IMAGES}.tar", "./"),
    "tar with another folder": packed(f"{IMAGES}.tar", "x/"),
    "all in Kaggle's archive": whole_in_one("archive.zip", "", ".csv"),
    "all in a tar of its name": whole_in_one("celeba.tar", "celeba", ".txt"),
    "in sub-folders": shards_of_a_folder,
    "other names": other_names,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_data(form: str, usual: Path, tmp_path: Path) -> None:
    FORMS[form](tmp_path)
    wanted, found = CelebA(SETTINGS, usual), CelebA(SETTINGS, tmp_path)
    assert found.pixels() == wanted.pixels()  # so they share a store
    for part, at in wanted.splits().items():
        assert found.splits()[part].tolist() == at.tolist(), part
    assert [found.name(i) for i in (0, 19)] == [f"{IMAGES}/000001.jpg", f"{IMAGES}/000020.jpg"]
    names, labels = labels_of(found)
    assert names == ("Male", "Young")
    assert labels.tolist() == labels_of(wanted)[1].tolist()
    report = check(tmp_path, deep=True)
    assert report.views == ["aligned", "rotated"]
    assert report.usable
    taken = [note for note in report.notes if " taken for " in note]
    assert taken or form == "zip", "it is not said what was taken for what"


def test_the_authors_layout_needs_no_note(usual: Path) -> None:
    assert CelebA(SETTINGS, usual).notes() == []
    assert check(usual, deep=True).notes == []


def test_kaggles_form_says_what_was_taken_for_what(tmp_path: Path) -> None:
    kaggle(tmp_path)
    notes = CelebA(SETTINGS, tmp_path).notes()
    assert "list_eval_partition.csv taken for list_eval_partition.txt" in notes
    assert f"{IMAGES}/{IMAGES}/000001.jpg taken for {IMAGES}/000001.jpg, and so on" in notes


def test_the_parts_of_a_csv_count_as_the_authors_write_them(usual: Path, tmp_path: Path) -> None:
    """So that Kaggle's form continues the runs on the authors'."""
    kaggle(tmp_path)
    found = CelebA(SETTINGS, tmp_path)
    assert found.fingerprint() == CelebA(SETTINGS, usual).fingerprint()
    path = tmp_path / "list_eval_partition.csv"
    path.write_text(path.read_text().replace("000020.jpg,2", "000020.jpg,1"))
    other = CelebA(SETTINGS, tmp_path)
    assert other.pixels() == found.pixels()
    assert other.fingerprint() != found.fingerprint()


def test_the_parts_are_in_the_column_of_that_name(usual: Path, tmp_path: Path) -> None:
    kaggle(tmp_path)
    path = tmp_path / "list_eval_partition.csv"
    head, *lines = path.read_text().splitlines()
    more = [f"{name},{i % 2},{part}" for i, (name, part) in enumerate(x.split(",") for x in lines)]
    path.write_text("\n".join([head.replace(",", ",Male,"), *more]))
    found, wanted = CelebA(SETTINGS, tmp_path), CelebA(SETTINGS, usual)
    assert [at.tolist() for at in found.splits().values()] == [
        at.tolist() for at in wanted.splits().values()
    ]
    assert found.fingerprint() == wanted.fingerprint()


def test_the_authors_partition_is_known() -> None:
    """The MD5 sum that torchvision has for it, from the numbers alone."""
    names = [f"{i:06d}.jpg" for i in range(1, 202_600)]
    parts = np.searchsorted([162_770, 182_637], np.arange(1, 202_600))
    written = as_authors_write(names, parts)
    assert md5(written) == OFFICIAL_MD5[PARTITION]


def test_known_faces_are_known_in_kaggles_form(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their parts as the authors write them, and their first landmarks."""
    kaggle(tmp_path)
    parts = md5((usual / PARTITION).read_bytes())
    marks = [[60 + i] * 10 for i in range(3)]
    monkeypatch.setitem(celeba._KNOWN, parts, ("made-up faces", "", marks))
    tree = find_tree(tmp_path)
    assert tree is not None
    assert title_of(tree) == "made-up faces"
    path = tmp_path / "list_landmarks_align_celeba.csv"
    path.write_text(path.read_text().replace("61,61", "61,62", 1))
    assert title_of(tree) == "unknown faces in CelebA's layout"


# ---- tables -------------------------------------------------------------------------------------


def encoded(text: str, how: str) -> bytes:
    return {
        "blank lines at the end": (text + "\n \n").encode(),
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "CR": text.replace("\n", "\r").encode(),
        "blanks": text.replace(" ", "   ").replace("\n", " \n").encode(),
        "tabs": text.replace(" ", "\t").encode(),
        "commas": text.replace(" ", ",").encode(),
        "commas and blanks": text.replace(" ", ", ").encode(),
        "semicolons": text.replace(" ", ";").encode(),
        "quotes": "".join(
            ",".join(f'"{field}"' for field in line.split(" ")) + "\n" for line in text.splitlines()
        ).encode(),
    }[how]


HOW = [
    "blank lines at the end", "BOM", "CRLF", "CR", "blanks", "tabs", "commas", "commas and blanks",
    "semicolons", "quotes",
]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("table", "form"),
    [
        *product(["list_eval_partition", "list_attr_celeba"], ["authors", "csv"]),
        ("list_eval_partition", "bare"),
    ],
)
def test_every_way_to_write_a_table(how: str, table: str, form: str, tmp_path: Path) -> None:
    columns, values, header = TABLES[table]
    text = {
        "authors": authors_text(table),
        "csv": csv_text(table, " "),
        "bare": csv_text(table, " ", header=False),
    }[form]
    path = tmp_path / "table.csv"
    path.write_bytes(encoded(text, how))
    named = tuple(columns.split())
    read = read_table(path, named, header=header)
    assert read.names == tuple(row[0] for row in rows(table))
    assert (read.columns, read.values.tolist()) == (named, values)
    assert read.values.dtype == np.int64


def test_other_spellings_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.csv"
    path.write_text("image_id,male\n000001.jpg,1\n000002.jpg,-1\n")
    table = read_table(path, ("Male",), header=True)
    assert (table.columns, table.values.tolist()) == (("Male",), [[1], [-1]])
    path.write_text("image_id,split\n000001.jpg,2\n")
    assert read_table(path, ("partition",), header=False).values.tolist() == [[2]]


def test_decimals_are_kept_where_they_mean_something(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("image_id,x_1,y_1\n000001.jpg,69.5,109.0\n")
    table = read_table(path, ("x_1", "y_1"), header=True, decimals=True)
    assert table.values.tolist() == [[69.5, 109.0]]
    with pytest.raises(InputError, match=r"table\.csv:2: not all integers"):
        read_table(path, ("x_1", "y_1"), header=True)
    path.write_text("image_id,partition\n000001.jpg,1.0\n")
    assert read_table(path, ("partition",), header=False).values.tolist() == [[1]]
    for value in ("nan", "inf", "1e400", "x"):
        path.write_text(f"image_id,x_1\n000001.jpg,{value}\n")
        with pytest.raises(InputError, match="not all numbers"):
            read_table(path, ("x_1",), header=True, decimals=True)


# ---- parts --------------------------------------------------------------------------------------


def test_without_a_partition_it_says_what_to_do(tmp_path: Path) -> None:
    write_images(tmp_path / IMAGES)
    with pytest.raises(InputError, match=rf"{PARTITION}: missing.*bench data get celeba") as caught:
        CelebA(SETTINGS, tmp_path)
    report = check(tmp_path, deep=False)
    assert report.views == []
    assert str(caught.value) in report.advice


def test_a_subset_is_used_and_said(usual: Path, tmp_path: Path) -> None:
    shutil.copytree(usual, tmp_path / "celeba")
    for i in (2, 3, 13, 18):
        (tmp_path / "celeba" / IMAGES / f"{i:06d}.jpg").unlink()
    store = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert {part: (at + 1).tolist() for part, at in store.splits.items()} == {
        "train": [1, *range(4, 13)], "validation": [14, 15, 16], "test": [17, 19, 20]
    }  # fmt: skip
    assert store.broken == ()
    said = f"{IMAGES}: 16 of the 20 images of {PARTITION} are there, and are used"
    assert said in store.notes
    assert not store.images[[1, 2, 12, 17]].any()
    report = check(tmp_path, deep=True)
    assert report.views == ["aligned", "rotated"]
    assert report.usable
    assert said in report.notes
    (item,) = (item for item in report.items if item.name == f"{IMAGES}/")
    assert (item.state, item.says) == ("subset", "4 of 20 images are missing: 000002.jpg, ...")


def test_a_subset_may_have_tables_of_its_own_images_alone(usual: Path, tmp_path: Path) -> None:
    shutil.copytree(usual, tmp_path / "celeba")
    (tmp_path / "celeba" / IMAGES / "000002.jpg").unlink()
    path = tmp_path / "celeba" / "list_attr_celeba.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(["19\n", lines[1], lines[2], *lines[4:]]))
    only = SETTINGS.model_copy(update={"only": ("Male",)})
    assert CelebA(only, tmp_path).splits()["train"].tolist() == [0, 2, 4, 6, 8, 10]
    (tmp_path / "celeba" / IMAGES / "000002.jpg").write_bytes(content(2))
    with pytest.raises(InputError, match=rf"list_attr_celeba\.txt: 000002\.jpg of {PARTITION}"):
        CelebA(only, tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_folder_a_person_mixes_no_people_up(suffix: str, tmp_path: Path) -> None:
    """Each has a 0.jpg: one that is missing is not that of another person."""
    names = [f"{i:02d}/{j}.jpg" for i in range(1, 11) for j in range(2)]
    (tmp_path / PARTITION).write_text(
        "".join(f"{name} {part}\n" for name, part in zip(names, PARTS, strict=True))
    )
    for i, name in enumerate(names, 1):
        path = tmp_path / IMAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in ("07/1.jpg", "10/0.jpg"):
            path.with_suffix(suffix).write_bytes(content(i))
    source = CelebA(SETTINGS, tmp_path)
    assert source.absent.tolist() == [13, 18]
    seen = source.decode(np.arange(20))[0][:, 2, 0, 0].tolist()
    assert seen == [*range(1, 14), 0, *range(15, 19), 0, 20]
    table = "2\nMale\n0.jpg 1\n1.jpg -1\n"
    (tmp_path / "list_attr_celeba.txt").write_text(table)
    with pytest.raises(InputError, match=rf"01/0\.jpg of {PARTITION} is not in it"):
        labels_of(CelebA(SETTINGS, tmp_path))


def test_too_small_a_share_is_refused_by_check_and_run(tmp_path: Path) -> None:
    write_images(tmp_path / IMAGES)
    parts = [f"{i:06d}.jpg {i % 3}\n" for i in range(1, 2102)]
    (tmp_path / PARTITION).write_text("".join(parts))
    report = check(tmp_path, deep=False)
    assert report.views == []
    with pytest.raises(InputError, match=r"20 of the 2101 images .* fewer than 1 in 100") as caught:
        open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert str(caught.value) in report.why_not


# ---- Hugging Face and webdataset ----------------------------------------------------------------


def parquet(path: Path, indices: range, *, path_too: bool = True) -> None:
    import pyarrow as arrow
    from pyarrow import parquet as writer

    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": content(i), "path": f"{i:06d}.jpg" if path_too else None} for i in indices]
    table = arrow.table(
        {
            "image": images,
            "celeb_id": [i // 2 for i in indices],
            "Male": [i % 2 == 0 for i in indices],
            "Smiling": [i % 3 == 0 for i in indices],
        }
    )
    writer.write_table(table, path, row_group_size=4)


def test_hugging_faces_parquet_is_read(tmp_path: Path) -> None:
    parts = {"train": range(1, 11), "valid": range(11, 15), "test": range(15, 20)}
    for part, indices in parts.items():
        parquet(tmp_path / "data" / f"{part}-00000-of-00001.parquet", indices)
    source = CelebA(SETTINGS, tmp_path)
    sizes = {part: len(at) for part, at in source.splits().items()}
    assert sizes == {"train": 10, "validation": 4, "test": 5}
    images, whole = source.decode(np.arange(len(source)))
    assert whole.all()
    blues = {part: images[at, 2, 0, 0].tolist() for part, at in source.splits().items()}
    assert blues == {
        "train": [*range(1, 11)], "validation": [*range(11, 15)], "test": [*range(15, 20)]
    }  # fmt: skip
    names, labels = labels_of(source)
    assert names == ("Male", "Smiling")
    assert labels[:, 0].tolist() == [int(blue % 2 == 0) for blue in images[:, 2, 0, 0].tolist()]
    some = SETTINGS.model_copy(update={"only": ("Smiling",), "disjoint": False})
    assert images[CelebA(some, tmp_path).splits()["train"], 2, 0, 0].tolist() == [3, 6, 9]
    report = check(tmp_path, deep=True)
    assert report.views[-2:] == ["aligned", "rotated"]
    assert report.usable


def test_a_parquet_file_is_a_folder_of_images_too(tmp_path: Path) -> None:
    parquet(tmp_path / "faces" / "train-0.parquet", range(1, 31), path_too=False)
    settings = FolderSettings(name="folder", folder="faces", size=16)
    source = open_source(settings, tmp_path)
    images, whole = source.decode(np.arange(30))
    assert whole.all()
    assert images[:, 2, 0, 0].tolist() == [*range(1, 31)]
    one = FolderSettings(name="folder", folder="faces/train-0.parquet", size=16)
    assert np.array_equal(open_source(one, tmp_path).decode(np.arange(30))[0], images)
    (tmp_path / "faces" / "train-0.parquet").write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    with pytest.raises(InputError, match="not a valid Parquet file"):
        open_source(settings, tmp_path)


def test_webdatasets_shards_are_read(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for shard in range(3):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for i in range(1 + 10 * shard, 11 + 10 * shard):
                for name, data in ((f"{i:05d}.png", content(i)), (f"{i:05d}.json", b"{}")):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        (tmp_path / "shards" / f"faces-{shard:06d}.tar").write_bytes(file.getvalue())
    settings = FolderSettings(name="folder", folder="shards", size=16)
    source = open_source(settings, tmp_path)
    order = np.random.default_rng(0).permutation(30)
    images, whole = source.decode(order)
    assert whole.all()
    assert images[:, 2, 0, 0].tolist() == (order + 1).tolist()
    assert source.notes() == ["shards: not read: 30 .json"]
    assert source.name(29) == "shards/faces-000002.tar/00030.png"


@pytest.mark.parametrize("packed", [True, False])
def test_parts_may_be_named_by_folders_of_images_or_shards(packed: bool, tmp_path: Path) -> None:
    parts = {"train": range(1, 11), "val": range(11, 16), "test": range(16, 21)}
    for part, indices in parts.items():
        folder = tmp_path / ("celeba-wds" if packed else IMAGES) / part
        folder.mkdir(parents=True)
        if packed:
            with tarfile.open(folder / "000000.tar", "w") as archive:
                for i in indices:
                    info = tarfile.TarInfo(f"{i:06d}.png")
                    info.size = len(content(i))
                    archive.addfile(info, io.BytesIO(content(i)))
        else:
            for i in indices:
                (folder / f"{i:06d}.png").write_bytes(content(i))
    source = CelebA(SETTINGS, tmp_path)
    assert [at.tolist() for at in source.splits().values()] == [
        [*range(10)], [*range(10, 15)], [*range(15, 20)]
    ]  # fmt: skip
    assert source.decode(np.arange(20))[0][:, 2, 0, 0].tolist() == [*range(1, 21)]
    assert any("parts by the names of the files" in note for note in source.notes())


# ---- images of another size ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [(178, 178), (64, 64)])
def test_resized_images_train_as_a_folder(
    size: tuple[int, int], usual: Path, tmp_path: Path
) -> None:
    shutil.copytree(usual, tmp_path / "celeba")
    for i in range(1, COUNT + 1):
        picture(i).resize(size).save(tmp_path / "celeba" / IMAGES / f"{i:06d}.jpg", "PNG")
    report = check(tmp_path / "celeba", deep=False)
    assert report.views == []
    assert f"--set data.name=folder --set data.folder={IMAGES}" in report.advice
    with pytest.raises(InputError, match=f"{size[0]} x {size[1]}, not 178 x 218.*data.name=folder"):
        open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert check(tmp_path / "celeba" / IMAGES, deep=True).views == ["folder"]
    store = open_store(
        FolderSettings(name="folder", folder=IMAGES, size=16),
        tmp_path / "celeba",
        tmp_path / "cache",
    )
    assert len(store.images) == COUNT


def test_a_damaged_archive_is_one_line_of_the_report(tmp_path: Path) -> None:
    write_tables(tmp_path)
    (tmp_path / f"{IMAGES}.zip").write_bytes(b"PK\x03\x04 torn")
    report = check(tmp_path, deep=False)
    (item,) = (item for item in report.items if item.name == IMAGES)
    assert item.state == "broken"
    assert "not a valid zip archive" in item.says
    assert len(report.items) == 8  # the tables too
    with pytest.raises(InputError, match="not a valid zip archive"):
        CelebA(SETTINGS, tmp_path)


def test_images_of_celebas_size_alone_are_a_plain_folder(tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    report = check(tmp_path / "photos", deep=True)
    assert report.views == ["folder"]
    assert [item.name for item in report.items] == ["photos/"]
    with pytest.raises(InputError, match=f"no {IMAGES}/"):
        CelebA(SETTINGS, tmp_path / "photos")


def test_what_is_not_read_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.HEIC").write_bytes(b"x")
    with pytest.raises(InputError, match=r"1 \.heic: not read; .* magick mogrify -format png"):
        check(tmp_path / "phone", deep=False)


def test_images_that_are_packed_otherwise_say_how_to_unpack_them(tmp_path: Path) -> None:
    """The authors' drive has a folder called img_celeba.7z."""
    drive(tmp_path)
    parts = tmp_path / "Img" / "img_celeba.7z"
    parts.mkdir()
    for number in range(1, 4):
        (parts / f"img_celeba.7z.{number:03d}").write_bytes(b"7z")
    report = check(tmp_path, deep=True)
    assert report.views == ["aligned", "rotated"]
    assert report.usable
    assert any("use: 7z x NAME.001" in note for note in report.notes)


def test_an_archive_of_everything_says_where_to_look(tmp_path: Path) -> None:
    FORMS["all in Kaggle's archive"](tmp_path)
    report = check(tmp_path / "archive.zip", deep=False)
    assert report.views == ["folder"]
    assert any(note.endswith(f"the folder that it lies in, {tmp_path}") for note in report.notes)
    assert not any(
        ".csv" in note for note in CelebA(SETTINGS, tmp_path).notes() if "not read" in note
    )


def test_two_trees_beside_each_other_are_not_mixed(usual: Path, tmp_path: Path) -> None:
    write_tables(tmp_path / "aaf", "list_eval_partition")
    write_images(tmp_path / "aaf" / "pictures")
    shutil.copytree(usual, tmp_path / "celeba")
    source = CelebA(SETTINGS, tmp_path)
    assert source.root == tmp_path / "celeba"
    assert LANDMARKS_ALIGNED in source.tree.tables


def test_a_part_of_the_images_may_be_packed_with_all_tables(usual: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "archive.zip", "w") as archive:
        for path in sorted(usual.rglob("*.*")):
            if path.name != "000002.jpg":
                archive.write(path, path.relative_to(usual))
    store = open_store(SETTINGS, tmp_path, tmp_path / "cache")
    assert store.splits["train"].tolist() == [0, *range(2, 12)]
