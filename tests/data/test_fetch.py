"""Fetching and unpacking CelebA, with a Google Drive of our own."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmark.data.celeba import fetch
from benchmark.data.celeba.fetch import Refused, fetch_celeba
from benchmark.data.celeba.layout import Remote
from benchmark.data.containers.unpack import unpack
from benchmark.errors import BenchError

TABLE = b"000001.jpg 0\n"


def packed(path: Path, members: dict[str, bytes]) -> bytes:
    with ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path.read_bytes()


class Drive:
    """Gives `files` by id; refuses those in `refusing`."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.refusing, self.asked = files, set[str](), list[str]()

    def __call__(self, drive: str, path: Path) -> None:
        self.asked.append(drive)
        if drive in self.refusing:
            raise Refused("Too many users have viewed or downloaded this file")
        path.write_bytes(self.files[drive])


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    archive = packed(tmp_path / "made.zip", {"img_align_celeba/000001.jpg": b"face"})
    files = {"id-table": TABLE, "id-zip": archive}
    sums = {key: hashlib.md5(data).hexdigest() for key, data in files.items()}
    table = Remote("list_eval_partition.txt", "id-table", sums["id-table"])
    monkeypatch.setattr(fetch, "TABLES", (table,))
    remote = Remote("img_align_celeba.zip", "id-zip", sums["id-zip"])
    monkeypatch.setattr(fetch, "ALIGNED_ZIP", remote)
    drive = Drive(files)
    monkeypatch.setattr(fetch, "_from_drive", drive)
    return drive


def get(root: Path) -> None:
    fetch_celeba(root, wild=False, say=lambda line: None)


def test_all_is_fetched_unpacked_and_then_left_alone(tmp_path: Path, drive: Drive) -> None:
    get(tmp_path)
    folder = tmp_path / "celeba"
    assert (folder / "list_eval_partition.txt").read_bytes() == TABLE
    assert (folder / "img_align_celeba" / "000001.jpg").read_bytes() == b"face"
    assert {path.name for path in folder.iterdir()} == {
        "list_eval_partition.txt", "img_align_celeba", "img_align_celeba.zip"
    }  # fmt: skip
    assert len(drive.asked) == 2
    get(tmp_path)
    assert len(drive.asked) == 2


def test_a_refusal_says_which_file_goes_where_and_the_rest_is_kept(
    tmp_path: Path, drive: Drive
) -> None:
    drive.refusing = {"id-zip"}
    said: list[str] = []
    with pytest.raises(BenchError) as caught:
        fetch_celeba(tmp_path, wild=False, say=said.append)
    wanted = str(caught.value)
    assert "not fetched: img_align_celeba.zip;" in wanted
    assert f"put them into {tmp_path / 'celeba'}/" in wanted
    assert "\n" not in wanted
    assert any("Too many users" in line and "uc?id=id-zip" in line for line in said)
    assert (tmp_path / "celeba" / "list_eval_partition.txt").exists()
    # By hand, as it said; the same command goes on from there.
    (tmp_path / "celeba" / "img_align_celeba.zip").write_bytes(drive.files["id-zip"])
    drive.asked.clear()
    get(tmp_path)
    assert drive.asked == []
    assert (tmp_path / "celeba" / "img_align_celeba" / "000001.jpg").exists()


def test_another_file_is_not_kept(tmp_path: Path, drive: Drive) -> None:
    """What Drive sends instead of the file is often a page in HTML."""
    drive.files["id-table"] = b"<html>quota</html>"
    with pytest.raises(BenchError, match=r"not fetched: list_eval_partition\.txt"):
        get(tmp_path)
    assert not list((tmp_path / "celeba").glob("list_eval*"))


def test_ones_own_file_of_that_name_is_not_overwritten(tmp_path: Path, drive: Drive) -> None:
    (tmp_path / "celeba").mkdir()
    (tmp_path / "celeba" / "list_eval_partition.txt").write_bytes(b"mine")
    with pytest.raises(BenchError, match=r"not CelebA's .*move it away"):
        get(tmp_path)
    assert (tmp_path / "celeba" / "list_eval_partition.txt").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "C:\\out.txt"])
def test_unpacking_never_leaves_its_folder(name: str, tmp_path: Path) -> None:
    packed(tmp_path / "x.zip", {"a.txt": b"a", name: b"out"})
    with pytest.raises(BenchError, match="leaves its folder; not unpacked"):
        unpack(tmp_path / "x.zip", tmp_path / "inside" / "x")
    assert not list(tmp_path.rglob("out.txt"))
    assert not list((tmp_path / "inside").iterdir())


def test_a_torn_archive_leaves_nothing(tmp_path: Path) -> None:
    whole = packed(tmp_path / "x.zip", {"a.txt": b"a" * 1000})
    (tmp_path / "x.zip").write_bytes(whole[:500])
    with pytest.raises(BenchError, match="not a valid zip archive"):
        unpack(tmp_path / "x.zip", tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def parts_of_7z(folder: Path, name: str = "img_celeba/000001.jpg") -> None:
    """A 7z archive in parts of 100 bytes, as CelebA's images in the wild come."""
    multivolumefile = pytest.importorskip("multivolumefile")
    py7zr = pytest.importorskip("py7zr")
    with (
        multivolumefile.open(folder / "img_celeba.7z", mode="wb", volume=100) as file,
        py7zr.SevenZipFile(file, "w") as archive,
    ):
        archive.writestr(b"as photographed", name)


def test_parts_of_a_7z_archive_are_unpacked(tmp_path: Path) -> None:
    parts_of_7z(tmp_path)
    assert len(list(tmp_path.glob("img_celeba.7z.*"))) > 1
    unpack(tmp_path / "img_celeba.7z.001", tmp_path / "img_celeba")
    assert (tmp_path / "img_celeba" / "000001.jpg").read_bytes() == b"as photographed"
    assert not list(tmp_path.glob(".*"))


def test_a_missing_or_spoiled_part_is_one_line(tmp_path: Path) -> None:
    parts_of_7z(tmp_path)
    last = sorted(tmp_path.glob("img_celeba.7z.*"))[-1]
    last.unlink()
    with pytest.raises(BenchError, match="not a valid 7z archive"):
        unpack(tmp_path / "img_celeba.7z.001", tmp_path / "img_celeba")
    assert not (tmp_path / "img_celeba").exists()
