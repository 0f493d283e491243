"""Sheets over all cells: their samples, and their paths between embedded faces."""

from pathlib import Path

import numpy as np

from benchmark.report.captions import setup_words
from benchmark.report.figures.sheet import LONGEST, Tile, enlarged, sheet
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import number
from benchmark.results.drawn import FOLDER as DRAWN
from benchmark.results.places import samples_of
from benchmark.results.probes import SEARCHED, STRIPS
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Row, Tables
from benchmark.text import shortened, single_line

# With more seeds, or more grids in all, a sheet shows only the first seed.
MAX_SEEDS_SHOWN, MAX_GRIDS_SHOWN = 3, 9
# Cells side by side, for samples of one seed and for strips.
COLUMNS, STRIP_COLUMNS = 3, 2


def shown_seeds(results: Tables) -> list[int]:
    """All seeds if there are few grids, otherwise the first; never chosen by appearance."""
    seeds = sorted(results.record.seeds)
    few = len(seeds) <= MAX_SEEDS_SHOWN and len(seeds) * len(results.cells) <= MAX_GRIDS_SHOWN
    return seeds if few else seeds[:1]


def grids(results: Tables) -> list[tuple[str, Path]]:
    """The (title, file) of every run's grid, in the order of the cells."""
    return [
        (f"{', '.join(_words(cell, run['seed'], run))} ({run['run_id']})", path)
        for cell in results.cells
        for run in cell.rows
        if (path := samples_of(results.folder, run["run_id"])).is_file()
    ]


def samples(results: Tables) -> bytes | None:
    """The last grid of every cell and shown seed: one row per cell, or cell by cell for one seed.

    Drawn faces, if there are any, come first. A run without samples keeps its place; cells without
    any are left out (`without_samples` names them).
    """
    seeds, absent = shown_seeds(results), set(without_samples(results))
    cells = shown([cell for cell in results.cells if cell.title not in absent])
    if not cells:
        return None
    tiles = drawn(results)
    if len(seeds) > 1:  # a row is a cell, so real images need rows of their own
        tiles += [("", "", "")] * (-len(tiles) % len(seeds))
    tiles += [_tile(results, cell, seed) for cell in cells for seed in seeds]
    return sheet(tiles, len(seeds) if len(seeds) > 1 else min(COLUMNS, len(tiles)))


def drawn(results: Tables) -> list[Tile]:
    """Real faces of each set-up of the shown cells, if they are drawn ones."""
    tiles: list[Tile] = []
    for at in dict.fromkeys(cell.record.setup for cell in shown(results.cells)):
        path = results.folder / DRAWN / f"{at}.png"
        if path.is_file():
            view = ", ".join(setup_words(results.record.setups[at])[1:-1])
            tiles.append((shortened(f"real: {view}", LONGEST), "", enlarged(path)))
    return tiles


def without_samples(results: Tables) -> list[str]:
    """The cells without a grid for any shown seed."""
    seeds = shown_seeds(results)

    def has_any(cell: Cell) -> bool:
        ids = [run["run_id"] for run in cell.rows if run["seed"] in seeds]
        return any(samples_of(results.folder, each).is_file() for each in ids)

    return [cell.title for cell in results.cells if not has_any(cell)]


def _tile(results: Tables, cell: Cell, seed: int) -> Tile:
    """A run's words above and below, and its enlarged grid or why there is none."""
    run = next((run for run in cell.rows if run["seed"] == seed), {})
    if not run:
        return (*_words(cell, seed, run), "no such run")
    path = samples_of(results.folder, run["run_id"])
    return (*_words(cell, seed, run), enlarged(path) if path.is_file() else "no samples")


def _words(cell: Cell, seed: int, run: Row) -> tuple[str, str]:
    """The words above a grid (cell, seed, and whether the run is unfinished or collapsed) and below
    it (the distance). A missing `run` is empty."""
    early = run.get("state", "done") != "done"
    notes = [f"{run['state']}, step {run['step']:.0f}"] if early else []
    notes += ["collapsed"] * (run.get("collapsed") == 1)
    state = f" ({', '.join(notes)})" if notes else ""
    above = f"{shortened(single_line(cell.title), LONGEST)}, seed {seed:.0f}{state}"
    return above, f"distance {number(run.get(DISTANCE, np.nan))}"


def strips(results: Tables) -> bytes | None:
    """The paths of each cell's first seed that has any, by encoder and by search; or None."""
    tiles = [tile for cell in shown(results.cells) for tile in _strips(results, cell)]
    return sheet(tiles, min(STRIP_COLUMNS, len(tiles))) if tiles else None


def _strips(results: Tables, cell: Cell) -> list[Tile]:
    folder = results.folder / STRIPS
    for run in cell.rows:
        if not (folder / f"{run['run_id']}.png").is_file():
            continue
        probed = next(iter(results.by_run("probes")[run["run_id"]]), {})
        tiles: list[Tile] = []
        for suffix, name, words in (("", "embedded", ""), (SEARCHED, "searched", ", by search")):
            path = folder / f"{run['run_id']}{suffix}.png"
            if path.is_file():
                title = shortened(single_line(cell.title), LONGEST)
                middle = number(probed.get(f"{name}.middle.distance", np.nan))
                above = f"{title}, seed {run['seed']:.0f}{words}"
                tiles.append((above, f"distance of the middles {middle}", enlarged(path)))
        return tiles
    return []
