"""Write REPORT.md, a page of details beside every ablation.json, and the figures, from results/.

People read for ten minutes, so the report only links to what most of them skip: pages of details.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from benchmark.markup import BREAK, escaped
from benchmark.report.document import (
    Block,
    Details,
    Document,
    Gallery,
    Heading,
    Picture,
    Plain,
    Table,
    Words,
    details,
    faults,
    pictures,
)
from benchmark.report.figures.forest import FOREST
from benchmark.report.files import GENERATED, refuse_foreign, write, write_generated
from benchmark.report.overview import compose
from benchmark.report.sections import FIGURES
from benchmark.results.tables import read_all

DETAILS = "details.md"


def build(results: Path, report: Path, warn: Callable[[str], None] = print) -> list[Path]:
    """Write REPORT.md at `report`, and its figures and details beside every ablation.json.

    Returns the files; `warn` is called for each section that cannot be drawn. The same results give
    the same bytes. Raises BenchError if results are missing, all damaged or foreign, or a file
    cannot be written.
    """
    damaged: dict[Path, str] = {}
    document = compose(read_all(results, damaged), damaged, tolerant=True)
    for fault in faults(document):
        warn(fault)
    return write_markdown(document, report)


def write_markdown(document: Document, report: Path) -> list[Path]:
    """Write the document to `report`, figures and details to their folders; returns the files."""
    parts = [(document.folder, document.opening)]
    parts += [(section.folder, section.blocks) for section in document.sections]
    refuse_foreign(report, *(folder / DETAILS for folder, _ in parts))  # before writing anything
    written = []
    for picture in pictures(document.blocks):
        write(picture.path, picture.image)
        written.append(picture.path)
    for section in (each for each in document.sections if not each.fault):
        figures = [section.folder / name for name in FIGURES]
        for path in (*figures, section.folder.parents[1] / FOREST):
            if path not in written:  # left by an earlier report
                path.unlink(missing_ok=True)
    text: list[str] = []
    for folder, blocks in parts:
        page = folder / DETAILS
        if details(blocks):
            _write(page, _page(blocks, page, report))
            written.append(page)
        text += _briefly(blocks, page, report)
    _write(report, text)
    return [*written, report]


def _write(path: Path, parts: Iterable[str]) -> None:
    write_generated(path, ("\n\n".join(parts) + "\n").encode())


def _briefly(blocks: Sequence[Block], page: Path, report: Path) -> Iterator[str]:
    """The blocks as the report shows them: details are one link to their page."""
    for at, block in enumerate(blocks):
        if isinstance(block, Picture) and isinstance(blocks[at - 1], Table) and block.under_table:
            block = replace(block, caption=block.under_table)
        if not isinstance(block, Details | Gallery):
            yield from _render(block, report)
    if details(blocks):
        more = [f"[claims, tests, figures, measures]({_link(page, report)})"]
        folders = dict.fromkeys(
            path.parent for block in blocks if isinstance(block, Gallery) for _, path in block.grids
        )
        word = "every grid" if len(folders) == 1 else "grids"
        more += [f"[{word}]({_link(folder, report)})" for folder in folders]
        yield f"More: {', '.join(more)}."


def _page(blocks: Sequence[Block], page: Path, report: Path) -> Iterator[str]:
    """The page of details."""
    heading = next(block for block in blocks if isinstance(block, Heading))
    back = f"{_link(report, page)}#{heading.anchor}"
    yield f"# {heading.text}: details"
    yield f"Part of [the report]({back}). {GENERATED}; do not edit."
    yield "\n".join(f"- [{each.summary}](#{_heading(each).anchor})" for each in details(blocks))
    for block in details(blocks):
        for each in (_heading(block), *block.blocks):
            yield from _render(each, page)


def _heading(block: Details) -> Heading:
    return Heading(2, block.summary)


def _render(block: Plain, report: Path) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {block.text}"
        case Words():
            yield block.markdown
        case Table():
            yield _pipes(block.frame.map(_cell).rename(columns=lambda name: _cell(escaped(name))))
            source = block.source
            link = f" Runs: [{source.name}]({_link(source, report)})." if source else ""
            yield f"*{block.caption}*{link}"
        case Picture():
            yield f"![{escaped(block.alt)}]({_link(block.path, report)})"
            yield f"*{block.caption}*"
        case Gallery():
            folder = block.grids[0][1].parent
            yield f"Run by run: [{folder.name}/]({_link(folder, report)})."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace(BREAK, "<br>")  # a row of a table is one line


def _pipes(frame: pd.DataFrame) -> str:
    # disable_numparse: the numbers have already been formatted.
    text = frame.to_markdown(index=False, disable_numparse=True, stralign=None)
    head, _, *rows = text.split("\n")
    return "\n".join((head, "|" + ":---|" * len(frame.columns), *rows))


def _link(path: Path, report: Path) -> str:
    relative = os.path.relpath(path.resolve(), report.resolve().parent)
    return quote(Path(relative).as_posix(), safe="/+=")
