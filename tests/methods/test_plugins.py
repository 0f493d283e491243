"""Methods from outside the package: one with an encoder, one without a code, one with labels."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.data.batches import batch_positions
from benchmark.data.store import FaceStore, open_store
from benchmark.errors import BenchError, InputError
from benchmark.imports import method_code
from benchmark.methods import attributes, heldout_columns, signal, train_columns
from benchmark.methods.method import Batch, has_code, has_encoder
from benchmark.methods.registry import method_class
from benchmark.runs.directory import Result, RunDirectory
from benchmark.spec import RunSpec
from benchmark.training import snapshots
from benchmark.training.determinism import StepDraw
from benchmark.training.loop import Step, Trainer, new_method, sampler
from tests.conftest import TINY

CPU = torch.device("cpu")
HERE = "tests.methods.plugins"
ALI = {"name": f"{HERE}.ali_like:ALI", "n": 4, "z": 4}
MIXTURE = {"name": f"{HERE}.codeless:Mixture", "images": 5}
CONDITIONAL = {"name": f"{HERE}.labelled:Conditional", "attributes": ["Smiling", "Bald"]}
EVERY = pytest.mark.parametrize("block", [ALI, MIXTURE, CONDITIONAL], ids=lambda b: b["name"])


def spec_of(block: dict[str, Any], **training: Any) -> RunSpec:
    short = {"steps": 3, "batch": 4, "log_every": 1, "checkpoint_every": 1}
    training = {**short, "lr_decay": {"on": "never"}, **training}
    return RunSpec.model_validate({**TINY, "method": block, "training": training})


def store_of(spec: RunSpec, cache: Path) -> FaceStore:
    return open_store(spec.data, None, cache, attributes(spec.method))


def train(run: RunDirectory, store: FaceStore) -> Result:
    return Trainer(run, store, CPU).train(lambda: False, lambda snapshot: None)


@EVERY
def test_it_trains_as_the_packages_own_do(
    block: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    spec = spec_of(block)
    runs = [RunDirectory.create(tmp_path / name, spec) for name in ("once", "again")]
    results = [train(run, store_of(spec, cache)) for run in runs]
    assert results[0].state == "done"
    assert results[0].weights_sha256 == results[1].weights_sha256
    rows = runs[0].rows()
    trained = [row.values for row in rows if row.kind == "train"]
    assert len(trained) == 3
    assert all(list(values) == train_columns(spec.method) for values in trained)
    (heldout,) = [row.values for row in rows if row.kind == "heldout"]
    assert list(heldout) == heldout_columns(spec.method)
    assert signal(spec.method) in trained[0]
    assert method_code(spec.method.name) is not None
    assert RunSpec.from_json(spec.to_json()) == spec


@EVERY
def test_a_snapshot_holds_all_that_samples_need(
    block: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    spec = spec_of(block)
    run = RunDirectory.create(tmp_path, spec)
    trainer = Trainer(run, store_of(spec, cache), CPU)
    trainer.train(lambda: False, lambda snapshot: None)
    (snapshot,) = snapshots.listed(run.snapshots)
    fresh = new_method(spec, CPU)
    images = sampler(trainer.method, 0, "z_eval", CPU)(0, 6)
    assert not images.equal(sampler(fresh, 0, "z_eval", CPU)(0, 6))
    snapshot.load_into(fresh)
    assert images.equal(sampler(fresh, 0, "z_eval", CPU)(0, 6))


@EVERY
def test_bfloat16_reaches_its_networks(block: dict[str, Any], tmp_path: Path, cache: Path) -> None:
    digests = []
    for precision in ("float32", "bfloat16"):
        spec = spec_of(block, precision=precision)
        result = train(RunDirectory.create(tmp_path, spec), store_of(spec, cache))
        digests.append(result.weights_sha256)
    has_networks = block is not MIXTURE
    assert (digests[0] != digests[1]) == has_networks


def test_what_each_can_do_it_says() -> None:
    found = {
        block["name"].rpartition(":")[2]: (has_code(kind), has_encoder(kind), kind.labelled)
        for block in (ALI, MIXTURE, CONDITIONAL)
        for kind in [method_class(block["name"])]
    }
    assert found == {
        "ALI": (True, True, False),
        "Mixture": (False, False, False),
        "Conditional": (True, False, True),
    }
    method = new_method(spec_of(ALI), CPU)
    assert has_encoder(method)
    assert method.encode(torch.zeros(2, 3, 16, 16), StepDraw(0, 0, CPU)).shape == (2, 4)


def test_a_batch_carries_the_labels_of_its_images(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(CONDITIONAL)
    store = store_of(spec, cache)
    step = Step(spec, store, CPU, graphs=False)
    batches: list[Batch] = []
    monkeypatch.setattr(step.method, "update", lambda batch, draw: batches.append(batch) or {})
    step(2, 1e-4)
    positions = batch_positions(store.splits["train"], spec.seed, 1, spec.training.batch)
    assert store.labels is not None
    assert batches[0].labels is not None
    assert batches[0].labels.tolist() == store.labels[positions].tolist()
    assert batches[0].labels.dtype == batches[0].images.dtype == torch.float32


def test_a_labelled_method_is_refused_where_there_are_no_labels(
    tmp_path: Path, cache: Path
) -> None:
    spec = spec_of({**CONDITIONAL, "attributes": ["Smilling"]})
    with pytest.raises(InputError) as refused:
        store_of(spec, cache)
    assert str(refused.value) == (
        "method.attributes: procedural faces has no attribute 'Smilling'; it has: Bald, Bangs, "
        "Eyeglasses, Mouth_Slightly_Open, No_Beard, Smiling"
    )
    run = RunDirectory.create(tmp_path, spec)
    with pytest.raises(BenchError, match="needs labels"):
        train(run, open_store(spec.data, None, cache))
