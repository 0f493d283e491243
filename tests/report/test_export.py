"""`bench report --export`: CSV, JSON and LaTeX of every table."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.report.document import Document, Table
from benchmark.report.export import export
from benchmark.report.overview import compose
from benchmark.results.tables import read_all
from tests.report.material import TITLE


@pytest.fixture(scope="module")
def folder(made: Path, document: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables")
    written = export(read_all(made), document, path)
    assert sorted(written) == sorted(each for each in path.rglob("*") if each.is_file())
    return path


def test_every_table_in_three_formats(folder: Path) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.csv")}
    sections = ("baselines/short", "latent/demo")
    tables = ("answer", "summary", "cells", "measures", "noise", "runs")
    assert names == {
        "questions.csv",
        "claims.csv",
        *(f"{s}/{t}.csv" for s in sections for t in tables),
    }
    for kind in ("json", "tex"):
        assert {str(p.relative_to(folder).with_suffix(".csv")) for p in folder.rglob(f"*.{kind}")}
        assert len(list(folder.rglob(f"*.{kind}"))) == len(names)


def test_a_folder_has_its_own_tables_whatever_the_order_of_sections(
    made: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(made, results)
    record = results / "latent" / "demo" / "ablation.json"
    text = record.read_text()
    assert '"steps": 300' in text
    record.write_text(text.replace('"steps": 300', '"steps": 900'))  # so it comes first
    shutil.copytree(results / "latent", results / "another")
    (results / "another" / "demo" / "ablation.json").write_text("{")
    damaged: dict[Path, str] = {}
    found = read_all(results, damaged)
    assert len(damaged) == 1
    document = compose(found, damaged, tolerant=True)
    assert document.sections[0].folder == record.parent
    export(found, document, tmp_path / "tables")
    for each in found:
        runs = pd.read_csv(tmp_path / "tables" / each.folder.relative_to(results) / "runs.csv")
        assert set(runs["run"]) == set(each.runs["run_id"])


def test_the_formats_agree(folder: Path) -> None:
    below = folder / "baselines" / "short"
    table = pd.read_csv(below / "summary.csv")
    rows = json.loads((below / "summary.json").read_text())
    assert [row["mean"] for row in rows] == pytest.approx(table["mean"].tolist())
    first = table.iloc[0]
    assert (first["measure"], first["cell"], first["mean"]) == (
        "distance",
        "BEGAN",
        110,
    )
    cells = pd.read_csv(below / "cells.csv", dtype=str, keep_default_na=False)
    assert list(cells[f"{TITLE}, last"]) == ["110", "205*", "40.12", "80.5"]
    assert cells["failed"].tolist() == ["0", "1", "", ""]
    runs = pd.read_csv(below / "runs.csv", dtype=str)
    assert runs["run"].str.fullmatch(r"e?began-\w{12}|ebgan-\w{12}").all()  # without backticks
    assert pd.read_csv(folder / "claims.csv")["section"].iloc[0] == "baselines, profile short"


def test_latex_is_escaped(folder: Path) -> None:
    text = (folder / "baselines" / "short" / "cells.tex").read_text()
    assert r"Fréchet distance (efficientnet\_lite0), last" in text
    assert r"210 $\pm$ 10" in text
    assert "\\begin{tabular}" in text
    assert not {"±", "—"} & set(text)


def test_awkward_text_survives(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"a&b": "50 % of `x_1` [here](#there)", "c": "—"}])
    export([], Document(tmp_path, [Table("odd", frame, "")], []), tmp_path)
    assert (tmp_path / "odd.csv").read_text() == "a&b,c\n50 % of x_1 here,\n"
    assert r"a\&b & c" in (tmp_path / "odd.tex").read_text()
    assert r"50 \% of x\_1 here &" in (tmp_path / "odd.tex").read_text()


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(folder: Path, tmp_path: Path) -> None:
    body = "\n\n".join(path.read_text() for path in sorted(folder.rglob("*.tex")))
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
    (tmp_path / "all.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)


def test_the_command_writes_report_page_and_tables(results: Path, tmp_path: Path) -> None:
    where = ["--results", str(results), "--report", str(tmp_path / "REPORT.md")]
    more = ["--html", str(tmp_path / "page.html"), "--export", str(tmp_path / "tables")]
    done = CliRunner().invoke(bench, ["report", *where, *more], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"report: {tmp_path / 'REPORT.md'}",
        f"page: {tmp_path / 'page.html'}",
        f"tables: 24 files in {tmp_path / 'tables'}",
    ]
    assert (tmp_path / "page.html").stat().st_size > 50_000
