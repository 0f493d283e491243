"""Runs with an event against runs of their cell without it: a claim's effect, and events.csv.

A claim defines its event: conditions on columns of the training rows, each a mean since the
previous row, that hold simultaneously for a given share of the run's steps. Unlike in a sweep, runs
are not assigned to the two groups, so a difference shows association with the event, not causation;
the test assumes that, without a difference, any seed of the cell could have had the event. Cells
that share seeds are one, of each seed's mean over them, if at least three seeds had it in all of
them and three in none; otherwise they count as independent.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.ablation.claims import EventTest
from benchmark.claims.contrasts import of_change, sides
from benchmark.claims.effects import DIRECTIONS, Effect, NotRun, missing, nothing_yet
from benchmark.claims.strata import by_seed
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables


def event_words(test: EventTest) -> str:
    """`loss_d below 0.1 and loss_g above 1 for 5% of the steps`."""
    held = " and ".join(f"{each.column} {each.limit}" for each in test.event)
    how_long = f" for {test.lasting:.0%} of the steps" if test.lasting else ""
    return f"{held}{how_long}{f', after {test.after:.0%} of them' if test.after else ''}"


def event(tables: Tables, test: EventTest) -> Effect | NotRun:
    """The difference of means between the two groups, over cells by least squares."""
    runs, values = tables.runs, tables.values(test.column)
    if nothing_yet(runs, values):
        return NotRun(f"No run has {test.column} yet")
    had = runs["run_id"].map(seen(tables, test)["had"]).astype(float)
    known = values.where(had.notna())
    gaps, direction = missing(runs, known), DIRECTIONS[test.direction]
    there = known.notna()
    count = f"{int(had[there].sum())} of {int(there.sum())} runs had the event"
    says = f"{count} ({event_words(test)})"
    cells = runs[there].assign(_had=had, _value=values).groupby("cell", sort=False)
    groups: list[Any] = [
        {side: rows.set_index("seed")["_value"] for side, rows in of_cell.groupby("_had")}
        for _, of_cell in cells
    ]
    groups = [sides_of_cell for sides_of_cell in groups if len(sides_of_cell) == 2]
    ids = tuple(runs.loc[there, "run_id"])
    if not groups:
        says += ", so no cell has runs with it and runs without it to compare"
        return Effect(direction, says, gaps, ids, saturated=True)
    strata = [joint for _, joint in by_seed(groups)]
    without, with_it = sides(strata)
    found = np.concatenate([values for group in groups for values in group.values()])
    effect = of_change(strata, test, found, gaps=gaps, run_ids=ids)
    means = f"mean {test.column} of those {with_it:.4g}, of the others {without:.4g}"
    return replace(effect, says=f"{says}; {means}; change {effect.value:.4g}")


def seen(tables: Tables, test: EventTest) -> pd.DataFrame:
    """By run id, of the runs that have all columns: whether it `had` the event (1 or 0), and what
    it saw of the conditions, as columns of EVIDENCE in results/columns.py have it."""
    named = [each.column for each in test.event]
    columns = ["had", "first_step", "longest", "held"]
    if not set(named) <= set(tables.train):
        return pd.DataFrame(columns=columns)
    rows = tables.train[tables.train["run_id"].isin(tables.runs["run_id"])]
    rows = rows.dropna(subset=named).sort_values("step", kind="stable")
    found = {str(run): _stretches(own, test) for run, own in rows.groupby("run_id")}
    return pd.DataFrame.from_dict(found, "index", columns=columns)


def _stretches(rows: pd.DataFrame, test: EventTest) -> tuple[float, float, float, float]:
    """`seen` of one run, whose rows are in order."""
    steps = rows["step"].to_numpy(float)
    last, width = steps[-1], np.diff(steps, prepend=0.0)
    holds = np.logical_and.reduce(
        [each.holds(rows[each.column].to_numpy(float)) for each in test.event]
    )
    holds &= steps >= test.after * last
    starts = np.flatnonzero(holds & ~np.concatenate([[False], holds[:-1]]))
    stops = np.flatnonzero(holds & ~np.concatenate([holds[1:], [False]]))
    lengths = [width[a : b + 1].sum() for a, b in zip(starts, stops, strict=True)]
    long = [at for at, length in enumerate(lengths) if length >= test.lasting * last]
    first = steps[starts[long[0]]] if long else np.nan
    return float(bool(long)), float(first), max(lengths, default=0.0), width[holds].sum() / last


def events_table(tables: Tables) -> pd.DataFrame:
    """events.csv: one row a claim about an event and a run; empty without such claims."""
    rows = [
        row
        for claim in tables.record.claims
        if isinstance(claim.test, EventTest)
        for row in _rows(tables.only(claim.test.where), claim.id, claim.test)
    ]
    return pd.DataFrame(rows, columns=list(EVIDENCE["events"]))


def _rows(tables: Tables, claim: str, test: EventTest) -> Sequence[dict[str, Any]]:
    runs = tables.runs[["run_id", "cell", "seed", "state"]]
    runs = runs.assign(value=tables.values(test.column)).join(seen(tables, test), "run_id")
    head = {"claim": claim, "event": event_words(test), "outcome": test.column}
    records: list[Any] = runs.to_dict("records")
    return [{**head, **row} for row in records]
