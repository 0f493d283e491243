"""The commands that README and the documentation show, and what it takes to run them here."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmark.cli import bench

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r'(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>\w+)(?: title="(?P<title>.+?)")?\n'
    r"(?P<text>.*?)\n```",
    re.DOTALL,
)
# Why a command is not run though its page does not say so: by a part of it.
OBSTACLES = {
    "--data-root": "needs photographs",
    "DIR": "needs photographs",
    "--jobs": "is --json's in another way of working",
    "--quiet": "is --json's in other words",
    "--mlflow": "needs a server, or serves",
    "--set": "would train other runs; the tutorial's are trained",
    "--executor": "needs a cluster",
    "--instructions": "needs a processor that has them; tests/reliability holds runs to them",
    "stop": "needs a sweep that goes on",
    "run-one": "is what every run of the sweep was trained by",
    "ui": "serves until it is stopped",
    "get": "downloads",
    "preference": "needs samples that differ, and 20 steps leave the same pixels",
    "--ablation": "would train several runs again; one is",
}
# Commands that need nothing more, so that a sentence has the whole of them.
BARE = ("doctor", "gc", "report", "schema")


@dataclass(frozen=True)
class Command:
    """One line, as its page has it, and why its page says that it is not run."""

    line: str
    why: str | None
    in_text: bool  # spoken of in a sentence: it may lack its arguments

    @property
    def words(self) -> list[str]:
        command, _, _ = self.line.replace("\n", " ").partition(" > ")
        return shlex.split(command, comments=True)


def commands(text: str) -> Iterator[Command]:
    """In the page's order: its ```bash blocks, lines indented by four, and `bench ...` in text."""
    rest = []
    at = 0
    for block in FENCE.finditer(text):
        rest.append(text[at : block.start()])
        at = block.end()
        if block["kind"] == "bash":
            yield from (Command(line, block["why"], False) for line in _whole(block["text"]))
    plain = "".join([*rest, text[at:]])
    for line in re.findall(r"^    ((?:\.venv/bin/)?(?:bench|make) .*)$", plain, re.MULTILINE):
        yield Command(line, None, False)
    for line in re.findall(r"`((?:\.venv/bin/)?bench [a-z][^`]*)`", plain):
        yield Command(line, None, True)


def _whole(text: str) -> list[str]:
    """Lines, those that end in a backslash joined with the next."""
    return text.replace("\\\n", " ").splitlines()


def check(command: Command) -> None:
    """Raise click.UsageError or AssertionError where a command or an option does not exist."""
    program, *arguments = command.words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets), command.line
        return
    if program.removeprefix(".venv/bin/") != "bench":
        assert command.why, f"say why it is not run: {command.line}"
        return
    found: click.Command = bench
    while isinstance(found, click.Group):
        assert arguments, command.line
        name = arguments.pop(0)
        assert name in found.commands, f"there is no bench {name}: {command.line}"
        found = found.commands[name]
    arguments = [{"N": "1", "FOLDER": "."}.get(word, word) for word in arguments]
    if arguments or not command.in_text:
        found.make_context(found.name, arguments)


def obstacle(command: Command) -> str | None:
    """Why a command that exists is not run here."""
    program, *arguments = command.words
    if program == "make":
        return "installs packages"
    if command.why:
        return command.why
    for word in arguments:
        if word in OBSTACLES or word.startswith("DIR"):
            return OBSTACLES.get(word, OBSTACLES["DIR"])
    if command.in_text and len(arguments) < 2 and arguments[0] not in BARE:
        return "is only spoken of"
    return None
