"""What `--help` shows: every command in its section, whole, on 80 columns."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.commands.sections import Sections


def every(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from every(command, *above, name)


def said(*arguments: str) -> str:
    done = CliRunner().invoke(bench, arguments, prog_name="bench", terminal_width=80)
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_stand_in_sections_and_nothing_is_cut() -> None:
    lines = said("--help").splitlines()
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads == ["Options:", "Run:", "Inspect:", "Compare:", "Maintain:"]
    for name, command in bench.commands.items():
        shown = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(shown) == (0 if command.hidden else 1), name
        assert command.hidden or shown[0].endswith("."), f"more than a line: {shown[0]}"
    assert "..." not in "\n".join(lines).replace("[ARGS]...", "")


def test_only_what_executors_call_is_hidden() -> None:
    assert [name for name, command in bench.commands.items() if command.hidden] == ["run-one"]
    assert "run-one" not in said("-h")


@pytest.mark.parametrize("path", [(), *every(bench)], ids=" ".join)
def test_every_command_explains_itself_on_80_columns(path: tuple[str, ...]) -> None:
    text = said(*path, "-h")
    assert text == said(*path, "--help")
    assert max(map(len, text.splitlines())) <= 80
    command: click.Command = bench
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_a_command_that_was_called_by_itself_keeps_its_help() -> None:
    """click keeps the option that it made first."""
    ls = bench.commands["ls"]
    assert CliRunner().invoke(ls, ["-h"]).exit_code == 0
    assert said("ls", "-h") == said("ls", "--help")


def test_a_command_of_no_section_is_shown_too() -> None:
    group = Sections("tool")
    group.add_section("Run", click.Command("go", help="Go."))
    group.add_command(click.Command("rest", help="Rest."))
    text = CliRunner().invoke(group, ["--help"]).output
    assert text.index("Run:\n  go    Go.") < text.index("Commands:\n  rest  Rest.")
