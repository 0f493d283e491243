"""A run travels as one file; an archive that is anything else writes nothing."""

import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from benchmark.errors import BenchError, InputError
from benchmark.reproduction.comparison import compare
from benchmark.runs.archive import export_run, import_run
from benchmark.runs.directory import RunDirectory
from benchmark.runs.doctor import faults_of, faults_of_runs
from benchmark.runs.show import find_run
from tests.conftest import tiny_spec
from tests.processes import bench
from tests.reliability.conftest import Swept


def test_a_run_comes_out_as_it_went_in(finished: RunDirectory, tmp_path: Path) -> None:
    (finished.path / "log.txt").write_text("/home/somebody")
    (finished.checkpoints / "weights.pt").write_bytes(pickle.dumps({}))
    packed = export_run(finished, tmp_path / "run.zip")
    with zipfile.ZipFile(packed) as file:
        names = file.namelist()
    assert not any("log" in name or name.endswith((".pt", "lock")) for name in names)
    kept = [name.split("/")[0] for name in names if name.endswith(".safetensors")]
    assert sorted(kept) == ["checkpoints", "snapshots", "snapshots"]
    assert len([name for name in names if name.startswith("evaluations/")]) == 2
    run = import_run(packed, tmp_path / "elsewhere")
    assert run.path == tmp_path / "elsewhere" / finished.run_id
    found = compare(finished, run, 12, 0.0)
    assert found.bits
    assert (found.rows, found.grids, found.weights) == (11, 2, 5)
    assert run.provenance() == finished.provenance()
    assert run.result() == finished.result()
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == [run.run_id]
    again = export_run(run, tmp_path / "again.zip")
    assert again.read_bytes() == packed.read_bytes()
    with pytest.raises(InputError, match="already exists"):
        export_run(run, again)
    with pytest.raises(InputError, match="already exists"):
        import_run(packed, tmp_path / "elsewhere")


def test_weights_may_be_larger_than_a_plain_zip_file_holds(
    finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)  # 2 GiB
    import_run(export_run(finished, tmp_path / "run.zip"), tmp_path / "elsewhere")


def test_its_last_snapshot_alone_is_enough_to_judge_it(
    finished: RunDirectory, tmp_path: Path
) -> None:
    whole = export_run(finished, tmp_path / "whole.zip")
    packed = export_run(finished, tmp_path / "last.zip", last=True)
    assert packed.stat().st_size < whole.stat().st_size
    run = import_run(packed, tmp_path / "elsewhere")
    assert [path.name for path in run.snapshots.iterdir()] == [
        max(path.name for path in finished.snapshots.iterdir())
    ]
    assert [path.name for path in run.checkpoints.iterdir()] == ["digests.jsonl"]
    assert not any(fault.serious for fault in faults_of(run, run.run_id))
    assert [path.name for path in run.samples.iterdir()] == ["00000012.png"]


def test_the_commands(swept: Swept, tmp_path: Path) -> None:
    run = swept.runs()[0]
    done = bench("export", run.run_id[:9], "--runs", str(swept.folder / "runs"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{run.run_id}.zip").exists()
    done = bench("import", f"{run.run_id}.zip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / run.run_id / "result.json").exists()
    done = bench("import", "/dev/null", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_unfinished_run_is_not_packed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, tiny_spec())
    with pytest.raises(InputError, match="not finished"):
        export_run(run, tmp_path / "run.zip")


def link(name: str, to: str) -> tuple[zipfile.ZipInfo, bytes]:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member, to.encode()


HOSTILE = {
    "parent": ("../outside.json", b"{}"),
    "absolute": ("/tmp/outside.json", b"{}"),
    "windows": ("..\\outside.json", b"{}"),
    "inside and out": ("samples/../../outside.png", b""),
    "a folder of links": link("samples", "/tmp"),
    "a link by an allowed name": link("samples/00000099.png", "/etc/passwd"),
    "pickle": ("checkpoints/00000012.pt", pickle.dumps({})),
    "pickle by an allowed folder": ("checkpoints/00000012-0000000000000000.pkl", b""),
    "code": ("sitecustomize.py", b"raise SystemExit"),
    "newline": ("spec.json\n", b"{}"),
    "folder": ("samples/", b""),
    "twice": ("spec.json", b"{}"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_part_of_a_run_is_refused(
    name: str, finished: RunDirectory, tmp_path: Path
) -> None:
    packed = export_run(finished, tmp_path / "run.zip")
    member, data = HOSTILE[name]
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr(member, data)
    before = set(tmp_path.rglob("*")) | set(Path("/tmp").glob("outside*"))
    with pytest.raises(InputError, match="nothing was unpacked"):
        import_run(packed, tmp_path / "elsewhere")
    after = set(tmp_path.rglob("*")) | set(Path("/tmp").glob("outside*"))
    assert after - before == {tmp_path / "elsewhere"}


def test_another_compression_is_refused(finished: RunDirectory, tmp_path: Path) -> None:
    packed = export_run(finished, tmp_path / "run.zip")
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_LZMA) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(InputError, match="not compressed as `bench export` does it"):
        import_run(again, tmp_path / "elsewhere")


def test_an_archive_that_grows_too_large_is_stopped(finished: RunDirectory, tmp_path: Path) -> None:
    packed = export_run(finished, tmp_path / "run.zip")
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("samples/99999999.png", b"\0" * 50_000_000)  # 50 MB out of 50 kB
    assert packed.stat().st_size < 1_000_000
    with pytest.raises(InputError, match="--limit"):
        import_run(packed, tmp_path / "elsewhere", limit=10_000_000)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_archive_leaves_nothing(finished: RunDirectory, tmp_path: Path) -> None:
    packed = export_run(finished, tmp_path / "run.zip")
    whole = packed.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    nameless = bytearray(whole)
    nameless[directory + 9] |= 8  # its first name is UTF-8,
    nameless[directory + 46] = 0xFF  # and this byte is not
    (begin,) = struct.unpack("<L", whole[-6:-2])
    for name, data in {
        "nameless": bytes(nameless),
        "before its beginning": whole[:-6] + struct.pack("<L", begin + 1) + whole[-2:],
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:200] + bytes([whole[200] ^ 0xFF]) + whole[201:],
        "empty": b"",
        "text": b"PK\x03\x04 is how a zip file begins",
    }.items():
        packed.write_bytes(data)
        with pytest.raises(InputError):
            import_run(packed, tmp_path / name)
        assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize("spoil", ["spec", "rows", "result", "weights"])
def test_a_run_that_is_not_what_it_says_is_refused(
    spoil: str, finished: RunDirectory, tmp_path: Path
) -> None:
    sound = export_run(finished, tmp_path / "sound.zip")
    path = {
        "spec": finished.path / "spec.json",
        "rows": finished.path / "metrics.jsonl",
        "result": finished.path / "result.json",
        "weights": max(finished.checkpoints.glob("*.safetensors")),
    }[spoil]
    if spoil == "spec":
        path.write_text(path.read_text().replace('"began"', '"os:system"'))
    elif spoil == "rows":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
    elif spoil == "result":
        record = {**json.loads(path.read_text()), "weights_sha256": "0" * 64}
        path.write_text(json.dumps(record))
    else:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    with pytest.raises(BenchError):
        export_run(finished, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()
    packed = tmp_path / "by-hand.zip"
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            new.writestr(name, (finished.path / name).read_bytes())
    with pytest.raises(InputError, match="damaged"):
        import_run(packed, tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_somebody_else_keeps_beside_a_run_is_not_packed(
    finished: RunDirectory, tmp_path: Path
) -> None:
    for folder, name in (
        ("evaluations", "notes.json"),
        ("samples", "00000012 (copy).png"),
        ("samples", "7.png"),
    ):
        (finished.path / folder / name).write_bytes(b"theirs")
    packed = export_run(finished, tmp_path / "run.zip", last=True)
    run = import_run(packed, tmp_path / "elsewhere")
    assert [path.name for path in run.samples.iterdir()] == ["00000012.png"]


def test_a_run_that_is_being_judged_is_not_packed(finished: RunDirectory, tmp_path: Path) -> None:
    with finished.locked(), pytest.raises(BenchError, match="another process is writing"):
        export_run(finished, tmp_path / "run.zip")
    (rows,) = finished.path.glob("evaluations/*.jsonl")
    with rows.open("a") as file:
        file.write('{"step": 12, "dr')  # by `bench evaluate`, which needs no lock of the run
    with zipfile.ZipFile(export_run(finished, tmp_path / "run.zip")) as packed:
        assert packed.read(f"evaluations/{rows.name}").endswith(b"}\n")


def test_a_folder_that_is_being_unpacked_is_no_leftover(
    finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = export_run(finished, tmp_path / "run.zip")
    runs, seen = tmp_path / "elsewhere", []

    def look(*_: object) -> str:
        os.utime(next(runs.glob(".import-*")), (0, 0))  # a large archive takes long
        seen.extend(faults_of_runs(runs))
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.runs.archive._check_run", look)
    with pytest.raises(KeyboardInterrupt):
        import_run(packed, runs)
    assert seen == []
    left = runs / ".import-abc"
    left.mkdir()
    assert list(faults_of_runs(runs)) == []  # it may be about to take its lock
    os.utime(left, (0, 0))
    (fault,) = faults_of_runs(runs)
    assert fault.fix is not None
    fault.fix()
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize("name", [".", "../{}", "../{}/", "../{}/."])
def test_a_run_is_named_by_its_folder(
    name: str, finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.path)
    assert find_run(name.format(finished.run_id), Path("nowhere")).run_id == finished.run_id


def test_a_folder_without_its_description_is_named_as_such(finished: RunDirectory) -> None:
    (finished.path / "spec.json").unlink()
    for name in (str(finished.path), finished.run_id):
        with pytest.raises(InputError, match=r"spec.json is missing; `bench run FILE`"):
            find_run(name, finished.path.parent)
    with pytest.raises(InputError, match="RUN is empty"):
        find_run("", finished.path.parent)
