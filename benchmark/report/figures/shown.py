"""Which cells a figure shows."""

from collections.abc import Sequence

from benchmark.results.tables import Cell

# The most lines, panels or grids that readers can tell apart on a page.
MOST_CELLS = 24


def shown(cells: Sequence[Cell]) -> Sequence[Cell]:
    """All cells if few, otherwise some, evenly spaced: chosen by rule, never by appearance."""
    if len(cells) <= MOST_CELLS:
        return cells
    return [cells[at * len(cells) // MOST_CELLS] for at in range(MOST_CELLS)]


def shown_words(cells: Sequence[Cell]) -> str:
    """A sentence for a caption that says which of these cells are shown; empty if all are."""
    if len(cells) <= MOST_CELLS:
        return ""
    return f" Shown: {MOST_CELLS} of {len(cells):,} cells, evenly spaced in the plan's order."
