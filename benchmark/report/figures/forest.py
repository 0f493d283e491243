"""A forest plot of the claims about a distance, over all ablations: effects with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D

from benchmark.ablation.claims import ContrastTest, TrendTest
from benchmark.evaluation.settings import distance_title
from benchmark.report.evidence import Evidence
from benchmark.report.figures.canvas import Style, defaults, grid, label, legend, png
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Tables

# Keyed by verdict, which the marker shows as well as the colour.
LOOKS: Mapping[str, Style] = {
    "supported": {"color": "#009E73", "marker": "o"},
    "refuted": {"color": "#D55E00", "marker": "X"},
    "too small": {"color": "#CC79A7", "marker": "v"},
    "undecided": {"color": "#666666", "marker": "s"},
    "underpowered": {"color": "#999999", "marker": "D"},
}
# File name, in the results folder.
FOREST = "claims.png"
LONGEST = 100  # most characters of a claim
ROW, REST = 0.3, 1.0  # inches for a claim, and for axis, title and legend


@dataclass(frozen=True)
class Effect:
    """The outcome of one claim, in the unit of its distance."""

    says: str
    where: str
    distance: str
    verdict: str
    value: float
    low: float
    high: float
    least: float


def judged(ablations: Sequence[Tables]) -> list[Tables]:
    """The ablations whose claims are drawn: all but demonstrations."""
    return [results for results in ablations if results.record.finding]


def effects(ablations: Sequence[Tables]) -> list[Effect]:
    """The effect of every claim about a distance that has an interval."""
    drawn = []
    for results in judged(ablations):
        table = Evidence(results.folder).table("claims")
        tests = {claim.id: claim.test for claim in results.record.claims}
        for _, row in table.iterrows():
            test = tests.get(row["id"])
            on_distance = isinstance(test, TrendTest | ContrastTest) and test.column == DISTANCE
            if on_distance and "" not in (row["low"], row["high"]) and row["verdict"] in LOOKS:
                value, low, high = (float(row[name]) for name in ("effect", "low", "high"))
                least, distance = float(row["least_effect"]), distance_title(results.entry.features)
                where = f"{results.record.name}, {results.record.profile}"
                words = (row["says"], where, distance, row["verdict"])
                drawn.append(Effect(*words, value, low, high, least))
    return drawn


@defaults()
def forest(ablations: Sequence[Tables]) -> bytes | None:
    """One panel per distance, one row per claim in the report's order; None without claims."""
    drawn = effects(ablations)
    if not drawn:
        return None
    distances = list(dict.fromkeys(each.distance for each in drawn))
    panels = [[each for each in drawn if each.distance == name] for name in distances]
    height = max(map(len, panels)) * ROW + REST
    figure, axes = grid(len(panels), height, columns=1)
    for panel, rows, distance in zip(axes, panels, distances, strict=True):
        for at, each in enumerate(rows):
            look = LOOKS[each.verdict]
            band = [-each.least, each.least]
            panel.plot(band, [at, at], color="#DDDDDD", linewidth=9, solid_capstyle="butt")
            panel.plot([each.low, each.high], [at, at], color=look["color"], linewidth=1.5)
            panel.plot(each.value, at, markersize=6, linestyle="", **look)
        panel.axvline(0, color="black", linewidth=0.6)
        labels = [f"{label(each.says, LONGEST)} ({each.where})" for each in rows]
        panel.set_yticks(np.arange(len(rows)), labels, fontsize=7)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_xlabel(f"change of {distance} (to the right: worse)", fontsize=9)
        panel.tick_params(axis="x", labelsize=7)
        panel.grid(visible=True, axis="x", linewidth=0.3, alpha=0.6)
    shown = [name for name in LOOKS if any(each.verdict == name for each in drawn)]
    handles = [Line2D([], [], label=name, linestyle="", **LOOKS[name]) for name in shown]
    legend(figure, handles, len(handles))
    return png(figure)
