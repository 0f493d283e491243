"""Grids of images side by side on one sheet, each with a line of text above and below."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from benchmark.results.tables import readable

# Grids narrower than this are enlarged, pixel by pixel.
SMALL = 400
MARGIN, LINE, FONT = 12, 36, 26
LONGEST = 40  # most characters of a cell's title in the text above

Tile = tuple[str, str, Image.Image | str]
"""The text above, the text below, and the grid or why there is none."""


def sheet(tiles: Sequence[Tile], columns: int) -> bytes:
    """The tiles, row by row, as lossless WebP: a third smaller than PNG."""
    grids = [tile for *_, tile in tiles if isinstance(tile, Image.Image)]
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT)
    widest = max(int(font.getlength(text)) + 1 for *texts, _ in tiles for text in texts)
    width = max(widest + FONT, *(grid.width + MARGIN for grid in grids))
    height = max(grid.height for grid in grids) + MARGIN + 2 * LINE
    rows = -(-len(tiles) // columns)
    drawn = Image.new("RGB", (width * columns + MARGIN, height * rows + MARGIN), "white")
    draw = ImageDraw.Draw(drawn)
    for at, (text, below, tile) in enumerate(tiles):
        row, column = divmod(at, columns)
        left, top = MARGIN + column * width, MARGIN + row * height
        draw.text((left, top), text, fill="black", font=font)
        if isinstance(tile, str):
            draw.text((left, top + 2 * LINE), tile, fill="#A00000", font=font)
        else:
            drawn.paste(tile, (left, top + LINE))
            draw.text((left, top + LINE + tile.height), below, fill="black", font=font)
    file = io.BytesIO()
    drawn.save(file, format="WEBP", lossless=True, quality=100)
    return file.getvalue()


def enlarged(path: Path) -> Image.Image:
    """The grid in a file, enlarged if small; raises BenchError if it cannot be read."""
    with readable(path), Image.open(path) as file:
        grid = file.convert("RGB")
    scale = -(-SMALL // grid.width)
    return grid.resize((grid.width * scale, grid.height * scale), Image.Resampling.NEAREST)
