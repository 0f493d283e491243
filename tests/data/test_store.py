"""The decoded store: made once, whole or not at all. Procedural faces stand for any source."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data import store as store_module
from benchmark.data.faces.dataset import ProceduralFaces
from benchmark.data.settings import FacesSettings
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError

SETTINGS = FacesSettings(name="faces", size=16, count=300)  # three chunks

# What a second process runs: argv is the cache and a folder for signs between processes.
PROCESS = """
import os, signal, sys, time
from pathlib import Path
from benchmark.data.faces.dataset import ProceduralFaces
from benchmark.data.settings import FacesSettings
from benchmark.data.store import open_store
from benchmark.errors import BenchError

cache, signs = Path(sys.argv[1]), Path(sys.argv[2])
decode = ProceduralFaces.decode
{patch}
try:
    open_store(FacesSettings(name="faces", size=16, count=300), None, cache)
except BenchError as error:
    sys.exit(str(error))
"""


def start(patch: str, cache: Path, signs: Path) -> subprocess.Popen[str]:
    code = PROCESS.replace("{patch}", patch)
    command = [sys.executable, "-c", code, str(cache), str(signs)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def folders(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "stores").iterdir() if path.is_dir())


def pixels() -> NDArray[np.uint8]:
    return ProceduralFaces(SETTINGS).decode(np.arange(SETTINGS.count))[0]


def all_broken_at(monkeypatch: pytest.MonkeyPatch, *broken: int) -> None:
    """A source without drawing, whose images at `broken` are not whole."""

    def decode(
        self: ProceduralFaces, indices: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        return np.zeros((len(indices), 3, 16, 16), np.uint8), ~np.isin(indices, broken)

    monkeypatch.setattr(ProceduralFaces, "decode", decode)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceStore, Path]:
    """A store and its folder; only to be read."""
    cache = tmp_path_factory.mktemp("prepared")
    store = open_store(SETTINGS, None, cache)
    return store, cache / "stores" / store.fingerprint


@pytest.fixture
def copy(prepared: tuple[FaceStore, Path], tmp_path: Path) -> Path:
    """A store's folder to be spoiled, in the cache `tmp_path`."""
    folder = tmp_path / "stores" / prepared[0].fingerprint
    folder.mkdir(parents=True)
    for path in prepared[1].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_store_is_what_the_source_decodes(prepared: tuple[FaceStore, Path]) -> None:
    store, source = prepared[0], ProceduralFaces(SETTINGS)
    assert np.array_equal(store.images, pixels())
    assert (store.title, store.fingerprint) == (source.title, source.fingerprint())
    assert store.broken == ()
    for part, at in source.splits().items():
        assert np.array_equal(store.splits[part], at)
        assert store.splits[part].dtype == np.int64


def test_batch_is_a_copy_and_the_store_is_not_writable(prepared: tuple[FaceStore, Path]) -> None:
    store, at = prepared[0], np.array([299, 0, 7, 7])
    batch = store.batch(at, 0, 1)
    assert np.array_equal(batch, pixels()[at])
    assert batch.flags.c_contiguous
    batch[:] = 0
    assert np.array_equal(store.images[at], pixels()[at])
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0


def test_a_store_that_is_there_is_only_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither decoded again nor locked: a cache shared by a cluster may be read-only."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store_module, "FileLock", refuse)
    monkeypatch.setattr(ProceduralFaces, "decode", refuse)
    cache = copy.parents[1]
    assert len(open_store(SETTINGS, None, cache).images) == 300
    other = FacesSettings(name="faces", size=16, count=301)
    with pytest.raises(BenchError, match=r"cannot keep .*Permission denied.*--cache"):
        open_store(other, None, cache)


@pytest.mark.parametrize("where", ["decode", "fsync", "rename"])
def test_a_killed_preparation_is_never_taken_for_whole(where: str, tmp_path: Path) -> None:
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    patch = {
        "decode": f"ProceduralFaces.decode = lambda s, i: {kill} if i[0] else decode(s, i)",
        "fsync": f"os.fsync = lambda file: {kill}",
        "rename": f"Path.rename = lambda path, target: {kill}",
    }[where]
    with start(patch, tmp_path, tmp_path) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert [Path(name).suffix for name in folders(tmp_path)] == [".tmp"]  # it was under way
    store = open_store(SETTINGS, None, tmp_path)
    assert np.array_equal(store.images, pixels())
    assert folders(tmp_path) == [store.fingerprint]


def test_two_processes_at_once_prepare_once(tmp_path: Path) -> None:
    """The first is held inside its preparation until the second has come to the same store."""
    hold = """
def held(self, indices):
    (signs / f"{os.getpid()}-{indices[0]}.decoded").touch()
    while not (signs / "second").exists():
        time.sleep(0.01)
    time.sleep(0.5)
    return decode(self, indices)
ProceduralFaces.decode = held
"""
    cache, signs = tmp_path / "cache", tmp_path
    with start(hold, cache, signs) as first:
        wait_for(signs, "*.decoded")
        with start(hold + "(signs / 'second').touch()", cache, signs) as second:
            assert first.wait(60) == second.wait(60) == 0
    preparers = {path.name.split("-")[0] for path in signs.glob("*.decoded")}
    assert preparers == {str(first.pid)}
    assert np.array_equal(open_store(SETTINGS, None, cache).images, pixels())


def wait_for(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 300
    while not list(folder.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.01)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the system refuses the write as well."""
    patch = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    with start(patch, tmp_path, tmp_path) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "cannot keep the decoded images there (File too large); free some space" in said
    assert said.count("\n") == 1
    assert folders(tmp_path) == []


def test_a_cache_that_cannot_be_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(BenchError, match="cannot keep the decoded images there"):
        open_store(SETTINGS, None, tmp_path / "cache")


def change(folder: Path, **changes: object) -> None:
    path = folder / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(folder: Path, name: str, length: int) -> None:
    os.truncate(folder / name, length)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "images.npy").unlink(),
        lambda folder: cut(folder, "images.npy", 0),
        lambda folder: cut(folder, "images.npy", 5000),
        lambda folder: (folder / "images.npy").write_text("hello"),
        lambda folder: np.save(folder / "images.npy", np.zeros((300, 3, 8, 8), np.uint8)),
        lambda folder: np.save(folder / "images.npy", np.zeros((300, 3, 16, 16), np.int8)),
        lambda folder: (folder / "store.json").unlink(),
        lambda folder: cut(folder, "store.json", 30),
        lambda folder: (folder / "store.json").write_text("[]"),
        lambda folder: (folder / "store.json").write_bytes(b"\xff"),
        lambda folder: change(folder, broken=None),
        lambda folder: change(folder, broken=[300]),
        lambda folder: change(folder, broken=[-1]),
        lambda folder: change(folder, broken=[2**70]),
        lambda folder: change(folder, broken=0),
        lambda folder: change(folder, broken=[[0]]),
        lambda folder: change(folder, broken=["face 0"]),
    ],
)
def test_a_damaged_store_is_refused_by_name(spoil: object, copy: Path) -> None:
    spoil(copy)  # type: ignore[operator]
    with pytest.raises(BenchError, match=r"a damaged store .*delete that folder") as caught:
        open_store(SETTINGS, None, copy.parents[1])
    assert str(copy) in str(caught.value)


def test_fewer_than_one_in_a_thousand_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FacesSettings(name="faces", size=16, count=2000)
    all_broken_at(monkeypatch, 5)
    store = open_store(settings, None, tmp_path / "a")
    assert store.broken == ("face 5",)
    assert len(store.images) == 2000
    assert np.array_equal(store.splits["train"], np.delete(np.arange(1600), 5))
    assert len(store.splits["validation"]) == len(store.splits["test"]) == 200
    assert open_store(settings, None, tmp_path / "a").broken == ("face 5",)
    all_broken_at(monkeypatch, 5, 1999)
    with pytest.raises(BenchError, match=r"^2 of 2000 .*: face 5, face 1999; "):
        open_store(settings, None, tmp_path / "b")
    assert folders(tmp_path / "b") == []


def test_no_more_than_five_broken_images_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_broken_at(monkeypatch, *range(10, 17))
    with pytest.raises(BenchError, match=r"^7 of 300 .*: face 10, .*, face 14, \.\.\.; "):
        open_store(SETTINGS, None, tmp_path)
