"""`bench preference`: a person answers in a real browser, by keys and mouse, without a network."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.errors import InputError
from benchmark.preference.answers import read_votes
from benchmark.preference.page import pairs
from benchmark.results.tables import Tables, read_tables
from benchmark.results.writer import write_results
from tests.preference.material import painted

FILE = Path(__file__).parents[2] / "ablations" / "baselines.yaml"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    root = tmp_path_factory.mktemp("painted")
    return read_tables(write_results(painted(root / "runs"), root / "runs", root / "results"))


@pytest.fixture(scope="module")
def page(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "preference.html"
    results = tables.folder.parents[1]
    options = ["--profile", "short", "--pairs", "5", "--page", str(path)]
    said = CliRunner().invoke(bench, ["preference", str(FILE), *options, "--results", str(results)])
    assert said.exit_code == 0, said.output
    assert said.output.splitlines()[0] == f"page: {path}, 5 pairs"
    assert f"{tables.folder / 'preference'}" in said.output
    return path


def test_runs_by_set_have_tables_of_their_own(tables: Tables, tmp_path: Path) -> None:
    """Of which there are none here."""
    options = [
        "--profile",
        "short",
        "--set",
        "training.steps=7",
        "--page",
        str(tmp_path / "p.html"),
    ]
    results = str(tables.folder.parents[1])
    said = CliRunner().invoke(bench, ["preference", str(FILE), *options, "--results", results])
    assert said.exit_code != 0
    assert "steps=7" in str(said.exception)
    assert not (tmp_path / "p.html").exists()


def test_a_cell_is_compared_with_another_one(tables: Tables) -> None:
    first, second, *_ = [cell.title for cell in tables.cells]
    for cells in ([first], [first, first]):
        with pytest.raises(InputError, match="no two cells have different samples"):
            pairs(tables, cells, 5, 0)
    for pair in pairs(tables, [first, first, second], 5, 0):
        assert {pair.left.cell, pair.right.cell} == {first, second}


def test_it_needs_no_network(page: Path) -> None:
    text = page.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", text)


def test_a_person_answers_and_the_report_counts_it(
    page: Path, tables: Tables, browser: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    browser.get(page.as_uri())

    def at(name: str) -> Any:
        return browser.find_element(By.ID, name)

    def press(key: str) -> None:
        browser.switch_to.active_element.send_keys(key)

    def names() -> list[str]:
        script = """
            const shown = [...document.querySelectorAll("#pair img")].map(each => each.src);
            const images = JSON.parse(document.getElementById("content").textContent).images;
            return shown.map(src => Object.keys(images).find(name => images[name] === src));
        """
        found: list[str] = browser.execute_script(script)
        return found

    press(Keys.ARROW_LEFT)  # before anything is asked
    at("rater").send_keys("Ada L.", Keys.ENTER)
    assert at("progress").text == "1 of 5"
    drawn = "return [...document.querySelectorAll('#pair img')].map(i => i.naturalWidth)"
    assert browser.execute_script(drawn) == [16, 16]
    first = names()
    press(Keys.ARROW_RIGHT)
    assert at("progress").text == "2 of 5"
    press(Keys.BACKSPACE)  # another mind
    assert names() == first
    press(Keys.ARROW_LEFT)
    second = names()
    at("right").click()
    third = names()
    at("left").send_keys(Keys.ENTER)  # from button to button, without a mouse
    browser.save_screenshot(str(tmp_path / "ask.png"))
    at("stop").click()
    assert "3 of 5" in at("count").text
    at("more").click()
    assert at("progress").text == "4 of 5"
    press(Keys.ARROW_RIGHT)
    press(Keys.ARROW_RIGHT)
    assert "5 of 5" in at("count").text
    assert not at("more").is_displayed()
    at("save").send_keys(Keys.ENTER)
    file = _downloaded(tmp_path)
    assert re.fullmatch(r"ada-l-[0-9a-f]{8}\.json", file.name)
    given = json.loads(file.read_text())
    assert given["rater"] == "Ada L."
    chosen = [(each["left"], each["right"], each["chosen"]) for each in given["answers"]]
    assert chosen[:3] == [(*first, "left"), (*second, "right"), (*third, "left")]
    assert len(chosen) == 5
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []

    (tables.folder / "preference").mkdir()
    file.rename(tables.folder / "preference" / file.name)
    votes, faults = read_votes(tables)
    assert (len(votes), faults) == (5, [])


def _downloaded(folder: Path) -> Path:
    for _ in range(100):
        found = list(folder.glob("*.json"))
        if found and found[0].stat().st_size:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("nothing was saved")


@pytest.mark.parametrize("width", [1000, 390])
def test_it_fits_its_window(page: Path, browser: Any, width: int) -> None:
    from selenium.webdriver.common.by import By

    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(page.as_uri())
    browser.find_element(By.ID, "rater").send_keys("Ada\n")
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
