"""How fast the runs of some tables trained."""

from collections import defaultdict

from benchmark.ablation.cost import work_of
from benchmark.ablation.plan import VARIANT
from benchmark.results.tables import Tables


def measured_rates(tables: Tables) -> dict[str, float]:
    """Multiply-adds a second and core that training reached, over all finished runs of a variant,
    or of a cell where there are no variants; none for methods that declare no cost."""
    done, seconds = defaultdict[str, float](float), defaultdict[str, float](float)
    for run in tables.ended.values():
        spec, arm = run.spec(), str(run.row.get(VARIANT, run.row["cell"]))
        work = work_of(spec)
        if run.row["state"] == "done" and work is not None:
            done[arm] += work.macs * spec.training.batch * run.last
            seconds[arm] += run.row["cpu_s"]
    return {arm: done[arm] / seconds[arm] for arm in done if seconds[arm] > 0}
