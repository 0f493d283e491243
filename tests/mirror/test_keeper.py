"""What a keeper sends is whole at every moment, whatever kills it, and trains on as if it had not.

The runs here are made up, but for the last test's.
"""

import hashlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import Popen

import pytest

from benchmark.errors import BenchError, BusyError
from benchmark.mirror import keeper
from benchmark.mirror.bucket import Bucket, scratch
from benchmark.mirror.keeper import Copy, keep
from benchmark.mirror.lease import Lease
from benchmark.mirror.local_copy import LocalCopy
from benchmark.runs.directory import Result, Row, RunDirectory, write_atomic
from benchmark.training import checkpoint
from tests.conftest import tiny_spec
from tests.training.test_loop import Stopped, train, values

DONE = {"state": "done", "reason": None, "weights_sha256": "00", "wall_s": 1, "cpu_s": 1}


class KilledError(BaseException):
    """What no error handling catches: the process is gone."""


class Dying(Bucket):
    """A bucket whose user is killed in the middle of its n-th change."""

    left = sys.maxsize

    def write(self, objects: Mapping[str, bytes]) -> None:
        self._count()
        super().write(objects)

    def remove(self, names: Iterator[str]) -> None:
        self._count()
        super().remove(names)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KilledError


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Those that `keep` puts in place go."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def step(run: RunDirectory, to: int) -> None:
    """A made-up run goes on: a row, then a checkpoint; the one before the last goes."""
    run.append(Row(step=to, kind="train", time=1e9 + to, values={"m_global": 1 / to}))
    data = f"weights of step {to}".encode()
    name = f"{to:08d}-{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    write_atomic(run.checkpoints / name, data)
    for old in checkpoint.files(run.checkpoints)[:-2]:
        old.unlink()


def made(root: Path, steps: int) -> RunDirectory:
    run = RunDirectory.create(root, tiny_spec())
    for at in range(1, steps + 1):
        step(run, at)
    return run


def finish(run: RunDirectory) -> None:
    run.write_result(Result.model_validate({**DONE, "step": 9, "decays": []}))


def found_by_next(bucket: Bucket, root: Path, run_id: str) -> RunDirectory:
    run = RunDirectory(root / run_id)
    Copy(bucket, run).fetch()
    return run


def test_a_kill_between_any_two_uploads_leaves_a_run_to_go_on_with(
    url: str, tmp_path: Path
) -> None:
    for kill_at in range(20):
        bucket = Dying(f"{url}/{kill_at}")
        here = made(tmp_path / f"here{kill_at}", 4)
        copy = Copy(bucket, here)
        copy.send()
        step(here, 5)
        step(here, 6)
        finish(here)
        bucket.left = kill_at
        ended = True
        try:
            copy.send()
        except KilledError:
            ended = False
        bucket.left = sys.maxsize
        there = found_by_next(bucket, tmp_path / f"there{kill_at}", here.run_id)
        whole = [
            int(path.name[:8])
            for path in checkpoint.files(there.checkpoints)
            if checkpoint.is_whole(path, path.read_bytes())
        ]
        assert len(whole) == len(checkpoint.files(there.checkpoints)) >= 2
        assert [row.step for row in there.rows()] in ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6])
        assert max(whole) <= there.rows()[-1].step
        assert (there.result() is not None) == ended
        if ended:
            assert whole == [5, 6]
            assert kill_at > 4  # rows, two checkpoints, two old ones away, the result
            return
    pytest.fail("never came to its end")


def test_a_kill_in_the_middle_of_an_upload_leaves_the_old_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(f"file://{tmp_path}/bucket")
    bucket.write({"run/log.txt": b"old"})
    with monkeypatch.context() as patch:
        patch.setattr(type(bucket._fs), "mv", lambda *_: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            bucket.write({"run/log.txt": b"new and longer"})
    assert bucket.read(bucket.names()) == {"run/log.txt": b"old"}
    assert len(list((tmp_path / "bucket/run").iterdir())) == 2  # half of it lies there, unseen


def test_a_torn_row_is_not_sent(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    with (here.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ki')
    Copy(bucket, here).send()
    (sent,) = bucket.read([f"{here.run_id}/metrics.jsonl"]).values()
    assert sent.count(b"\n") == 3
    assert sent.endswith(b"}\n")


def test_only_what_changed_is_sent(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 3), Dying(url)
    copy = Copy(bucket, here)
    copy.send()
    bucket.left = 0
    copy.send()


def test_a_run_that_is_not_there(url: str) -> None:
    with pytest.raises(BenchError, match=r"no spec.json here, so this is no run"):
        keep(f"{url}/began-0123456789ab", [])


def test_a_second_keeper_is_refused_and_a_finished_run_left_alone(url: str, tmp_path: Path) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    Copy(bucket, here).send()
    with Lease(bucket, here.run_id), pytest.raises(BusyError, match="trains this run"):
        keep(f"{url}/{here.run_id}", [])
    finish(here)
    Copy(bucket, here).send()
    assert keep(f"{url}/{here.run_id}", []) == 0  # no worker: there is no such data


def worker(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-in for `bench run-one`, in the run's folder."""

    def start(run: RunDirectory, arguments: object, leash: bool) -> "Popen[bytes]":
        assert leash
        return Popen([sys.executable, "-c", code], cwd=run.path)

    monkeypatch.setattr(keeper, "start_worker", start)
    monkeypatch.setattr(keeper, "SEND_EVERY_S", 0.2)
    monkeypatch.setattr(keeper, "POLL_S", 0.05)


def test_what_a_worker_leaves_is_in_the_store_before_its_keeper_ends(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    Copy(bucket, here).send()
    worker(
        "import os; open('log.txt', 'w').write('last words'); os.kill(os.getpid(), 9)", monkeypatch
    )
    assert keep(f"{url}/{here.run_id}", []) == -9
    assert bucket.read([f"{here.run_id}/log.txt"]) == {f"{here.run_id}/log.txt": b"last words"}
    assert not list(scratch(url).rglob("*.safetensors"))
    with Lease(bucket, here.run_id):  # at once: it was given back
        pass


def test_a_keeper_that_is_told_has_its_worker_stop_and_sends_the_rest(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    Copy(bucket, here).send()
    worker(
        "import signal, sys, time\n"
        "def stop(*_): open('log.txt', 'w').write('stopped'); sys.exit(75)\n"
        "signal.signal(15, stop)\n"
        "open('ready.txt', 'w').close()\n"
        "time.sleep(600)",
        monkeypatch,
    )

    def tell() -> None:
        while f"{here.run_id}/ready.txt" not in bucket.names():
            time.sleep(0.1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    teller = threading.Thread(target=tell)
    teller.start()
    assert keep(f"{url}/{here.run_id}", []) == 75
    teller.join()
    assert bucket.read([f"{here.run_id}/log.txt"]) == {f"{here.run_id}/log.txt": b"stopped"}


def test_a_keeper_whose_run_was_taken_over_sends_nothing_more(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    Copy(bucket, here).send()
    worker("import time; open('log.txt', 'w').write('not mine'); time.sleep(600)", monkeypatch)

    def take() -> None:
        name = f"{here.run_id}/lease/000001.json"
        while name not in bucket.names():
            time.sleep(0.02)
        bucket.write({name.replace("000001", "000002"): b'{"holder": "another", "until": 9e12}'})

    monkeypatch.setattr(keeper, "SEND_EVERY_S", 2.0)
    taker = threading.Thread(target=take)
    taker.start()
    with pytest.raises(BusyError, match="taken this run over"):
        keep(f"{url}/{here.run_id}", [])
    taker.join()
    assert f"{here.run_id}/log.txt" not in bucket.names()


def test_a_store_that_comes_back_gets_all_of_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, bucket = made(tmp_path, 3), Bucket(url)
    Copy(bucket, here).send()
    worker("open('log.txt', 'w').write('late')", monkeypatch)
    sent, away = Copy.send, iter((BenchError("away"), BenchError("away")))

    def send(copy: Copy) -> None:
        for error in away:
            raise error
        sent(copy)

    monkeypatch.setattr(Copy, "send", send)
    assert keep(f"{url}/{here.run_id}", []) == 0
    assert bucket.read([f"{here.run_id}/log.txt"]) == {f"{here.run_id}/log.txt": b"late"}


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_a_run_that_goes_on_from_a_store_ends_in_the_same_bits(
    url: str, tmp_path: Path, cache: Path
) -> None:
    spec = tiny_spec(evaluation={"repeats": 0})
    with pytest.raises(Stopped):
        train(spec, tmp_path / "begun", cache, stop_at=2)
    begun = RunDirectory(tmp_path / "begun" / spec.run_id)
    assert begun.reached()
    Copy(Bucket(url), begun).send()
    whole = train(spec, tmp_path / "whole", cache)

    assert keep(f"{url}/{spec.run_id}", ["--cache", str(cache), "--device", "cpu"]) == 0
    with LocalCopy(url) as copy:
        copy.refresh()
        ended = copy.run(spec.run_id)
        result, at = ended.result(), begun.rows()[-1].step
        assert result is not None
        assert result.weights_sha256 == whole.weights_sha256
        kept = [row for row in ended.rows() if row.step <= at]
        assert kept == begun.rows()  # their times too: these steps were not trained again
        trained = [row for row in values(copy.path, spec) if row[1] == "train"]
        assert trained == [row for row in values(tmp_path / "whole", spec) if row[1] == "train"]
        assert ended.reached() == max(
            name.rpartition("/")[2] for name in Bucket(url).names() if "safetensors" in name
        )
        assert not list(copy.path.rglob("*.safetensors"))
