"""What is committed is what the code of this commit makes of the committed tables."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmark.claims.verdicts import claims_table
from benchmark.report.html import write_page
from benchmark.report.markdown import write_markdown
from benchmark.report.overview import compose
from benchmark.results.tables import read_all, read_tables

ROOT = Path(__file__).parents[2]
DETAILS = sorted(ROOT.glob("results/*/*/details.md"))
FOLDERS = sorted(path.parent for path in ROOT.glob("results/*/*/claims.csv"))


def test_the_report_is_that_of_the_tables_and_one_page_holds_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results", tmp_path / "results")
    document = compose(read_all(tmp_path / "results"))
    write_markdown(document, tmp_path / "REPORT.md")
    for page in ("REPORT.md", *(f"{path.relative_to(ROOT)}" for path in DETAILS)):
        assert (tmp_path / page).read_text() == (ROOT / page).read_text(), page
    write_page(document, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 6_000_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_verdicts_are_those_of_the_tables(folder: Path) -> None:
    """To rounding: another processor may add in another order."""
    words = ["id", "verdict", "run_ids"]
    committed = pd.read_csv(folder / "claims.csv", dtype=dict.fromkeys(words, str))
    made = claims_table(read_tables(folder))
    pd.testing.assert_frame_equal(made[words], committed[words].fillna(""))  # no run, no ids
    numbers = ["effect", "low", "high", "p", "p_holm", "against_p", "against_p_holm", "least_p"]
    # What is corrected for shared runs is integrated to that many digits; some power is simulated.
    rough = {"p_holm": 2e-5, "against_p_holm": 2e-5, "power": 1e-3}
    for name in [*numbers, "power"]:
        found = made[name].astype(float)
        atol = rough.get(name, 1e-8)
        expected = committed[name].astype(float)
        pd.testing.assert_series_equal(found, expected, rtol=1e-6, atol=atol)


def test_the_report_is_small_enough_to_be_shown() -> None:
    """Code hosts show Markdown beyond 512 KB as plain text; 25 MB is what results/ may weigh, and
    15 MB the generators in it."""
    assert DETAILS
    for page in (ROOT / "REPORT.md", *DETAILS):
        assert page.stat().st_size < 400_000
    sizes = {path: path.stat().st_size for path in (ROOT / "results").rglob("*.*")}
    generators = sum(size for path, size in sizes.items() if path.suffix == ".zip")
    assert generators < 15_000_000
    assert sum(sizes.values()) - generators < 25_000_000
