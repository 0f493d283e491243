"""The structure of a report, independent of output format. Text is Markdown, without HTML."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from benchmark.markup import plain


@dataclass(frozen=True)
class Heading:
    level: int
    text: str

    @property
    def anchor(self) -> str:
        """The part after the # in a link to this heading, as code hosts generate it."""
        return re.sub(r"[^\w\- ]", "", self.text.lower()).replace(" ", "-")


@dataclass(frozen=True)
class Words:
    """Paragraphs or a list."""

    markdown: str


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; `name` is that of its file when exported.

    `source` is the table under results/ that says which runs a number comes from.
    """

    name: str
    frame: pd.DataFrame
    caption: str
    source: Path | None = None


@dataclass(frozen=True)
class Picture:
    """An image that is also stored at `path`, so that a page can show it or link to it."""

    path: Path
    image: bytes
    alt: str
    caption: str
    under_table: str | None = None
    """The caption if a table just above already says what the picture was made from."""


@dataclass(frozen=True)
class Gallery:
    """Grids of samples, one per run: (title, file). Only a page that can zoom shows them."""

    grids: Sequence[tuple[str, Path]]
    caption: str


Plain: TypeAlias = Heading | Words | Table | Picture | Gallery


@dataclass(frozen=True)
class Details:
    """Details that most readers skip, but that are needed to check a number."""

    summary: str
    blocks: Sequence[Plain]


Block: TypeAlias = Plain | Details


@dataclass(frozen=True)
class Section:
    """What the report says about the results in one folder; its heading is the first block."""

    folder: Path
    heading: Heading
    blocks: Sequence[Block]
    fault: str = ""
    """Why the section says nothing else; empty if it does."""


@dataclass(frozen=True)
class Document:
    """What concerns all ablations, then one section for each."""

    folder: Path
    """The results folder, where the details of the opening are stored."""
    opening: Sequence[Block]
    sections: Sequence[Section]

    @property
    def blocks(self) -> list[Block]:
        return [*self.opening, *(block for section in self.sections for block in section.blocks)]


def faults(document: Document) -> list[str]:
    """The sections that could not be written, and why."""
    return [
        f"section {plain(section.heading.text)}: cannot be drawn: {section.fault}"
        for section in document.sections
        if section.fault
    ]


def details(blocks: Sequence[Block]) -> list[Details]:
    return [block for block in blocks if isinstance(block, Details)]


def tables(blocks: Sequence[Block]) -> Iterator[Table]:
    """All tables, including those in details."""
    return (block for block in _unfolded(blocks) if isinstance(block, Table))


def pictures(blocks: Sequence[Block]) -> Iterator[Picture]:
    """All pictures, including those in details."""
    return (block for block in _unfolded(blocks) if isinstance(block, Picture))


def _unfolded(blocks: Sequence[Block]) -> Iterator[Plain]:
    for block in blocks:
        yield from block.blocks if isinstance(block, Details) else [block]
