"""The report as one self-contained page: contents, sortable tables and pictures, no network.

Pictures are lossy WebP, a fifth the size of their files in the results folder.
"""

import base64
import io
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from PIL import Image

from benchmark.report.document import Document, Heading
from benchmark.report.files import write_generated
from benchmark.results.tables import readable

GRID, SHEET, PLOT = 36, 50, 72
"""WebP quality of a run's grid, of a sheet of grids, and of figures with lines and letters."""
WIDEST = 900
"""Most pixels across a figure; sheets of grids, where every pixel matters, may be wider."""
NUMBER = re.compile(r"—$|-?\d[\d.e+/-]*( ± \S+)?( \[[^]]*\])?[*†]?$")
"""A number, with its spread or interval; such cells are aligned to the right."""


def write_page(document: Document, path: Path) -> None:
    """Write the document to `path`; the same document gives the same bytes.

    Raises BenchError if a grid of samples cannot be read or the page cannot be written.
    """
    # Words are Markdown: HTML in them (a reason, a file's name) is shown, not interpreted.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")  # GitHub's extension
    room = files("benchmark.report")
    first: dict[bytes, str] = {}  # a grid's bytes, to the id of the image that shows it

    def grid(path: Path) -> Markup:
        """A run's grid; if an earlier section has the same, the page's script copies it."""
        with readable(path):
            content = path.read_bytes()
        if content in first:
            return Markup('data-same="{}"').format(first[content])
        first[content] = f"grid-{len(first) + 1}"
        return Markup('id="{}" {}').format(first[content], _image(content, GRID))

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    filters: dict[str, Any] = {
        "kind": lambda block: type(block).__name__,
        "words": lambda text: Markup(markdown.render(text)),
        "inline": lambda text: Markup(markdown.renderInline(text)),
        "picture": lambda block: _image(
            block.image, SHEET if block.path.suffix == ".webp" else PLOT
        ),
        "grid": grid,
    }
    environment.filters |= filters
    environment.tests["a_number"] = lambda text: NUMBER.match(text) is not None
    environment.tests["ascii"] = str.isascii
    page = environment.from_string((room / "page.html.j2").read_text("utf-8")).render(
        blocks=document.blocks,
        contents=[block for block in document.blocks if isinstance(block, Heading)],
        css=Markup((room / "page.css").read_text("utf-8")),
        js=Markup((room / "page.js").read_text("utf-8")),
    )
    write_generated(path, page.encode())


def _image(content: bytes, quality: int) -> Markup:
    """The attributes of an <img>: the picture as WebP of this quality, and its size."""
    image, encoded = Image.open(io.BytesIO(content)).convert("RGB"), io.BytesIO()
    if image.width > WIDEST and quality == PLOT:
        image = image.resize((WIDEST, image.height * WIDEST // image.width))
    image.save(encoded, "WEBP", quality=quality, method=6)
    data = base64.b64encode(encoded.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    return Markup(f'src="data:image/webp;base64,{data}" {size} decoding="async"')
