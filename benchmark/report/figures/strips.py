"""The paths between embedded faces, a strip a cell: BEGAN's figure 4."""

import numpy as np

from benchmark.report.figures.sheet import LONGEST, Tile, enlarged, sheet
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import number
from benchmark.results.probes import SEARCHED, STRIPS
from benchmark.results.tables import Cell, Tables
from benchmark.text import shortened, single_line

COLUMNS = 2
MIDDLE = "middle.distance"


def strips(results: Tables) -> bytes | None:
    """Of every cell's first seed that has any, by search beside those by the encoder; or None."""
    tiles = [tile for cell in shown(results.cells) for tile in _tiles(results, cell)]
    return sheet(tiles, min(COLUMNS, len(tiles))) if tiles else None


def _tiles(results: Tables, cell: Cell) -> list[Tile]:
    folder = results.folder / STRIPS
    for run in cell.rows:
        if not (folder / f"{run['run_id']}.png").is_file():
            continue
        probed = next(iter(results.by_run("probes")[run["run_id"]]), {})
        found: list[Tile] = []
        for suffix, name, words in (("", "embedded", ""), (SEARCHED, "searched", ", by search")):
            path = folder / f"{run['run_id']}{suffix}.png"
            if path.is_file():
                title = shortened(single_line(cell.title), LONGEST)
                middle = number(probed.get(f"{name}.{MIDDLE}", np.nan))
                above = f"{title}, seed {run['seed']:.0f}{words}"
                found.append((above, f"distance of the middles {middle}", enlarged(path)))
        return found
    return []
