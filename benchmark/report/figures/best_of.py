"""What the best of N random settings of each arm may be expected to reach."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from benchmark.claims.tuning import best_of
from benchmark.evaluation.settings import distance_title
from benchmark.report.figures.canvas import defaults, grid, is_log, label, legend, png, styles
from benchmark.results.tuning import TuningRecord

BEST_OF = "best_of.png"


@defaults()
def best_of_figure(record: TuningRecord) -> bytes | None:
    """One line an arm; None where no arm's search has ended."""
    curves = best_of(record)
    if not curves:
        return None
    figure, (axes,) = grid(1, 3.6, 1)
    for (arm, values), style in zip(curves.items(), styles(len(curves)), strict=True):
        tries = np.arange(1, len(values) + 1)
        axes.plot(tries, values, label=label(arm), linewidth=1.2, markersize=5, **style)
    log = is_log(pd.Series(np.concatenate(list(curves.values()))))
    if log:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("random settings tried, N")
    axes.set_ylabel(f"expected validation distance\nof the best{', log scale' if log else ''}")
    axes.set_title(label(distance_title(record.judge.features)), fontsize=9)
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)
    legend(figure, axes.get_lines(), 4)
    return png(figure)
