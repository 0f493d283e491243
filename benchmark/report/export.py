"""Tables for papers and other programs: CSV and JSON, and LaTeX as the report shows them."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.errors import InputError
from benchmark.markup import plain
from benchmark.report.document import Document, tables
from benchmark.report.files import GENERATED, is_ours, write
from benchmark.report.numbers import NONE
from benchmark.report.summary import summary
from benchmark.results.tables import Tables
from benchmark.text import single_line

# Characters that pandas does not escape, though TeX prints them otherwise or not at all.
_LATEX = str.maketrans(
    {"±": r"$\pm$", "—": "--", "…": r"\ldots{}", "<": r"\textless{}", ">": r"\textgreater{}"}
    | {"|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}"}
)


def export(ablations: Sequence[Tables], document: Document, folder: Path) -> list[Path]:
    """Write the opening's tables to `folder`, and each section's to <ablation>/<profile>/ below it.

    Returns the files. Raises InputError if one of them exists but was not written by an export,
    BenchError if one cannot be written.
    """
    frames = {folder / table.name: _plain(table.frame) for table in tables(document.opening)}
    for results in ablations:
        frames[folder.joinpath(*results.folder.parts[-2:], "summary")] = summary(results)
    for section in document.sections:
        below = folder.joinpath(*section.folder.parts[-2:])
        frames |= {below / table.name: _plain(table.frame) for table in tables(section.blocks)}
    contents = {
        path.with_name(f"{path.name}.{kind}"): content
        for path, frame in frames.items()
        for kind, content in _contents(frame).items()
    }
    for path in contents:
        # Only a table's .tex file says what wrote it, so it vouches for the other two.
        if path.exists() and not is_ours(path.with_suffix(".tex")):
            raise InputError(
                f"{path}: was not written by `bench report --export` and is left alone; give "
                "another folder"
            )
    for path, content in contents.items():
        write(path, content.encode())
    return list(contents)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without Markdown, and with empty cells in place of dashes."""
    words = frame.map(lambda text: "" if text == NONE else plain(text))
    return words.rename(columns=single_line)


def _contents(frame: pd.DataFrame) -> dict[str, str]:
    latex = frame.to_latex(index=False, escape=True, na_rep="", float_format="%.4g")
    # After a \\ at the end of the line above, a [ or * would be read as its argument.
    latex = re.sub(r"^([\[*])", r"{\1}", latex, flags=re.MULTILINE)
    return {
        "csv": frame.to_csv(index=False, lineterminator="\n"),
        "json": frame.to_json(orient="records", indent=2, force_ascii=False) + "\n",
        "tex": f"% {GENERATED}\n{latex.translate(_LATEX)}",
    }
