"""The report as one self-contained page: contents, sortable tables, pictures, no network.

Pictures are WebP, a fifth of what their PNG files in the results folder take.
"""

import base64
import io
import re
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from PIL import Image

from benchmark.errors import BenchError
from benchmark.report.document import Document, Heading
from benchmark.report.files import write_generated
from benchmark.results.tables import REWRITE

GRID, SHEET, PLOT = 45, 60, 85
"""WebP's quality of a run's grid, of the sheet of samples, and of what has lines and letters."""
WIDEST = 1300
"""Pixels: the page shows no picture wider."""
NUMBER = re.compile(r"—$|-?\d[\d.e+/-]*( ± \S+)?( \[[^]]*\])?[*†]?$")
"""What is set to the right: a number, with its spread or interval."""


def write_page(document: Document, path: Path) -> None:
    """Write the document at `path`; the same document gives the same bytes.

    Raises BenchError where a grid of samples cannot be read or the page cannot be written.
    """
    # Words are Markdown: HTML in them (a reason, a file's name) is shown, never obeyed.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")  # as GitHub has them
    room = files("benchmark.report")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "kind": lambda block: type(block).__name__,
        "words": lambda text: Markup(markdown.render(text)),
        "inline": lambda text: Markup(markdown.renderInline(text)),
        "picture": lambda block: _image(
            block.image, SHEET if block.path.name == "samples.png" else PLOT
        ),
        "grid": lambda each: _image(_read(each), GRID),
    }
    environment.tests["a_number"] = lambda text: NUMBER.match(text) is not None
    page = environment.from_string((room / "page.html.j2").read_text("utf-8")).render(
        blocks=document.blocks,
        contents=[block for block in document.blocks if isinstance(block, Heading)],
        css=Markup((room / "page.css").read_text("utf-8")),
        js=Markup((room / "page.js").read_text("utf-8")),
    )
    write_generated(path, page.encode())


def _image(png: bytes, quality: int) -> Markup:
    """Its attributes: the picture as WebP of this quality, and its size."""
    image, encoded = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    if image.width > WIDEST and quality == PLOT:
        image = image.resize((WIDEST, image.height * WIDEST // image.width))
    image.save(encoded, "WEBP", quality=quality, method=4)
    data = base64.b64encode(encoded.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    return Markup(f'src="data:image/webp;base64,{data}" {size} decoding="async"')


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror}); {REWRITE}") from None
