"""The README's method in 40 lines, named by its import path, trains as the package's own do."""

import re
from pathlib import Path

import pytest
import torch

from benchmark.ablation.plan import load
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.methods import heldout_columns, signal, train_columns
from benchmark.provenance import method_code
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.training.loop import Trainer
from tests.conftest import TINY

README = Path(__file__).parents[2] / "README.md"
LSGAN = {"name": "lsgan:LSGAN", "n": 4}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (code,) = re.findall(r"```python\n(.*?LSGAN.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    (tmp_path / "lsgan.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_readme_s_method_trains(example: Path, cache: Path) -> None:
    spec = RunSpec.model_validate({**TINY, "method": LSGAN})
    results = []
    for folder in ("once", "again"):
        run = RunDirectory.create(example / folder, spec)
        trainer = Trainer(run, open_store(spec.data, None, cache), torch.device("cpu"))
        results.append(trainer.train(lambda: False, lambda snapshot: None))
    assert results[0].state == "done"
    assert results[0].weights_sha256 == results[1].weights_sha256
    rows = run.rows()
    assert set(rows[0].values) == set(train_columns(spec.method)) == {"loss_d", "loss_g", "lr"}
    (heldout,) = [row for row in rows if row.kind == "heldout"]
    assert list(heldout.values) == heldout_columns(spec.method)
    assert signal(spec.method) == "loss_g"
    assert method_code(spec.method) is not None


def test_an_ablation_names_it_by_its_import_path(example: Path) -> None:
    text = (README.parent / "ablations" / "baselines.yaml").read_text()
    arm = "sweep:\n  variants:\n    LSGAN: {method: {name: 'lsgan:LSGAN', n: 8}}\n"
    (example / "with.yaml").write_text(text.replace("sweep:\n  variants:\n", arm, 1))
    plan = load(example / "with.yaml", "demo")
    assert plan.runs[0].label == "LSGAN seed=0"
    (example / "wrong.yaml").write_text(text.replace("sweep:\n  variants:\n", arm, 1).replace(
        "lsgan:LSGAN", "lsgan:LSGAM"))  # fmt: skip
    with pytest.raises(InputError, match="cannot be imported"):
        load(example / "wrong.yaml", "demo")
