"""The tutorial's method in 40 lines, named by its import path, trains as the package's own do."""

import io
import re
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmark.ablation.plan import Plan, load
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.executors.local import Pool
from benchmark.imports import method_code
from benchmark.methods import heldout_columns, signal, train_columns
from benchmark.runs.directory import RunDirectory
from benchmark.spec import RunSpec
from benchmark.sweep.dry_run import what_would_run
from benchmark.sweep.output import QuietOutput
from benchmark.sweep.run import Places, Work, run_plan
from benchmark.training.loop import Trainer
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
LSGAN_CLASS = "lsgan:LSGAN"
LSGAN = {"name": LSGAN_CLASS, "n": 4}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (code,) = re.findall(r"```python.*?\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    (tmp_path / "lsgan.py").write_text(code)
    monkeypatch.delitem(sys.modules, "lsgan", raising=False)  # of another test's folder
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_tutorial_s_method_trains(example: Path, cache: Path) -> None:
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
    assert method_code(LSGAN_CLASS) is not None


def test_an_ablation_names_it_by_its_import_path(example: Path) -> None:
    assert with_lsgan(example).runs[0].label == "LSGAN seed=0"
    text = (example / "with.yaml").read_text()
    (example / "wrong.yaml").write_text(text.replace("lsgan:LSGAN", "lsgan:LSGAM"))
    with pytest.raises(InputError, match="there is no LSGAM in lsgan"):
        load(example / "wrong.yaml", "demo")


def with_lsgan(folder: Path) -> Plan:
    text = (ROOT / "ablations" / "baselines.yaml").read_text()
    arm = "sweep:\n  variants:\n    LSGAN: {method: {name: 'lsgan:LSGAN', n: 8}}\n"
    (folder / "with.yaml").write_text(text.replace("sweep:\n  variants:\n", arm, 1))
    return load(folder / "with.yaml", "demo")


def test_runs_of_an_edited_method_are_not_continued(example: Path) -> None:
    plan, there = with_lsgan(example), example / "runs"
    out = example / "out"
    places = Places(there, out, out, out / "REPORT.md", None, "")
    what_would_run(plan, places)
    run = RunDirectory.create(there, plan.runs[0].spec)
    run.write_provenance({"code": {}, "data": {}, "method_code": method_code(LSGAN_CLASS)})
    what_would_run(plan, places)
    with (example / "lsgan.py").open("a") as file:
        file.write("\n# better\n")
    edited = rf"lsgan:LSGAN: its file has changed since 1 run began with it.*{plan.runs[0].run_id}$"
    with pytest.raises(InputError, match=edited):
        what_would_run(plan, places)
    with pytest.raises(InputError, match=edited):
        run_plan(
            plan, places, partial(Pool, 1), Work("cpu"), QuietOutput(Console(file=io.StringIO()))
        )
