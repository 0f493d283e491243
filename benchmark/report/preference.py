"""People's choices when asked which of two samples looks more like a photograph."""

from collections.abc import Sequence

import pandas as pd

from benchmark.claims.preference import WinRate, win_rates
from benchmark.markup import escaped
from benchmark.preference.answers import FOLDER, read_votes
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Plain, Table, Words
from benchmark.report.numbers import number
from benchmark.report.tables import between
from benchmark.results.tables import Tables

NOBODY = (
    "Nobody has been asked yet which samples look more like photographs. `bench preference FILE`"
    f" writes a page that asks; answers in `{FOLDER}/` beside the tables are counted here."
)


def preference(results: Tables) -> Details:
    """Which answers do not count, and why; then win rates, or that nobody has been asked."""
    votes, faults = read_votes(results)
    blocks: list[Plain] = [Words(f"**Not counted:** {escaped(fault)}.") for fault in faults]
    rates = win_rates(votes, [cell.title for cell in results.cells])
    blocks.append(_table(results, rates) if rates else Words(NOBODY))
    return Details("What people see", blocks)


def _table(results: Tables, rates: Sequence[WinRate]) -> Table:
    rows = [
        {
            "chosen": escaped(each.cell),
            "over": escaped(each.over),
            "share of answers, %": between(100 * each.share, 100 * each.low, 100 * each.high),
            "answers": str(each.answers),
            "people": number(each.raters),
            "training seeds": number(each.seeds),
        }
        for each in rates
    ]
    return Table(
        "preference",
        pd.DataFrame(rows),
        "Which of two samples looks more like a photograph: shown side by side, blind, with sides"
        " and order at random; 50 % is no preference. The unit is an answer. The 95 % interval"
        " (Korn and Graubard's) treats answers by one person, and answers about one training seed,"
        " as dependent; if only one person was asked it says nothing about other people, and with"
        f" only one seed nothing about other seeds. {made_of(results.record)}.",
    )
