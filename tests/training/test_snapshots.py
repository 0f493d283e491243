"""The generator's weights at a step: what is kept, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.errors import BenchError
from benchmark.training import snapshots
from benchmark.training.loop import new_method, sampler
from benchmark.training.snapshots import Snapshot
from tests.conftest import tiny_spec

CPU = torch.device("cpu")


def _written(folder: Path, step: int = 7) -> tuple[nn.Module, Snapshot]:
    method = new_method(tiny_spec(method={"carry_steps": 100}), CPU)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.01)
        method.updates_done.fill_(30)
    return method, snapshots.write(folder, step, method)


def test_a_snapshot_gives_the_samples_of_the_method_it_is_of(tmp_path: Path) -> None:
    method, snapshot = _written(tmp_path)
    assert snapshot.step == 7
    other = new_method(tiny_spec(method={"carry_steps": 100}), CPU)
    images = [sampler(each, 0, "z_eval", CPU)(0, 5) for each in (method, other)]
    assert not torch.equal(*images)
    snapshot.load_into(other)
    again = sampler(other, 0, "z_eval", CPU)(0, 5)
    assert torch.equal(images[0], again)  # so the carry of the vanishing residuals is in it


def test_it_holds_the_generator_and_nothing_of_the_discriminator(tmp_path: Path) -> None:
    method, _ = _written(tmp_path)
    names = set(snapshots.tensors(method))
    assert all(name.startswith("generator.") or name == "updates_done" for name in names)
    assert {f"generator.{name}" for name in method.generator.state_dict()} < names


def test_writing_again_leaves_one_file_a_step(tmp_path: Path) -> None:
    method, first = _written(tmp_path)
    assert snapshots.write(tmp_path, 7, method).path == first.path
    with torch.no_grad():
        next(method.generator.parameters()).add_(1)
    second = snapshots.write(tmp_path, 7, method)
    assert second.digest != first.digest
    assert [each.path for each in snapshots.listed(tmp_path)] == [second.path]


def test_a_wrong_sum_and_other_weights_are_refused(tmp_path: Path) -> None:
    method, snapshot = _written(tmp_path)
    with pytest.raises(BenchError, match="not the weights of this run's generator"):
        snapshot.load_into(new_method(tiny_spec(method={"n": 3, "carry_steps": 100}), CPU))
    data = bytearray(snapshot.path.read_bytes())
    data[-1] ^= 1
    snapshot.path.write_bytes(data)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with pytest.raises(BenchError, match="checksum does not match"):
        snapshot.load_into(method)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    snapshot.path.unlink()
    with pytest.raises(BenchError, match="missing"):
        snapshot.load_into(method)
