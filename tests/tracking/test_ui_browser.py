"""`bench ui` in a real browser: parent, children, curves and grids."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.test_tracking import fill, plan

WAIT_S = 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    from benchmark.tracking.tracker import Tracker

    fill(tmp_path / "runs")
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    Tracker(uri, plan(), tmp_path / "runs").close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmark", "ui", "--mlflow", uri, "--port", str(port)]
    log = (tmp_path / "ui.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()  # ends MLflow's server too
        process.wait(30)
        log.close()
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(address, timeout=5)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WAIT_S * 2
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("mlflow ui did not come up")


def test_a_person_sees_runs_curves_and_grids(server: str, browser: Any, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    child = client.search_runs([experiment.experiment_id], "tags.`bench.run_id` LIKE 'began%'")[0]
    page = f"{server}/#/experiments/{experiment.experiment_id}"

    def shows(address: str, *words: str) -> None:
        browser.get(address)

        def all_there(browser: Any) -> bool:
            text = browser.find_element(By.TAG_NAME, "body").text
            return all(word in text for word in words)

        waiting = WebDriverWait(browser, WAIT_S, ignored_exceptions=[Exception])
        waiting.until(all_there, f"{words} in {address}")

    try:
        said = (tmp_path / "ui.log").read_text()
        printed = re.search(r"^tiny\ncurves: (.*)\nverdicts: (.*)$", said, re.M)
        assert printed is not None
        curves, verdicts = printed.groups()
        shows(curves, "convergence", *(planned.label for planned in plan().runs))
        browser.save_screenshot(str(tmp_path / "curves.png"))
        shows(verdicts, "tiny (demo)", "Does it work?")
        shows(f"{page}/runs/{child.info.run_id}", child.info.run_name, "began")
        shows(f"{page}/runs/{child.info.run_id}/model-metrics", "convergence", "m_global")
        shows(f"{page}/runs/{child.info.run_id}/artifacts/samples/00000400.png", "00000400.png")
        WebDriverWait(browser, WAIT_S).until(lambda b: _drawn_images(b) > 0)
    finally:
        browser.save_screenshot(str(tmp_path / "last.png"))


def _drawn_images(browser: Any) -> int:
    """Pictures from the artifact store that the browser really decoded."""
    script = """return [...document.querySelectorAll('img')]
        .filter(i => i.complete && i.naturalWidth > 30 && i.src.includes('blob')).length
        + [...document.querySelectorAll('[style*="blob:"]')].length"""
    return int(browser.execute_script(script))
