"""Grids of images side by side on one sheet, each with words above and below."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from benchmark.results.tables import readable

# Grids narrower than this are enlarged, pixel by pixel.
SMALL = 400
MARGIN, LINE, FONT = 12, 36, 26
LONGEST = 40  # characters of a cell in the words above

Tile = tuple[str, str, Image.Image | str]
"""The words above, those below, and the grid, or why there is none."""


def sheet(tiles: Sequence[Tile], columns: int) -> bytes:
    """The tiles, row by row, as lossless WebP: a third smaller than PNG."""
    found = [tile for *_, tile in tiles if isinstance(tile, Image.Image)]
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT)
    widest = max(int(font.getlength(text)) + 1 for *texts, _ in tiles for text in texts)
    width = max(widest + FONT, *(tile.width + MARGIN for tile in found))
    height = max(tile.height for tile in found) + MARGIN + 2 * LINE
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
    """The grid in a file, as wide as can be seen; raises BenchError where it cannot be read."""
    with readable(path), Image.open(path) as file:
        grid = file.convert("RGB")
    scale = -(-SMALL // grid.width)
    return grid.resize((grid.width * scale, grid.height * scale), Image.Resampling.NEAREST)
