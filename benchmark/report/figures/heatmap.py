"""Maps over two swept numbers: the distance, and how many runs failed or collapsed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from benchmark.ablation.claims import swept_text
from benchmark.evaluation.settings import distance_title
from benchmark.report.figures.canvas import defaults, grid, label, png
from benchmark.report.numbers import finite, number
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

MISSING = "0.85"
MOST_LEVELS = 40


@defaults()
def heatmap(results: Tables) -> bytes | None:
    """Draw the maps; None unless exactly two numbers are swept, with few enough values."""
    keys = results.record.swept
    points = [cell.record.point for cell in results.cells]
    # A switch is not a number, although bool is a subclass of int.
    numeric = all(type(value) in (int, float) for point in points for value in point.values())
    if len(keys) != 2 or not numeric or results.runs.empty:
        return None
    rows, columns = (sorted({point[key] for point in points}) for key in keys)
    if not all(2 <= len(levels) <= MOST_LEVELS for levels in (rows, columns)):
        return None
    means = np.full((len(rows), len(columns)), np.nan)
    bad = np.full_like(means, np.nan)
    words = {}
    for cell in results.cells:
        at = rows.index(cell.record.point[keys[0]]), columns.index(cell.record.point[keys[1]])
        distances = finite(cell.values(DISTANCE))
        means[at] = np.mean(distances) if distances else np.nan
        bad[at] = sum(run["state"] == "failed" or run.get("collapsed") == 1 for run in cell.rows)
        words[at] = f"{int(bad[at])} of {cell.planned}"
    most = max(cell.planned for cell in results.cells)
    figure, (left, right) = grid(2, 0.9 + 0.75 * len(rows))
    name = distance_title(results.entry.features)
    _map(left, means, {at: number(means[at]) for at in words}, f"{name} (lower is better)")
    _map(right, bad, words, "runs that failed or collapsed", "Oranges", most=most)
    left.set_ylabel(label(keys[0]))
    for axes in (left, right):
        axes.set_xticks(range(len(columns)), list(map(swept_text, columns)))
        axes.set_yticks(range(len(rows)), list(map(swept_text, rows)))
        axes.set_xlabel(label(keys[1]))
    return png(figure)


def _map(
    axes: Axes,
    values: NDArray[np.float64],
    words: dict[tuple[int, int], str],
    heading: str,
    colours: str = "cividis_r",
    most: float | None = None,
) -> None:
    """Draw one map: darker is worse, and a place without runs is grey and empty."""
    known = values[np.isfinite(values)]
    low, high = (0.0, most) if most else (known.min(), known.max()) if len(known) else (0.0, 1.0)
    scale = Normalize(low, high if high > low else low + 1)
    axes.set_facecolor(MISSING)
    axes.imshow(values, cmap=colours, norm=scale, origin="lower", aspect="auto")
    for (row, column), text in words.items():
        dark = np.isfinite(values[row, column]) and scale(values[row, column]) > 0.5
        axes.text(
            *(column, row, text), ha="center", va="center", color="white" if dark else "black"
        )
    axes.set_title(heading, fontsize=10)
