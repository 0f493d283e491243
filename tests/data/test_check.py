"""`bench data check` and `show`: what lies there, said to people and to programs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import bench
from benchmark.data.check import check
from benchmark.data.settings import CelebASettings, FolderSettings
from benchmark.data.sheet import VIEWS, contact_sheet, parse_view
from benchmark.data.store import open_store
from benchmark.errors import InputError


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Path:
    for path in root.rglob("*"):
        if path.is_file():
            place = tmp_path / "celeba" / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return tmp_path


def states(path: Path, deep: bool = False) -> dict[str, str]:
    return {item.name: item.state for item in check(path, deep).items}


def test_a_layout_with_other_content(copied: Path) -> None:
    report = check(copied, deep=True)
    assert report.title == "unknown faces in CelebA's layout"
    assert report.views == ["aligned", "rotated", "wild"]
    assert report.usable
    found = {item.name: item.state for item in report.items}
    assert found["list_eval_partition.txt"] == "other content"
    assert found["list_landmarks_celeba.txt"] == "other content"
    assert found["identity_CelebA.txt"] == "missing"
    assert found["img_align_celeba/"] == found["img_celeba/"] == "whole"
    assert states(copied)["img_celeba/"] == "unchecked"


def test_every_broken_image_is_named_with_the_reason(copied: Path) -> None:
    place = copied / "celeba"
    (place / "img_align_celeba" / "000003.jpg").write_bytes(b"")
    Image.new("RGB", (10, 10)).save(place / "img_align_celeba" / "000005.jpg")
    assert check(copied, deep=False).broken == {}
    report = check(copied, deep=True)
    assert list(report.broken) == [f"img_align_celeba/00000{i}.jpg" for i in (3, 5)]
    assert report.broken["img_align_celeba/000005.jpg"] == "10 x 10, not 178 x 218"
    assert not report.usable


def test_missing_images_and_faulty_tables(copied: Path) -> None:
    place = copied / "celeba"
    (place / "img_celeba" / "000007.jpg").unlink()
    (place / "list_bbox_celeba.txt").write_text("3\nx_1 y_1 width height\n")
    table = place / "list_landmarks_celeba.txt"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(["11\n", *lines[1:-1]]))
    says = {item.name: item.says for item in check(copied, deep=False).items}
    assert says["img_celeba/"] == "1 of 12 images are missing: 000007.jpg, ..."
    assert "3 rows announced, 0 found" in says["list_bbox_celeba.txt"]
    assert "000011.jpg" in says["list_landmarks_celeba.txt"]
    assert check(copied, deep=False).views == ["aligned", "rotated"]


def test_a_plain_folder_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "some faces!").mkdir()
    with pytest.raises(InputError, match=r"neither CelebA's layout .* nor any image"):
        check(tmp_path / "some faces!", deep=False)
    Image.new("RGB", (9, 9)).save(tmp_path / "some faces!" / "a.png")
    (tmp_path / "some faces!" / "b.png").write_bytes(b"no")
    report = check(tmp_path / "some faces!", deep=True)
    assert report.title == "a plain folder of images"
    assert list(report.broken) == ["some faces!/b.png"]
    with pytest.raises(InputError, match="no such folder"):
        check(tmp_path / "none", deep=False)


@pytest.mark.parametrize("path", [".", "../faces", "below/.."])
def test_a_folder_named_from_within_is_called_by_its_name(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces" / "below").mkdir(parents=True)
    for i in range(1000):
        Image.new("RGB", (9, 9), (i % 256, i // 256, 0)).save(tmp_path / "faces" / f"{i}.png")
    monkeypatch.chdir(tmp_path / "faces")
    assert check(Path(path), deep=False).advice.endswith("--set data.folder=faces")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("faces.7z", r"use: 7z x faces\.7z$"),
        ("faces.tar.xz", r"use: tar xf faces\.tar\.xz$"),
        ("faces.rar", r"use: unrar x faces\.rar$"),
        ("notes.txt", r"nor a supported archive \(\.zip, .*\)$"),
    ],
)
def test_a_file_that_is_no_archive_says_what_makes_one(
    name: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=says):
        check(tmp_path / name, deep=False)


def test_check_and_run_give_the_same_reason(tmp_path: Path) -> None:
    """Files that are all alike and no images: not copies, but no images."""
    (tmp_path / "faces").mkdir()
    for i in range(40):
        (tmp_path / "faces" / f"{i}.jpg").write_bytes(b"<html>404</html>")
    report = check(tmp_path / "faces", deep=True)
    settings = FolderSettings(name="folder", folder="faces", size=16)
    with pytest.raises(InputError, match="no image of these kinds") as refusal:
        open_store(settings, tmp_path, tmp_path / "cache")
    assert report.advice == str(refusal.value)


def test_an_empty_folder_of_images_is_called_that(copied: Path) -> None:
    images = next(copied.rglob("img_align_celeba"))
    shutil.rmtree(images)
    images.mkdir()
    report = check(copied, deep=True)
    assert any("images that its table names is there" in why for why in report.why_not)
    with pytest.raises(InputError, match="missing or called otherwise"):
        open_store(CelebASettings(name="celeba", size=16), copied, copied / "cache")


def test_the_command_prints_a_table_or_json(copied: Path) -> None:
    run = CliRunner().invoke(bench, ["data", "check", str(copied), "--deep"])
    assert run.exit_code == 0, run.output
    assert "can be trained on: aligned, rotated, wild" in run.stdout
    run = CliRunner().invoke(bench, ["data", "check", str(copied), "--json"])
    assert json.loads(run.stdout)["usable"] is True
    for name in ("img_align_celeba", "img_celeba"):
        (copied / "celeba" / name).rename(copied / name)
    run = CliRunner().invoke(bench, ["data", "check", str(copied / "celeba"), "--json"])
    assert run.exit_code == 1
    assert json.loads(run.stdout)["views"] == []


def test_real_faces_are_known(real_faces: Path) -> None:
    report = check(real_faces, deep=False)
    assert report.title == "All-Age-Faces in CelebA's layout"
    assert report.views == ["aligned", "rotated", "wild"]
    assert {item.state for item in report.items} == {"other content", "unchecked"}


def test_views_are_parsed() -> None:
    assert parse_view("rotated").degrees == 20
    view = parse_view("rotated:degrees=45,crop=178,roll=uniform")
    assert view.model_dump(include={"degrees", "crop", "roll"}) == {
        "degrees": 45.0, "crop": 178, "roll": "uniform"
    }  # fmt: skip
    for text, says in (("x", "name"), ("wild:margin=99", "margin"), ("wild:margin", "key=value")):
        with pytest.raises(InputError, match=says):
            parse_view(text)


def test_a_sheet_shows_the_same_people_row_by_row(root: Path) -> None:
    sheet = np.asarray(contact_sheet(["aligned", "rotated:degrees=0"], "celeba", root, 16, 4, 2))
    assert sheet.shape == (2 * (22 + 36), 72, 3)
    assert np.array_equal(sheet[22:58], sheet[80:116])
    visit = contact_sheet(["rotated:draw=visit", "rotated"], "celeba", root, 64, 4, 2)
    pixels = np.asarray(visit)
    assert np.array_equal(pixels[22:154], pixels[176:308])


def test_show_writes_every_view_of_the_procedural_faces(tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    command = ["data", "show", "--size", "16", "--columns", "3", "--out", str(out)]
    run = CliRunner().invoke(bench, command)
    assert run.exit_code == 0, run.output
    with Image.open(out) as sheet:
        assert sheet.size == (3 * 18, len(VIEWS) * (18 + 22))
