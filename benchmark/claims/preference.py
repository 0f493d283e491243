"""Which cell's samples people prefer: win rates of every pair of cells that they were shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.preference.answers import Vote
from benchmark.statistics.clustered import clustered_share


@dataclass(frozen=True)
class WinRate:
    """How often samples of one cell were chosen over another's."""

    cell: str
    over: str
    share: float
    low: float
    high: float
    answers: int
    raters: int
    seeds: int


def win_rates(votes: Sequence[Vote], cells: Sequence[str]) -> list[WinRate]:
    """For every pair of cells with answers, in the order of `cells`.

    The 95 % interval generalises over raters and over training seeds, given at least two of each.
    """
    found = []
    for cell, over in combinations(cells, 2):
        mine = [vote for vote in votes if {vote.winner, vote.loser} == {cell, over}]
        if not mine:
            continue
        won = np.array([vote.winner == cell for vote in mine])
        raters = sorted({vote.rater for vote in mine})
        low, high = clustered_share(
            won, [raters.index(vote.rater) for vote in mine], [vote.seed for vote in mine]
        )
        seeds = len({vote.seed for vote in mine})
        share = float(won.mean())
        found.append(WinRate(cell, over, share, low, high, len(mine), len(raters), seeds))
    return found
