"""Settings and names of any text are shown as they are: in Markdown, HTML, LaTeX and figures."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmark.ablation.claims import Claim
from benchmark.ablation.plan import Plan, PlannedRun
from benchmark.claims.verdicts import claims_table
from benchmark.commands import tables as terminal
from benchmark.report.document import Document
from benchmark.report.export import export
from benchmark.report.figures.canvas import label
from benchmark.report.figures.curves import curves
from benchmark.report.html import write_page
from benchmark.report.markdown import write_markdown
from benchmark.report.overview import compose
from benchmark.results.tables import read_all, read_tables
from benchmark.results.writer import write_results, write_table
from benchmark.runs.directory import RunDirectory
from benchmark.runs.status import Follow
from benchmark.sweep.progress import table
from benchmark.text import single_line
from tests.report import material
from tests.report.material import BEGAN, CLAIM, fill, spec

KEY = "data.options.$n|ame`"
NAMES = [
    *("$x_1$ and $", "a|b `c` *d*", "<script>alert(1)</script>", "two\nlines", "[a](b)"),
    *("{brace} \\frac{1}{2}", "[/red]", "שלום עולם", "😀 \U0001fae8", "_under", "x" * 3000),
]
QUESTION = "What of $5, <b>bold</b> | `x`\n\n# and more?"


def odd() -> Plan:
    """An arm for each name, two seeds each; and claims of some of them."""
    runs = tuple(
        PlannedRun(
            spec({**BEGAN, "gamma": 0.1 + 0.05 * at}, seed, training={"steps": 300}), {KEY: name}
        )
        for at, name in enumerate(NAMES)
        for seed in (0, 1)
    )
    test = {**CLAIM["test"], "over": KEY}
    claims = tuple(
        Claim.model_validate(
            {
                **{"id": f"c{at}", "says": name, "source": name},
                "test": {**test, "of": name, "against": NAMES[at - 1]},
            }
        )
        for at, name in enumerate(NAMES)
        if at in (0, 4)
    )
    return replace(material.plan(), runs=runs, claims=claims, question=QUESTION, source="*me*")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, plan = tmp_path_factory.mktemp("odd"), odd()
    for planned in plan.runs:
        fill(root / "runs", planned)
    last = RunDirectory(root / "runs" / plan.runs[-1].run_id)
    result = last.result()
    assert result is not None
    reason = "no `file` at $HOME:\n<b>|</b>\x1b[31m"
    last.write_result(result.model_copy(update={"state": "failed", "reason": reason}))
    folder = write_results(plan, root / "runs", root / "results")
    write_table(folder / "claims.csv", claims_table(read_tables(folder)))
    return root / "results"


@pytest.fixture(scope="module")
def document(results: Path) -> Document:
    return compose(read_all(results))


def shown(name: str) -> str:
    return f"$n|ame`={single_line(name)}"


def unmarked(rendered: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", rendered)).strip()


def test_the_page_says_every_name(document: Document, tmp_path: Path) -> None:
    write_page(document, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    cells = {unmarked(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)}
    assert {shown(name) for name in NAMES} <= cells
    assert {single_line(NAMES[at]) for at in (0, 4)} <= cells  # of the claims
    assert single_line(QUESTION) in cells
    heads = {unmarked(head) for head in re.findall(r"<th[^>]*>(.*?)</th>", page, re.DOTALL)}
    assert f"minus {shown(NAMES[0])}" in heads
    assert f"better than {shown(NAMES[0])}" in heads
    assert r"no `file` at $HOME: <b>|</b>\x1b[31m" in unmarked(page)


def test_markdown_keeps_every_table_whole(document: Document, tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    report = tmp_path / "REPORT.md"
    *pages, _ = write_markdown(document, report)
    text = "\n".join(path.read_text() for path in (*pages, report) if path.suffix == ".md")
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    cells = {unmarked(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", rendered, re.DOTALL)}
    assert {shown(name) for name in NAMES} <= cells
    for made in re.findall(r"<table>.*?</table>", rendered, re.DOTALL):
        counts = {row.count("<td") + row.count("<th") for row in made.split("<tr>")[1:]}
        assert len(counts) == 1
    assert unmarked(rendered).count(single_line(QUESTION)) == 2
    # A code host reads what stands between two dollars as mathematics.
    outside = re.sub(r"``.*?``|`[^`]*`", "", text)
    assert not re.search(r"(?<!\\)\$", outside)
    assert not re.search(r"(?<!\\)<", outside)


def test_exports_say_every_name(results: Path, document: Document, tmp_path: Path) -> None:
    export(read_all(results), document, tmp_path)
    found = pd.read_csv(tmp_path / "baselines/short/cells.csv", dtype=str, keep_default_na=False)
    assert found["cell"].tolist()[: len(NAMES)] == [shown(name) for name in NAMES]
    latex = (tmp_path / "baselines/short/cells.tex").read_text()
    assert r"\$n\textbar{}ame\textasciigrave{}=\$x\_1\$ and \$ &" in latex
    assert r"\{brace\} \textbackslash frac\{1\}\{2\} &" in latex
    assert r"\textless{}script\textgreater{}" in latex
    assert not re.search(r"^[\[*]", (tmp_path / "claims.tex").read_text(), re.MULTILINE)
    assert "{[}a](b) &" in (tmp_path / "claims.tex").read_text()


def test_a_figure_draws_every_name(results: Path) -> None:
    (found,) = read_all(results)
    assert curves(found)  # a warning of matplotlib's would be an error


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("$x_1$ and $", r"\$x_1\$ and \$"),
        ("two\nlines", "two lines"),
        ("_under", " _under"),  # a legend leaves out what begins with _
        ("\U0001fae8", "U+1FAE8"),  # the font lacks it
        ("x" * 50, "x" * 20 + "…" + "x" * 19),
    ],
)
def test_a_label_is_never_mathematics(text: str, drawn: str) -> None:
    assert label(text) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_prints_every_name(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    terminal.show(name, pd.DataFrame({"head": [name]}))
    assert capsys.readouterr().out.splitlines()[-1] == single_line(name)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    terminal.show("title", pd.DataFrame({name: [name]}))
    drawn = capsys.readouterr().out
    assert name == "x" * 3000 or single_line(name) in drawn
    planned = PlannedRun(spec(BEGAN, 0), {KEY: name})
    status = Follow(planned.label, planned.spec, RunDirectory(tmp_path), None).look()
    console = Console(width=200, record=True)
    console.print(table([status], 5, 200))
    assert name == "x" * 3000 or f"{shown(name)} seed=0" in console.export_text()
