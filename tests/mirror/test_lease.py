"""One holder at a time; one who is gone is followed by another."""

import time

import pytest

from benchmark.errors import BenchError, BusyError
from benchmark.mirror import lease
from benchmark.mirror.bucket import Bucket
from benchmark.mirror.lease import Lease, Term


def test_one_at_a_time_and_the_next_when_it_is_given_back(url: str) -> None:
    bucket = Bucket(url)
    with Lease(bucket, "run") as first:
        assert first.is_held()
        with pytest.raises(BusyError, match=r"process \d+ on .* trains this run; free \d+ s"):
            Lease(bucket, "run").__enter__()
        with Lease(bucket, "another"):  # of another run
            pass
    assert (
        not first.is_held()
        or Term.model_validate_json(
            bucket.read(["run/lease/000001.json"])["run/lease/000001.json"]
        ).is_over
    )
    with Lease(bucket, "run") as second:
        assert second.is_held()
        assert not first.is_held()
        assert sorted(bucket.names("run")) == ["run/lease/000002.json"]


def test_a_lease_that_is_over_is_taken_and_its_holder_sees_that_it_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(url)
    monkeypatch.setattr(Lease, "_renew", lambda self: None)  # it is cut off
    monkeypatch.setattr(lease, "TERM_S", 0.3)
    lost = Lease(bucket, "run").__enter__()
    time.sleep(0.4)
    monkeypatch.setattr(lease, "TERM_S", 30.0)
    with Lease(bucket, "run") as next_one:
        assert not lost.is_held()
        assert next_one.is_held()
        lost.__exit__(None, None, None)  # ends nobody's lease but its own
        with pytest.raises(BusyError):
            Lease(bucket, "run").__enter__()


def test_a_living_holder_renews_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(url)
    monkeypatch.setattr(lease, "TERM_S", 2.0)
    with Lease(bucket, "run"):
        time.sleep(3)
        with pytest.raises(BusyError):
            Lease(bucket, "run").__enter__()


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_of_two_that_find_it_free_one_gets_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(url)
    with Lease(bucket, "run") as first:
        monkeypatch.setattr(bucket, "names", lambda under: {})  # it looked before the first came
        with pytest.raises(BusyError, match="quicker"):
            Lease(bucket, "run").__enter__()
        monkeypatch.undo()
        assert first.is_held()


def test_what_is_no_lease_is_said(url: str) -> None:
    bucket = Bucket(url)
    bucket.write({"run/lease/000001.json": b"{}"})
    with pytest.raises(BenchError, match=r"000001\.json: not a lease; remove it"):
        Lease(bucket, "run").__enter__()
