"""Does a signal see collapse? collapse.csv: one row a method, signal and event.

Two events, at an evaluation: `collapsed`, the evaluation's own flag, and `low_coverage`, coverage
below half of the most that the run had reached before (and that was at least 0.05). Methods take a
lower signal for a better one, so a signal that sees an event is higher where it has come.

AUROC is the share of pairs of runs of one cell at one step, one with the event and one without,
in which the signal is higher in the one with it (ties count half). Its p deals the runs' series
anew within their cells, alike in cells with the same seeds, so the seed is the unit. A failed run
is never dropped: it counts with its last row carried forward. Holm's correction is over the
method's own signals, not the baselines.

Lead time is of use while a run trains: the alarm rings at the first evaluation whose signal has
climbed back by a quarter of the way that it had come down. It leads by the steps from there to the
event's onset, the first step from which the event stays.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.claims.correlation_table import BASELINES, SIGNALS
from benchmark.levels import ALPHA
from benchmark.results.columns import EVIDENCE
from benchmark.results.tables import Tables
from benchmark.statistics.hypotheses import holm
from benchmark.statistics.permutations import Floats, Ways, blocks_of, summed
from benchmark.statistics.resampling import bootstrap_interval_of_sums, least_p, pairing_p

EVENTS = ("collapsed", "low_coverage")
LOW, LEAST_COVERAGE = 0.5, 0.05
CLIMB = 0.25
GOOD = 0.7  # an AUROC that would be of use


@dataclass(frozen=True)
class _Cell:
    """Series of one cell's runs on its steps, (runs, S); `event` is 0 or 1."""

    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: Floats
    signal: Floats
    event: Floats


def collapse_table(tables: Tables) -> pd.DataFrame:
    """The columns of EVIDENCE in results/columns.py.

    Runs that have not ended, and networks seen before, are left out.
    """
    tables = tables.networks
    rows = []
    for method, runs in tables.runs.groupby("method", sort=False):
        ended = runs[runs["state"].isin(["done", "failed"])]
        if ended.empty:
            continue
        found = replace(tables, runs=ended)
        for signal, role in [*SIGNALS.items(), *((name, "baseline") for name in BASELINES)]:
            shown = found.shown(signal)
            if role == "baseline" and shown in (found.shown("signal"), "step"):
                continue
            for event in EVENTS:
                cells = _cells(found, signal, event)
                if cells:
                    head = {"method": method, "role": role, "signal": shown, "event": event}
                    rows.append({**head, **_row(cells)})
    table = pd.DataFrame(rows, columns=list(EVIDENCE["collapse"]))
    family = table["role"] != "baseline"
    table.loc[family, "p_holm"] = holm(table.loc[family, "p"].tolist())
    verdicts = [_verdict(row) for _, row in table.iterrows()]
    return table.assign(verdict=[v for v, _ in verdicts], sentence=[said for _, said in verdicts])


def _cells(tables: Tables, signal: str, event: str) -> list[_Cell]:
    points = tables.points
    source = "coverage" if event == "low_coverage" else event
    if signal not in points or source not in points:
        return []
    signals = points.pivot(index="run_id", columns="step", values=signal)
    flags = points.pivot(index="run_id", columns="step", values=source)
    if event == "low_coverage":
        flags = _low_coverage(flags)
    run_ids, all_steps = signals.index.to_numpy(), signals.columns.to_numpy(float)
    signal_at = signals.ffill(axis=1).to_numpy(float)
    flag_at = flags.ffill(axis=1).to_numpy(float)
    run_at = signals.index.get_indexer(pd.Index(points["run_id"]))
    step_at = signals.columns.get_indexer(pd.Index(points["step"]))
    cells = []
    seed_at = tables.seeds[list(run_ids)].to_numpy()
    for rows in points.groupby("cell", sort=False).indices.values():
        runs, steps = np.unique(run_at[rows]), np.unique(step_at[rows])
        runs = runs[np.argsort(seed_at[runs], kind="stable")]
        signal_here, flag_here = signal_at[np.ix_(runs, steps)], flag_at[np.ix_(runs, steps)]
        known = ~(np.isnan(signal_here) | np.isnan(flag_here)).any(axis=0)
        if known.any():
            event_here = (flag_here[:, known] > 0).astype(float)
            ids, seeds = tuple(run_ids[runs]), tuple(seed_at[runs].tolist())
            cells.append(
                _Cell(ids, seeds, all_steps[steps][known], signal_here[:, known], event_here)
            )
    return cells


def _low_coverage(coverage: pd.DataFrame) -> pd.DataFrame:
    best = coverage.cummax(axis=1)
    low = (coverage < LOW * best) & (best >= LEAST_COVERAGE)
    return low.astype(float).where(coverage.notna())


def _row(cells: Sequence[_Cell]) -> dict[str, Any]:
    pairs, sizes = _pairs(cells), [len(cell.run_ids) for cell in cells]
    blocks = blocks_of([cell.seeds for cell in cells])
    row: dict[str, Any] = {
        "runs": sum(sizes),
        "event_runs": sum(int(cell.event.any(axis=1).sum()) for cell in cells),
        "pairs": pairs,
        "auroc": np.nan,
        # Seeds whose runs have the same events are interchangeable.
        "least_p": least_p([_alike([cells[at] for at in block]) for block in blocks]),
        **_alarms(cells),
        "run_ids": " ".join(run for cell in cells for run in cell.run_ids),
    }
    row["low"], row["high"], row["p"] = np.nan, np.nan, np.nan
    if pairs:
        tables = concordance(cells)
        row["auroc"] = sum(float(table.trace()) for table in tables) / pairs
        row["p"] = pairing_p(summed(tables, blocks), row["least_p"])
        row["low"], row["high"] = bootstrap_interval_of_sums(
            lambda ways: _redrawn(cells, ways), sizes, _auroc, blocks
        )
    return row


def _alike(cells: Sequence[_Cell]) -> list[int]:
    """How many seeds have the same events in all of these cells, which have the same seeds."""
    events = np.concatenate([cell.event for cell in cells], axis=1)
    return list(Counter(map(tuple, events)).values())


def _pairs(cells: Sequence[_Cell]) -> int:
    """Pairs (run with the event, run without) of one cell at one step."""
    return int(sum((c.event.sum(axis=0) * (1 - c.event).sum(axis=0)).sum() for c in cells))


def concordance(cells: Sequence[_Cell]) -> list[Floats]:
    """(runs, runs) a cell: what run i's signal adds to the concordant pairs with run j's events.

    The sum over runs that meet their own events, over all pairs, is the AUROC: Mann and Whitney's
    U, the midranks of the runs with the event less the least that they could be.
    """
    tables = []
    for cell in cells:
        mixed = (cell.event.min(axis=0) < cell.event.max(axis=0)).astype(float)
        ranks, count = stats.rankdata(cell.signal, axis=0), cell.event.sum(axis=0)
        # The least is the same whoever has the events: each of their ranks bears its part.
        tables.append((ranks - (count + 1) / 2) * mixed @ cell.event.T)
    return tables


def _redrawn(cells: Sequence[_Cell], ways: Ways) -> Floats:
    """(2, C, W): concordant pairs, and all pairs, of the runs that each way draws."""
    drawn = (ways.runs[..., None] == np.arange(ways.runs.shape[1])).sum(axis=1).astype(float)
    whole = np.stack([_concordant(cells[at]) for at in ways.cells], axis=1)
    return np.asarray(((drawn @ whole) * drawn).sum(axis=-1))


def _concordant(cell: _Cell) -> Floats:
    """(2, runs, runs): in how many steps run i has the event, j has not, and i's signal is higher.

    Ties count half. Then the same whatever the signal.
    """
    pairs = cell.event[:, None] * (1 - cell.event)
    mine, theirs = cell.signal[:, None], cell.signal
    higher = (mine > theirs) + (mine == theirs) / 2
    return np.stack([(pairs * higher).sum(axis=-1), pairs.sum(axis=-1)])


def _auroc(sums: Floats) -> Floats:
    """Of concordant pairs and pairs (2, draws); 0.5 where a draw has no pair."""
    concordant, pairs = sums
    return np.asarray(np.where(pairs > 0, concordant / np.maximum(pairs, 1), 0.5))


def _alarms(cells: Sequence[_Cell]) -> dict[str, Any]:
    """How often, and how early, the alarm rings in runs with the event, and falsely in others."""
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
    """The first step from which the event stays; None where it does not last to the end."""
    if not event[-1]:
        return None
    before = np.flatnonzero(event == 0)
    return float(steps[before[-1] + 1 if len(before) else 0])


def _verdict(row: Any) -> tuple[str, str]:
    """The verdict and a sentence that says why; a baseline's rests on its uncorrected p."""
    had = f"{row['event_runs']} of {row['runs']} runs had the event"
    lasting = row["alarmed"] + row["missed"]
    bells = f"its alarm came in time in {row['alarmed']} of {lasting} runs where the event stayed"
    if not row["event_runs"]:
        return "nothing to see", f"No run of {row['runs']} had the event."
    if not row["pairs"]:
        return "cannot tell", f"{had}, and none of their cells went without it; {bells}."
    p = row["p"] if row["role"] == "baseline" else row["p_holm"]
    found = (
        f"{had}; of the pairs, {row['signal']} is higher in the run with the event in"
        f" {row['auroc']:.0%} (95 % {row['low']:.0%} to {row['high']:.0%}, p {p:.2g}); {bells}"
    )
    if row["least_p"] > ALPHA:
        return "cannot tell", f"{found}; the least p of so few runs is {row['least_p']:.2g}."
    if p <= ALPHA and row["auroc"] > 0.5:
        return "sees it", f"{found}."
    if p <= ALPHA or row["high"] < GOOD:
        return "does not see it", f"{found}."
    return "cannot tell", f"{found}."
