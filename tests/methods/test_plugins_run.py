"""Methods from outside, each of one file, from `bench run` to the report."""

from pathlib import Path

import pandas as pd
import pytest

from benchmark.runs.directory import RunDirectory
from tests.processes import bench, bench_apart

ROOT = Path(__file__).parents[2]
FILE = """\
name: plugins
question: Do methods from outside get their rows?
base:
  method: {name: "tests.methods.plugins.ali_like:ALI"}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 4, batch: 4, log_every: 2, checkpoint_every: 4, lr_decay: {on: never}}
  evaluation: {every: 4, repeats: 0, judges: {efficientnet_lite0: {samples: 60}}}
sweep:
  variants:
    encoder: {}
    no code: {method: {name: "tests.methods.plugins.codeless:Mixture"}}
    labels: {method: {name: "tests.methods.plugins.labelled:Conditional", attributes: [Smiling]}}
seeds: [0]
profiles: {demo: {finding: false}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    made = tmp_path_factory.mktemp("plugins")
    (made / "plugins.yaml").write_text(FILE)
    (made / "cache").symlink_to(cache)
    done = bench_apart("run", "plugins.yaml", "--jobs", "1", cwd=made, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_each_has_its_row_its_samples_and_its_columns(folder: Path) -> None:
    report = (folder / "out/REPORT.md").read_text()
    for cell in ("encoder", "no code", "labels"):
        assert f"| {cell} |" in report
    header = list(pd.read_csv(folder / "out/results/plugins/demo/train.csv.gz"))
    runs = [RunDirectory(path.parent) for path in sorted(folder.glob("runs/*/spec.json"))]
    assert len(runs) == 3
    for run in runs:
        assert run.state() == "done"
        assert len(list(run.samples.glob("*.png"))) == 1
        trained = next(row for row in run.rows() if row.kind == "train")
        assert set(trained.values) <= set(header)


def test_what_a_method_cannot_do_is_refused_in_one_line(folder: Path) -> None:
    (run,) = folder.glob("runs/tests.methods.plugins.codeless.*")
    done = bench("probe", run.name, cwd=folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "has no latent code" in line
