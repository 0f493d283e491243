"""The report overwrites no file that somebody else wrote, and one torn section is no other's."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.commands.options import written
from benchmark.errors import BenchError, InputError
from benchmark.report.document import Document
from benchmark.report.export import export
from benchmark.report.files import GENERATED
from benchmark.report.html import write_page
from benchmark.report.markdown import write_markdown
from benchmark.results.tables import read_all
from tests.report import evidence


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("name", ["REPORT.md", "results/details.md", "latent/demo/details.md"])
def test_a_page_of_ones_own_is_left_alone(
    name: str, document: Document, made: Path, tmp_path: Path
) -> None:
    report = tmp_path / "REPORT.md"
    path = report if name == "REPORT.md" else made / name.removeprefix("results/")
    before = path.read_bytes() if path.exists() else None
    path.write_text("# My own words\n")
    try:
        with pytest.raises(InputError, match=rf"{path.name}: was not written by `bench report`"):
            write_markdown(document, report)
        assert path.read_text() == "# My own words\n"
        assert path == report or not report.exists()  # nothing was begun
    finally:
        path.unlink()
        if before is not None:
            path.write_bytes(before)


def test_its_own_pages_are_written_anew(document: Document, tmp_path: Path) -> None:
    report, page = tmp_path / "REPORT.md", tmp_path / "page.html"
    report.touch()  # nothing is lost
    write_markdown(document, report)
    said = report.read_text()
    report.write_text(said + "stale")
    write_markdown(document, report)
    assert report.read_text() == said
    page.write_text(f"<p>{GENERATED}</p>")
    write_page(Document(tmp_path, document.opening, []), page)
    page.write_text("<p>My own page</p>")
    with pytest.raises(InputError, match=r"page\.html: was not written by"):
        write_page(Document(tmp_path, document.opening, []), page)
    assert page.read_text() == "<p>My own page</p>"


def test_tables_are_never_exported_over_others(
    made: Path, document: Document, tmp_path: Path
) -> None:
    found, before = read_all(made), files(made)
    with pytest.raises(InputError, match=r"runs\.csv: was not written by `bench report --export`"):
        export(found, document, made)  # the tables themselves
    assert files(made) == before
    (tmp_path / "claims.json").write_text("{}")
    with pytest.raises(InputError, match=r"claims\.json: was not written by"):
        export(found, document, tmp_path)
    assert files(tmp_path) == {"claims.json": b"{}"}
    (tmp_path / "claims.json").unlink()
    export(found, document, tmp_path)
    export(found, document, tmp_path)  # its own


def test_a_torn_section_says_so(folder: Path, results: Path, tmp_path: Path) -> None:
    evidence.write(folder)
    broken = shutil.copytree(folder, results / "torn" / "short")
    table = pd.read_csv(broken / "claims.csv", dtype=str).drop(columns="verdict")
    table.to_csv(broken / "claims.csv", index=False)
    report = tmp_path / "REPORT.md"
    done = CliRunner().invoke(bench, ["report", "--results", str(results), "--report", str(report)])
    assert done.exit_code == 1
    said = "warning: section baselines, profile short, in torn/short: cannot be drawn: "
    assert said in done.output
    assert "claims.csv: lacks the column verdict" in done.output
    _, section = report.read_text().split("## baselines, profile short, in torn/short")
    assert section.strip().startswith("**This section cannot be drawn:** ")
    assert "**refuted**: BEGAN is better" in report.read_text()  # of the other
    assert (broken / "ablation.json").exists()


def test_a_table_that_cannot_be_read_costs_its_own_section_alone(
    folder: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "REPORT.md").write_text(mine := "of results here")
    other = results.rename(tmp_path / "older")  # not called results
    folder = other / folder.relative_to(results)
    evidence.write(folder)
    (shutil.copytree(folder, other / "torn" / "short") / "runs.csv").write_bytes(b"\xff\xfe\0" * 9)
    done = CliRunner().invoke(bench, ["report", "--results", "older"])
    assert done.exit_code == 1
    (said,) = [line for line in done.output.splitlines() if line.startswith("warning: ")]
    assert said.startswith("warning: section torn/short: cannot be drawn: ")
    above, section = (other / "REPORT.md").read_text().split("## torn/short\n\n")
    assert section.startswith("**This section cannot be drawn:** ")
    assert "**refuted**: BEGAN is better" in above  # of the other
    assert "torn" not in above
    assert (tmp_path / "REPORT.md").read_text() == mine  # of other results


def test_nothing_is_written_where_no_table_can_be_read(folder: Path, results: Path) -> None:
    (folder / "runs.csv").unlink()
    before = files(results.parent)
    done = CliRunner().invoke(bench, ["report", "--results", str(results)])
    assert isinstance(done.exception, BenchError)
    assert "runs.csv: cannot be read" in str(done.exception)
    assert files(results.parent) == before


@pytest.mark.parametrize(
    ("results", "report"),
    [
        (None, "REPORT.md"),
        ("results", "REPORT.md"),
        ("out/results", "out/REPORT.md"),
        ("../clone/results", "../clone/REPORT.md"),
        ("older", "older/REPORT.md"),
    ],
)
def test_the_report_of_other_results_replaces_none(results: str | None, report: str) -> None:
    found = written(None, None if results is None else Path(results))
    assert found == (Path(results or "results"), Path(report))
    assert written(None, found[0], Path("mine.md"))[1] == Path("mine.md")
