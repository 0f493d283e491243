"""Does a signal see collapse? collapse.csv: one row a method, signal and event.

Two events, at an evaluation: `collapsed`, the evaluation's own flag, and `low_coverage`, coverage
below half of the most that the run had reached before (and that was at least 0.05). Methods take a
lower signal for a better one, so a signal that sees an event is higher where it has come.

AUROC is the share of pairs of runs of one cell at one step, one with the event and one without,
in which the signal is higher in the one with it (ties count half). Its p deals the runs' series
anew within their cells, so the seed is the unit. A failed run is never dropped: it counts with its
last row carried forward. Holm's correction is over the method's own signals, not the baselines.

Lead time is of use while a run trains: the alarm rings at the first evaluation whose signal has
climbed back by a quarter of the way that it had come down. It leads by the steps from there to the
event's onset, the first step from which the event stays.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.analysis.correlation_table import BASELINES, SIGNALS
from benchmark.analysis.frames import Tables
from benchmark.analysis.resampling import (
    Floats,
    Indices,
    bootstrap_interval,
    holm,
    least_p,
    permutation_p,
)

EVENTS = ("collapsed", "low_coverage")
LOW, LEAST_COVERAGE = 0.5, 0.05
CLIMB = 0.25
GOOD = 0.7  # an AUROC that would be of use
ALPHA = 0.05
COLUMNS = (
    *("method", "role", "signal", "event", "runs", "event_runs", "pairs", "auroc", "low", "high"),
    *(
        "p",
        "p_holm",
        "least_p",
        "alarmed",
        "missed",
        "false_alarms",
        "quiet_runs",
        "lead_steps",
        "verdict",
    ),
    *("sentence", "run_ids"),
)


@dataclass(frozen=True)
class _Cell:
    """Series of one cell's runs on its steps, (runs, S); `event` is 0 or 1."""

    run_ids: tuple[str, ...]
    steps: Floats
    signal: Floats
    event: Floats


def collapse_table(tables: Tables) -> pd.DataFrame:
    """COLUMNS, as columns.py explains them; runs that have not ended are left out."""
    rows = []
    for method, runs in tables.runs.groupby("method", sort=False):
        ended = runs[runs["state"].isin(["done", "failed"])]
        if ended.empty:
            continue
        found = Tables(tables.record, ended, tables.train, tables.evaluations)
        for signal, role in [*SIGNALS.items(), *((name, "baseline") for name in BASELINES)]:
            shown = found.shown(signal)
            if role == "baseline" and shown in (found.shown("signal"), "step"):
                continue
            for event in EVENTS:
                cells = _cells(found, signal, event)
                if cells:
                    head = {"method": method, "role": role, "signal": shown, "event": event}
                    rows.append({**head, **_row(cells)})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    family = table["role"] != "baseline"
    table.loc[family, "p_holm"] = holm(table.loc[family, "p"].tolist())
    verdicts = [_verdict(row) for _, row in table.iterrows()]
    return table.assign(verdict=[v for v, _ in verdicts], sentence=[said for _, said in verdicts])


def _cells(tables: Tables, signal: str, event: str) -> list[_Cell]:
    points = tables.points
    if signal not in points or ("coverage" if event == "low_coverage" else event) not in points:
        return []
    cells = []
    for _, rows in points.groupby("cell", sort=False):
        signals = rows.pivot(index="run_id", columns="step", values=signal).ffill(axis=1)
        source = "coverage" if event == "low_coverage" else event
        flags = rows.pivot(index="run_id", columns="step", values=source)
        if event == "low_coverage":
            flags = _low_coverage(flags)
        flags = flags.ffill(axis=1)
        known = (signals.notna() & flags.notna()).to_numpy().all(axis=0)
        if known.any():
            event_at = (flags.to_numpy(float)[:, known] > 0).astype(float)
            steps = signals.columns.to_numpy(float)[known]
            signals_at = signals.to_numpy(float)[:, known]
            cells.append(_Cell(tuple(signals.index), steps, signals_at, event_at))
    return cells


def _low_coverage(coverage: pd.DataFrame) -> pd.DataFrame:
    best = coverage.cummax(axis=1)
    low = (coverage < LOW * best) & (best >= LEAST_COVERAGE)
    return low.astype(float).where(coverage.notna())


def _row(cells: Sequence[_Cell]) -> dict[str, Any]:
    auroc, pairs = concordance(cells)(np.arange(sum(len(c.run_ids) for c in cells))), _pairs(cells)
    strata = [[1] * len(cell.run_ids) for cell in cells]
    row: dict[str, Any] = {
        "runs": sum(map(sum, strata)),
        "event_runs": sum(int(cell.event.any(axis=1).sum()) for cell in cells),
        "pairs": pairs,
        "auroc": float(auroc) if pairs else np.nan,
        # Runs with the same events are interchangeable.
        "least_p": least_p([list(Counter(map(tuple, cell.event)).values()) for cell in cells]),
        **_alarms(cells),
        "run_ids": " ".join(run for cell in cells for run in cell.run_ids),
    }
    row["low"], row["high"], row["p"] = np.nan, np.nan, np.nan
    if pairs:
        row["p"] = permutation_p(concordance(cells), strata, least=row["least_p"])
        row["low"], row["high"] = bootstrap_interval(_redrawn(cells), [len(s) for s in strata])
    return row


def _pairs(cells: Sequence[_Cell]) -> int:
    """Pairs (run with the event, run without) of one cell at one step."""
    return int(sum((c.event.sum(axis=0) * (1 - c.event).sum(axis=0)).sum() for c in cells))


def concordance(cells: Sequence[_Cell]) -> Callable[[Indices], Floats]:
    """AUROC where place i's signal meets the events of the run that `index` puts there.

    It is Mann and Whitney's U over the number of pairs, summed over cells and steps: the midranks
    of the runs with the event, less the least that they could be.
    """
    starts = np.cumsum([0, *(len(cell.run_ids) for cell in cells)])
    whole, least = np.zeros((starts[-1], starts[-1])), 0.0
    for start, cell in zip(starts, cells, strict=False):
        mixed = (cell.event.min(axis=0) < cell.event.max(axis=0)).astype(float)
        ranks = stats.rankdata(cell.signal, axis=0) * mixed
        end, count = start + len(ranks), cell.event.sum(axis=0)
        whole[start:end, start:end] = ranks @ cell.event.T
        least += float((count * (count + 1) / 2 * mixed).sum())
    places, pairs = np.arange(starts[-1]), max(_pairs(cells), 1)
    return lambda index: np.asarray((whole[places, index].sum(axis=-1) - least) / pairs)


def _redrawn(cells: Sequence[_Cell]) -> Callable[[Indices], Floats]:
    """AUROC over runs drawn with replacement; 0.5 where the draw has no pair."""
    starts = np.cumsum([0, *(len(cell.run_ids) for cell in cells)])

    def auroc(index: Indices) -> Floats:
        above, pairs = np.zeros(index.shape[:-1]), np.zeros(index.shape[:-1])
        for start, cell in zip(starts, cells, strict=False):
            drawn = index[..., start : start + len(cell.run_ids)] - start
            ranks = stats.rankdata(cell.signal[drawn], axis=-2)
            event = cell.event[drawn]
            count = event.sum(axis=-2)
            both = count * (event.shape[-2] - count)
            u = (ranks * event).sum(axis=-2) - count * (count + 1) / 2
            above += np.where(both > 0, u, 0).sum(axis=-1)
            pairs += both.sum(axis=-1)
        return np.asarray(np.where(pairs > 0, above / np.maximum(pairs, 1), 0.5))

    return auroc


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
