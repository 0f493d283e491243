"""A real Slurm on this host, whose driver is killed and one of whose jobs is pre-empted."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.executors import slurm_queue
from tests.executors.conftest import Sweep, check_same
from tests.reliability.processes import wait

pytest.importorskip("submitit", reason="needs the extra: pip install .[slurm]")
NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
MISSING = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin") is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="needs Debian's packages slurm-wlm and munge"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Slurm's own processes need root"),
]
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


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """munged, slurmctld and slurmd, with files and ports of their own."""
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


@pytest.mark.usefixtures("queue")
def test_a_sweep_outlives_its_driver_and_a_preemption(local: Sweep, elsewhere: Sweep) -> None:
    elsewhere.executor = ("slurm",)
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    numbers = [slurm_queue.job_of(run) for run in elsewhere.runs()]
    driver = elsewhere.start()

    first = elsewhere.runs()[0]
    wait(lambda: elsewhere.step() > 20)
    said = elsewhere.bench("status", "tiny.yaml").stdout
    assert f"Slurm job {numbers[0]} RUNNING" in said
    subprocess.run(["scancel", "--signal=USR2", str(numbers[0])], check=True)
    wait(lambda: not first.is_locked())
    stopped, at = time.time(), first.reached()
    wait(lambda: first.reached() != at or first.result() is not None)
    print(f"training again {time.time() - stopped:.1f} s after its job was pre-empted")
    assert driver.wait(900) == 0, elsewhere.said()
    assert [slurm_queue.job_of(run) for run in elsewhere.runs()] == numbers  # the same jobs
    assert "stopped with a checkpoint" in first.log.read_text()
    check_same(local, elsewhere)


@pytest.mark.usefixtures("queue")
def test_stop_reaches_jobs_whose_driver_is_gone(elsewhere: Sweep) -> None:
    elsewhere.executor = ("slurm",)
    driver = elsewhere.start()
    wait(lambda: elsewhere.step() > 0)
    driver.kill()
    said = elsewhere.bench("stop", "tiny.yaml")
    assert said.stdout.count("asked to stop: Slurm job") == 2, said.stderr
    wait(lambda: not any(run.is_locked() for run in elsewhere.runs()))
    assert {run.state() for run in elsewhere.runs()} == {"stopped"}
    assert "stopped with a checkpoint" in elsewhere.runs()[0].log.read_text()
