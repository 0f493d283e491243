"""The tables of one ablation, as text: cells, measures with both kinds of noise, and runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.claims.seeds import improvement, middle
from benchmark.claims.settled import moving
from benchmark.markup import code, escaped
from benchmark.report.captions import distance_name, made_of, these
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
from benchmark.report.summary import summary
from benchmark.results.schema import BEST, BLURRED, DISTANCE, REAL
from benchmark.results.tables import Tables, read_images

SEEDS, DRAWS = "sd over seeds", "sd over evaluations"
MIDDLE = "interquartile mean"
FLOORS = {REAL: "real against real", BLURRED: "blurred against real"}
# Distances have a table of their own, and KID's spread over subsets does not measure quality.
APART = {DISTANCE, "distance_validation", "distance_infinite", "kid_sd"}


def cell_table(results: Tables) -> Table:
    """One row per cell: runs, the distance by every judge (last and best), its noise, and cost."""
    record = results.record
    name = distance_name(record, record.headline)
    others = [judge for judge in record.judges[1:] if judge.digest]
    by_judge = {judge.name: results.for_judge(judge.name).cells for judge in others}
    first, rows, unsettled = results.cells[0], [], moving(results)
    for at, cell in enumerate(results.cells):
        values = finite(cell.values(DISTANCE))
        row = {
            "cell": escaped(cell.title),
            "runs": f"{len(cell.done)}/{cell.planned}",
            "failed": str(cell.failed),
            "collapsed": str(cell.collapsed),
            "settled": f"{sum(not unsettled[run['run_id']] for run in cell.done)}/{len(cell.done)}",
            f"{name}, last": mean(cell.values(DISTANCE), cell.planned),
            SEEDS: spread(cell.values(DISTANCE)),
            DRAWS: pooled(cell.values(f"noise_{DISTANCE}")),
            MIDDLE: measured(*middle(values)),
            f"better than {first.title}": NONE
            if cell is first
            else measured(*improvement(values, finite(first.values(DISTANCE)))),
            f"{name}, best by validation": mean_spread(cell.values(BEST), cell.planned),
            "at step": _range(finite(cell.values("best_step"))),
        }
        for judge in others:
            values = by_judge[judge.name][at].values(DISTANCE)
            row[f"{distance_name(record, judge)}, last"] = mean_spread(values, cell.planned)
        minutes = float(np.nansum([run["cpu_s"] for run in cell.rows])) / 60
        rows.append({**row, "core-minutes": number(minutes)})
    shown = {
        f"{distance_name(record, judge)}, last": (judge.name, DISTANCE)
        for judge in (record.headline, *others)
    }
    caption = (
        "The distance, and what it cost. Settled: finished runs whose signal, k and distance had"
        " stopped moving (docs/explanation/evidence.md). Interquartile mean: over the middle half"
        f" of the seeds. Better than {escaped(first.title)}: the chance that a seed of this cell"
        " has a lower distance than a seed of that one. Both as in arXiv 2108.13264 (rliable), with"
        " 95 % intervals that are valid for so few seeds, and none for fewer than five."
        f" {made_of(record, others)}.{incomplete(results)}"
    )
    frame = pd.DataFrame([*rows, *rows_without_runs(results, shown)]).fillna(NONE)
    return Table("cells", frame, caption, results.folder / "runs.csv")


def measure_table(results: Tables) -> Table:
    """One row per cell, one column per measure at the last checkpoint: mean ± sd over seeds."""
    record = results.record
    own = title(record.signals[0]) if len(record.signals) == 1 else "own signal"
    measures = [name for name in results.metrics if name not in APART]
    rows = []
    for cell in results.cells:
        signal = cell.record.signal
        which = "" if len(record.signals) == 1 else f"{title(signal)} "
        row = {
            "cell": escaped(cell.title),
            own: which + mean_spread(cell.values(signal), cell.planned),
        }
        for column in measures:
            scaled = [value * FACTORS.get(column, 1.0) for value in cell.values(column)]
            row[title(column)] = mean_spread(scaled, cell.planned)
        rows.append(row)
    shown = {title(column): (results.judge, column) for column in measures}
    frame = pd.DataFrame([*rows, *rows_without_runs(results, shown)]).fillna(NONE)
    caption = f"Mean ± sd over seeds at the last checkpoint. {made_of(record)}."
    caption += incomplete(results)
    return Table("measures", frame, caption, results.folder / "runs.csv")


def noise_table(results: Tables) -> Table:
    """One row per measure and cell, with both kinds of noise and the floors."""
    planned = {cell.title: cell.planned for cell in results.cells}
    rows = summary(results)
    factor = rows["measure"].map(FACTORS).fillna(1.0)
    frame = pd.DataFrame(
        {
            "measure": rows["measure"].map(title),
            "cell": rows["cell"].map(escaped),
            "runs": rows["runs"].map(str),
            "mean": (rows["mean"] * factor).map(number)
            + np.where(rows["runs"] < rows["cell"].map(planned), INCOMPLETE, ""),
            SEEDS: (rows["sd_seeds"] * factor).map(noise),
            DRAWS: (rows["sd_evaluations"] * factor).map(noise),
            MIDDLE: list(
                map(between, *(rows[name] * factor for name in ("iqm", "iqm_low", "iqm_high")))
            ),
            **{label: (rows[name] * factor).map(number) for name, label in FLOORS.items()},
        }
    )
    caption = f"At the last checkpoint. {made_of(results.record)}.{incomplete(results)}"
    return Table("noise", frame, caption, results.folder / "runs.csv")


def measured(value: float, interval: tuple[float, float] | None, digits: int = 4) -> str:
    """A value with its interval, if it has one."""
    ends = f" [{', '.join(number(end, digits) for end in interval)}]" if interval else ""
    return f"{number(value, digits)}{ends}"


def between(value: float, low: float, high: float) -> str:
    """A value with its interval, whose ends are NaN if there is none."""
    return measured(value, None if np.isnan(low) else (low, high))


def run_table(results: Tables) -> Table:
    """One row per run: what produced each number."""
    rows = []
    unsettled = {
        run_id: ", ".join(title(results.shown(column)) for column in columns)
        for run_id, columns in moving(results).items()
    }
    lanes, name = results.record.lanes, distance_name(results.record, results.entry)
    for cell in results.cells:
        signal = cell.record.signal
        for run in cell.rows:
            in_lanes = {"lanes": f"{lanes.get(run['run_id'], 1)}"} if lanes else {}
            rows.append(
                {
                    "run": code(run["run_id"]),
                    "cell": escaped(cell.title),
                    "seed": _whole(run["seed"]),
                    "state": run["state"],
                    "step": _whole(run["step"]),
                    "own signal": f"{title(signal)} {number(run.get(signal, np.nan))}",
                    f"{name}, last": number(run.get(DISTANCE, np.nan)),
                    "best by validation": number(run.get(BEST, np.nan)),
                    "at step": _whole(run.get("best_step", np.nan)),
                    "still moving": unsettled.get(run["run_id"]) or NONE,
                    "collapsed since": _whole(run.get("collapsed_at", np.nan)),
                    "parameters": _whole(run["parameters"]),
                    "core-minutes": number(run["cpu_s"] / 60),
                    "minutes": number(run["wall_s"] / 60),
                    **in_lanes,
                    "code": escaped(run["commit"]) or NONE,
                    "data": run["data"][:12] or NONE,
                    "weights": run["weights_sha256"][:12] or NONE,
                }
            )
    caption = f"{made_of(results.record)}."
    return Table("runs", pd.DataFrame(rows), caption, results.folder / "runs.csv")


def rows_without_runs(
    results: Tables, shown: Mapping[str, tuple[str, str]]
) -> list[dict[str, str]]:
    """Rows for images from outside, then for the floors of each set-up.

    `shown` maps a heading to the judge and the column of its values.
    """
    rows: list[tuple[str, Mapping[str, Mapping[str, float]]]] = []
    for name, images in read_images(results.folder).groupby("name", sort=False):
        by: dict[str, Any] = {row["judge_digest"]: row for row in images.to_dict("records")}
        judged = {j.name: by[j.digest] for j in results.record.judges if j.digest in by}
        if judged:  # else only outdated judges have judged them
            rows.append((f"{escaped(str(name))} (images from outside, training unknown)", judged))
    used: dict[int, list[str]] = {}
    for cell in results.record.cells:
        used.setdefault(cell.setup, []).append(cell.cell)
    for at, cells in used.items():
        floors = results.record.setups[at].floors
        which = f" ({these(cells, results.record)})" if len(used) > 1 else ""
        for name, label in FLOORS.items():
            judged = {judge: by_name[name] for judge, by_name in floors.items() if name in by_name}
            if judged:
                rows.append((f"{label}{which}", judged))
    return [
        {"cell": label}
        | {
            heading: number(judged.get(judge, {}).get(column, np.nan) * FACTORS.get(column, 1.0))
            for heading, (judge, column) in shown.items()
        }
        for label, judged in rows
    ]


def incomplete(results: Tables) -> str:
    if all(len(cell.done) == cell.planned for cell in results.cells):
        return ""
    return f" {INCOMPLETE} fewer finished runs than planned, which may flatter the cell."


def _whole(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else NONE


def _range(steps: list[float]) -> str:
    least, most = _whole(min(steps, default=np.nan)), _whole(max(steps, default=np.nan))
    return least if least == most else f"{least} to {most}"
