"""The pictures of a report: curves over training, and the samples of every cell side by side."""

import io
from itertools import cycle, islice
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image, ImageDraw, ImageFont

from benchmark.errors import BenchError
from benchmark.report.results import MEND, Cell, Results
from benchmark.report.tables import title

# Okabe and Ito's colours without the yellow, which is too light for thin lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
# Beyond this ratio between largest and least value a linear axis would hide the curves' ends.
LOG_RATIO = 10.0
MAX_SEEDS_SHOWN = 3
SCALE = 2
MARGIN, LINE, FONT = 12, 36, 26


def curves(results: Results) -> bytes | None:
    """PNG: signal and distance against step, one style per cell, one line per seed.

    1800 px wide, to be read at 900. None where no run has logged anything yet.
    """
    record = results.record
    if results.train.empty and results.evaluations.empty:
        return None
    figure = Figure(figsize=(9, 4.4), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    signal, distance = figure.subplots(1, 2)
    _panel(signal, results, results.train, record.signal, 6, "")
    _panel(distance, results, results.evaluations, record.distance, None, " (lower is better)")
    if record.floor is not None and record.distance in record.floor:
        distance.axhline(record.floor[record.distance], color="0.35", linestyle=":", linewidth=1.5)
    figure.legend(
        handles=_legend(results), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _styles(count: int) -> list[dict[str, object]]:
    """Colour, dashes and marker: no two cells share all, and colour alone carries no meaning."""
    both = zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), strict=False)
    return [{"color": c, "linestyle": d, "marker": m} for c, d, m in islice(both, count)]


def _panel(
    axes: Axes, results: Results, table: pd.DataFrame, column: str, marks: int | None, note: str
) -> None:
    """One line per run; a cross where a run ended early. `marks`: markers a line, None: all."""
    cells = results.cells
    for at, (cell, style) in enumerate(zip(cells, _styles(len(cells)), strict=True)):
        for run_id, state in zip(cell.runs["run_id"], cell.runs["state"], strict=True):
            rows = table[table["run_id"] == run_id].sort_values("step", kind="stable")
            if rows.empty:
                continue
            every = max(1, len(rows) // marks) if marks else 1
            axes.plot(
                rows["step"],
                rows[column],
                linewidth=0.9,
                markersize=4,
                # Each cell's markers stand at other steps, so that they do not hide one another.
                markevery=(at * every // len(cells), every),
                **style,  # type: ignore[arg-type]
            )
            if state in {"failed", "stopped"}:
                last = rows.iloc[-1]
                axes.plot(last["step"], last[column], "x", color="black", markersize=8, mew=2)
    values = table[column][np.isfinite(table[column])]
    log = len(values) > 0 and values.min() > 0 and values.max() > LOG_RATIO * values.min()
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("training step (updates)")
    axes.set_ylabel(f"{title(column)}{', log scale' if log else ''}{note}")
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.6)


def _legend(results: Results) -> list[Line2D]:
    cells = results.cells
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=cell.title, **style)  # type: ignore[arg-type]
        for cell, style in zip(cells, _styles(len(cells)), strict=True)
    ]
    record = results.record
    if record.floor is not None and record.distance in record.floor:
        handles.append(Line2D([], [], color="0.35", linestyle=":", label="real against real"))
    if results.runs["state"].isin({"failed", "stopped"}).any():
        handles.append(
            Line2D([], [], color="black", marker="x", linestyle="", label="run ended early")
        )
    return handles


def shown_seeds(results: Results) -> list[int]:
    """All seeds where they are few, else the first: chosen by rule, never by look."""
    seeds = sorted(results.record.seeds)
    return seeds if len(seeds) <= MAX_SEEDS_SHOWN else seeds[:1]


def samples(results: Results) -> bytes | None:
    """PNG: the final grid of every cell (rows) and shown seed (columns), pixels doubled.

    A run without samples keeps its place, with its state in words. None where no run has any.
    """
    seeds = shown_seeds(results)
    grids = {
        (at, seed): _grid(results, cell, seed)
        for at, cell in enumerate(results.cells)
        for seed in seeds
    }
    found = [grid for grid in grids.values() if isinstance(grid, Image.Image)]
    if not found:
        return None
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT)
    titles = {
        (at, seed): _grid_title(cell, seed)
        for at, cell in enumerate(results.cells)
        for seed in seeds
    }
    widest = max(int(font.getlength(text)) + 1 for text in titles.values())
    width = max(widest, *(grid.width for grid in found)) + MARGIN
    height = max(grid.height for grid in found) + MARGIN + LINE
    size = (width * len(seeds) + MARGIN, height * len(results.cells) + MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for (at, seed), grid in grids.items():
        left, top = MARGIN + seeds.index(seed) * width, MARGIN + at * height
        draw.text((left, top), titles[at, seed], fill="black", font=font)
        if isinstance(grid, str):
            draw.text((left, top + 2 * LINE), grid, fill="#A00000", font=font)
        else:
            sheet.paste(grid, (left, top + LINE))
    file = io.BytesIO()
    sheet.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _grid_title(cell: Cell, seed: int) -> str:
    """Cell and seed, and the step where a run has not come to its end."""
    text = f"{cell.title}, seed {seed}"
    runs = cell.runs[(cell.runs["seed"] == seed) & (cell.runs["state"] != "done")]
    if len(runs):
        text += f" ({runs['state'].iloc[0]}, step {runs['step'].iloc[0]})"
    return text


def _grid(results: Results, cell: Cell, seed: int) -> Image.Image | str:
    """The enlarged grid of a run, or in words why there is none."""
    runs = cell.runs[cell.runs["seed"] == seed]
    if runs.empty:
        return "no such run"
    path = results.folder / "samples" / f"{runs['run_id'].iloc[0]}.png"
    if not path.is_file():
        return "no samples"
    try:
        with Image.open(path) as file:
            grid = file.convert("RGB")
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error}); {MEND}") from None
    return grid.resize((grid.width * SCALE, grid.height * SCALE), Image.Resampling.NEAREST)
