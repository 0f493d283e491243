"""One tiny sweep, trained once by the command with secrets planted around it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmark.runs.directory import RunDirectory
from tests.processes import bench, forks
from tests.reliability.processes import Server

TINY = """\
name: tiny
question: Does the harness work?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 12, batch: 4, log_every: 2, checkpoint_every: 4, lr_decay: {on: never}}
  evaluation: {every: 6, repeats: 1, judges: {efficientnet_lite0: {samples: 60}}}
sweep:
  method.gamma: [0.3, 0.7]
seeds: [0]
profiles: {demo: {}}
"""
PLANTED = {"SOME_API_TOKEN": "planted-in-the-environment", "DB_PASSWORD": "planted-password"}
IN_URL = "planted-in-a-url"
# Nobody listens there; the credentials must not be repeated anywhere.
MLFLOW = f"http://user:{IN_URL}@127.0.0.1:9"


@dataclass(frozen=True)
class Swept:
    folder: Path
    said: str

    def runs(self) -> list[RunDirectory]:
        found = sorted(path.parent for path in self.folder.glob("runs/*/spec.json"))
        return [RunDirectory(path) for path in found]


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Swept:
    """Two finished runs, their tables and report; read only."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "cache").symlink_to(cache)
    override = f"training.lr=1.0e-4 # {PLANTED['SOME_API_TOKEN']}"
    done = bench("run", "tiny.yaml", "--mlflow", MLFLOW, "--set", override, cwd=folder, **PLANTED)
    swept = Swept(folder, done.stdout + done.stderr)
    assert [run.state() for run in swept.runs()] == ["done", "done"], swept.said
    return swept


@pytest.fixture
def finished(swept: Swept, tmp_path: Path) -> RunDirectory:
    """A copy of a finished run, to be spoilt."""
    run = swept.runs()[0]
    shutil.copytree(run.path, tmp_path / "runs" / run.run_id)
    return RunDirectory(tmp_path / "runs" / run.run_id)


@pytest.fixture(scope="session")
def server() -> Server:
    return forks()
