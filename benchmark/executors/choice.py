"""Which executor trains a sweep, from the command line."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark.ablation.plan import Plan
from benchmark.errors import InputError
from benchmark.executors.executor import UNLIMITED, Start

TAKES = {
    "local": ("jobs", "lanes"),
    "ray": ("jobs", "address", "gpus_per_run"),
    "slurm": ("jobs", "gpus_per_run", "partition", "time", "sbatch"),
}


@dataclass(frozen=True)
class Asked:
    """The executor options of `bench run`, with their defaults."""

    executor: str = "local"
    jobs: int | None = None
    lanes: int | None = 1  # None: as many as are worthwhile and fit
    device: str = "auto"
    address: str | None = None  # of a Ray cluster
    gpus_per_run: float | None = None
    partition: str | None = None
    time: int | None = None  # minutes
    sbatch: tuple[str, ...] = ()  # KEY=VALUE each


def choose(asked: Asked, plan: Plan, runs_root: Path) -> Start:
    """What starts the executor; raises InputError where its extra or an option does not fit."""
    for name in ("lanes", "address", "gpus_per_run", "partition", "time", "sbatch"):
        said = getattr(asked, name) != getattr(Asked, name)
        if said and name not in TAKES[asked.executor]:
            option = name.replace("_", "-")
            fits = " or ".join(each for each, takes in TAKES.items() if name in takes)
            raise InputError(
                f"--{option} does not apply to --executor {asked.executor}; it needs --executor "
                f"{fits}"
            )
    from benchmark.ablation.cost import default_jobs, most_threads
    from benchmark.executors.local import Pool
    from benchmark.executors.packing import Lanes

    threads = most_threads(plan)
    jobs = asked.jobs or UNLIMITED
    try:
        if asked.executor == "ray":
            from benchmark.executors.ray import Cluster, RayTasks

            cluster = Cluster(asked.address or "auto", threads, asked.gpus_per_run or 0)
            return partial(RayTasks, jobs, cluster=cluster)
        if asked.executor == "slurm":
            from benchmark.executors.slurm import Queue, SlurmJobs

            folder = (runs_root / "slurm").absolute()
            return partial(SlurmJobs, jobs, queue=Queue.of(asked, plan.name, threads, folder))
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "submitit"):
            raise
        raise InputError(
            f"--executor {asked.executor} needs the package {error.name}, which is not installed: "
            f"pip install 'began-bench[{asked.executor}]'"
        ) from None
    lanes = Lanes.of(asked.lanes, asked.device, asked.jobs)
    jobs = asked.jobs or (1 if lanes.free else default_jobs(plan, asked.lanes or 1))
    return partial(Pool, jobs, lanes=lanes)
