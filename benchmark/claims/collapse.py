"""Does a signal detect collapse? collapse.csv: one row per method, signal and event.

Two events, at an evaluation: `collapsed`, the evaluation's own flag, and `low_coverage`, coverage
below half of the run's previous maximum (which was at least 0.05). Lower signals count as better,
so a signal that detects an event is higher once it has occurred.

AUROC is the share of pairs of runs of one cell at one step, one with the event and one without, in
which the signal is higher in the run with it (ties count half). The seed is the unit: interval and
p are from the jackknife over seeds, each left out of every cell that has it; and p is at least that
of a test permuting whole series within cells. If no seed can be left out, as where one alone had
the event, p is 1: permutations alone cannot tell a signal that is higher then from one that only
varies more. A failed run's last row is carried forward. Holm's correction covers the method's own
signals, not the baselines.

The alarm is raised at the first evaluation whose signal has risen by a quarter of its previous
total fall. Its lead is the number of steps from there to the event's onset, the first step from
which the event persists.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.claims.correlation import blocks_of_seeds
from benchmark.claims.correlation_table import roles
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.places import ENDED
from benchmark.results.tables import Tables
from benchmark.statistics.families import holm
from benchmark.statistics.hypotheses import MOST, arrangements, pairing_p
from benchmark.statistics.intervals import Estimate, Floats, ends, jackknife

EVENTS = ("collapsed", "low_coverage")
LOW, LEAST_COVERAGE = 0.5, 0.05
CLIMB = 0.25
GOOD = 0.7  # an AUROC that would be useful


@dataclass(frozen=True)
class Series:
    """Series of one cell's runs on its steps, (runs, S); `event` is 0 or 1."""

    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: Floats
    signal: Floats
    event: Floats


def collapse_table(tables: Tables) -> pd.DataFrame:
    """Of ended runs, without those whose final weights are those of an earlier one."""
    tables, rows = tables.networks, []
    ended = replace(tables, runs=tables.runs[tables.runs["state"].isin(ENDED)])
    for method, found in ended.by_method():
        for signal, shown, role in roles(found):
            for event in EVENTS if shown != "step" else ():
                cells = _cells(found, signal, event)
                if cells:
                    head = {"method": method, "role": role, "signal": shown, "event": event}
                    rows.append({**head, **_row(cells)})
    table = pd.DataFrame(rows, columns=list(EVIDENCE["collapse"]))
    family = table["role"] != "baseline"
    table.loc[family, "p_holm"] = holm(table.loc[family, "p"].tolist())
    verdicts = [_verdict(row) for _, row in table.iterrows()]
    return table.assign(verdict=[v for v, _ in verdicts], sentence=[said for _, said in verdicts])


def _cells(tables: Tables, signal: str, event: str) -> list[Series]:
    points = tables.points
    source = "coverage" if event == "low_coverage" else event
    if signal not in points or source not in points:
        return []
    cells, seed_of = [], tables.seeds
    for _, rows in points.groupby("cell", sort=False):
        seeds = seed_of[rows["run_id"].unique()].sort_values(kind="stable")
        runs = seeds.index
        signals, flags = (
            rows.pivot(index="run_id", columns="step", values=name).loc[runs]
            for name in (signal, source)
        )
        if event == "low_coverage":
            flags = _low_coverage(flags)
        signals, flags = signals.ffill(axis=1), flags.ffill(axis=1)
        known = (signals.notna() & flags.notna()).all(axis=0)
        if known.any():
            steps = signals.columns[known].to_numpy(float)
            event_here = (flags.loc[:, known].to_numpy(float) > 0).astype(float)
            signal_here = signals.loc[:, known].to_numpy(float)
            cells.append(Series(tuple(runs), tuple(seeds), steps, signal_here, event_here))
    return cells


def _low_coverage(coverage: pd.DataFrame) -> pd.DataFrame:
    best = coverage.cummax(axis=1)
    low = (coverage < LOW * best) & (best >= LEAST_COVERAGE)
    return low.astype(float).where(coverage.notna())


def _row(cells: Sequence[Series]) -> dict[str, Any]:
    pairs = _pairs(cells)
    blocks: dict[tuple[int, ...], list[Series]] = {}
    for cell in cells:
        blocks.setdefault(cell.seeds, []).append(cell)
    ways = arrangements([_alike(block) for block in blocks.values()])
    row: dict[str, Any] = {
        "runs": sum(len(cell.run_ids) for cell in cells),
        "event_runs": sum(int(cell.event.any(axis=1).sum()) for cell in cells),
        "pairs": pairs,
        "auroc": np.nan,
        # Seeds whose runs have the same events are interchangeable.
        "least_p": min(1.0, 2 / min(ways, MOST)),
        **_alarms(cells),
        "run_ids": " ".join(run for cell in cells for run in cell.run_ids),
    }
    row["low"], row["high"], row["p"] = np.nan, np.nan, np.nan
    if pairs:
        estimate = somers(cells)
        row["auroc"] = auroc(cells)
        row["low"], row["high"] = ((1 + end) / 2 for end in ends(estimate))
        tables = [sum(map(concordance, block), np.zeros(1)) for block in blocks.values()]
        row["p"] = max(pairing_p(tables), _two_sided(estimate))
        if estimate is None:
            row["least_p"] = 1.0
    return row


def somers(cells: Sequence[Series]) -> Estimate | None:
    """Somers' D, 2 AUROC - 1, by the jackknife; None where no seed can be left out."""
    without = []
    for block in blocks_of_seeds([cell.seeds for cell in cells]):
        each = [[_but(cell, seed) for cell in cells] for seed in block]
        if not all(map(_pairs, each)):
            return None
        without.append(np.array([2 * auroc(left) - 1 for left in each]))
    return jackknife(2 * auroc(cells) - 1, *without)


def _but(cell: Series, seed: int) -> Series:
    kept = np.array(cell.seeds) != seed
    return replace(cell, signal=cell.signal[kept], event=cell.event[kept])


def _two_sided(estimate: Estimate | None) -> float:
    if estimate is None:
        return 1.0
    if not estimate.error > 0:  # every pair is concordant: permutations alone decide
        return 0.0
    return min(1.0, 2 * float(min(estimate.p_above(), estimate.p_below())))


def auroc(cells: Sequence[Series]) -> float:
    """The share of concordant pairs."""
    return sum(float(concordance(cell).trace()) for cell in cells) / _pairs(cells)


def _alike(cells: Sequence[Series]) -> list[int]:
    """The sizes of groups of seeds with the same events in all these cells."""
    events = np.concatenate([cell.event for cell in cells], axis=1)
    return list(Counter(map(tuple, events)).values())


def _pairs(cells: Sequence[Series]) -> int:
    """Pairs (run with the event, run without) of one cell at one step."""
    return int(sum((c.event.sum(axis=0) * (1 - c.event).sum(axis=0)).sum() for c in cells))


def concordance(cell: Series) -> Floats:
    """(runs, runs): what run i's signal adds to the concordant pairs, given run j's events.

    The sum over runs with their own events, divided by all pairs, is the AUROC: Mann and Whitney's
    U, the midranks of the runs with the event minus their least possible sum.
    """
    mixed = (cell.event.min(axis=0) < cell.event.max(axis=0)).astype(float)
    ranks, count = stats.rankdata(cell.signal, axis=0), cell.event.sum(axis=0)
    # The least sum does not depend on which runs have the events; it is split evenly over their
    # ranks.
    return np.asarray((ranks - (count + 1) / 2) * mixed @ cell.event.T)


def _alarms(cells: Sequence[Series]) -> dict[str, Any]:
    leads, missed, false, quiet = [], 0, 0, 0
    for cell in cells:
        best = np.minimum.accumulate(cell.signal, axis=1)
        rings = cell.signal > best + CLIMB * (cell.signal[:, :1] - best)
        for alarm, event in zip(rings, cell.event, strict=True):
            first = cell.steps[alarm.argmax()] if alarm.any() else np.inf
            onset = _onset(event, cell.steps)
            if onset is None:
                quiet += not event.any()
                false += bool(alarm.any()) and not event.any()
            elif first <= onset:
                leads.append(onset - first)
            else:
                missed += 1
    lead = float(np.median(leads)) if leads else np.nan
    counts = {"alarmed": len(leads), "missed": missed, "false_alarms": false, "quiet_runs": quiet}
    return {**counts, "lead_steps": lead}


def _onset(event: Floats, steps: Floats) -> float | None:
    """The first step from which the event persists; None if it does not last to the end."""
    if not event[-1]:
        return None
    before = np.flatnonzero(event == 0)
    return float(steps[before[-1] + 1 if len(before) else 0])


def _verdict(row: Any) -> tuple[str, str]:
    """A baseline's rests on its uncorrected p."""
    had = f"{row['event_runs']} of {row['runs']} runs had the event"
    lasting = row["alarmed"] + row["missed"]
    bells = f"its alarm came in time in {row['alarmed']} of {lasting} runs where the event stayed"
    if not row["event_runs"]:
        return "nothing to see", f"No run of {row['runs']} had the event."
    if not row["pairs"]:
        return "cannot tell", f"{had}, and none of their cells went without it; {bells}."
    p = row["p"] if row["role"] == "baseline" else row["p_holm"]
    level = ""
    if np.isfinite(row["low"]):
        level = f"95 % {row['low']:.0%} to {row['high']:.0%}, "
    found = (
        f"{had}; of the pairs, {row['signal']} is higher in the run with the event in"
        f" {row['auroc']:.0%} ({level}p {p:.2g}); {bells}"
    )
    if row["least_p"] > ALPHA:
        return "cannot tell", f"{found}; the least p of so few runs is {row['least_p']:.2g}."
    if p <= ALPHA and row["auroc"] > 0.5:
        return "sees it", f"{found}."
    if p <= ALPHA or row["high"] < GOOD:
        return "does not see it", f"{found}."
    return "cannot tell", f"{found}."
