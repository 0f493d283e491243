"""REPORT.md and its figures, generated from results/ alone."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmark.report.document import (
    Block,
    Details,
    Document,
    Gallery,
    Heading,
    Picture,
    Table,
    Words,
    pictures,
)
from benchmark.report.files import write
from benchmark.report.overview import compose
from benchmark.report.results import read_all
from benchmark.report.sections import FIGURES


def build(results: Path, report: Path) -> list[Path]:
    """Write REPORT.md at `report`, and its figures beside every ablation.json.

    Returns the files of the report. The same results give the same bytes; a file whose content
    stands already is left alone. Raises BenchError where results are missing, torn or foreign,
    or a file cannot be written.
    """
    return write_markdown(compose(read_all(results)), report)


def write_markdown(document: Document, report: Path) -> list[Path]:
    """The document at `report`, and its figures in their folders; returns the files."""
    written = []
    for picture in pictures(document.blocks):
        write(picture.path, picture.image)
        written.append(picture.path)
    for section in document.sections:
        for name in FIGURES:  # of an earlier report, which would not be remade
            if section.folder / name not in written:
                (section.folder / name).unlink(missing_ok=True)
    text = "\n\n".join(part for block in document.blocks for part in _render(block, report))
    write(report, (text + "\n").encode())
    return [*written, report]


def _render(block: Block, report: Path) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {block.text}"
        case Words():
            yield block.markdown
        case Table():
            frame = block.frame.map(lambda text: text.replace("|", "\\|"))
            yield _pipes(frame)
            source = block.source
            link = f" Runs: [{source.name}]({_link(source, report)})." if source else ""
            yield f"*{block.caption}*{link}"
        case Picture():
            yield f"![{block.alt}]({_link(block.path, report)})"
            yield f"*{block.caption}*"
        case Gallery():
            folder = block.grids[0][1].parent
            yield f"Run by run: [{folder.name}/]({_link(folder, report)})."
        case Details():
            yield f"<details><summary>{block.summary}</summary>"
            for inner in block.blocks:
                yield from _render(inner, report)
            yield "</details>"


def _pipes(frame: pd.DataFrame) -> str:
    """The table without padding: GitHub shows Markdown beyond 512 KB as plain text."""
    # disable_numparse: the numbers are formatted already.
    text = frame.to_markdown(index=False, disable_numparse=True, stralign=None)
    head, _, *rows = text.split("\n")
    return "\n".join((head, "|" + ":---|" * len(frame.columns), *rows))


def _link(path: Path, report: Path) -> str:
    relative = os.path.relpath(path.resolve(), report.resolve().parent)
    return Path(relative).as_posix().replace(" ", "%20")
