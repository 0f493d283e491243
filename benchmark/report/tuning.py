"""How the arms of an ablation were tuned: what was searched, what won, and what it gained."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from benchmark.ablation.plan import SEARCH
from benchmark.ablation.tuning import tuned_cell
from benchmark.claims.seeds import difference
from benchmark.claims.tuning import best_of
from benchmark.evaluation.settings import distance_title
from benchmark.markup import code, escaped
from benchmark.report.captions import judge_name, made_of
from benchmark.report.document import Block, Details, Picture, Table
from benchmark.report.figures.canvas import defaults, grid, is_log, label, legend, png, styles
from benchmark.report.numbers import INCOMPLETE, NONE, finite, mean_spread, number
from benchmark.report.tables import incomplete, measured
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Tables, read_tables
from benchmark.results.tuning import ArmRecord, TuningRecord, read_tuning

BEST_OF = "best_of.png"


def tuning(results: Tables) -> Iterator[Block]:
    """A table and a figure of the arms, with every setting in details; nothing if untuned.

    Raises BenchError if tuning.json is damaged.
    """
    record = read_tuning(results.folder)
    if record is None:
        return
    yield arm_table(results, record)
    image = best_of_figure(record)
    if image is not None:
        yield Picture(
            results.folder / BEST_OF,
            image,
            f"Best of N settings of {results.title}",
            "Expected distance to validation images of the best of N settings, over all choices of"
            " N of those that were searched. If a line is still falling at its end, more settings"
            f" would have helped. {_worst(record)} {searched(record)}.",
        )
    yield Details("Every setting that was searched", [setting_table(results, record)])


@defaults()
def best_of_figure(record: TuningRecord) -> bytes | None:
    """The expected best of N settings, one line per arm; None if no search has ended."""
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


def arm_table(results: Tables, record: TuningRecord) -> Table:
    """One row per arm: what was searched, the winner, and test distances tuned and untuned."""
    cells = {cell.title: cell for cell in results.cells}
    name = distance_title(results.entry.features)
    search = read_tables(results.folder / SEARCH).runs.set_index("run_id")["cpu_s"]
    rows = []
    for arm in record.arms:
        own, tuned = cells.get(arm.arm), cells.get(tuned_cell(arm.arm))
        winner = next((each for each in arm.settings if each.number == arm.winner), None)
        gflop = winner.gflop if winner else None
        ended, count = sum(each.ended for each in arm.settings), len(arm.settings)
        rows.append(
            {
                "arm": escaped(arm.arm),
                "settings searched": f"{ended} of {count}" if ended < count else str(count),
                "core-seconds per setting": _spent(search, arm),
                "failed": str(sum(each.state == "failed" for each in arm.settings)),
                "collapsed": str(sum(each.collapsed for each in arm.settings)),
                "winner": _values(winner.values) if winner else "not known yet",
                f"its {name}, validation": _number(winner.distance if winner else None),
                f"tuned: {name}, test": _test(tuned),
                f"own settings: {name}, test": _test(own),
                "tuned minus own": _gain(tuned, own),
                "GFLOP per step, tuned / own": f"{_number(gflop)} / {_number(arm.gflop)}",
                "parameters, tuned / own": f"{_parameters(tuned)} / {_parameters(own)}",
            }
        )
    return Table(
        "tuning",
        pd.DataFrame(rows),
        f"{searched(record)}. core-seconds per setting: measured, mean (least to most). The setting"
        " with the least distance to validation images wins; failed or collapsed settings rank"
        " last. The winner is trained again, for as long as the arm's own settings and with the"
        " same fresh seeds, and both are judged on test images: mean ± sd over seeds, and the"
        " difference with its 95 % interval (Welch's). GFLOP: billions of operations, where a"
        f" multiply-add counts as two. {made_of(results.record)}."
        f"{incomplete(results)}",
        results.folder / "runs.csv",
    )


def setting_table(results: Tables, record: TuningRecord) -> Table:
    """One row per setting, from the best to the worst of each arm."""
    rows = [
        {
            "arm": escaped(arm.arm),
            "setting": str(each.number),
            "values": _values(each.values),
            "state": f"{each.state}{', collapsed' if each.collapsed else ''}",
            "distance, validation": _number(each.distance),
            "steps": str(each.steps),
            "GFLOP per step": _number(each.gflop),
            "run": code(each.run_id),
        }
        for arm in record.arms
        for each in sorted(arm.settings, key=lambda each: each.rank)
    ]
    ranges = "; ".join(
        f"{escaped(arm.arm)}: {', '.join(code(f'{k}: {v}') for k, v in arm.ranges.items())}"
        for arm in record.arms
    )
    return Table(
        "settings",
        pd.DataFrame(rows),
        f"Each arm's settings from best to worst. {searched(record)}. Ranges: {ranges}.",
        results.folder / SEARCH / "runs.csv",
    )


def searched(record: TuningRecord) -> str:
    """How settings were searched, as captions say it; without a full stop."""
    budget = f"{record.budget.steps} steps"
    if record.budget.core_seconds is not None:
        by = "measured rates" if record.budget.rates else "their operations"
        budget = f"{record.budget.core_seconds:g} core-seconds, as estimated from {by},"
    sizes = [
        f"{low:g} to {high:g} {'GFLOP per step' if key == 'gflop' else key}"
        for key, (low, high) in (record.band or {}).items()
    ]
    band = f", each with {' and '.join(sizes)}" if sizes else ""
    return (
        f"{record.count} random settings for each arm{band}, each trained for {budget} with seed"
        f" {record.seed} and judged by {judge_name(record.judge)}"
    )


def _worst(record: TuningRecord) -> str:
    ended = [each for arm in record.arms if arm.winner is not None for each in arm.settings]
    lost = sum(not each.survived for each in ended)
    return f"Settings that failed or collapsed ({lost}) count as the worst that did not."


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(code(f"{key.partition('.')[2]}={value}") for key, value in values.items())


def _number(value: float | None) -> str:
    return NONE if value is None else number(value)


def _test(cell: Cell | None) -> str:
    return NONE if cell is None else mean_spread(cell.values(DISTANCE), cell.planned)


def _spent(search: "pd.Series[float]", arm: ArmRecord) -> str:
    seconds = search.reindex([each.run_id for each in arm.settings]).dropna()
    if seconds.empty:
        return NONE
    return f"{seconds.mean():.0f} ({seconds.min():.0f} to {seconds.max():.0f})"


def _gain(tuned: Cell | None, own: Cell | None) -> str:
    distances = [finite(cell.values(DISTANCE)) if cell else [] for cell in (tuned, own)]
    cells = zip((tuned, own), distances, strict=True)
    lacking = any(cell is not None and len(values) < cell.planned for cell, values in cells)
    return measured(*difference(*distances)) + INCOMPLETE * lacking


def _parameters(cell: Cell | None) -> str:
    counts = finite([run["parameters"] for run in cell.rows]) if cell else []
    return f"{counts[0]:.0f}" if counts else NONE
