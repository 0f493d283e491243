"""Runs lent by other ablations: of an identical cell, with seeds that the plan lacks.

A run's id is the hash of its training, so two cells are identical if their runs with the same seed
have the same id. Runs are lent only if the registration says `pool`, which is decided before the
runs; like the plan's own, a lent run counts as registered if it came after the registration.
"""

from pathlib import Path

from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.ablation.registration import read
from benchmark.results.tables import read_tables
from benchmark.runs.directory import RunDirectory


def lent(plan: Plan, runs_root: Path, results: Path) -> list[PlannedRun]:
    """The finished ones whose folder is in `runs_root`, or that are in the plan's own tables.

    Raises InputError where the registration, or the tables of an ablation, cannot be read.
    """
    registration = read(plan)
    if registration is None or not registration.pool:
        return []
    own = results / plan.place
    folders = [path.parent for path in results.glob(f"*/{plan.profile}/runs.csv")]
    ended = {folder: read_tables(folder).ended for folder in sorted(folders)}
    others = {run_id for folder, runs in ended.items() if folder != own for run_id in runs}
    seeds = sorted({int(run.row["seed"]) for runs in ended.values() for run in runs.values()})
    found = []
    for planned in {planned.cell: planned for planned in plan.runs}.values():
        for seed in seeds:
            spec = planned.spec.model_copy(update={"seed": seed})
            run_id = spec.run_id
            here = run_id in others and RunDirectory(runs_root / run_id).result() is not None
            if seed not in plan.seeds and (here or run_id in ended.get(own, {})):
                found.append(PlannedRun(spec, planned.point))
    return found
