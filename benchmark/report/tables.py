"""The tables of one ablation, as text: cells, measures with both noises, and runs."""

import numpy as np
import pandas as pd

from benchmark.report.captions import made_of
from benchmark.report.document import Table
from benchmark.report.numbers import (
    FACTORS,
    INCOMPLETE,
    NONE,
    finite,
    mean,
    mean_spread,
    noise,
    number,
    pooled,
    spread,
    title,
)
from benchmark.report.records import SetupRecord
from benchmark.report.results import Results
from benchmark.report.summary import summary

SEEDS, DRAWS = "sd over seeds", "sd over evaluations"


def cell_table(results: Results) -> Table:
    """One row a cell: how many runs, the distance with both noises, last and best, and cost."""
    planned, record = len(results.record.seeds), results.record
    name = title(record.distances[0]) if len(record.distances) == 1 else "distance"
    rows = []
    for cell in results.cells:
        distance = cell.setup.distance
        which = "" if len(record.distances) == 1 else f"{title(distance)} "
        rows.append(
            {
                "cell": cell.title,
                "runs": f"{len(cell.done)}/{planned}",
                "failed": str(cell.failed),
                "collapsed": str(cell.collapsed),
                f"{name}, last": which + mean(cell.values(distance), planned),
                SEEDS: spread(cell.values(distance)),
                DRAWS: pooled(cell.values(f"noise_{distance}")),
                f"{name}, best by validation": mean_spread(
                    cell.values(f"best_{distance}"), planned
                ),
                "at step": _range(finite(cell.values("best_step"))),
                "core-minutes": number(float(np.nansum([run["cpu_s"] for run in cell.rows])) / 60),
            }
        )
    for label, setup in _floors(results):
        floor = setup.floor or {}
        row = dict.fromkeys(rows[0], NONE) | {"cell": label}
        row[f"{name}, last"] = number(floor.get(setup.distance, np.nan))
        rows.append(row)
    caption = f"{made_of(record)}.{_incomplete(results)}"
    caption = f"The distance, and what it cost. {caption}"
    return Table("cells", pd.DataFrame(rows), caption, results.folder / "runs.csv")


def measure_table(results: Results) -> Table:
    """One row a cell, one column a measure at the last checkpoint: mean ± sd over seeds."""
    record, planned = results.record, len(results.record.seeds)
    own = title(record.signals[0]) if len(record.signals) == 1 else "own signal"
    measures = ("kid", "precision", "recall", "density", "coverage", "sharpness", "spread")
    rows = []
    for cell in results.cells:
        signal = cell.record.signal
        which = "" if len(record.signals) == 1 else f"{title(signal)} "
        row = {"cell": cell.title, own: which + mean_spread(cell.values(signal), planned)}
        for column in measures:
            scaled = [value * FACTORS.get(column, 1.0) for value in cell.values(column)]
            row[title(column)] = mean_spread(scaled, planned)
        rows.append(row)
    for label, setup in _floors(results):
        row = {"cell": label, own: NONE}
        for column in measures:
            value = (setup.floor or {}).get(column, np.nan)
            row[title(column)] = number(value * FACTORS.get(column, 1))
        rows.append(row)
    caption = f"{made_of(record)}.{_incomplete(results)}"
    caption = f"At the last checkpoint, ± sd over seeds. {caption}"
    return Table("measures", pd.DataFrame(rows), caption, results.folder / "runs.csv")


def noise_table(results: Results) -> Table:
    """One row a measure and cell, with both noises and the floor: everything, for who needs it."""
    planned = len(results.record.seeds)
    found = summary(results)
    factor = found["measure"].map(FACTORS).fillna(1.0)
    frame = pd.DataFrame(
        {
            "measure": found["measure"].map(title),
            "cell": found["cell"],
            "runs": found["runs"].map(str),
            "mean": (found["mean"] * factor).map(number)
            + np.where(found["runs"] < planned, INCOMPLETE, ""),
            SEEDS: (found["sd_seeds"] * factor).map(noise),
            DRAWS: (found["sd_evaluations"] * factor).map(noise),
            "real against real": (found["real"] * factor).map(number),
        }
    )
    caption = f"At the last checkpoint. {made_of(results.record)}.{_incomplete(results)}"
    return Table("noise", frame, caption, results.folder / "runs.csv")


def run_table(results: Results) -> Table:
    """One row a run: from any number to what made it."""
    rows = []
    lanes = results.record.lanes
    for cell in results.cells:
        signal, distance = cell.record.signal, cell.setup.distance
        for run in cell.rows:
            beside = {"lanes": f"{lanes.get(run['run_id'], 1)}"} if lanes else {}
            rows.append(
                {
                    "run": f"`{run['run_id']}`",
                    "cell": cell.title,
                    "seed": number(run["seed"]),
                    "state": run["state"],
                    "step": _whole(run["step"]),
                    "own signal": f"{title(signal)} {number(run[signal])}",
                    "distance, last": f"{title(distance)} {number(run[distance])}",
                    "best by validation": number(run[f"best_{distance}"]),
                    "at step": _whole(run["best_step"]),
                    "collapsed since": _whole(run["collapsed_at"]),
                    "parameters": _whole(run["parameters"]),
                    "core-minutes": number(run["cpu_s"] / 60),
                    "minutes": number(run["wall_s"] / 60),
                    **beside,
                    "code": run["commit"] or NONE,
                    "data": run["data"][:12] or NONE,
                    "weights": run["weights_sha256"][:12] or NONE,
                }
            )
    caption = f"{made_of(results.record)}."
    return Table("runs", pd.DataFrame(rows), caption, results.folder / "runs.csv")


def _floors(results: Results) -> list[tuple[str, SetupRecord]]:
    """Real against real of every set-up in use that has it, with its cells where there are many."""
    used: dict[int, list[str]] = {}
    for cell in results.record.cells:
        used.setdefault(cell.setup, []).append(cell.cell)
    setups = results.record.setups
    rows = [(names, setups[at]) for at, names in used.items() if setups[at].floor is not None]
    if len(used) == 1:
        return [("real against real", setup) for _, setup in rows]
    return [(f"real against real ({', '.join(names)})", setup) for names, setup in rows]


def _incomplete(results: Results) -> str:
    if all(len(cell.done) == len(results.record.seeds) for cell in results.cells):
        return ""
    return f" {INCOMPLETE} fewer finished runs than planned, which may flatter the cell."


def _whole(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else NONE


def _range(steps: list[float]) -> str:
    least, most = _whole(min(steps, default=np.nan)), _whole(max(steps, default=np.nan))
    return least if least == most else f"{least} to {most}"
