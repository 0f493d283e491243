"""One sweep of two runs: on this machine and on clusters, of stubs and of real runs.

The stubs show in seconds that nothing is lost or done twice; the real runs show that their bits,
tables and reports are those of this machine.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmark.reproduction.comparison import compare
from benchmark.runs.directory import RunDirectory
from tests.executors.stub import SITE
from tests.reliability.conftest import bench

ROOT = Path(__file__).parents[2]

STEPS = 1000
SWEEP = f"""\
name: tiny
question: Does it matter where it runs?
base:
  method: {{name: began, n: 2, h: 4, z: 4}}
  data: {{name: faces, size: 16, count: 1000}}
  training:
    {{steps: {STEPS}, batch: 4, log_every: 2, checkpoint_every: 20, lr_decay: {{on: never}}}}
  evaluation: {{every: {STEPS}, samples: 60, repeats: 0, features: efficientnet_lite0}}
sweep:
  method.gamma: [0.3, 0.7]
seeds: [0]
profiles: {{demo: {{}}}}
"""
OPTIONS = {
    "local": ("--jobs", "2"),
    "ray": (),
    "slurm": ("--partition", "faces", "--time", "30"),
}
NO_MLFLOW = ("--mlflow", "http://127.0.0.1:9")


@dataclass
class Sweep:
    """A folder in which the sweep is trained: `bench run`, or its stub."""

    folder: Path
    stub: bool
    executor: tuple[str, ...] = ("local",)  # with the address of a Ray cluster
    environment: dict[str, str] = field(default_factory=dict)
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def prepare(self, cache: Path) -> "Sweep":
        self.folder.mkdir(exist_ok=True)
        (self.folder / "tiny.yaml").write_text(SWEEP)
        (self.folder / "cache").symlink_to(cache)
        self.environment["PYTHONPATH"] = str(ROOT)
        if self.stub:
            (self.folder / "site").mkdir()
            (self.folder / "site" / "sitecustomize.py").write_text(SITE)
            self.environment["PYTHONPATH"] = f"{self.folder / 'site'}:{ROOT}"
        return self

    def start(self) -> subprocess.Popen[bytes]:
        """A driver, whose words go to said.txt."""
        command = [sys.executable, "-m"]
        if self.stub:
            command += ["tests.executors.stub", ".", *self.executor]
        else:
            command += ["benchmark", "run", "tiny.yaml", *NO_MLFLOW, "--executor", self.executor[0]]
            command += OPTIONS[self.executor[0]]
            command += ["--address", *self.executor[1:]] if self.executor[1:] else []
        with (self.folder / "said.txt").open("a") as said:
            driver = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                env={**os.environ, **self.environment},
            )
        self.drivers.append(driver)
        return driver

    def bench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return bench(*arguments, cwd=self.folder, **self.environment)

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def runs(self) -> list[RunDirectory]:
        found = sorted(path.parent for path in self.folder.glob("runs/*/spec.json"))
        return [RunDirectory(path) for path in found]

    def step(self) -> int:
        """The least of both runs' last checkpoints."""
        runs = self.runs()
        return min(int(run.reached()[:8] or 0) for run in runs) if len(runs) == 2 else 0


@pytest.fixture(scope="session", params=["stub", "trained"])
def local(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Sweep:
    """The sweep as this machine trains it."""
    here = Sweep(tmp_path_factory.mktemp("local"), request.param == "stub").prepare(cache)
    assert here.start().wait(1800) == 0, here.said()
    return here


@pytest.fixture
def elsewhere(tmp_path: Path, cache: Path, local: Sweep) -> Iterator[Sweep]:
    """The same sweep, to be trained elsewhere."""
    there = Sweep(tmp_path / "elsewhere", local.stub).prepare(cache)
    yield there
    for driver in there.drivers:
        driver.kill()
        driver.wait()


def check_same(local: Sweep, there: Sweep) -> None:
    """Both have the same bits, and say the same in REPORT.md."""
    assert len(local.runs()) == len(there.runs()) == 2
    for here, other in zip(local.runs(), there.runs(), strict=True):
        first, second = here.result(), other.result()
        assert first is not None
        assert second is not None, there.said()
        assert first.weights_sha256 == second.weights_sha256
        values = [[(row.step, row.kind, row.values) for row in run.rows()] for run in (here, other)]
        assert values[0] == values[1]
        if not local.stub:
            found = compare(here, other, STEPS, 0.0)
            assert found.bits, str(found)
    if not local.stub:
        said = [(each.folder / "REPORT.md").read_text() for each in (local, there)]
        assert said[0] == said[1]
