"""What becomes of an ablation's answers at another scale: larger networks, longer training.

An ablation whose tables are committed under several profiles has been asked at several scales. A
verdict on networks that had learnt little may turn over, so its answers stand side by side.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.claims.verdicts import AGAINST, DECIDED
from benchmark.markup import escaped
from benchmark.report.captions import distance_name, made_of_all
from benchmark.report.document import Block, Heading, Table
from benchmark.report.evidence import NOT_JUDGED, Evidence, Verdict
from benchmark.report.numbers import INCOMPLETE, NONE, finite, mean_spread, number
from benchmark.results.places import ENDED
from benchmark.results.schema import DISTANCE, REAL
from benchmark.results.tables import Cell, Tables
from benchmark.text import counted

LEAST_CELLS = 2  # judged at every scale, for their ranks to say anything
NOT_ASKED = ("not run", NOT_JUDGED)
WAITS = "waits for runs"
SCALES = Heading(2, "What scale changes")


def scales(found: Sequence[Tables]) -> Iterator[Block]:
    """The claims and cells of every ablation with findings of several profiles, by steps."""
    several = [each for each in _by_steps(found) if len(each) > 1]
    made = [table for each in several for table in (*_claims(each), *_cells(each))]
    if made:
        yield SCALES
    yield from made


def superseded(found: Sequence[Tables]) -> dict[Path, Tables]:
    """By the folder of a finding, that of the same ablation at most steps whose runs have all
    ended, if it is another one of more steps."""
    by: dict[Path, Tables] = {}
    for profiles in _by_steps(found):
        whole = [each for each in profiles if each.runs["state"].isin(ENDED).all()]
        for results in profiles:
            if whole and steps(results) < steps(whole[-1]):
                by[results.folder] = whole[-1]
    return by


def _by_steps(found: Sequence[Tables]) -> list[list[Tables]]:
    """The findings of each ablation, by steps."""
    profiles: defaultdict[str, list[Tables]] = defaultdict(list)
    for results in found:
        if results.record.finding:
            profiles[results.record.name].append(results)
    return [sorted(each, key=steps) for each in profiles.values()]


def steps(results: Tables) -> int:
    """Of training, in the cell that has most."""
    return max(cell.steps for cell in results.record.cells)


def _title(results: Tables) -> str:
    return f"{results.record.profile}, {steps(results):,} steps"


def _claims(profiles: Sequence[Tables]) -> Iterator[Table]:
    """One row a claim that has a verdict at more than one scale."""
    rows, verdicts = [], [Evidence(results.folder).verdicts for results in profiles]
    for claim in profiles[-1].record.claims:
        own = [each.get(claim.id) for each in verdicts]
        if sum(_is_asked(each) for each in own) < 2:
            continue
        titled = zip(profiles, own, strict=True)
        row = {"claim": escaped(claim.says)} | {_title(each): _said(one) for each, one in titled}
        first, *_, last = [each for each in own if each is not None and _is_asked(each)]
        waits = first.waits or last.waits
        rows.append({**row, "change": WAITS if waits else change(first.verdict, last.verdict)})
    if rows:
        yield Table(
            f"scales_claims_{profiles[0].record.name}",
            pd.DataFrame(rows),
            f"Claims of {escaped(profiles[0].record.name)}, each judged by its own registration, if"
            f" any. {_made_of(profiles)}.",
        )


def _is_asked(found: Verdict | None) -> bool:
    return found is not None and found.verdict not in NOT_ASKED


def _said(found: Verdict | None) -> str:
    if found is None or found.verdict in NOT_ASKED:
        return found.verdict if found else NONE
    size = " ".join(each for each in (found.effect, found.interval) if each != NONE)
    return f"**{found.verdict}**" + f": {size}" * bool(size)


def change(before: str, after: str) -> str:
    """From one verdict to the other, in words."""
    if before in DECIDED and after in DECIDED:
        return "none" if (before in AGAINST) == (after in AGAINST) else "turns over"
    if after in DECIDED:
        return "decided"
    return "open again" if before in DECIDED else "none, still open"


def _cells(profiles: Sequence[Tables]) -> Iterator[Table]:
    """One row a cell that was judged at every scale, with its rank among these."""
    by_title = [{cell.title: cell for cell in results.cells} for results in profiles]
    shared = [
        cell.title
        for cell in profiles[-1].cells
        if all(cell.title in own and _distances(own[cell.title]) for own in by_title)
    ]
    if len(shared) < LEAST_CELLS:
        return
    rows = {cell: {"cell": escaped(cell)} for cell in shared}
    floors = {"cell": "*real against real*"}
    for results, own in zip(profiles, by_title, strict=True):
        values, place = _title(results), f"rank, {results.record.profile}"
        ranks = stats.rankdata([np.mean(_distances(own[cell])) for cell in shared], method="min")
        for cell, rank in zip(shared, ranks, strict=True):
            found = mean_spread(own[cell].values(DISTANCE), own[cell].planned)
            rows[cell] |= {values: found, place: f"{rank:.0f}"}
        real = own[shared[0]].floors.get(REAL, {}).get(DISTANCE, np.nan)
        floors |= {values: number(real), place: NONE}
    gaps = any(INCOMPLETE in text for row in rows.values() for text in row.values())
    record = profiles[-1].record
    yield Table(
        f"scales_cells_{record.name}",
        pd.DataFrame([*rows.values(), floors]),
        f"{distance_name(record, record.headline)} at the last checkpoint, ± sd over seeds, of the"
        f" {counted(len(shared), 'cell')} of {escaped(record.name)} judged at every scale. Networks"
        " and numbers of samples differ between scales, and with the samples a Fréchet distance's"
        f" bias: compare ranks. {_made_of(profiles)}."
        + f" {INCOMPLETE} fewer finished runs than planned: a rank of one seed says little."
        * gaps,
    )


def _distances(cell: Cell) -> list[float]:
    return finite(cell.values(DISTANCE))


def _made_of(profiles: Sequence[Tables]) -> str:
    return made_of_all([results.record for results in profiles])
