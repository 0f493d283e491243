"""What becomes of an ablation's answers at another scale: larger networks, longer training.

Those of all its scales stand side by side, retired ones too.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.claims.verdicts import AGAINST, DECIDED
from benchmark.markup import escaped
from benchmark.report.captions import each_once
from benchmark.report.document import Block, Heading, Table
from benchmark.report.numbers import INCOMPLETE, NONE, mean_spread, number
from benchmark.report.retired import Answer, Scale
from benchmark.text import counted

LEAST_CELLS = 2  # judged at every scale, for their ranks to say anything
WAITS = "waits for runs"


def scales(found: Sequence[Scale]) -> Iterator[Block]:
    """The claims and cells of every ablation that has several scales, by steps."""
    by_name: defaultdict[str, list[Scale]] = defaultdict(list)
    for each in sorted(found, key=lambda scale: scale.steps):
        by_name[each.name].append(each)
    several = [each for each in by_name.values() if len(each) > 1]
    made = [table for each in several for table in (*_claims(each), *_cells(each))]
    if made:
        yield Heading(2, "What scale changes")
    yield from made


def _claims(asked: Sequence[Scale]) -> Iterator[Table]:
    """One row a claim that has a verdict at more than one scale, or at a retired one."""
    says = {name: answer.says for scale in asked for name, answer in scale.answers.items()}
    retired = {scale.title for scale in asked if scale.commit}
    rows = []
    for name, words in says.items():
        answers = {scale.title: scale.answers.get(name) for scale in asked}
        given = {title: each for title, each in answers.items() if each and each.is_asked}
        if len(given) > 1 or retired & given.keys():
            said = {title: each.said if each else NONE for title, each in answers.items()}
            rows.append({"claim": escaped(words), **said, "change": _change(list(given.values()))})
    if rows:
        yield Table(
            f"scales_claims_{asked[0].name}",
            pd.DataFrame(rows),
            f"Claims of {escaped(asked[0].name)}, each judged by its own registration, if any."
            f" {_made_of(asked)}.",
        )


def _change(given: Sequence[Answer]) -> str:
    """From the first of the scales at which a claim has been asked to the last."""
    if len(given) < 2:
        return NONE
    first, last = given[0], given[-1]
    return WAITS if first.waits or last.waits else change(first.verdict, last.verdict)


def change(before: str, after: str) -> str:
    """From one verdict to the other, in words."""
    if before in DECIDED and after in DECIDED:
        return "none" if (before in AGAINST) == (after in AGAINST) else "turns over"
    if after in DECIDED:
        return "decided"
    return "open again" if before in DECIDED else "none, still open"


def _cells(asked: Sequence[Scale]) -> Iterator[Table]:
    """One row a cell that was judged at every scale, with its rank among these; then the others of
    retired scales."""
    judged = [[name for name, cell in scale.cells.items() if cell.values] for scale in asked]
    shared = [name for name in judged[-1] if all(name in names for names in judged)]
    retired = [names for scale, names in zip(asked, judged, strict=True) if scale.commit]
    others = [name for names in retired for name in names if name not in shared]
    if len(shared) < LEAST_CELLS and not others:
        return
    rows = {name: {"cell": escaped(name)} for name in (*shared, *others)}
    floors = {"cell": "*real against real*"}
    for scale in asked:
        place = f"rank, {scale.profile}"
        ranks = stats.rankdata([np.mean(scale.cells[name].values) for name in shared], method="min")
        for name, row in rows.items():
            cell = scale.cells.get(name)
            row |= {scale.title: mean_spread(cell.values, cell.planned) if cell else NONE}
            row |= {place: f"{ranks[shared.index(name)]:.0f}" if name in shared else NONE}
        floors |= {scale.title: NONE if scale.real is None else number(scale.real), place: NONE}
    gaps = any(INCOMPLETE in text for row in rows.values() for text in row.values())
    yield Table(
        f"scales_cells_{asked[0].name}",
        pd.DataFrame([*rows.values(), floors]),
        f"{asked[-1].distance} at the last checkpoint, ± sd over seeds; ranks are those of the"
        f" {counted(len(shared), 'cell')} of {escaped(asked[0].name)} judged at every scale."
        " Networks and numbers of samples differ between scales, and with the samples a Fréchet"
        f" distance's bias: compare ranks. {_made_of(asked)}."
        + f" {INCOMPLETE} fewer finished runs than planned: a rank of one seed says little."
        * gaps,
    )


def _made_of(asked: Sequence[Scale]) -> str:
    data, judges = ([words for scale in asked for words in scale.sources[part]] for part in (0, 1))
    said = each_once(data, judges, [f"profile {escaped(scale.profile)}" for scale in asked])
    gone = [
        f"{escaped(scale.profile)} in commit {scale.commit[:12]}" for scale in asked if scale.commit
    ]
    return said + f"; whole tables of {', of '.join(gone)}" * bool(gone)
