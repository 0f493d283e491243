"""The report as one self-contained page: sortable tables, pictures that enlarge, no network."""

import base64
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmark.errors import BenchError
from benchmark.report.document import Document
from benchmark.report.files import write
from benchmark.results.tables import REWRITE


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
        "embedded": _embedded,
        "file": lambda each: _embedded(_read(each)),
    }
    page = environment.from_string((room / "page.html.j2").read_text("utf-8")).render(
        blocks=document.blocks,
        css=Markup((room / "page.css").read_text("utf-8")),
        js=Markup((room / "page.js").read_text("utf-8")),
    )
    write(path, page.encode())


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror}); {REWRITE}") from None
