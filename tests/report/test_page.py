"""`bench report --html`: one file that needs nothing else, used in a real browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.errors import BenchError
from benchmark.report.document import Details, Document, Gallery, Heading, Section, Table, Words
from benchmark.report.html import write_page

NUMBERS = pd.DataFrame(
    {
        "cell": ["b", "a", "d", "c"],
        "value": ["10 ± 1", "—", "9.5", "-2e-3"],
        "range": ["[3, 4]", "[-1, 2]", "[20, 21]", "—"],
    }
)


# A table in somebody's notes.
WIDE = f"| a | b |\n|---|---|\n| {'wide ' * 60} | {'wide ' * 60} |"


def odd(document: Document) -> Document:
    """With a table that sorts badly by words, and one in words that is wide."""
    return Document(
        document.folder,
        [Table("odd", NUMBERS, "*Odd*"), *document.opening, Words(WIDE)],
        document.sections,
    )


@pytest.fixture(scope="module")
def page(document: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(odd(document), path)
    return path


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_file_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    for tag, attributes in Tags(text).found:
        assert tag not in {"iframe", "object", "embed", "base"}
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value[:80])
    assert "default-src 'none'" in text  # the browser would refuse the network
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_it_holds_every_picture_and_every_grid(page: Path) -> None:
    images = [a for tag, a in Tags(page.read_text()).found if tag == "img"]
    sources = [a["src"] for a in images if a.get("src")]
    again = [a["data-same"] for a in images if a.get("data-same")]
    # Of baselines: curves, sheet and 6 grids; of latent: a scatter and a map as well.
    assert len(sources) + len(again) == 18
    assert len(set(sources)) == len(sources)  # a grid that two sections show is there once
    assert len(again) > 0
    assert set(again) <= {a["id"] for a in images if a.get("id") and a.get("src")}
    assert all(str(source).startswith("data:image/webp;base64,") for source in sources)


def test_it_has_contents_and_numbers_stand_to_the_right(page: Path) -> None:
    found = Tags(page.read_text()).found
    links = [a["href"] for tag, a in found if tag == "a" and (a.get("href") or "").startswith("#")]
    assert {"#questions-and-answers", "#baselines-profile-short"} <= set(links)
    assert sum(tag == "td" and a.get("class") == "number" for tag, a in found) > 20


def test_the_same_document_gives_the_same_bytes(page: Path, document: Document) -> None:
    before = page.read_bytes()
    write_page(odd(document), page)
    assert page.read_bytes() == before


def test_what_a_run_says_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> & <img src=x onerror=alert(1)>"
    frame = pd.DataFrame({evil: [evil]})
    heading = Heading(2, evil)
    blocks = [heading, Words(evil), Details(evil, [Table("t", frame, evil)])]
    write_page(Document(tmp_path, [], [Section(tmp_path, heading, blocks)]), tmp_path / "page.html")
    tags = [tag for tag, _ in Tags((tmp_path / "page.html").read_text()).found]
    assert tags.count("script") == 1  # the page's own
    assert tags.count("img") == 1  # the empty one that enlarges others


def test_a_table_in_notes_is_a_table(tmp_path: Path) -> None:
    words = Words("| claim | here |\n|---|---|\n| it converges | no |")
    write_page(Document(tmp_path, [words], []), tmp_path / "page.html")
    assert "<td>it converges</td>" in (tmp_path / "page.html").read_text()


def test_a_missing_grid_is_named(tmp_path: Path) -> None:
    gallery = Gallery([("seed 0", tmp_path / "gone.png")], "Grids.")
    with pytest.raises(BenchError, match=r"gone\.png: cannot be read .*`bench run FILE`"):
        write_page(Document(tmp_path, [gallery], []), tmp_path / "page.html")


@pytest.mark.parametrize("width", [1400, 768, 390])
def test_it_fits_its_window(page: Path, browser: Any, width: int, tmp_path: Path) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(page.as_uri())
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = 1")
    browser.save_screenshot(str(tmp_path / f"{width}.png"))
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width  # only tables scroll, each by itself


def test_a_person_sorts_and_zooms(page: Path, browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())

    def column(table: Any, at: int) -> list[str]:
        script = (
            "return [...arguments[0].tBodies[0].rows].map(r => r.cells[arguments[1]].innerText)"
        )
        found: list[str] = browser.execute_script(script, table, at)
        return found

    odd = browser.find_element(By.TAG_NAME, "table")
    by_cell, by_value, by_range = odd.find_elements(By.CSS_SELECTOR, "th button")
    by_value.click()
    assert column(odd, 1) == ["-2e-3", "9.5", "10 ± 1", "—"]
    by_value.click()
    assert column(odd, 1) == ["10 ± 1", "9.5", "-2e-3", "—"]  # what is missing stays last
    heading = by_value.find_element(By.XPATH, "..")
    assert heading.get_attribute("aria-sort") == "descending"
    by_range.click()
    assert column(odd, 2) == ["[-1, 2]", "[3, 4]", "[20, 21]", "—"]
    assert heading.get_attribute("aria-sort") is None
    by_cell.send_keys(Keys.ENTER)  # without a mouse
    assert column(odd, 0) == ["a", "b", "c", "d"]

    drawn = "return [...document.querySelectorAll('button img')].filter(i => i.naturalWidth > 9)"
    assert browser.execute_script(f"{drawn}.length") == 18
    gallery = browser.find_element(By.CLASS_NAME, "gallery")
    gallery.find_element(By.XPATH, "..").find_element(By.TAG_NAME, "summary").click()
    gallery.find_element(By.CLASS_NAME, "zoom").click()
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    big = dialog.find_element(By.TAG_NAME, "img")
    assert dialog.get_attribute("open") is not None
    assert "BEGAN, seed 0" in dialog.text
    first = big.size["width"]
    assert big.value_of_css_property("image-rendering") == "pixelated"
    browser.execute_script(
        "arguments[0].dispatchEvent(new WheelEvent('wheel',"
        " {deltaY: -1, clientX: 300, clientY: 300, cancelable: true}))",
        dialog,
    )
    scale = "return arguments[0].getBoundingClientRect().width / arguments[0].naturalWidth"
    wheeled = browser.execute_script(scale, big)
    dialog.send_keys("+")
    assert browser.execute_script(scale, big) == pytest.approx(wheeled * 1.25)
    assert wheeled * 1.25 > 1
    assert first > 0
    left = "return arguments[0].getBoundingClientRect().left"
    before = browser.execute_script(left, big)
    dialog.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(left, big) == pytest.approx(before - 60)
    browser.save_screenshot(str(tmp_path / "zoomed.png"))
    dialog.send_keys(Keys.ESCAPE)
    assert dialog.get_attribute("open") is None

    browser.execute_script("arguments[0].focus()", scroll := odd.find_element(By.XPATH, ".."))
    assert browser.switch_to.active_element == scroll  # a wide table scrolls by arrow keys

    browser.find_element(By.LINK_TEXT, "Which is better on the same data?").click()
    assert browser.current_url.endswith("#baselines-profile-short")
    top = "return document.getElementById('baselines-profile-short').getBoundingClientRect().top"
    assert abs(browser.execute_script(top)) < 200
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
