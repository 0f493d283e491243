"""One sweep of two runs: on this machine and on clusters, of stubs and of real runs.

The stubs show in seconds that nothing is lost or done twice; the real runs show that their bits,
tables and reports are those of this machine.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark.reproduction.comparison import compare
from benchmark.runs.directory import RunDirectory
from tests.executors.stub import SITE
from tests.processes import bench_apart
from tests.reliability.processes import wait
from tests.report.timeless import timeless

ROOT = Path(__file__).parents[2]

STEPS = 20  # of the real runs; the stub has its own
SWEEP = f"""\
name: tiny
question: Does it matter where it runs?
base:
  method: {{name: began, n: 2, h: 4, z: 4}}
  data: {{name: faces, size: 16, count: 1000}}
  training:
    {{steps: {STEPS}, batch: 4, log_every: 2, checkpoint_every: 10, lr_decay: {{on: never}}}}
  evaluation: {{every: {STEPS}, repeats: 0, judges: {{efficientnet_lite0: {{samples: 60}}}}}}
sweep:
  method.gamma: [0.3, 0.7]
seeds: [0]
profiles: {{demo: {{}}}}
"""
NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
CONFIGURATION = """\
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
MpiDefault=none
ReturnToService=2
KillWait=120
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=faces Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# Ray's, for a node that died to be missed in seconds; docs/how-to/ray.md says how to set them.
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 3,
}
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
        return bench_apart(*arguments, cwd=self.folder, **self.environment)

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def runs(self) -> list[RunDirectory]:
        found = sorted(path.parent for path in self.folder.glob("runs/*/spec.json"))
        return [RunDirectory(path) for path in found]

    def step(self) -> int:
        """The least of both runs' last checkpoints."""
        runs = self.runs()
        return min(int(run.reached()[:8] or 0) for run in runs) if len(runs) == 2 else 0


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Sweep:
    """The sweep of stubs as this machine has it."""
    here = Sweep(tmp_path_factory.mktemp("local"), stub=True).prepare(cache)
    assert here.start().wait(1800) == 0, here.said()
    return here


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Sweep:
    """The sweep as this machine trains it."""
    here = Sweep(tmp_path_factory.mktemp("trained"), stub=False).prepare(cache)
    assert here.start().wait(1800) == 0, here.said()
    return here


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, cache: Path) -> Iterator[Sweep]:
    """The same sweep, to be trained elsewhere; of stubs, unless the test is about real runs."""
    stub = "trained" not in request.fixturenames
    there = Sweep(tmp_path / "elsewhere", stub).prepare(cache)
    yield there
    for driver in there.drivers:
        driver.kill()
        driver.wait()


def check_same(local: Sweep, there: Sweep) -> None:
    """Both have the same bits, and say the same in their reports."""
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
        said = [timeless(each.folder) for each in (local, there)]
        assert said[0] == said[1]


def _patient(asked: Callable[..., Any]) -> Callable[..., Any]:
    """Ray gives a node 30 s to start, which is too little on a machine that others load."""

    def ask(*arguments: Any) -> Any:
        for _ in range(600):
            with suppress(RuntimeError):
                return asked(*arguments)
            time.sleep(0.5)
        return asked(*arguments)

    return ask


@pytest.fixture
def cluster(elsewhere: Sweep, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that trains nothing, and a node with room for one run."""
    pytest.importorskip("ray", reason="needs the extra: pip install .[ray]")
    from ray._private import services
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(services, "get_node", _patient(services.get_node))
    for name, value in {**elsewhere.environment, "RAY_USAGE_STATS_ENABLED": "0"}.items():
        monkeypatch.setenv(name, value)  # what the nodes' processes have, too
    memory = {"object_store_memory": 80 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK, **memory}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        made.first = made.add_node(num_cpus=1, **memory)
        made.memory = memory
        yield made
    finally:
        made.shutdown()


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """munged, slurmctld and slurmd, with files and ports of their own."""
    pytest.importorskip("submitit", reason="needs the extra: pip install .[slurm]")
    if any(shutil.which(each, path="/usr/sbin:/usr/bin:/sbin") is None for each in NEEDED):
        pytest.skip("needs Debian's packages slurm-wlm and munge")
    if os.geteuid() != 0:
        pytest.skip("Slurm's own processes need root")
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    ports = {"ctld_port": _free_port(), "d_port": _free_port()}
    text = CONFIGURATION.format(folder=folder, host=host, **ports)
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    munged = ["munged", "--foreground", "--force", "--key-file", str(folder / "munge.key")]
    munged += ["--socket", str(folder / "munge.socket"), "--pid-file", str(folder / "munge.pid")]
    munged += ["--seed-file", str(folder / "munge.seed"), "--log-file", str(folder / "munge.log")]
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    started = [subprocess.Popen(munged)]
    try:
        wait((folder / "munge.socket").exists, 60)
        started += [subprocess.Popen([name, "-D"]) for name in ("slurmctld", "slurmd")]
        wait(lambda: "idle" in _says("sinfo", "--noheader", "--format=%T"), 120)
        yield
        _says("scancel", "--me")
        wait(lambda: not _says("squeue", "--noheader"), 180)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _says(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
