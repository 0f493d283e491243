"""Every command of README and docs is run on a tiny sweep, or checked as far as it can be.

The tutorial is walked first, both its walks; what the other pages call FILE, RUN, A and B is what
it left.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import bench
from tests.docs.commands import FENCE, PAGES, ROOT, Command, check, commands, obstacle
from tests.processes import fork_workers

TUTORIAL = ROOT / "docs" / "tutorial.md"
# The tutorial's files, made small enough for every test run.
SMALL = (
    ("steps: 400", "steps: 20"),
    ("every: 200, judges", "every: 10, repeats: 0, judges"),
    ("{samples: 200}", "{samples: 50}"),
    ("size: 32", "size: 16, count: 1000"),
    ("name: began, n: 8", "name: began, n: 2"),
    ("seeds: [0, 1, 2]\n", "seeds: [0]\n"),
    ("seeds: [0, 1, 2, 3]\n", "seeds: [0]\n"),
    ("[0.001, 0.01, 0.1]", "[0.001, 0.1]"),
)
LAMBDA = "out/results/lambda/demo"  # tables of the first walk, a demonstration
STRANGERS = 60  # images that bench did not make
PHOTOGRAPHS = 1000  # of a plain folder, a tenth of them for testing
PROBE = ["--images", "12", "--steps", "2", "--samples", "50", "--training", "50"]


@dataclass
class Workshop:
    """A folder in which the tutorial was walked."""

    folder: Path
    run_id: str
    seen: set[tuple[str, ...]]

    def arguments(self, command: Command) -> list[str]:
        """Of `bench`, with what its page leaves open filled in."""
        words = {
            "N": "1",
            "FOLDER": "strangers",
            "NAME": "efficientnet_lite0",
            "faces": "photographs",  # as quick as they are few
            "ablations/gamma.yaml": "ablations/lambda.yaml",
            "RUN": self.run_id,
            "RUN.zip": f"{self.run_id}.zip",
            "A": f"{LAMBDA}:lambda_k=0.001",
            "B": f"{LAMBDA}:lambda_k=0.1",
            "results/alignment/small:EBGAN-PT aligned": f"{LAMBDA}:lambda_k=0.001",
            "results/alignment/small:EBGAN-PT wild": f"{LAMBDA}:lambda_k=0.1",
            "results/gamma/small": LAMBDA,
            "OLD/results/gamma/small": LAMBDA,
            "short": "demo",
            "100": "20",
        }
        _, *given = command.words
        words = {} if given[0] in ("validate", "plan") else words
        found = [{**words, "FILE": "ablations/lambda.yaml"}.get(word, word) for word in given]
        if given[0] == "import":
            found += ["--runs", f"imported/{len(self.seen)}"]
        if given[0] == "register":  # as before any run
            found += ["--runs", "unbegun", "--results", "unbegun"]
        if given[0] == "probe":
            found += PROBE
        if given[0] == "report":  # of what the tutorial left: demonstrations
            found += ["--results", "out/results", "--report", "out/REPORT.md"]
        if "--against" in given:
            found += ["--size", "16"]
        return found

    def run(self, arguments: list[str]) -> None:
        """In this process and forks of one, which is quicker; an AssertionError where it fails."""
        if tuple(arguments) in self.seen:
            return
        self.seen.add(tuple(arguments))
        good = (0, 3) if arguments[0] == "compare" else (0,)
        with pytest.MonkeyPatch.context() as patch:
            fork_workers(patch)
            result = CliRunner().invoke(bench, arguments)
        said = f"bench {' '.join(arguments)}\n{result.output}{result.exception or ''}"
        assert result.exit_code in good, said


def write_files(page: Path, folder: Path, changes: tuple[tuple[str, str], ...]) -> None:
    """The page's titled blocks, its YAML with these changes."""
    changed = dict.fromkeys(changes, 0)
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        if not block["title"]:
            continue
        text = block["text"]
        for old, new in changes if block["kind"] == "yaml" else ():
            changed[old, new] += text.count(old)
            text = text.replace(old, new)
        path = folder / block["title"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert all(changed.values()), "the tutorial's files are no longer those that are made small"


def write_images(folder: Path, count: int) -> None:
    """So many small images, no two alike."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png")


def walk(folder: Path, changes: tuple[tuple[str, str], ...] = ()) -> Workshop:
    """The tutorial, both its walks, from an empty folder."""
    made = Workshop(folder, "", set())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))  # of the workers
        write_images(folder / "strangers", STRANGERS)
        write_images(folder / "photographs", PHOTOGRAPHS)
        write_files(TUTORIAL, folder, changes)
        for command in commands(TUTORIAL.read_text(encoding="utf-8")):
            if not command.in_text and obstacle(command) is None:
                made.run(command.words[1:])
    made.run_id = min(path.parent.name for path in folder.glob("runs/began-*/result.json"))
    return made


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return walk(tmp_path_factory.mktemp("workshop"), SMALL)


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    walk(tmp_path)
    verdicts = (tmp_path / "out/results/own/demo/claims.csv").read_text()
    assert "lsgan-better" in verdicts
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 12


def test_the_tutorial_leads_to_a_verdict_and_to_a_row_of_its_own(workshop: Workshop) -> None:
    claims = (workshop.folder / LAMBDA / "claims.csv").read_text()
    assert "gain-hurts" in claims
    report = (workshop.folder / "out/REPORT.md").read_text()
    rows = [line for line in report.splitlines() if line.startswith("| LSGAN ")]
    assert rows, "no row of LSGAN in out/REPORT.md"
    # Its BEGAN is the first walk's: two gains and one LSGAN are all that was trained.
    assert len(list(workshop.folder.glob("runs/*/result.json"))) == 3


def test_runs_and_tests_that_pages_name_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    tables = "".join(path.read_text() for path in ROOT.glob("results/*/*/runs.csv"))
    named = re.findall(r"bench reproduce (\w+-[0-9a-f]{12})", text)
    assert named
    assert [run_id for run_id in named if run_id not in tables] == []
    tests = {path.name for path in ROOT.glob("tests/**/test_*.py")}
    assert sorted(set(re.findall(r"test_\w+\.py", text)) - tests) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        check(command)


@pytest.mark.parametrize("page", [p for p in PAGES if p != TUTORIAL], ids=lambda page: page.name)
def test_every_command_runs(
    page: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop.folder)
    monkeypatch.setenv("BENCH_DATA", str(workshop.folder))  # what --against a folder lies in
    for command in commands(page.read_text(encoding="utf-8")):
        if obstacle(command) is None:
            workshop.run(workshop.arguments(command))


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nbench frobnicate\n```",
        "```bash\nbench run FILE --frobnicate\n```",
        "```bash\nbench run\n```",
        "<!-- not run: it needs a server -->\n```bash\nbench sync FILE --mlfow URI\n```",
        "```bash\ncurl something\n```",
        "    make fun",
        "    .venv/bin/bench plan FILE --fast",
        "say `bench data frob`",
    ],
)
def test_what_does_not_exist_is_seen(text: str) -> None:
    found = list(commands(text))
    assert len(found) == 1
    with pytest.raises((AssertionError, click.UsageError)):
        check(found[0])


def test_most_commands_are_run() -> None:
    found = [c for page in PAGES for c in commands(page.read_text(encoding="utf-8"))]
    run = [c.words[1] for c in found if obstacle(c) is None]
    assert len(run) > 20
    elsewhere = ("run-one", "ui", "stop", "preference", "retire")  # tests of their own run them
    every = {name for name in bench.commands if name not in elsewhere}
    assert every <= set(run)
