"""The documentation builds without a warning, and its commands are ones that `bench` has."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmark.cli import bench

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r'(<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>\w+)(?: title="(?P<title>.+?)")?\n'
    r"(?P<text>.*?)\n```",
    re.DOTALL,
)
# Small enough for every test run; `bench run` of the pages is given these.
SMALL = (
    *("--set", "training.steps=50", "--set", "evaluation.samples=50", "--set", "seeds=[0]"),
    *("--set", "data.size=16", "--set", "data.count=1000", "--set", "evaluation.repeats=0"),
)


def commands(page: Path) -> list[list[str]]:
    """Every `bench ...` of the page's code, fenced, indented or in a line of text."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(
        r"^(?:    |)(?:\.venv/bin/)?(bench [^`\n]*?)(?:\s+#.*)?$", text, re.MULTILINE
    )
    found += re.findall(r"`(?:\.venv/bin/)?(bench [a-z][^`]*)`", text)
    # N stands for a number in text.
    return [
        ["1" if part == "N" else part for part in shlex.split(line.replace("\n", " "))]
        for line in found
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_bench_has(page: Path) -> None:
    for _, *arguments in commands(page):
        command: click.Command = bench
        while isinstance(command, click.Group):
            name = arguments.pop(0)
            assert name in command.commands, f"bench {name}"
            command = command.commands[name]
        # A command that is only spoken of may lack its arguments; its options must exist.
        if arguments:
            command.make_context(command.name, arguments)


def run_page(page: Path, folder: Path, small: bool) -> int:
    """Write the page's titled files and run its ```bash blocks in order; returns how many."""
    count = 0
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        if block["title"]:
            path = folder / block["title"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"] + "\n", encoding="utf-8")
        if block["kind"] != "bash" or block["why"]:
            continue
        for line in block["text"].splitlines():
            program, *arguments = shlex.split(line)
            assert program == "bench", line
            if small and arguments[0] == "run":
                arguments += SMALL
            done = subprocess.run(
                [sys.executable, "-m", "benchmark", *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            count += 1
    return count


def test_the_tutorial_leads_to_a_verdict(tmp_path: Path) -> None:
    assert run_page(ROOT / "docs" / "tutorial.md", tmp_path, small=True) == 6
    assert "gain-hurts" in (tmp_path / "results" / "lambda" / "demo" / "claims.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path, small=False)


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    keys = (tmp_path / "reference" / "keys" / "index.html").read_text()
    assert "Diversity ratio, equation 4" in keys
    assert "lambda_k" in keys
    cli = (tmp_path / "reference" / "cli" / "index.html").read_text()
    assert "bench reproduce" in cli
    assert "m_global" in (tmp_path / "reference" / "columns" / "index.html").read_text()
