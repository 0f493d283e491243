"""Tables for papers and other programs: CSV and JSON, and LaTeX as the report shows them."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.report.document import Document, tables
from benchmark.report.files import write
from benchmark.report.numbers import INCOMPLETE, NONE
from benchmark.report.summary import summary
from benchmark.results.tables import Tables


def export(found: Sequence[Tables], document: Document, folder: Path) -> list[Path]:
    """claims.* in `folder`, and every table of <ablation>/<profile>/ there; returns the files.

    The tables are the report's, to the letter; `summary` has the same means and noises as numbers
    in full. Raises BenchError where a file cannot be written.
    """
    written = []
    for table in tables(document.opening):
        written += _write(folder, table.name, _plain(table.frame))
    for results, section in zip(found, document.sections, strict=True):
        below = folder / results.record.name / results.record.profile
        written += _write(below, "summary", summary(results))
        for table in tables(section.blocks):
            written += _write(below, table.name, _plain(table.frame))
    return written


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Without Markdown, and empty where there is nothing to say."""

    def strip(text: str) -> str:
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
        return "" if text == NONE else text.replace(INCOMPLETE, "*")

    return frame.map(strip)


def _write(folder: Path, name: str, frame: pd.DataFrame) -> list[Path]:
    latex = frame.to_latex(index=False, escape=True, na_rep="", float_format="%.4g")
    contents = {
        "csv": frame.to_csv(index=False, lineterminator="\n"),
        "json": frame.to_json(orient="records", indent=2, force_ascii=False) + "\n",
        "tex": latex.replace("±", r"$\pm$").replace("\u2014", "--"),
    }
    for kind, content in contents.items():
        write(folder / f"{name}.{kind}", content.encode())
    return [folder / f"{name}.{kind}" for kind in contents]
