"""The local copy is what the bucket has, and every reader can follow it."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.errors import BenchError, InputError
from benchmark.mirror.bucket import Bucket, scratch
from benchmark.mirror.keeper import Copy
from benchmark.mirror.lease import Lease
from benchmark.mirror.local_copy import LocalCopy
from benchmark.runs.directory import RunDirectory, Tail
from tests.mirror.test_keeper import finish, made, step


def test_it_follows_and_reads_what_is_new(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 2), Bucket(url)
    sender = Copy(bucket, here)
    sender.send()
    with LocalCopy(url) as copy:
        copy.refresh()
        run = RunDirectory(copy.path / here.run_id)
        tail = Tail(run)
        assert [row.step for row in tail.new()] == [1, 2]
        step(here, 3)
        sender.send()
        copy.refresh()
        assert [row.step for row in tail.new()] == [3]  # and not all of them again
        here.cut_after(1)  # resumed from an earlier checkpoint
        sender.send()
        copy.refresh()
        assert [row.step for row in tail.new()] == [1]
        assert run.result() is None
        finish(here)
        sender.send()
        copy.refresh()
        assert run.state() == "done"
        assert copy.run(here.run_id).reached()[:8] == "00000003"
        assert copy.run(here.run_id).address == f"{url}/{here.run_id}"


def test_what_has_gone_from_the_store_goes_here(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 2), Bucket(url)
    finish(here)
    Copy(bucket, here).send()
    with LocalCopy(url) as copy:
        copy.refresh()
        own = copy.path / here.run_id / "slurm.json"
        own.write_text("{}")
        bucket.remove([f"{here.run_id}/result.json"])
        copy.refresh()
        assert RunDirectory(copy.path / here.run_id).result() is None
        assert own.exists()  # what was made here stays


def test_a_run_that_is_trained_elsewhere_is_seen_to_run(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 2), Bucket(url)
    Copy(bucket, here).send()
    with LocalCopy(url) as copy, LocalCopy(url) as another:
        with Lease(bucket, here.run_id):
            copy.refresh()
            another.refresh()
            run = RunDirectory(copy.path / here.run_id)
            assert run.state() == "running"
        assert run.is_locked()
        copy.refresh()
        another.refresh()
        assert not run.is_locked()
    with Lease(bucket, here.run_id), LocalCopy(url) as copy:
        copy.refresh()
        assert run.is_locked()
    assert not run.is_locked()  # whoever kept it fresh is gone


def test_what_is_made_here_is_sent_once(url: str, tmp_path: Path) -> None:
    with LocalCopy(url) as copy:
        copy.refresh()
        run = made(copy.path, 2)  # its rows are no driver's business
        (copy.path / "claims").mkdir()
        (copy.path / "claims" / "gamma-demo.json").write_text("first")
        copy.publish()
        names = set(Bucket(url).names())
        assert names == {f"{run.run_id}/spec.json", "claims/gamma-demo.json"}
        copy.refresh()
        (copy.path / "claims" / "gamma-demo.json").write_text("second")
        copy.publish()
        assert set(Bucket(url).read(["claims/gamma-demo.json"]).values()) == {b"first"}


def test_it_looks_every_few_seconds(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(LocalCopy, "refresh", lambda self: looks.append(time.monotonic()))
    copy = LocalCopy(url)
    for _ in range(5):
        copy.refresh_if_due()
    assert len(looks) == 1


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_names_that_lead_out_of_the_copy_are_not_seen(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bucket" / "runs" / "began-0"
    folder.mkdir(parents=True)
    for name in (".hidden", "good.json", ".good.json.1234.tmp"):
        (folder / name).write_text("x")
    bucket = Bucket(url)
    assert set(bucket.names()) == {"began-0/good.json"}
    outside = {f"{bucket._root}/a/../../x": {}}
    monkeypatch.setattr(bucket._fs, "find", lambda *_, **__: outside)
    assert bucket.names() == {}


def test_commands_that_read_take_a_url(url: str, tmp_path: Path) -> None:
    here = made(tmp_path, 2)
    finish(here)
    Copy(Bucket(url), here).send()
    said = CliRunner().invoke(bench, ["status", "--runs", url])
    assert said.exit_code == 0, said.output
    assert "1 runs: 1 done" in said.output
    said = CliRunner().invoke(bench, ["show", here.run_id[:9], "--runs", url])
    assert f"{here.run_id}: done" in said.output, said.output
    for command in (["gc"], ["doctor"], ["probe", "x"], ["export", "x"], ["import", "x"]):
        said = CliRunner().invoke(bench, [*command, "--runs", url])
        assert said.exit_code == 2
        assert "this command needs a folder" in said.output


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    with pytest.raises(InputError, match="nosuch"):
        Bucket("nosuch://faces/runs")
    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(InputError, match=r"Install s3fs .*pip install .\[remote\]"):
        Bucket("s3://faces/runs")


def test_a_store_that_is_away_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(url)

    def away(*_: object, **__: object) -> None:
        raise RuntimeError("cannot connect\nat all")

    monkeypatch.setattr(bucket._fs, "find", away)
    with pytest.raises(BenchError, match=r"cannot connect$"):
        bucket.names()
    assert scratch("s3://a/b/") == scratch("s3://a/b")
    assert scratch("s3://a/b") != scratch("s3://a-b")
