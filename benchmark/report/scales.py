"""How an ablation's answers change with scale: larger networks, longer training.

The answers at all scales, including retired ones, stand side by side.
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

LEAST_CELLS = 2  # judged at every scale, for ranks to mean anything
WAITS = "waits for runs"


def scales(every_scale: Sequence[Scale]) -> Iterator[Block]:
    """The claims and cells of every ablation that has several scales, by steps."""
    by_name: defaultdict[str, list[Scale]] = defaultdict(list)
    for each in sorted(every_scale, key=lambda scale: scale.steps):
        by_name[each.name].append(each)
    several = [each for each in by_name.values() if len(each) > 1]
    tables = [table for each in several for table in (*_claims(each), *_cells(each))]
    if tables:
        yield Heading(2, "What scale changes")
    yield from tables


def _claims(ablation: Sequence[Scale]) -> Iterator[Table]:
    """One row per claim that has a verdict at more than one scale, or at a retired one."""
    says = {name: answer.says for scale in ablation for name, answer in scale.answers.items()}
    retired = {scale.title for scale in ablation if scale.commit}
    rows = []
    for name, sentence in says.items():
        answers = {scale.title: scale.answers.get(name) for scale in ablation}
        judged = {title: each for title, each in answers.items() if each and each.is_asked}
        if len(judged) > 1 or retired & judged.keys():
            words = {title: each.words if each else NONE for title, each in answers.items()}
            rows.append(
                {"claim": escaped(sentence), **words, "change": _change([*judged.values()])}
            )
    if rows:
        yield Table(
            f"scales_claims_{ablation[0].name}",
            pd.DataFrame(rows),
            f"Claims of {escaped(ablation[0].name)}, each judged by its own registration, if any."
            f" {_made_of(ablation)}.",
        )


def _change(judged: Sequence[Answer]) -> str:
    """The change from the first to the last scale at which a claim has been judged."""
    if len(judged) < 2:
        return NONE
    first, last = judged[0], judged[-1]
    return WAITS if first.waits or last.waits else change(first.verdict, last.verdict)


def change(before: str, after: str) -> str:
    """The change from one verdict to another, in words."""
    if before in DECIDED and after in DECIDED:
        return "none" if (before in AGAINST) == (after in AGAINST) else "reversed"
    if after in DECIDED:
        return "decided"
    return "open again" if before in DECIDED else "none, still open"


def _cells(ablation: Sequence[Scale]) -> Iterator[Table]:
    """One row per cell judged at every scale, with its rank; then other cells of retired scales."""
    judged = [[name for name, cell in scale.cells.items() if cell.values] for scale in ablation]
    shared = [name for name in judged[-1] if all(name in names for names in judged)]
    retired = [names for scale, names in zip(ablation, judged, strict=True) if scale.commit]
    others = [name for names in retired for name in names if name not in shared]
    if len(shared) < LEAST_CELLS and not others:
        return
    rows = {name: {"cell": escaped(name)} for name in (*shared, *others)}
    floors = {"cell": "*real against real*"}
    for scale in ablation:
        heading = f"rank, {scale.profile}"
        ranks = stats.rankdata([np.mean(scale.cells[name].values) for name in shared], method="min")
        for name, row in rows.items():
            cell = scale.cells.get(name)
            row |= {scale.title: mean_spread(cell.values, cell.planned) if cell else NONE}
            row |= {heading: f"{ranks[shared.index(name)]:.0f}" if name in shared else NONE}
        floors |= {scale.title: NONE if scale.real is None else number(scale.real), heading: NONE}
    gaps = any(INCOMPLETE in text for row in rows.values() for text in row.values())
    yield Table(
        f"scales_cells_{ablation[0].name}",
        pd.DataFrame([*rows.values(), floors]),
        f"{ablation[-1].distance} at the last checkpoint, mean ± sd over seeds; ranks are among the"
        f" {counted(len(shared), 'cell')} of {escaped(ablation[0].name)} judged at every scale."
        " Networks and numbers of samples differ between scales, and a Fréchet distance's bias"
        f" depends on the number of samples: compare ranks, not distances. {_made_of(ablation)}."
        + f" {INCOMPLETE} fewer finished runs than planned: a rank from one seed says little."
        * gaps,
    )


def _made_of(ablation: Sequence[Scale]) -> str:
    data, judges = ([each for scale in ablation for each in scale.sources[i]] for i in (0, 1))
    sources = each_once(data, judges, [f"profile {escaped(scale.profile)}" for scale in ablation])
    retired = [
        f"{escaped(scale.profile)} in commit {scale.commit[:12]}"
        for scale in ablation
        if scale.commit
    ]
    return sources + f"; full tables of {', of '.join(retired)}" * bool(retired)
