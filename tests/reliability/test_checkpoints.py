"""The last good checkpoint is kept until the next is whole; a bad one is never used."""

import fcntl
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from benchmark.data.store import open_store
from benchmark.files import is_held, write_atomic
from benchmark.runs import digests
from benchmark.runs.directory import LOCK_WAIT_S, RunDirectory
from benchmark.runs.weights import listed, short_sum
from benchmark.training.checkpoint import KEPT
from benchmark.training.loop import Trainer, new_method
from tests.conftest import tiny_spec
from tests.training.test_loop import CPU, Stopped, train, values, whole_and_cut


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_every_checkpoint_corrupt_starts_from_zero_with_a_word(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tiny_spec()
    whole, run = whole_and_cut(tmp_path, cache, stop_at=5)
    for path in listed(run.checkpoints):
        spoil(path)
    again = train(spec, tmp_path / "cut", cache)
    said = capsys.readouterr().out
    assert said.count("checksum does not match") == KEPT
    assert "no checkpoint is whole; starting from step 0" in said
    assert again.weights_sha256 == whole.weights_sha256
    assert values(tmp_path / "cut", spec) == values(tmp_path / "whole", spec)


def test_a_corrupt_checkpoint_makes_room_for_a_whole_one(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec(training={"steps": 100, "checkpoint_every": 2})
    with pytest.raises(Stopped):
        train(spec, tmp_path, cache, stop_at=5)
    run = RunDirectory(tmp_path / spec.run_id)
    spoilt = listed(run.checkpoints)[-1]
    spoil(spoilt)
    # The clock in a checkpoint makes its name another one: the bad file would stay beside it.
    with pytest.raises(Stopped):
        train(spec, tmp_path, cache, stop_at=1)
    names = [path.name for path in listed(run.checkpoints)]
    assert [name[:8] for name in names] == ["00000008", "00000010"]
    assert spoilt.name not in names


def test_disk_use_is_bounded(tmp_path: Path, cache: Path) -> None:
    spec = tiny_spec(training={"steps": 40, "checkpoint_every": 2, "lr_decay": {"on": "never"}})
    train(spec, tmp_path, cache)
    run = RunDirectory(tmp_path / spec.run_id)
    files = listed(run.checkpoints)
    assert [int(path.name[:8]) for path in files] == [38, 40]
    weights = sum(value.nbytes for value in new_method(spec, CPU).state_dict().values())
    # Weights and Adam's two moments of each, in two checkpoints; the rest is names and shapes.
    assert sum(path.stat().st_size for path in files) < 2 * (3 * weights + 25_000)
    assert [each.step for each in digests.read(run.checkpoints)] == list(range(2, 41, 2))


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_killed_between_its_last_checkpoint_and_its_result_has_nothing_left_to_do(
    fails: bool, tmp_path: Path, cache: Path
) -> None:
    bad = {"lr": 1.0, "steps": 400} if fails else {}
    spec = tiny_spec(
        method={"eta": 2 if fails else 1},
        training={**bad, "lr_decay": {"on": "never"}},
    )
    whole = train(spec, tmp_path, cache)
    assert whole.state == ("failed" if fails else "done")
    before = values(tmp_path, spec)
    run = RunDirectory(tmp_path / spec.run_id)
    (run.path / "result.json").unlink()  # as if the kill had come right before it
    again = train(spec, tmp_path, cache)
    assert again.model_dump(exclude={"wall_s", "cpu_s"}) == whole.model_dump(
        exclude={"wall_s", "cpu_s"}
    )
    assert values(tmp_path, spec) == before


def test_checkpoints_of_the_first_format_are_read(tmp_path: Path, cache: Path) -> None:
    """Runs of weeks have begun with it: no word on how the run ended, no digests."""
    spec = tiny_spec()
    run = RunDirectory.create(tmp_path, spec)
    trainer = Trainer(run, open_store(spec.data, None, cache), CPU)
    with pytest.raises(Stopped):
        trainer.train(lambda: True, lambda snapshot: None)
    (path,) = listed(run.checkpoints)
    from safetensors.torch import load, save

    tensors = load(path.read_bytes())
    text = bytes(tensors["progress"].tolist()).decode()
    for new in ('"ended":null,', '"reason":null,', ',"ended":null', ',"reason":null'):
        text = text.replace(new, "")
    assert "ended" not in text
    data = save({**tensors, "progress": torch.tensor(list(text.encode()), dtype=torch.uint8)})
    write_atomic(path.with_name(f"00000002-{short_sum(data)}.safetensors"), data)
    path.unlink()
    (run.checkpoints / "digests.jsonl").unlink()
    whole = train(spec, tmp_path / "whole", cache)
    assert train(spec, tmp_path, cache).weights_sha256 == whole.weights_sha256


def test_whether_a_lock_is_held_is_asked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with FileLock(path):
        path.chmod(0o444)
        assert is_held(path)
        assert is_held(path)
    path.touch()
    with path.open() as shared:  # another who looks
        fcntl.flock(shared, fcntl.LOCK_SH)
        assert not is_held(path)


def test_looking_at_a_run_does_not_keep_its_writer_out(tmp_path: Path) -> None:
    from threading import Event, Thread

    run, over = RunDirectory.create(tmp_path, tiny_spec()), Event()

    def look() -> None:
        while not over.wait(0.001):
            RunDirectory(run.path).is_locked()

    lookers = [Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(20):
            with run.locked():
                pass
    finally:
        over.set()
        for looker in lookers:
            looker.join()
    assert LOCK_WAIT_S >= 1
