"""The samples of every cell side by side, each with the distance of its run."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.report.captions import setup_words
from benchmark.report.figures.sheet import Tile, enlarged, sheet
from benchmark.report.figures.shown import shown
from benchmark.report.numbers import number
from benchmark.results.drawn import FOLDER as DRAWN
from benchmark.results.places import samples_of
from benchmark.results.schema import DISTANCE
from benchmark.results.tables import Cell, Tables
from benchmark.text import shortened, single_line

# More seeds, or more grids in all, and a sheet shows the first seed alone.
MAX_SEEDS_SHOWN, MAX_GRIDS_SHOWN = 3, 9
# Where one seed is shown, so many cells stand side by side.
COLUMNS = 3
LONGEST = 40  # characters of a cell


def shown_seeds(results: Tables) -> list[int]:
    """All seeds if there are few grids, otherwise the first: chosen by rule, never by
    appearance."""
    seeds = sorted(results.record.seeds)
    few = len(seeds) <= MAX_SEEDS_SHOWN and len(seeds) * len(results.cells) <= MAX_GRIDS_SHOWN
    return seeds if few else seeds[:1]


def grids(results: Tables) -> list[tuple[str, Path]]:
    """(title, file) of every run's grid, in the order of the cells."""
    return [
        (f"{_title(cell, run['seed'])}, {_distance(cell, run['seed'])} ({run['run_id']})", path)
        for cell in results.cells
        for run in cell.rows
        if (path := samples_of(results.folder, run["run_id"])).is_file()
    ]


def samples(results: Tables) -> bytes | None:
    """The final grid of every cell and shown seed: a row a cell, or cell by cell for one seed.

    Before them drawn faces, where there are any. A run without samples keeps its place, with its
    state in words; cells without any are left out (`without_samples` names them). None where no run
    has any.
    """
    seeds, absent = shown_seeds(results), set(without_samples(results))
    cells = shown([cell for cell in results.cells if cell.title not in absent])
    if not cells:
        return None
    places = [(cell, seed) for cell in cells for seed in seeds]
    tiles = drawn(results)
    if len(seeds) > 1:  # a row is a cell: real images have rows of their own
        tiles += [("", "", "")] * (-len(tiles) % len(seeds))
    tiles += [(_title(*at), _distance(*at), _grid(results, *at)) for at in places]
    return sheet(tiles, len(seeds) if len(seeds) > 1 else min(COLUMNS, len(tiles)))


def drawn(results: Tables) -> list[Tile]:
    """Faces of each set-up that the shown cells have, where they are drawn ones."""
    tiles: list[Tile] = []
    for at in dict.fromkeys(cell.record.setup for cell in shown(results.cells)):
        path = results.folder / DRAWN / f"{at}.png"
        if path.is_file():
            view = ", ".join(setup_words(results.record.setups[at])[1:-1])
            tiles.append((shortened(f"real: {view}", LONGEST), "", enlarged(path)))
    return tiles


def without_samples(results: Tables) -> list[str]:
    """Cells of which no shown seed has a grid yet."""
    seeds = shown_seeds(results)
    return [
        cell.title
        for cell in results.cells
        if not any(
            samples_of(results.folder, run["run_id"]).is_file()
            for run in cell.rows
            if run["seed"] in seeds
        )
    ]


def _title(cell: Cell, seed: int) -> str:
    """Cell and seed; the step where a run has not come to its end; collapse."""
    text = f"{shortened(single_line(cell.title), LONGEST)}, seed {seed:.0f}"
    for run in (run for run in cell.rows if run["seed"] == seed):
        notes = [] if run["state"] == "done" else [f"{run['state']}, step {run['step']:.0f}"]
        notes += ["collapsed"] if run.get("collapsed") == 1 else []
        text += f" ({', '.join(notes)})" if notes else ""
    return text


def _distance(cell: Cell, seed: int) -> str:
    """The headline distance of the run's last snapshot."""
    value = next((run.get(DISTANCE) for run in cell.rows if run["seed"] == seed), None)
    return f"distance {number(np.nan if value is None else value)}"


def _grid(results: Tables, cell: Cell, seed: int) -> Image.Image | str:
    """The enlarged grid of a run, or why there is none."""
    run_id = next((run["run_id"] for run in cell.rows if run["seed"] == seed), None)
    if run_id is None:
        return "no such run"
    path = samples_of(results.folder, run_id)
    return enlarged(path) if path.is_file() else "no samples"
